"""From the user's problem to the one that is solved: symmetry divided out, half-lines mapped to [-1, 1].

An even target on a symmetric domain has an even best approximant, by uniqueness, and in ``y = x**2`` its type is
half as large; an odd one is ``x R(x**2)``; ``c + odd`` (the sigmoid) is ``c + x R(x**2)`` and ``c x + even`` (ReLU,
GELU, SiLU, softplus) is ``c x + R(x**2)``. Left in place, symmetry breaks an exchange, because the error has more
alternations than the type accounts for.

A half-line is mapped by the Möbius map ``y = lower + s (1 + t) / (1 - t)``, under which a rational of type (n, n)
stays one; of type (p, q) with p < q it gains the known factor ``(1 - t)**(q - p)``. Of two half-lines the lower one
lies at t > 1, beyond infinity. Together: the weighted problem

    minimise  max abs(S(t) - W(t) P(t) / Q(t)),     S = +-weight * (f - offset),   W = +-weight * factor >= 0.

Conditions ``r(a) = f(a)``, which a relative error needs at every zero of f, take the same form:
``r = offset + factor R`` with the factor ``prod (x - a)``, whose sign is taken into S and W piece by piece, so that
the peaks alternate again.

A denominator with other signs on other intervals of a domain with one infinite end or none keeps them in t.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.domain import End, finite
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.problem.change import HUGE, Change
from rational_approx.problem.conditions import Conditions, interpolant
from rational_approx.problem.limits import centre_of_variation, check_bounded, check_line
from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["NoGap", "Reduced", "ReducedPiece", "reduced"]

TINY = 2.0**-500
NUDGE = 1e-9
"""How far from a root of the factor floats are evaluated where the weight is infinite in it; see ``ReducedPiece``."""


class NoGap(ValueError):
    """The whole line, and no symmetry that makes half of it enough."""


@dataclass(frozen=True)
class ReducedPiece:
    """A smooth piece in the variable t, with exact ends, and the sign of the factor on it.

    Where the weight is infinite at a root of the factor (a relative error at a zero of the target), ``S`` and ``W``
    have finite limits there, and are taken a little inside of the piece. Where the piece ``meets`` the one before it,
    its own limit belongs to the next float, so that every float lies on one piece only. ``q_sign`` is the sign that Q
    has on it.
    """

    lower: Fraction
    upper: Fraction
    source: Piece
    change: Change
    sign: int = 1
    meets: bool = False
    q_sign: int = 1

    @cached_property
    def low(self) -> float:
        """The first float of the piece."""
        low = float(self.lower)
        if not self.meets:
            return low
        return float(np.nextafter(low, np.inf)) if low else TINY

    @cached_property
    def high(self) -> float:
        """Its last float."""
        return float(self.upper)

    def floats(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``S`` and ``W`` at an array of points."""
        low, high = float(self.source.lower), float(self.source.upper)
        x = np.clip(np.clip(self.change.x(t), low, high), -HUGE, HUGE)
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = self.source.weight(x)
        if not np.isfinite(weight).all():
            inwards = NUDGE * min(1.0, high - low) * np.where(x - low < high - x, 1.0, -1.0)
            x = np.where(np.isfinite(weight), x, x + inwards)
            weight = self.source.weight(x)
        f = self.source.function(x)
        if self.change.offset:
            f = f - self.change.offset_at(x, float)
        if self.change.roots:
            factor = weight * self.change.factor_at(x, float) * self.sign
        else:
            factor = weight * (1 - t) ** self.change.drop * self.sign if self.change.drop else weight
        return (weight * f * self.sign if self.sign < 0 else weight * f), factor

    def jets(self, t: flint.arb, order: int) -> tuple[flint.arb_series, flint.arb_series]:
        """Taylor coefficients in t of ``S`` and ``W``."""
        variable = flint.arb_series([t, 1], prec=order) if order > 1 else flint.arb_series([t], prec=1)
        x = self.change.x_jet(variable)
        if t == 1 and self.source.lower == -inf and self.change.moebius and not self.change.mirrored:
            x = -x
        f, weight = self.source.jets(x[0], order)
        if not f[0].is_finite() and self.change.moebius and t == 1:  # exp of 2**2000 is not a ball, exp of 2**62 is
            x = x / abs(x[0]) * flint.arb(2) ** 62
            f, weight = self.source.jets(x[0], order)
        at_root = self._at_root(x[0], weight[0]) if order == 1 else None
        if at_root is not None:
            # The limit at the root, from a point as near to it as the precision asked for, with as many digits more.
            root, inwards = at_root
            with working_bits(2 * flint.ctx.prec):
                x = flint.arb_series([to_arb(root) + inwards * flint.arb(2) ** -(flint.ctx.prec // 2)], prec=1)
                f, weight = self.source.jets(x[0], order)
                f = f - self.change.offset_at(x, to_arb)
                return weight * f * self.sign, weight * self.change.factor_at(x, to_arb) * self.sign
        if order > 1:  # f(x(t)) from the Taylor series of f around x(t0)
            shift = x - x[0]
            f, weight = _composed(f, shift), _composed(weight, shift)
        if self.change.offset:
            f = f - self.change.offset_at(x, to_arb)
        if self.change.roots:
            return weight * f * self.sign, weight * self.change.factor_at(x, to_arb) * self.sign
        factor = weight
        for _ in range(self.change.drop):
            factor = factor * (1 - variable)
        return weight * f * self.sign, factor * self.sign

    def _at_root(self, x: flint.arb, weight: flint.arb) -> tuple[Fraction, int] | None:
        # The end at which the weight is infinite in a root of the factor, and the way inwards, where x is that end up
        # to rounding: a root such as 3/10 is no number of any precision.
        small = flint.arb(2) ** (8 - flint.ctx.prec)
        for end, inwards in ((self.source.lower, 1), (self.source.upper, -1)):
            if isinstance(end, Fraction) and end in self.change.roots:
                root = to_arb(end)
                if not abs(x - root) > small * (1 + abs(root)):
                    there = weight if x == root else self.source.jets(root, 1)[1][0]
                    return None if there.is_finite() else (end, inwards)
        return None


def _composed(outer: flint.arb_series, shift: flint.arb_series) -> flint.arb_series:
    coefficients = [outer[k] for k in range(outer.prec)]
    total = shift * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * shift + c
    return total


@dataclass(frozen=True)
class Reduced:
    """The problem in t: its pieces and type, the change of variable, and for samples the only points that count."""

    pieces: tuple[ReducedPiece, ...]
    degree: tuple[int, int]
    change: Change
    points: np.ndarray | None = None

    @property
    def precise(self) -> bool:
        """Whether the target gives values to any number of digits."""
        return all(piece.source.precise for piece in self.pieces)

    @property
    def changes(self) -> int:
        """How often Q changes its sign between the pieces."""
        return sum(before.q_sign != piece.q_sign for before, piece in pairwise(self.pieces))

    def signs_at(self, t: np.ndarray) -> np.ndarray:
        """The sign that Q has at points on any pieces."""
        signs = np.ones_like(t)
        for piece in self.pieces:
            signs[(t >= piece.low) & (t <= piece.high)] = piece.q_sign
        return signs

    def snapped(self, t: np.ndarray) -> np.ndarray:
        """For samples: different samples next to the given points. Otherwise the points themselves."""
        if self.points is None:
            return t
        at = np.clip(np.searchsorted(self.points, t), 0, self.points.size - 1)
        count = np.arange(t.size)
        at = np.maximum.accumulate(at - count) + count  # strictly increasing, from the left
        most = self.points.size - 1 - (t.size - 1 - count)
        return self.points[np.minimum(at, most)]

    def points_in_x(self, reference: Iterable[Fraction]) -> list[End]:
        """Points in the user's variable, increasing, infinity included: the exact ends of pieces, and else floats that
        lie on their piece."""
        points: list[End] = []
        for t in reference:
            # Rounding may have moved a point off the end of its piece, into a gap: the nearest piece is its own.
            piece = min(self.pieces, key=lambda piece: max(piece.lower - t, t - piece.upper))
            ends = piece.source.lower, piece.source.upper
            exact = [end for end in ends if abs(self.change.t_of(end) - t) < Fraction(1, 2**100)]
            points.append(exact[0] if exact else min(max(self.change.x_of(t), ends[0]), ends[1]))
        points.sort()
        return self.change.mirrored_points(points) if self.change.symmetric else points


def reduced(
    target: Target,
    degree: tuple[int, int],
    conditions: Conditions = (),
    symmetries: tuple[str, ...] = ("even", "odd", "constant", "linear"),
    signs: tuple[int, ...] = (),
) -> Reduced:
    """The reduced problem of a target and a type, with given values at some points (None for that of f).

    Of the symmetries of the target only those named are divided out: bounds on r may not have the others. ``signs`` are
    those of Q on the intervals of the domain; with other signs than one, no symmetry may be named.

    Raises
    ------
    ValueError
        where the numerator has too few degrees for the conditions.
    NoGap
        where the domain is the whole line, and there is no symmetry.
    """
    if isinstance(target.domain.lower, float) and isinstance(target.domain.upper, float):
        check_line(target)
    core = _core(target, degree, conditions, symmetries)
    change, p = _mapped(target, degree, core)
    points = None
    if target.samples is not None:
        points = (target.samples[0] - float(change.origin)) / float(change.scale)
    return Reduced(_in_order(target, core.pieces, change, signs), (p, core.q), change, points)


class _Core(NamedTuple):
    """What is left once conditions and a symmetry are divided out: ``r = offset + (factors at roots) P/Q``."""

    kind: str
    offset: tuple[Fraction, ...]
    roots: tuple[Fraction, ...]
    p: int
    q: int
    pieces: list[Piece]


def _core(target: Target, degree: tuple[int, int], conditions: Conditions, symmetries: tuple[str, ...]) -> _Core:
    p, q = degree
    roots = tuple(sorted({*dict(conditions), *target.relative_zeros}))
    kind, part = symmetry_of(target, degree) if target.samples is None else ("none", Fraction(0))
    if kind not in symmetries:
        kind = "none"
    if kind in ("odd", "constant") and p == 0:  # the best approximant is odd, so it is also the best constant
        kind, q = "none", 0
    given = {a: value for a, value in conditions if value is not None}
    if roots and (given or kind not in ("odd", "constant") or roots != (Fraction(0),)):
        kind = "none"
    pieces = list(target.pieces)
    offset: tuple[Fraction, ...] = ()
    if kind in ("odd", "constant"):
        offset, roots, p, q = ((part,) if part else ()), (Fraction(0),), (p - 1) // 2, q // 2
    elif kind != "none":
        offset, p, q = ((Fraction(0), part) if part else ()), p // 2, q // 2
    elif roots:
        offset = interpolant(target, roots, given)
        needed = max(len(roots), q + len(offset) - 1 if offset else 0)
        if p < needed:
            raise ValueError(
                f"type {degree} cannot meet {len(roots)} conditions r(a) = value: the numerator needs degree {needed}"
            )
        p -= len(roots)
        pieces = [part for piece in pieces for part in _split(piece, roots)]
    if kind != "none":
        pieces = [replace(piece, lower=max(piece.lower, Fraction(0))) for piece in pieces if piece.upper > 0]
    return _Core(kind, offset, roots, p, q, pieces)


def _mapped(target: Target, degree: tuple[int, int], core: _Core) -> tuple[Change, int]:
    # The change of variable to a bounded interval, and the degree of the numerator that is of use there.
    kind, offset, roots, p, q, pieces = core
    lower, upper = pieces[0].lower, pieces[-1].upper
    gap = None
    if isinstance(lower, float) and isinstance(upper, float):
        between = ((finite(a.upper), finite(b.lower)) for a, b in pairwise(pieces))
        gap = max(between, key=lambda ends: ends[1] - ends[0], default=(Fraction(0), Fraction(0)))
        if gap[0] == gap[1]:
            raise NoGap("the whole line, and a target that is neither even nor odd, up to a constant")
    if isinstance(lower, float) or isinstance(upper, float):
        mirrored = isinstance(lower, float) and isinstance(upper, Fraction)
        check_bounded(pieces[0] if mirrored else pieces[-1], mirrored)
        origin = -finite(upper) if mirrored else finite(lower) if gap is None else gap[1]
        p = min(p, q - len(roots))  # a bounded target: a larger numerator cannot help
        if p < 0:
            raise ValueError(f"type {degree} has only constants that are bounded there: choose a larger denominator")
        scale = centre_of_variation(target, origin, mirrored) if gap is None else (gap[1] - gap[0]) / 2
        if kind != "none":
            origin, scale = origin * origin, scale * scale
        return Change(origin, scale, True, mirrored, kind != "none", offset, roots, q - p), p
    if kind != "none":
        return Change(Fraction(0), upper * upper, symmetric=True, offset=offset, roots=roots), p
    inner = target.breakpoints
    origin = inner[0] if len(inner) == 1 else (lower + upper) / 2
    return Change(origin, max(upper - origin, origin - lower), offset=offset, roots=roots), p


def _in_order(target: Target, pieces: list[Piece], change: Change, signs: tuple[int, ...]) -> tuple[ReducedPiece, ...]:
    # The pieces in the new variable, in its order; which of them meet; and the signs of Q on them.
    made = (
        ReducedPiece(*_ordered(change.t_of(s.lower), change.t_of(s.upper)), s, change, change.sign_on(s.lower, s.upper))
        for s in pieces
    )
    ordered = sorted(made, key=lambda piece: piece.lower)
    for k, (before, piece) in enumerate(pairwise(ordered), start=1):
        ordered[k] = replace(piece, meets=before.upper == piece.lower)
    return tuple(replace(piece, q_sign=_q_sign(piece, target, signs)) for piece in ordered) if signs else tuple(ordered)


def _q_sign(piece: ReducedPiece, target: Target, signs: tuple[int, ...]) -> int:
    inside = [a <= piece.source.lower and piece.source.upper <= b for a, b in target.domain.intervals]
    return signs[inside.index(True)]


def _split(piece: Piece, roots: tuple[Fraction, ...]) -> list[Piece]:
    ends = [piece.lower, *(root for root in roots if piece.lower < root < piece.upper), piece.upper]
    return [replace(piece, lower=a, upper=b) for a, b in pairwise(ends)]


def _ordered(a: Fraction, b: Fraction) -> tuple[Fraction, Fraction]:
    return (a, b) if a < b else (b, a)
