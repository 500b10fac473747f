"""The exchange in multiprecision arithmetic, over sides: level, look for peaks, move.

A side is what a rational may not pass. The error has two, ``sign (S - W R) <= h`` for each sign; a bound of the range,
in place of f in S, has one, ``sign (S - W R) <= 0``. Where the rational touches them in turn, above and below, often
enough, it is the best one. Without bounds this is the exchange of :mod:`exchange.relaxed`, for errors that float64
cannot see; with bounds that of :mod:`exchange.restricted`.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import NamedTuple

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.alternation import alternating
from rational_approx.arithmetic.precision import to_arb
from rational_approx.exchange.equations import Equations
from rational_approx.exchange.relaxed import Record
from rational_approx.exchange.stationary import Point, Unfinished, error_jet
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import number
from rational_approx.problem.conditions import Bounds
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = ["Failure", "Settled", "Sides", "Touch", "constant"]

ROUNDS = 40
Failure = (Unfinished, ArithmeticError, ValueError)


class Touch(NamedTuple):
    """Where R touches the lower (sign +1) or upper (-1) side: ``bound`` is that bound, None for the error's own."""

    t: flint.arb
    piece: int
    sign: int
    bound: Fraction | None


class Settled(NamedTuple):
    """A rational that is level where it touches, up to the deviation: on its reference or, in the end, at its peaks."""

    p: flint.arb_poly
    q: flint.arb_poly
    h: flint.arb
    touches: list[Touch]
    deviation: float

    def at(self, t: flint.arb) -> flint.arb:
        return (self.p(t) / self.q(t)).mid()


def constant(piece: ReducedPiece, value: Fraction) -> ReducedPiece:
    """The piece with a constant in place of f.

    On a half-line with p < q every r vanishes at infinity, and touches a bound 0 there whatever it does before. So
    that bound is put on R and not on ``(1 - t)**(q - p) R``.
    """
    if not value:
        piece = replace(piece, change=replace(piece.change, drop=0))
    source = replace(piece.source, expression=Expression(number(value)), function=Expression(number(value)))
    return replace(piece, source=source)


class Values:
    """``S`` and ``W`` at a point of a piece, for f and for bounds in its place, by what the constants 0 and 1 give."""

    def __init__(self, piece: ReducedPiece, constants: Sequence[ReducedPiece], t: flint.arb) -> None:
        self.constants, self.t = constants, t
        self.s, self.w = (jet[0].mid() for jet in piece.jets(t, 1))

    @cached_property
    def unit(self) -> tuple[flint.arb, flint.arb, flint.arb]:
        """S of the bound 0, how much S grows from there to the bound 1, and the W of the bound 0."""
        (zero, plain), (one, _) = (piece.jets(self.t, 1) for piece in self.constants)
        return zero[0].mid(), one[0].mid() - zero[0].mid(), plain[0].mid()

    def signal(self, bound: Fraction | None) -> flint.arb:
        return self.s if bound is None else self.unit[0] + self.unit[1] * to_arb(bound)

    def weight(self, bound: Fraction | None) -> flint.arb:
        return self.unit[2] if bound == 0 else self.w


