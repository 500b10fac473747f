"""The best rational on finitely many points, or the infimum where none is best, with a proof for either.

Wanted is the smallest ``max u_i abs(f_i - P/Q)`` at points ``t_1 < ... < t_N`` among the P/Q of type (p, q) whose Q is
positive *at the points*. Between points Q may do what it likes, so that P/Q may have poles there.

**Lower bounds.** Let r = P_0/Q_0 be of type (p - d, q - d), with any signs of Q_0, none of them zero at the points of a
reference. If the numbers ``sign(e_i Q_0(t_i))`` alternate on ``p + q + 2 - d`` points (``e = u (f - r)``), no P/Q has
an error below the smallest ``abs(e_i)`` of these: otherwise ``P Q_0 - P_0 Q`` has that many signs in turn, and the
degree ``p + q - d`` (de la Vallée-Poussin; docs/approximation/semantics.md).

**Upper bounds.** Let F be a polynomial of degree at most d with ``F Q_0 > 0`` at all points but the set Z of its zeros
there, and e small outside Z. Then ``(F P_0 + eps P_1) / (F Q_0 + eps)``, where P_1 takes the values f at Z, has errors
zero on Z and, as eps falls to 0, elsewhere those of r. So with h the largest ``abs(e_i)`` outside of Z, the infimum is
at most h. Where F is constant, r itself has the error h.

**There the two meet.** That no P/Q has an error of less than h is a linear condition for given h. It has a proof by
multipliers (Farkas), which say of a point that the error there is too large, too small, or, where both multipliers are
positive, that P and Q vanish there together. These last points are Z, one degree of d each. The others are points of
level error: r of type (p - d, q - d) is levelled on them, and they alternate together with Z, where e is larger than h.

- Z is empty and F = 1: r is the best approximant, and the only one. (Where d > 0, it is degenerate.)
- Z is not empty: *the infimum is not attained*. Of noisy samples this is common: an outlier costs one degree of P and
  of Q, which is less than it costs in error. What is returned has eps > 0 so small that its error is within 1e-12 of h;
  it has a zero and a pole next to each point of Z. The same holds where F has zeros in gaps alone. (Of the zero
  function d = q may exceed p; then a Q_1 takes the place of 1, so that P_1/Q_1 takes the values f at Z.)

The multipliers come from linear programmes (:mod:`exchange.discrete_correction`), r is levelled in multiprecision
arithmetic (:mod:`exchange.discrete_levels`), and both bounds are computed in fractions. So it does not matter how a
reference was guessed.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import finite
from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.arithmetic.precision import working_bits
from rational_approx.exchange.discrete_correction import Corrected, Table, corrected
from rational_approx.exchange.discrete_levels import Guess, Quotient, dyadic, guesses, levelled
from rational_approx.proof.certificate import Point
from rational_approx.proof.lower_bound import least_error

__all__ = ["Discrete", "best_on_points"]

FEW = 300
"""So many points are all put into the programmes; of more, a part that grows."""
MOST = 40
"""So many points at most join the programmes at once."""
PATIENCE = 12
"""After so many guesses that were not proved, degenerate approximants are looked at."""
OUTLIERS = 3
"""So many points are tried as the one that stands out: the neighbours of an outlier seem to stand out as well."""
NEAR = flint.fmpq(1, 10**12)
"""A proved gap between the bounds that is taken for none, as a share of the error; and how much the error of an answer
may exceed an infimum that is not attained."""
ROUNDING = flint.fmpq(1, 2**52)
"""What rounding may have done to samples, as a share of the largest."""
NONE = flint.fmpq(0)
ZERO, ONE = flint.fmpq_poly([0]), flint.fmpq_poly([1])


@dataclass(frozen=True)
class Discrete:
    """P and Q in powers of t; a proved lower bound for all others, and the points that prove it.

    Where the infimum is not attained, ``limit`` is r with its error outside of Z, and ``vanishing`` is Z.
    """

    p: flint.fmpq_poly
    q: flint.fmpq_poly
    lower: Fraction
    reference: tuple[Fraction, ...]
    limit: tuple[flint.fmpq_poly, flint.fmpq_poly, Fraction] | None = None
    vanishing: tuple[Fraction, ...] = ()


@dataclass(frozen=True)
class _Level:
    """A proved r = P_0/Q_0: its largest error h outside of Z, the lower bound with its points, Z, F, and P_1/Q_1."""

    p: flint.fmpq_poly
    q: flint.fmpq_poly
    h: flint.fmpq
    lower: Fraction
    reference: tuple[Fraction, ...]
    dropped: tuple[flint.fmpq, ...]
    factor: flint.fmpq_poly
    beside: Quotient


def best_on_points(table: Table, degree: tuple[int, int], digits: int) -> Discrete | None:
    """The best rational of a type on the points, or one whose error is near the infimum; None where neither is proved.

    There must be at least ``p + q + 2`` points of positive weight. The values and the weights should be of size 1.
    """
    closest = min((b - a for a, b in pairwise(table.t)), default=flint.fmpq(1))
    spread = max(1, int(1 / exact(closest)).bit_length())
    chosen = _first(table, degree)
    with working_bits(int(3.33 * digits) + 192 + (sum(degree) + 2) * (8 + 2 * spread)):
        while True:
            level = _best(table.at(chosen), degree)
            if level is None:
                return None
            outside = _outside(level, table)
            if not outside:
                return _answer(level, table)
            chosen = sorted({*chosen, *outside})


def _first(table: Table, degree: tuple[int, int]) -> list[int]:
    """The points with which the programmes start: all, or some that are denser towards the ends."""
    size = len(table.t)
    if size <= FEW:
        return list(range(size))
    count = 40 + 12 * sum(degree)
    share = (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2
    silent = [k for k, weight in enumerate(table.u) if weight == 0]
    return sorted({*silent, *np.round(share * (size - 1)).astype(int).tolist()})


def _outside(level: _Level, table: Table) -> set[int]:
    """Points outside of Z at which the error is larger than h, the peaks of them, or F Q_0 is not positive."""
    found: dict[tuple[int, int], tuple[flint.fmpq, int]] = {}
    run, before, allowed = 0, 0, _allowed(level, table)
    for k, (t, f, u) in enumerate(zip(*table, strict=True)):
        side, q = level.factor(t), level.q(t)
        if t in level.dropped:
            continue
        if not side * q > 0:
            kind, size = 2, -abs(side)
        else:
            e = u * (f - level.p(t) / q)
            kind, size = (1 if e > 0 else -1) if abs(e) > allowed else 0, abs(e)
        run += kind != before
        before = kind
        if kind and ((run, kind) not in found or size > found[run, kind][0]):
            found[run, kind] = size, k
    worst = sorted(found.values(), key=lambda entry: entry[0] if entry[0] > 0 else level.h - entry[0], reverse=True)
    return {k for _, k in worst[:MOST]}


def _best(table: Table, degree: tuple[int, int]) -> _Level | None:
    """The proved level on few points."""
    found = _without_error(table, degree)
    if found is not None:
        return found
    tried: list[tuple[str, Guess]] = []  # a guess is worth another trial from a start that is better by a digit
    patience, state = PATIENCE, None
    for state in corrected(table, degree):
        watch.report("programmes on samples", degree)
        for guess in guesses(table, degree, state):
            attempt = f"{float(state.error):.5e}", guess
            if attempt in tried:
                continue
            tried.append(attempt)
            watch.check()
            quotient = levelled(table, degree, state, guess)
            found = None if quotient is None else _proved(table, degree, quotient)
            if found is not None:
                return _simplest(found, table, degree)
        patience -= 1
        if patience == 0 and (found := _unlevelled(table, degree, state)) is not None:
            return found
    return _unlevelled(table, degree, state) if patience > 0 else None


def _unlevelled(table: Table, degree: tuple[int, int], state: Corrected | None) -> _Level | None:
    """What is found where no guess was proved: a degenerate approximant, or what is as good as rounding lets it be."""
    found = _degenerate(table, degree)
    if found is None and state is not None and state.error <= _rounding(table):
        found = _proved(table, degree, (dyadic(state.p), dyadic(state.q)), _rounding(table))
    return found


def _without_error(table: Table, degree: tuple[int, int]) -> _Level | None:
    """Samples of a rational of the type: P = f Q has a solution at all points."""
    p, q = degree
    known = [k for k, u in enumerate(table.u) if u > 0]
    rows = []
    for k in known[: p + q + 1]:
        powers = [table.t[k] ** j for j in range(max(p, q) + 1)]
        rows.append([-x for x in powers[: p + 1]] + [table.f[k] * x for x in powers[: q + 1]])
    reduced, rank = flint.fmpq_mat(rows).rref()
    leading = [next(j for j in range(p + q + 2) if reduced[i, j] != 0) for i in range(rank)]
    free = next(j for j in range(p + q + 2) if j not in leading)
    c = [flint.fmpq(0)] * (p + q + 2)
    c[free] = flint.fmpq(1)
    for i, j in enumerate(leading):
        c[j] = -reduced[i, free]
    top, bottom = flint.fmpq_poly(c[: p + 1]), flint.fmpq_poly(c[p + 1 :])
    if any(top(table.t[k]) != table.f[k] * bottom(table.t[k]) for k in known) or bottom == 0:
        return None
    common = top.gcd(bottom)
    return _proved(table, degree, (top // common, bottom // common))


def _degenerate(table: Table, degree: tuple[int, int]) -> _Level | None:
    """The best of a smaller type, where its error alternates often enough for this one, but for the rounding of the
    samples (which spoils the symmetry that makes a best approximant degenerate); and the zero function."""
    slack = _rounding(table)
    found = _proved(table, degree, (ZERO, ONE), slack)
    if found is not None or min(degree) == 0:
        return found
    smaller = _best(table, (degree[0] - 1, degree[1] - 1))
    if smaller is not None:
        found = _proved(table, degree, (smaller.p, smaller.q), slack)
    return found or _beside_outlier(table, degree)


def _beside_outlier(table: Table, degree: tuple[int, int]) -> _Level | None:
    """The best of a smaller type on all points but one that stands out, where it is the infimum on all of them. Its Q
    changes its sign there, as F does: together they have none. The programmes find it, too, unless the outlier is so
    large that they do not see the errors of the others beside it."""
    smaller = degree[0] - 1, degree[1] - 1
    for k in _standing_out(table):
        rest = table.at([i for i in range(len(table.t)) if i != k])
        unit = max(abs(f * u) for f, u in zip(rest.f, rest.u, strict=True))
        between = k > 0 and k + 1 < len(table.t)
        if unit == 0 or (between and smaller[1] == 0):
            continue
        rest = rest._replace(f=[f / unit for f in rest.f])
        first = flint.fmpq_poly([-table.t[k], 1]) if between else ONE
        for state in islice(corrected(rest, smaller, first), PATIENCE):
            for guess in guesses(rest, smaller, state):
                found = levelled(rest, smaller, state, guess)
                made = None if found is None else (found[0] * unit, found[1])
                proved = None if made is None else _proved(table, degree, made, _rounding(table))
                if proved is not None:
                    return proved
    return None


def _standing_out(table: Table) -> list[int]:
    """The points that lie farthest from the line through their neighbours, the farthest first."""
    t, f, u = table
    away = {
        k: u[k] * abs(f[k] - f[k - 1] - (f[k + 1] - f[k - 1]) * (t[k] - t[k - 1]) / (t[k + 1] - t[k - 1]))
        for k in range(1, len(t) - 1)
    }
    return sorted(away, key=lambda k: away[k], reverse=True)[:OUTLIERS]


def _allowed(level: _Level, table: Table) -> flint.fmpq:
    return max(level.h * (1 + NEAR), _rounding(table))


def _rounding(table: Table) -> flint.fmpq:
    return ROUNDING * max(abs(f * u) for _, f, u in zip(*table, strict=True))


def _simplest(level: _Level, table: Table, degree: tuple[int, int]) -> _Level:
    """Where the error is no larger than rounding may have made it, the smallest type of which that is true: samples of
    x**2 in type (3, 3) are those of a polynomial, and its rounding errors are not worth a pole."""
    p, q = degree
    noise = _rounding(table)
    if level.h == 0 or level.h > noise:
        return level
    for smaller in ((p - 1, q - 1), (p - 1, q), (p, q - 1)):
        found = _best(table, smaller) if min(smaller) >= 0 else None
        if found is not None and found.h <= noise:
            return found
    return level


# -- bounds ------------------------------------------------------------------------------------------------------------


def _proved(table: Table, degree: tuple[int, int], quotient: Quotient, slack: flint.fmpq = NONE) -> _Level | None:
    """Both bounds that r gives, if they meet, or are no further apart than the slack."""
    p, q = quotient if quotient[0] != 0 else (ZERO, ONE)
    if q == 0:
        return None
    defect = min(degree[0] - p.degree(), degree[1] - q.degree()) if p != 0 else degree[1]
    entries: list[tuple[Point, int, Fraction]] = []
    sizes: list[flint.fmpq | None] = []
    for t, f, u in zip(*table, strict=True):
        below = q(t)
        if below == 0:
            sizes.append(None)
            continue
        e = u * (f - p(t) / below)
        sizes.append(abs(e))
        if e != 0:
            side = (1 if e > 0 else -1) * (1 if below > 0 else -1)
            entries.append((Point(0, exact(t)), side, exact(abs(e))))
    lower, points, _ = least_error(entries, degree, (p, q))
    most = fmpq(lower) * (1 + NEAR) + slack
    dropped = [k for k, size in enumerate(sizes) if size is None or size > most]
    if len(dropped) > defect or len(dropped) == len(sizes):
        return None
    beside = _through([(table.t[k], table.f[k]) for k in dropped], degree[0])
    factor = _factor(table.t, [None if k in dropped else q(t) for k, t in enumerate(table.t)], defect)
    if factor is None or beside is None:
        return None
    h = max(size for k, size in enumerate(sizes) if size is not None and k not in dropped)
    reference = tuple(finite(point.x) for point in points)
    return _Level(p, q, h, lower, reference, tuple(table.t[k] for k in dropped), factor, beside)


def _factor(t: list[flint.fmpq], values: list[flint.fmpq | None], most: int) -> flint.fmpq_poly | None:
    """F of degree at most ``most`` with zeros where a value is None, and elsewhere the signs of the values; its other
    zeros are in gaps."""
    factor = flint.fmpq_poly([1])
    for x, value in zip(t, values, strict=True):
        if value is None:
            factor *= flint.fmpq_poly([-x, 1])
    left = [k for k, value in enumerate(values) if value is not None]
    sides = [factor(t[k]) * values[k] > 0 for k in left]
    for k, (a, b) in enumerate(pairwise(sides)):
        if a != b:
            following = t[left[k] + 1]  # a point of Z in between may be a double zero: then there is no pole in a gap
            zero = following if left[k + 1] > left[k] + 1 else (t[left[k]] + following) / 2
            factor *= flint.fmpq_poly([-zero, 1])
    if factor.degree() > most:
        return None
    return factor if factor(t[left[0]]) * values[left[0]] > 0 else -factor


def _through(points: list[tuple[flint.fmpq, flint.fmpq]], degree: int) -> Quotient | None:
    """P_1/Q_1 with given values at points, where Q_1 is positive, and P_1 of at most the degree; None without one."""
    if len(points) <= degree + 1:
        return _interpolated(points), ONE
    # The zero function has more outliers than P has coefficients: a P_1 of the right signs, and Q_1 through P_1 / f.
    if any(f == 0 for _, f in points):
        return None
    top = ONE if points[0][1] > 0 else -ONE
    for (a, before), (b, after) in pairwise(points):
        if (before > 0) != (after > 0):
            top *= flint.fmpq_poly([(a + b) / 2, -1])
    return (top, _interpolated([(t, top(t) / f) for t, f in points])) if top.degree() <= degree else None


def _interpolated(points: list[tuple[flint.fmpq, flint.fmpq]]) -> flint.fmpq_poly:
    """The polynomial through points."""
    total = ZERO
    for t, value in points:
        term = flint.fmpq_poly([value])
        for other, _ in points:
            if other != t:
                term *= flint.fmpq_poly([-other, 1]) * (1 / (t - other))
        total += term
    return total


def _answer(level: _Level, table: Table) -> Discrete:
    """r, or where F is not constant, what is so near to it that its error is within :data:`NEAR` of h."""
    vanishing, limit = tuple(exact(t) for t in level.dropped), (level.p, level.q, exact(level.h))
    if level.factor.degree() == 0:
        side = level.factor[0]
        return Discrete(level.p * side, level.q * side, level.lower, level.reference)
    allowed = _allowed(level, table)
    eps = flint.fmpq(1, 2**20)
    while True:
        p, q = (level.factor * side + eps * other for side, other in zip((level.p, level.q), level.beside, strict=True))
        if all(q(t) > 0 and u * abs(f - p(t) / q(t)) <= allowed for t, f, u in zip(*table, strict=True)):
            return Discrete(p, q, level.lower, level.reference, limit, vanishing)
        eps /= 2**10
