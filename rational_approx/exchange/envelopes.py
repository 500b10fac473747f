"""The two envelopes between which a rational with a bounded range lies, and where it leaves or touches them.

The letters are those of :mod:`rational_approx.exchange.restricted`.
"""

from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import flint

from rational_approx.arithmetic.alternation import alternating
from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.exchange.extrema import looks
from rational_approx.exchange.relaxed import Record
from rational_approx.exchange.stationary import Point, Unfinished, error_jet
from rational_approx.exchange.touching import Touch, Touching, constant, with_new
from rational_approx.problem.conditions import Bounds
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = ["Envelopes", "Failure", "Settled"]

LOOKS = 8
ROUNDS = 40
Failure = (Unfinished, ArithmeticError, ValueError)


class Values(NamedTuple):
    """``S`` and ``W`` at a point, what the constants 0 and 1 give in place of f in S, and the W of a bound 0."""

    s: flint.arb
    w: flint.arb
    zero: flint.arb
    one: flint.arb
    plain: flint.arb

    def weight(self, bound: Fraction | None) -> flint.arb:
        return self.plain if bound == 0 else self.w


class Settled(NamedTuple):
    """A rational whose extended error is level on its reference, up to the deviation."""

    p: flint.arb_poly
    q: flint.arb_poly
    h: flint.arb
    touches: list[Touch]
    deviation: float