class Sides:
    """The sides of a problem: their values at fixed looks, the levels on a reference, and their peaks."""

    def __init__(self, problem: Reduced, degree: tuple[int, int], grids: Sequence[np.ndarray]) -> None:
        self.problem, self.degree = problem, degree
        self.constants = [[constant(piece, Fraction(b)) for b in (0, 1)] for piece in problem.pieces]
        self.looks = []
        for k, (piece, grid) in enumerate(zip(problem.pieces, grids)):
            points = [to_arb(piece.lower).mid(), *(flint.arb(float(t)) for t in grid), to_arb(piece.upper).mid()]
            self.looks.append([self.values(k, t) for t in points])

    def values(self, k: int, t: flint.arb) -> Values:
        return Values(self.problem.pieces[k], self.constants[k], t)

    def started(self, reference: Sequence[Fraction]) -> Settled:
        """Level the error alone. Whether it begins above or below, the level tells."""
        touches = [self.placed(t, (-1) ** i) for i, t in enumerate(reference)]
        equations = self.equations(touches)
        h, q_values = equations.levelled()
        p, q = equations.polynomials(h, q_values)
        turned = touches if h >= 0 else [touch._replace(sign=-touch.sign) for touch in touches]
        return Settled(p, q, abs(h), turned, inf)

    def unevenness(self, now: Settled) -> float:
        """How far the errors at the touches are from the level, relatively: large where the level itself is noise."""
        if not now.h > 0:
            return inf
        return max(
            abs(_excess(now, touch, self.values(touch.piece, touch.t), now.at(touch.t))) for touch in now.touches
        )

    def placed(self, t: Fraction, sign: int) -> Touch:
        # Rounding may have moved the end of a piece a hair off it.
        inside = [min(max(t, piece.lower), piece.upper) for piece in self.problem.pieces]
        k = min(range(len(inside)), key=lambda k: abs(t - inside[k]))
        piece = self.problem.pieces[k]
        # The first and the last float of a piece stand for its ends, where the limits are.
        at = {Fraction(piece.low): piece.lower, Fraction(piece.high): piece.upper}.get(inside[k], inside[k])
        return Touch(to_arb(at).mid(), k, sign, None)

    def wall(self, k: int, sign: int, bounds: Bounds) -> Fraction | None:
        """The bound that keeps ``sign (S - W R)`` from growing; a negative factor turns lower and upper over."""
        bound = bounds[0 if sign * self.problem.pieces[k].sign > 0 else 1]
        return bound if isinstance(bound, Fraction) else None

    def piece(self, touch: Touch) -> ReducedPiece:
        piece = self.problem.pieces[touch.piece]
        return piece if touch.bound is None else constant(piece, touch.bound)

    def equations(self, touches: list[Touch]) -> Equations:
        if any(not a.t < b.t for a, b in pairwise(touches)):
            raise Unfinished("two points of the reference met")
        points = [Point(touch.t, self.piece(touch), True) for touch in touches]
        return Equations(points, self.degree, touches[0].sign, [touch.bound is None for touch in touches])

    def levelled(self, touches: list[Touch]) -> Settled:
        equations = self.equations(touches)
        h, q_values = equations.levelled()
        if h < 0:
            raise Unfinished("the only Q without a zero belongs to an error of the other sign")
        return Settled(*equations.polynomials(h, q_values), h, touches, inf)

    def settled(self, start: Settled, bounds: Bounds, tolerance: float, looks: int, history: list[Record]) -> Settled:
        """Level, look for peaks, move: until the peaks agree to the tolerance."""
        now = start
        for rounds in range(ROUNDS):
            peaks = self.peaks(now, bounds, looks)
            excess = max((excess for _, excess in peaks), default=-1.0)
            history.append(Record(self.degree, float(now.h), (1 + excess) * float(now.h), 1.0))
            outer = self.problem.change.ansatz.outer(*self.degree)
            watch.report("exchange in multiprecision", outer, history[-1].levelled, history[-1].largest)
            chosen = alternating([(1 + excess) * touch.sign for touch, excess in peaks], sum(self.degree) + 2)
            if excess < tolerance or (not self.problem.precise and rounds > 5 and excess < 1e-6):
                # Where W vanishes, at infinity, the error is S whatever R is.
                if any(v.w == 0 and abs(v.s) > 1.01 * now.h for grid in self.looks for v in grid):
                    raise Unfinished("the error at infinity exceeds the level, and no rational of the type changes it")
                return now._replace(touches=[peaks[i][0] for i in chosen or ()] or now.touches, deviation=excess)
            if chosen is None:
                raise Unfinished("fewer alternations than the type needs")
            try:
                now = self.levelled([peaks[i][0] for i in chosen])
            except Failure:  # the classical exchange of one point is slower, and admissible more often
                now = self.levelled(_with_new(now.touches, max(peaks, key=lambda peak: peak[1])[0]))
        raise Unfinished("the peaks do not level out")

    def peaks(self, now: Settled, bounds: Bounds, looks: int) -> list[tuple[Touch, float]]:
        """Local maxima by position, with their excess: of the fixed looks, and of so many in each gap of the reference.

        The curves of the error and of a bound are searched apart: where f itself meets a bound, r leaves it on less of
        an interval than a look at both would see.
        """
        found = []
        for k, piece in enumerate(self.problem.pieces):
            low, high = to_arb(piece.lower).mid(), to_arb(piece.upper).mid()
            marks = [low, *(touch.t for touch in now.touches if touch.piece == k and low < touch.t < high), high]
            fresh = [(a + (b - a) * i / looks).mid() for a, b in pairwise(marks) for i in range(1, looks)] + marks[1:-1]
            grid = sorted(self.looks[k] + [self.values(k, t) for t in fresh], key=lambda v: float(v.t))
            values = [now.at(v.t) for v in grid]
            for sign in (1, -1):
                for bound in {None, self.wall(k, sign, bounds)}:
                    here = [Touch(v.t, k, sign, bound) for v in grid]
                    e = [_excess(now, touch, v, r) for touch, v, r in zip(here, grid, values)]
                    for i, touch in enumerate(here):
                        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(e)]
                        # Where W vanishes the value of r is given: no point of a reference.
                        if grid[i].weight(bound) > 0 and all(e[i] >= e[j] for j in beside):
                            found.append(self.sharpened(now, touch, e[i], (here[max(i - 1, 0)].t, here[beside[-1]].t)))
        return sorted((item for item in found if item[1] > -0.9), key=lambda item: (float(item[0].t), item[0].sign))

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
                jet = error_jet(self.piece(touch), touch.t, now.p, now.q, 3)
                slope, bend = jet[1].mid() * touch.sign, jet[2].mid() * touch.sign
                trials = [touch.t - slope / (2 * bend)] if bend < 0 else []
            else:
                trials = []
            grown = False
            for t in trials:
                if low < t < high:
                    moved = touch._replace(t=t.mid())
                    there = _excess(now, moved, self.values(touch.piece, moved.t), now.at(moved.t))
                    if there > excess:
                        grown = there - excess > 1e-3 * abs(there)
                        touch, excess = moved, there
            if self.problem.precise and not grown:
                break
        return touch, excess


def _excess(now: Settled, touch: Touch, v: Values, r: flint.arb) -> float:
    """``sign E / h - 1`` of the error or a bound at a point: a float holds it to many digits, unlike ``E / h``."""
    e = (v.signal(touch.bound) - v.weight(touch.bound) * r) * touch.sign
    excess = float(((e - now.h if touch.bound is None else e) / now.h).mid())
    if excess == excess:
        return excess
    if touch.bound is None:
        raise Unfinished("the error is not a number at a point that was looked at")
    return -inf  # the weight is infinite where r = f is required


def _with_new(touches: list[Touch], new: Touch) -> list[Touch]:
    """The reference with one point exchanged for a new one, so that the signs still alternate."""
    after = sum(touch.t < new.t for touch in touches)
    for i in (after - 1, after):
        if 0 <= i < len(touches) and touches[i].sign == new.sign:
            return [*touches[:i], new, *touches[i + 1 :]]
    return [new, *touches[:-1]] if after == 0 else [*touches[1:], new]
