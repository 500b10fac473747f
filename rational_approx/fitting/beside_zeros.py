"""A reference for a target with zeros beside its pieces, at a distance d that is far below what floats resolve.

As the gaps around the zeros close, the problem tends to one on the whole domain, with ``r = 0`` at the zeros. That one
is solved as any other. Let its error be e with levelled size E, in which the signs alternate across z once the sign of
``x - z`` is taken off. Off the limit r need not vanish at z but only next to it, and beside z the error is

    e(z + u) + c / u,      abs(u) >= d,

with a constant c that is free: one more point of the reference at each zero. With s the sign of e at the point below z,
that point is the end below z, where the error becomes ``-s E``, or the end above, where it becomes ``s E``, whichever
the smaller ``abs(c)`` reaches. A peak at z itself, where e falls with a slope k, moves to ``u = sqrt(abs(c / k))``.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import sqrt
from typing import NamedTuple

import flint

from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.exchange.stationary import error_jet
from rational_approx.fitting.solve import solve
from rational_approx.problem.ansatz import Type
from rational_approx.problem.answer import Finished
from rational_approx.problem.conditions import Conditions
from rational_approx.problem.reduction import Reduced, ReducedPiece, reduced
from rational_approx.targets.gaps import Gap
from rational_approx.targets.target import Target

__all__ = ["with_reference"]

DIGITS = 12
"""Of the limit's error: its reference is a start."""

BITS = 250
STEP = Fraction(1, 2**60)
"""The distance, as a share of a piece, over which the slope of the error is taken."""


TINY = Fraction(1, 2**100)


class _Point(NamedTuple):
    """A point of the reference and the sign of the error there."""

    t: Fraction
    sign: int


class _Side(NamedTuple):
    """The end of the domain beside a zero: its place t, its distance in x, the limit of the error, and its slope."""

    t: Fraction
    distance: Fraction
    limit: float
    slope: float


def with_reference(problem: Reduced, target: Target, degree: Type, conditions: Conditions) -> Reduced:
    """The problem with a reference that is all but level, where the target has zeros beside its pieces.

    Raises
    ------
    ValueError
        where the numerator has too few degrees for the zeros.
    """
    if not target.left_out:
        return problem
    try:
        limit = reduced(target.closed(), degree, conditions)
    except ValueError:
        if any(gap.inside for gap in target.left_out):
            raise
        return problem  # without the zero the error is large, and no larger than 1
    solution = solve(limit, DIGITS, [], lambda done: None)
    if solution is None or not solution.done.h:
        return problem
    with working_bits(BITS):
        return replace(problem, known=_reference(problem, target, _Limit(problem, limit, solution.done)))


def _reference(problem: Reduced, target: Target, limit: "_Limit") -> tuple[Fraction, ...]:
    points = limit.points([gap.zero for gap in target.left_out])
    for gap in target.left_out:
        if not problem.change.symmetric or gap.zero > 0:
            points = _with_layer(points, problem.change.t_of(gap.zero), limit.sides(gap), limit.h)
    return tuple(point.t for point in points)


def _with_layer(points: list[_Point], at: Fraction, sides: tuple[_Side | None, _Side | None], h: float) -> list[_Point]:
    """The reference with one more point at a zero, and a point at the zero itself moved off it."""
    below, above = sides
    k = next((k for k, point in enumerate(points) if point.t == at), None)
    i = bisect([point.t for point in points], at)  # a point at the zero counts as below it
    if k is not None and (below is None or (above is not None and abs(above.limit) > abs(below.limit))):
        i = k  # as above it
    sign = points[i - 1].sign if i else -points[i].sign
    reached = [
        (float(side.distance) * abs(turn * sign * h - side.limit), side, turn * sign)
        for side, turn in ((below, -1), (above, 1))
        if side is not None
    ]
    c, end, turned = min(reached, key=lambda each: each[0])
    if k is not None:
        side = above if i == k else below
        assert side is not None
        away = sqrt(c / abs(side.slope)) if side.slope else 0.0
        share = max(Fraction(1), Fraction(away) / side.distance)
        points[k] = points[k]._replace(t=at + (side.t - at) * share)
    return sorted([*points, _Point(end.t, turned)])


class _Limit:
    """The solved limit problem, its error beside zeros, and its points in the t of the problem itself."""

    def __init__(self, problem: Reduced, limit: Reduced, done: Finished) -> None:
        self.problem, self.limit, self.done, self.h = problem, limit, done, abs(float(done.h))
        self.p, self.q = flint.arb_poly(done.p), flint.arb_poly(done.q)

    def error(self, piece: ReducedPiece, t: Fraction) -> flint.arb:
        return error_jet(piece, to_arb(t).mid(), self.p, self.q, 1)[0].mid()

    def moved(self, t: Fraction) -> Fraction:
        """The place in the problem of one in its limit."""
        if self.limit.change.moebius and t == 1:
            return Fraction(1)
        x = self.limit.change.x_jet(flint.arb_series([to_arb(t)], prec=1))[0]
        return self.problem.change.t_of(to_fraction(x.mid()))

    def points(self, zeros: Sequence[Fraction]) -> list[_Point]:
        """The reference, with the exact places of zeros."""
        exact = {self.limit.change.t_of(zero): self.problem.change.t_of(zero) for zero in zeros}
        first, *others = self.done.reference
        piece = next(piece for piece in self.limit.pieces if piece.lower <= first <= piece.upper)
        sign = 1 if self.error(piece, first) > 0 else -1
        found = []
        for k, t in enumerate((first, *others)):
            near = next((place for place in exact if abs(place - t) < TINY), t)
            found.append(_Point(exact[near] if near in exact else self.moved(t), sign * (-1) ** k))
        return found

    def sides(self, gap: Gap) -> tuple[_Side | None, _Side | None]:
        """The ends below and above a zero, in the order of t."""
        at = self.limit.change.t_of(gap.zero)
        found: list[_Side | None] = [None, None]
        for end in (gap.lower, gap.upper):
            if end is None:
                continue
            t = self.problem.change.t_of(end)
            above = t > self.problem.change.t_of(gap.zero)
            piece = next(piece for piece in self.limit.pieces if at == (piece.lower if above else piece.upper))
            step = (piece.upper - piece.lower) * STEP * (1 if above else -1)
            limit, beside = self.error(piece, at), self.error(piece, at + step)
            length = abs(self.distance(at + step, gap.zero))
            found[above] = _Side(t, abs(end - gap.zero), float(limit), float((beside - limit) / to_arb(length)))
        return found[0], found[1]

    def distance(self, t: Fraction, zero: Fraction) -> Fraction:
        x = self.limit.change.x_jet(flint.arb_series([to_arb(t)], prec=1))[0]
        return to_fraction(x.mid()) - zero
