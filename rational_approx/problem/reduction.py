"""From the user's problem to the one that is solved: symmetry divided out, half-lines mapped to [-1, 1].

A symmetry of the target gives the ansatz of its best approximant (:mod:`problem.ansatz`). Left in place, symmetry
breaks an exchange, because the error has more alternations than the type accounts for.

Half-lines are mapped to intervals (:mod:`problem.change`). Together: the weighted problem

    minimise  max abs(S(t) - W(t) P(t) / Q(t)),     S = +-weight * (f - offset),   W = +-weight * factor >= 0.

Conditions ``r(a) = f(a)``, which a relative error needs at every zero of f, give an ansatz as well, with the factor
``prod (x - a)``: its sign is taken into S and W piece by piece, so that the peaks alternate again.

A denominator with other signs on other intervals of a domain with one infinite end or none keeps them in t.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from math import inf, prod

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import horner
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.problem.ansatz import Ansatz, Type
from rational_approx.problem.change import HUGE, Change, change_for
from rational_approx.problem.conditions import Bounds, Conditions, interpolant
from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.interpolant import Interpolant
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["Reduced", "ReducedPiece", "reduced"]

TINY = 2.0**-500

NEAR_ROOT, SHORT, NEAR_BITS = Fraction(1, 8), Fraction(1, 1024), 256
"""The share of a piece on which ``S`` and ``W`` are interpolated beside a root, from values of so many bits; and the
length, as a share of the root's size, of pieces on the whole of which they are."""

LONG, INFINITE = 2**200, 2**200
"""A root that is no rational number is known to ``2**-380``: its denominator is larger, and so is the weight there."""

