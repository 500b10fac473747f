"""The two envelopes between which a rational with a bounded range lies, and where it leaves or touches them.

The letters are those of :mod:`rational_approx.exchange.restricted`.
"""

from fractions import Fraction
from itertools import pairwise

import flint

from rational_approx.arithmetic.precision import to_fraction
from rational_approx.exchange.extrema import looks
from rational_approx.exchange.sides import Settled, Sides
from rational_approx.exchange.stationary import Unfinished
from rational_approx.problem.conditions import Bounds
from rational_approx.problem.reduction import Reduced

__all__ = ["LOOKS", "Envelopes"]

LOOKS = 8


class Envelopes(Sides):
    """The sides of a problem with bounds, with fixed looks that see where a rational leaves them."""

    def __init__(self, problem: Reduced, degree: tuple[int, int]) -> None:
        per_piece = 6 * (sum(degree) + 2) // len(problem.pieces) + 24
        super().__init__(problem, degree, [grid[1:-1] for grid in looks(problem, per_piece)])

    def alternations(self, now: Settled, bounds: Bounds) -> int:
        """How often r touches the lower and the upper envelope in turn."""
        signs = [touch.sign for touch, excess in self.peaks(now, bounds, LOOKS) if excess > -1e-9]
        return sum(a != b for a, b in pairwise(signs)) + 1

    def violation(self, now: Settled, bounds: Bounds) -> tuple[Fraction, Fraction]:
        """How far r leaves its bounds, below and above, with a sixteenth more."""
        out = [Fraction(0), Fraction(0)]
        for grid in self.looks:
            for v in grid:
                unit = v.unit[1]
                for side, b in enumerate(bounds):
                    if isinstance(b, Fraction) and unit.is_finite() and unit != 0:
                        beyond = (v.signal(b) - v.w * _value(now, v.t)) / unit
                        out[side] = max(out[side], to_fraction(beyond) * (1 if side == 0 else -1))
        return out[0] * Fraction(17, 16), out[1] * Fraction(17, 16)

    def inside(self, found: Settled, bounds: Bounds, digits: int) -> tuple[flint.arb_poly, flint.arb_poly]:
        """``(P + e c, Q + e)``: moved towards a constant c that R may take everywhere, by a share e so small that the
        error does not notice, and so large that what is left of rounding at the touching points does not either."""
        most, least, room = flint.arb.neg_inf(), flint.arb.pos_inf(), flint.arb.pos_inf()
        points = [(k, v) for k, grid in enumerate(self.looks) for v in grid if v.w > 0]
        for k, v in points:
            for sign in (1, -1):
                wall = self.wall(k, sign, bounds)
                if wall is not None:
                    value = v.signal(wall) / v.w
                    if value.is_finite():
                        most, least = (most.max(value), least) if sign > 0 else (most, least.min(value))
        if not most < least:
            raise ValueError(
                "no constant lies within the bounds and meets the conditions r(a) = f(a): f(a) must lie strictly "
                "between the bounds, and two conditions may not lead beyond them; leave out a condition or a bound"
            )
        one = flint.arb(1)
        c = (most + least) / 2 if (most + least).is_finite() else most + one if most.is_finite() else least - one
        for _, v in points:
            room = room.min(found.q(v.t) / (v.w * (abs(c - _value(found, v.t)) + flint.arb(10) ** -30)))
        share = (found.h * room * flint.arb(10) ** -(digits + 3)).mid()
        return found.p + flint.arb_poly([(share * c).mid()]), found.q + flint.arb_poly([share])


def _value(now: Settled, t: flint.arb) -> flint.arb:
    if not now.q(t) > 0:
        raise Unfinished("the levelled rational has a pole between two points of the reference")
    return now.at(t)