class Envelopes:
    """The extended error of a problem: its values on fixed looks, its levels and its peaks."""

    def __init__(self, problem: Reduced, degree: tuple[int, int]) -> None:
        self.problem, self.degree = problem, degree
        self.constants = [[constant(piece, Fraction(b)) for b in (0, 1)] for piece in problem.pieces]
        per_piece = 6 * (sum(degree) + 2) // len(problem.pieces) + 24
        self.looks: list[list[tuple[flint.arb, Values]]] = []
        for k, grid in enumerate(looks(problem, per_piece)):
            piece = problem.pieces[k]
            inner = [flint.arb(float(t)) for t in grid[1:-1]]
            points = [to_arb(piece.lower).mid(), *inner, to_arb(piece.upper).mid()]
            self.looks.append([(t, self.values(k, t)) for t in points])

    def values(self, k: int, t: flint.arb) -> Values:
        s, w = self.problem.pieces[k].jets(t, 1)
        zero, one = (piece.jets(t, 1) for piece in self.constants[k])
        return Values(s[0].mid(), w[0].mid(), zero[0][0].mid(), one[0][0].mid(), zero[1][0].mid())

    def placed(self, t: Fraction, sign: int) -> Touch:
        # Rounding may have moved the end of a piece a hair off it.
        inside = [min(max(t, piece.lower), piece.upper) for piece in self.problem.pieces]
        k = min(range(len(inside)), key=lambda k: abs(t - inside[k]))
        return Touch(to_arb(inside[k]).mid(), k, sign, None)

    def wall(self, k: int, sign: int, bounds: Any) -> Fraction | None:
        """The bound that keeps ``sign (S - W R)`` from growing; a negative factor turns lower and upper over."""
        bound = bounds[0 if sign * self.problem.pieces[k].sign > 0 else 1]
        return bound if isinstance(bound, Fraction) else None

    def piece(self, k: int, bound: Fraction | None) -> ReducedPiece:
        return self.problem.pieces[k] if bound is None else constant(self.problem.pieces[k], bound)

    def levelled(self, touches: list[Touch]) -> Settled:
        if any(not a.t < b.t for a, b in pairwise(touches)):
            raise Unfinished("two points of the reference met")
        points = [Point(touch.t, self.piece(touch.piece, touch.bound), True) for touch in touches]
        equations = Touching(points, self.degree, touches)
        h, q_values = equations.one_signed()
        return Settled(*equations.polynomials(h, q_values), h, touches, float("inf"))

    def excess(self, now: Settled, touch: Touch, v: Values) -> float:
        """``sign E / h - 1`` of the error or a bound at a point: a float holds it to many digits, unlike ``E / h``."""
        if touch.bound is None:
            e = (v.s - v.w * self.at(now, touch.t)) * touch.sign - now.h
        else:
            e = (
                v.zero + (v.one - v.zero) * to_arb(touch.bound) - v.weight(touch.bound) * self.at(now, touch.t)
            ) * touch.sign
        excess = float((e / now.h).mid())
        return excess if excess == excess else -inf  # a weight that is infinite where r = f is required

    def settled(self, start: Settled, bounds: Any, tolerance: float, history: list[Record]) -> Settled:
        """Level, look for peaks, move: until the peaks agree to the tolerance."""
        now = start
        deviations: list[float] = []
        for _ in range(ROUNDS):
            peaks = self.peaks(now, bounds)
            excess = max((excess for _, excess in peaks), default=-1.0)
            history.append(Record(self.degree, float(now.h), (1 + excess) * float(now.h), 1.0))
            deviations.append(excess)
            if excess < tolerance or (not self.problem.precise and len(deviations) > 6 and excess < 1e-6):
                return now._replace(deviation=excess)
            sizes = [(1 + excess) * touch.sign for touch, excess in peaks]
            chosen = alternating(sizes, sum(self.degree) + 2)
            if chosen is None:
                raise Unfinished("fewer alternations than the type needs")
            try:
                now = self.levelled([peaks[i][0] for i in chosen])
            except Failure:  # the classical exchange of one point is slower, and admissible more often
                now = self.levelled(with_new(now.touches, max(peaks, key=lambda peak: peak[1])[0]))
        raise Unfinished("the peaks do not level out")

    def peaks(self, now: Settled, bounds: Any) -> list[tuple[Touch, float]]:
        """Local maxima of ``E+`` and ``-E-`` by position, with their excess. The curves of the error and of a bound are
        searched apart: where f itself meets a bound, r leaves it on less of an interval than a look at both would see.
        """
        found = []
        for k, piece in enumerate(self.problem.pieces):
            low, high = to_arb(piece.lower).mid(), to_arb(piece.upper).mid()
            marks = [low, *(touch.t for touch in now.touches if touch.piece == k and low < touch.t < high), high]
            fresh = [(a + (b - a) * i / LOOKS).mid() for a, b in pairwise(marks) for i in range(1, LOOKS)] + marks[1:-1]
            grid = sorted(self.looks[k] + [(t, self.values(k, t)) for t in fresh], key=lambda item: float(item[0]))
            for sign in (1, -1):
                for bound in {None, self.wall(k, sign, bounds)}:
                    here = [Touch(t, k, sign, bound) for t, _ in grid]
                    e = [self.excess(now, touch, v) for touch, (_, v) in zip(here, grid)]
                    for i, touch in enumerate(here):
                        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(e)]
                        # Where W vanishes the value of r is given: no point of a reference.
                        if grid[i][1].weight(bound) > 0 and all(e[i] >= e[j] for j in beside):
                            found.append(self.sharpened(now, touch, e[i], (here[max(i - 1, 0)].t, here[beside[-1]].t)))
        return sorted((item for item in found if item[1] > -0.9), key=lambda item: (float(item[0].t), item[0].sign))

    def at(self, now: Settled, t: flint.arb) -> flint.arb:
        q = now.q(t).mid()
        if not q > 0:
            raise Unfinished("the levelled rational has a pole between two points of the reference")
        return (now.p(t) / q).mid()

    def sharpened(
        self, now: Settled, touch: Touch, excess: float, ends: tuple[flint.arb, flint.arb]
    ) -> tuple[Touch, float]:
        """Newton steps to a peak, as long as it grows; of float64 values a zoom without derivatives."""
        low, high = ends
        half = (high - low).mid() / 2
        for _ in range(6 if self.problem.precise else 24):
            if not self.problem.precise:
                half = (half / 2).mid()
                trials = [touch.t - half, touch.t + half]
            elif low < touch.t < high:
                jet = error_jet(self.piece(touch.piece, touch.bound), touch.t, now.p, now.q, 3)
                slope, bend = jet[1].mid() * touch.sign, jet[2].mid() * touch.sign
                trials = [touch.t - slope / (2 * bend)] if bend < 0 else []
            else:
                trials = []
            grown = False
            for t in trials:
                if low < t < high:
                    moved = touch._replace(t=t.mid())
                    there = self.excess(now, moved, self.values(touch.piece, moved.t))
                    if there > excess:
                        grown = there - excess > 1e-3 * abs(there)
                        touch, excess = moved, there
            if self.problem.precise and not grown:
                break
        return touch, excess

    def alternations(self, now: Settled, bounds: Any) -> int:
        """How often r touches the lower and the upper envelope in turn."""
        signs = [touch.sign for touch, excess in self.peaks(now, bounds) if excess > -1e-9]
        return sum(a != b for a, b in pairwise(signs)) + 1

    def violation(self, now: Settled, bounds: Bounds) -> tuple[Fraction, Fraction]:
        """How far r leaves its bounds, below and above, with a sixteenth more."""
        out = [Fraction(0), Fraction(0)]
        for grid in self.looks:
            for t, v in grid:
                unit = v.one - v.zero
                for side, b in enumerate(bounds):
                    if isinstance(b, Fraction) and unit.is_finite() and unit != 0:
                        beyond = (v.zero + unit * to_arb(b) - v.w * self.at(now, t)) / unit
                        out[side] = max(out[side], to_fraction(beyond) * (1 if side == 0 else -1))
        return out[0] * Fraction(17, 16), out[1] * Fraction(17, 16)

    def inside(self, found: Settled, bounds: Any, digits: int) -> tuple[flint.arb_poly, flint.arb_poly]:
        """``(P + e c, Q + e)``: moved towards a constant c that R may take everywhere, by a share e so small that the
        error does not notice, and so large that what is left of rounding at the touching points does not either."""
        most, least, room = flint.arb.neg_inf(), flint.arb.pos_inf(), flint.arb.pos_inf()
        points = [(k, t, v) for k, grid in enumerate(self.looks) for t, v in grid if v.w > 0]
        for k, _, v in points:
            for sign in (1, -1):
                wall = self.wall(k, sign, bounds)
                if wall is not None:
                    value = (v.zero + (v.one - v.zero) * to_arb(wall)) / v.w
                    if value.is_finite():
                        most, least = (most.max(value), least) if sign > 0 else (most, least.min(value))
        if not most < least:
            raise ValueError(
                "no constant lies within the bounds and meets the conditions r(a) = f(a): f(a) must lie strictly "
                "between the bounds, and two conditions may not lead beyond them; leave out a condition or a bound"
            )
        one = flint.arb(1)
        c = (most + least) / 2 if (most + least).is_finite() else most + one if most.is_finite() else least - one
        for _, t, v in points:
            room = room.min(found.q(t) / (v.w * (abs(c - self.at(found, t)) + flint.arb(10) ** -30)))
        share = (found.h * room * flint.arb(10) ** -(digits + 3)).mid()
        return found.p + flint.arb_poly([(share * c).mid()]), found.q + flint.arb_poly([share])