NUDGE = 1e-9
"""How far from a root of the factor floats are evaluated where the weight is infinite in it; see ``ReducedPiece``."""


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
    missed: tuple[float, ...] = ()

    @cached_property
    def marks(self) -> np.ndarray:
        """Points at which every look at the piece looks: where target and weight vary, and where peaks were missed."""
        with np.errstate(all="ignore"):
            found = np.r_[self.change.t(self.source.marks), self.missed]
        return np.unique(np.clip(found[np.isfinite(found)], self.low, self.high))

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
        far = np.ones_like(x, dtype=bool)
        s, w = np.empty_like(x), np.empty_like(x)
        for near, sides in self._near_roots:
            here = (x >= near[0]) & (x <= near[1])
            if here.any():
                s[here], w[here] = (side(x[here]) for side in sides)
                far &= ~here
        if far.all():
            return self._evaluated(x, t, low, high)
        if far.any():
            s[far], w[far] = self._evaluated(x[far], t[far], low, high)
        return s, w

    def _evaluated(self, x: np.ndarray, t: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        # By the formulas, in floats.
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = self.source.weight(x)
        if not np.isfinite(weight).all():
            inwards = NUDGE * min(1.0, high - low) * np.where(x - low < high - x, 1.0, -1.0)
            x = np.where(np.isfinite(weight), x, x + inwards)
            weight = self.source.weight(x)
        f, change = (
            self.source.function(x),
            self.change,
        )  # what changes nothing is left out: most of a fit is spent here
        if change.ansatz.offset:
            f = f - change.ansatz.offset_at(x, float)
        weight = -weight if self.sign < 0 else weight
        if change.ansatz.roots:
            return weight * f, weight * change.factor_at(x, float)
        return weight * f, weight * (1 - t) ** change.drop if change.drop else weight

    @cached_property
    def _near_roots(self) -> list[tuple[tuple[float, float], tuple[Interpolant, Interpolant]]]:
        """Intervals at ends that are roots with an infinite weight, and ``S`` and ``W`` there by interpolation.

        Beside a zero of f, which floats hold to their last digit only, f has no digits in floats. ``S`` and ``W`` are
        smooth there, and have them.
        """
        found = []
        for end, inwards in ((self.source.lower, 1), (self.source.upper, -1)) if self.source.precise else ():
            if not isinstance(end, Fraction) or end not in self.change.ansatz.roots:
                continue
            with working_bits(NEAR_BITS):
                if not self._infinite(to_arb(end)):
                    continue
            size, length = max(Fraction(1), abs(end)), self.source.length
            near = sorted((float(end), float(end + inwards * max(length * NEAR_ROOT, min(length, size * SHORT)))))
            if near[0] < near[1]:
                sides = (Interpolant(partial(self._float, side=k), near[0], near[1]) for k in (0, 1))
                found.append(((near[0], near[1]), tuple(sides)))
        return found  # type: ignore[return-value]

    def _float(self, x: float, side: int) -> float:
        with working_bits(NEAR_BITS):
            return float(self.jets(to_arb(self.change.t_of(Fraction(x))), 1)[side][0].mid())

    def jets(self, t: flint.arb, order: int) -> tuple[flint.arb_series, flint.arb_series]:
        """Taylor coefficients in t of ``S`` and ``W``."""
        watch.check()  # what is done in multiprecision asks here, again and again
        variable = flint.arb_series([t, 1], prec=order) if order > 1 else flint.arb_series([t], prec=1)
        x = self.change.x_jet(variable)
        if t == 1 and self.source.lower == -inf and x[0] > 0:
            x = -x
        f, weight = self.source.jets(x[0], order)
        if not f[0].is_finite() and self.change.moebius and t == 1:  # exp of 2**2000 is not a ball, exp of 2**62 is
            x = x / abs(x[0]) * flint.arb(2) ** 62
            f, weight = self.source.jets(x[0], order)
        at_root = self._at_root(x[0]) if order == 1 else None
        if at_root is not None:
            # The limit at the root, from a point as near to it as the precision asked for, with as many digits more.
            with working_bits(2 * flint.ctx.prec):
                x = flint.arb_series([to_arb(at_root)], prec=1)
                f, weight = self.source.jets(x[0], order)
                f = f - self.change.ansatz.offset_at(x, to_arb)
                return weight * f * self.sign, weight * self.change.factor_at(x, to_arb) * self.sign
        if order > 1:  # f(x(t)) from the Taylor series of f around x(t0)
            shift = x - x[0]
            f, weight = (horner([outer[k] for k in range(outer.prec)], shift) for outer in (f, weight))
        if self.change.ansatz.offset:
            f = f - self.change.ansatz.offset_at(x, to_arb)
        weight = weight * self.sign
        if self.change.ansatz.roots:
            return weight * f, weight * self.change.factor_at(x, to_arb)
        return weight * f, prod([1 - variable] * self.change.drop, start=weight)

    def _at_root(self, x: flint.arb) -> Fraction | None:
        # A point beside an end at which the weight is infinite in a root of the factor, where x is that end up to
        # rounding: a root such as 3/10 is no number of any precision.
        small = Fraction(1, 2**flint.ctx.prec)
        for end, inwards in ((self.source.lower, 1), (self.source.upper, -1)):
            if isinstance(end, Fraction) and end in self.change.ansatz.roots:
                root = to_arb(end)
                if end.denominator > LONG:
                    small = max(small, Fraction(1, 2**190))
                if not abs(x - root) > to_arb(256 * small) * (1 + abs(root)):
                    return end + inwards * small if self._infinite(root) else None
        return None

    def _infinite(self, x: flint.arb) -> bool:
        weight = self.source.jets(x, 1)[1][0]
        return not weight.is_finite() or bool(abs(weight) > INFINITE)


@dataclass(frozen=True)
class Reduced:
    """The problem in t: its pieces and type, the change of variable, and a reference of a type nearby, if known, or one
    of the type itself that is all but level."""

    pieces: tuple[ReducedPiece, ...]
    degree: tuple[int, int]
    change: Change
    near: tuple[float, ...] = ()
    allowed: float = inf
    """A levelled error above this one answers what is asked: the type is not enough."""
    known: tuple[Fraction, ...] = ()

    @property
    def precise(self) -> bool:
        """Whether the target gives values to any number of digits."""
        return all(piece.source.precise for piece in self.pieces)

    @property
    def changes(self) -> int:
        """How often Q changes its sign between the pieces."""
        return sum(before.q_sign != piece.q_sign for before, piece in pairwise(self.pieces))

    def with_signs(self, domain: Domain, signs: Sequence[int]) -> "Reduced":
        """The problem for a Q that has these signs on the intervals of the domain."""
        made = []
        for piece in self.pieces:
            inside = [a <= piece.source.lower and piece.source.upper <= b for a, b in domain.intervals]
            made.append(replace(piece, q_sign=signs[inside.index(True)]))
        return replace(self, pieces=tuple(made))

    def signs_at(self, t: np.ndarray) -> np.ndarray:
        """The sign that Q has at points on any pieces."""
        signs = np.ones_like(t)
        for piece in self.pieces:
            signs[(t >= piece.low) & (t <= piece.high)] = piece.q_sign
        return signs

    def marked(self, missed: Iterable[float]) -> "Reduced":
        """The same problem, with further points at which every look looks."""
        points = tuple(missed)

        def within(piece: ReducedPiece) -> tuple[float, ...]:
            return piece.missed + tuple(t for t in points if piece.low <= t <= piece.high)

        return replace(self, pieces=tuple(replace(piece, missed=within(piece)) for piece in self.pieces))

    def points_in_x(self, reference: Iterable[Fraction]) -> list[End]:
        """Points in the user's variable, increasing, infinity included: the exact ends of pieces, and else floats that
        lie on their piece, or longer numbers next to an end of it."""
        points: list[End] = []
        for t in reference:
            # Rounding may have moved a point off the end of its piece, into a gap: the nearest piece is its own.
            piece = min(self.pieces, key=lambda piece: max(piece.lower - t, t - piece.upper))
            ends = piece.source.lower, piece.source.upper
            exact = [end for end in ends if abs(self.change.t_of(end) - t) < Fraction(1, 2**140)]
            points.append(exact[0] if exact else self.change.x_of(t, ends))
        points.sort()
        return self.change.mirrored_points(points) if self.change.symmetric else points


def reduced(
    target: Target,
    degree: tuple[int, int],
    conditions: Conditions = (),
    bounds: Bounds = (-inf, inf),
    signs: tuple[int, ...] = (),
) -> Reduced:
    """The reduced problem of a target and a type, with given values at some points (None for that of f).

    A symmetry of the target is divided out where bounds on r have it as well. ``signs`` are those of Q on the intervals
    of the domain; where they are given, no symmetry is.

    Raises
    ------
    ValueError
        where the numerator has too few degrees for the conditions.
    NoGap
        where the domain is the whole line, and there is no symmetry.
    """
    symmetry = Ansatz() if signs else symmetry_of(target)
    ansatz, degree, pieces = _looked_for(target, degree, conditions, symmetry if symmetry.keeps(bounds) else Ansatz())
    change, inner = change_for(target, degree, ansatz, pieces)
    problem = Reduced(_in_order(pieces, change), inner, change)
    return problem.with_signs(target.domain, signs) if signs else problem


def _looked_for(
    target: Target, degree: Type, conditions: Conditions, ansatz: Ansatz
) -> tuple[Ansatz, Type, list[Piece]]:
    # The ansatz in which conditions or else a symmetry are divided out, the type of r in it, and the pieces that count.
    p, q = degree
    roots = tuple(sorted({*dict(conditions), *target.relative_zeros}))
    given = {a: value for a, value in conditions if value is not None}
    if p == 0 and ansatz.roots and not ansatz.offset:  # the best approximant is odd, so it is also the best constant
        q = 0
    zeros = tuple(sorted({*roots, *ansatz.roots}))
    if ansatz.step == 2 and not conditions and not ansatz.offset and _mirrored(zeros, len(ansatz.roots)):
        ansatz = ansatz._replace(roots=zeros)
    elif roots and (given or roots != ansatz.roots):
        ansatz = Ansatz()
    if p < ansatz.needed(q):
        ansatz = Ansatz()
    pieces = list(target.pieces)
    if ansatz.step == 2:
        pieces = [replace(piece, lower=max(piece.lower, Fraction(0))) for piece in pieces if piece.upper > 0]
        pieces = [part for piece in pieces for part in _split(piece, ansatz.roots)]
    elif roots:
        ansatz = Ansatz(1, roots, interpolant(target, roots, given))
        if p < ansatz.needed(q):
            raise ValueError(
                f"type {degree} cannot meet {len(roots)} conditions r(a) = value: the numerator needs degree "
                f"{ansatz.needed(q)}"
            )
        pieces = [part for piece in pieces for part in _split(piece, roots)]
    return ansatz, (p, q), pieces


def _mirrored(zeros: tuple[Fraction, ...], odd: int) -> bool:
    # Whether zeros are those of an odd function, or of an even one.
    return tuple(-x for x in reversed(zeros)) == zeros and len(zeros) % 2 == odd


def _in_order(pieces: list[Piece], change: Change) -> tuple[ReducedPiece, ...]:
    # The pieces in the new variable, in its order, and which of them meet.
    made = (
        ReducedPiece(*_ordered(change.t_of(s.lower), change.t_of(s.upper)), s, change, change.sign_on(s.lower, s.upper))
        for s in pieces
    )
    ordered = sorted(made, key=lambda piece: piece.lower)
    for k, (before, piece) in enumerate(pairwise(ordered), start=1):
        ordered[k] = replace(piece, meets=before.upper == piece.lower)
    return tuple(ordered)


def _split(piece: Piece, roots: tuple[Fraction, ...]) -> list[Piece]:
    ends = [piece.lower, *(root for root in roots if piece.lower < root < piece.upper), piece.upper]
    return [replace(piece, lower=a, upper=b) for a, b in pairwise(ends)]


def _ordered(a: Fraction, b: Fraction) -> tuple[Fraction, Fraction]:
    return (a, b) if a < b else (b, a)
