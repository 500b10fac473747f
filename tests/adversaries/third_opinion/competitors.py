"""Better rationals of a type: by interpolation, and by linear programs on a grid (differential correction)."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import mpmath
import numpy as np
from scipy.optimize import linprog

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.error import Peak, Ratio, error_at, made, points
from tests.adversaries.third_opinion.floats import floats
from tests.adversaries.third_opinion.meaning import Meaning
from tests.adversaries.third_opinion.values import Unsure, mpf, value

__all__ = ["alternation", "better", "better_samples", "interpolated"]


def better(meant: Meaning, domain: Any, kind: tuple[int, int], competitors: str = "one sign") -> list[Ratio]:
    """Rationals of nearly the smallest error on a grid, one for each pattern of signs of the class."""
    with np.errstate(all="ignore"):
        table = []
        for region in meant.regions:
            x = points(region, max(8, 60 // len(meant.regions)))
            f, w = floats(region.target, x), np.abs(floats(region.weight, x))
            keep = np.isfinite(f) & np.isfinite(w) & (np.abs(x) < 1e6)
            table.append((x[keep], f[keep], w[keep]))
    x, f, w = (np.concatenate(column) for column in zip(*table))
    if not len(x):
        return []
    patterns: Any = [[1] * len(domain)]
    if competitors == "any sign":
        patterns = [[1, *rest] for rest in product((1, -1), repeat=len(domain) - 1)]
    out = []
    for pattern in patterns:
        sign = np.ones(len(x))
        for (low, high), s in zip(domain, pattern):
            sign[(x >= float(low)) & (x <= float(high))] = s
        found = _corrected(x, f, w, sign, kind)
        if found is not None:
            out.append(found)
    return out


def better_samples(samples: Any, kind: tuple[int, int]) -> list[Ratio]:
    """A rational of nearly the smallest error at samples, and a polynomial through them where the degree allows it."""
    table = dict.fromkeys((x, y) for x, y, w in samples if w)
    out = []
    if len(table) == len({x for x, _ in table}) <= kind[0] + 1:
        total = (Fraction(0),)
        for x, y in table:
            part = (y,)
            for z, _ in table:
                if z != x:
                    part = polynomials.times(part, (-z / (x - z), 1 / (x - z)))
            total = polynomials.plus(total, part)
        out.append(Ratio(total, (Fraction(1),)))
    x, y, w = (np.array([float(sample[k]) for sample in samples]) for k in range(3))
    if x.min() < x.max():
        found = _corrected(x, y, w, np.ones(len(x)), kind)
        out += [found] if found is not None else []
    return out


def _corrected(x: Any, f: Any, w: Any, sign: Any, kind: tuple[int, int]) -> Ratio | None:
    p, q = kind
    low, high = float(x.min()), float(x.max())
    t = (2 * x - low - high) / (high - low)
    top, bottom = np.polynomial.chebyshev.chebvander(t, p), np.polynomial.chebyshev.chebvander(t, q)
    best, least, most = None, 0.0, float(np.max(w * np.abs(f - np.median(f)))) * 1.01
    for _ in range(11):
        level = (least * most) ** 0.5 if least else most / 2
        # w (f Q - P) <= level Q and the same with the other sign; Q times its sign at least a number to be maximised.
        rows = [
            np.hstack([-w[:, None] * top, (w * f - level * sign)[:, None] * bottom, np.zeros((len(x), 1))]),
            np.hstack([w[:, None] * top, (-w * f - level * sign)[:, None] * bottom, np.zeros((len(x), 1))]),
            np.hstack([0 * top, -sign[:, None] * bottom, np.ones((len(x), 1))]),
        ]
        cost = np.zeros(p + q + 3)
        cost[-1] = -1
        answer = linprog(
            cost,
            A_ub=np.vstack(rows),
            b_ub=np.zeros(3 * len(x)),
            bounds=[(None, None)] * (p + 1) + [(-1, 1)] * (q + 1) + [(None, 1)],
            method="highs",
        )
        if answer.status == 0 and answer.x[-1] > 1e-9:
            most, best = level, answer.x
        else:
            least = level
        if least and most / least < 1.0005:
            break
    if best is None:
        return None
    sides = (best[: p + 1], best[p + 1 : p + q + 2])
    ends = Fraction(low), Fraction(high)
    return Ratio(*(polynomials.from_chebyshev([Fraction(float(c)) for c in side], *ends) for side in sides))


def interpolated(meant: Meaning, kind: tuple[int, int], nodes: list[Fraction]) -> Ratio | None:
    """The rational of a type that agrees with the target at ``p + q + 1`` points, its coefficients rounded."""
    p, q = kind
    try:
        with mpmath.workdps(40):
            rows, right = [], []
            for x in nodes:
                region = next(g for g in meant.regions if g.holds(x))
                f, at = mpf(value(region.target, x)), mpf(x)
                rows.append([at**k for k in range(p + 1)] + [-f * at**k for k in range(1, q + 1)])
                right.append(f)
            found = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(right))
            sides = [found[k] for k in range(p + 1)], [mpmath.mpf(1), *(found[p + k] for k in range(1, q + 1))]
            return Ratio(*(polynomials.trimmed([_rounded(c) for c in side]) for side in sides))
    except (Unsure, StopIteration, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None


def _rounded(c: Any, bits: int = 60) -> Fraction:
    if not c:
        return Fraction(0)
    shift = bits - int(mpmath.floor(mpmath.log(abs(c), 2)))
    return Fraction(int(mpmath.nint(c * mpmath.mpf(2) ** shift))) / Fraction(2) ** shift


def alternation(meant: Meaning, r: Ratio, count: int, turned: Callable[[Any], int] = lambda region: 1) -> list[Peak]:
    """Points at which the error alternates, one for each run of a sign, the largest of it; the best ``count``.

    On some regions the sign may be taken the other way round.
    """
    runs: list[Peak] = []
    for region in sorted(meant.regions, key=lambda g: g.low):
        with np.errstate(all="ignore"):
            x = points(region, 40)
            e = np.abs(floats(region.weight, x)) * (floats(region.target, x) - r.floats(x))
        chosen: dict[tuple[int, int], int] = {}
        run, last = 0, 0
        for k in range(len(x)):
            if not np.isfinite(e[k]) or e[k] == 0:
                continue
            sign = 1 if e[k] > 0 else -1
            run, last = run + (sign != last), sign
            if (run, sign) not in chosen or abs(e[k]) > abs(e[chosen[run, sign]]):
                chosen[run, sign] = k
        for (_, sign), k in chosen.items():
            point = Fraction(float(x[k]))
            for end in (region.low, region.high):
                if float(end) == float(x[k]):
                    point = Fraction(end)
            try:
                found = error_at(region, r, point)
            except Unsure:
                continue
            if (found > 0) != (sign > 0) or not found:
                continue
            peak = made(found, point, region)
            if runs and runs[-1].sign * turned(runs[-1].region) == sign * turned(region):
                runs[-1] = max(runs[-1], peak, key=lambda one: one.size)
            else:
                runs.append(peak)
    while len(runs) > count:  # the smaller end, until there are so many
        runs = runs[1:] if runs[0].size < runs[-1].size else runs[:-1]
    return runs
