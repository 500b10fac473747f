"""A rigorous two-sided enclosure of ``sup abs(e)`` over error curves: best-first branch and bound on Taylor models.

The box with the largest upper bound is looked at first. It is closed where the derivative keeps one sign (then the
ends decide), or where the second derivative does: with a point z near the stationary one,
``abs(e) <= max(abs(e(lower)), abs(e(upper)), abs(e(z)) + e'(z)**2 / (2 min abs(e'')))``, on the convex side by the ends
and on the concave side by the tangent at z. Otherwise it is halved. Every point that was evaluated also gives a lower
bound, so that the search ends when the largest upper bound meets the largest lower one.
"""

import heapq
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import NamedTuple

from flint import arb

from rational_approx import watch
from rational_approx.proof.error_models import ErrorCurve, Jet

__all__ = ["Box", "Sample", "Search"]

MAX_BOXES = 20_000
FEW_BOXES = 500
UNBOUNDED_BOXES = 1000
"""So many boxes are looked at while a bound is still infinite: halving finds an end with an infinite derivative by
then, and what is left is a pole, or a part of the target without a value."""


class Sample(NamedTuple):
    """An evaluated point of a curve: which curve, where, and the enclosed error."""

    curve: int
    x: arb
    value: arb


class Box(NamedTuple):
    """A part of a curve on which the bound was proved."""

    curve: int
    lower: arb
    upper: arb


@dataclass
class Search:
    """The state of one search: the curves, the relative gap to reach, the bounds so far."""

    curves: list[ErrorCurve]
    gap: arb
    lower: arb = field(default_factory=lambda: arb(0))
    closed: arb = field(default_factory=lambda: arb(0))
    samples: list[Sample] = field(default_factory=list)
    ends: int = 0
    """At how many ends of curves the error was evaluated."""
    boxes: list[Box] = field(default_factory=list)
    upper: arb = field(default_factory=arb.pos_inf)
    unbounded: Box | None = None
    """A box on which no bound was found."""
    allowed: arb = field(default_factory=arb.pos_inf)
    """An error above this one ends the search: it has answered what was asked."""

    def evaluate(self, curve: int, x: arb, order: int = 1) -> list[arb]:
        """Evaluate at a point, remember it, and raise the lower bound."""
        jet = self.curves[curve].at(x, order)
        value = jet[0]
        if value.is_finite():
            self.samples.append(Sample(curve, x, value))
            size = abs(value).lower()
            if size > self.lower:
                self.lower = size
        return jet

    def weight_positive(self, sample: Sample) -> bool:
        """Whether the weight is provably positive at an evaluated point."""
        return self.curves[sample.curve].weight_positive(sample.x)

    def _enough(self, bound: arb) -> bool:
        return bool(bound <= self.lower * (1 + self.gap))

    def _close(self, curve: int, lower: arb, upper: arb, jet: Jet) -> arb | None:
        # The sharp bound of a box, where its derivative or its second derivative keeps one sign.
        monotone = jet.monotone
        curvature = arb(0) if monotone else jet.curvature
        if not monotone and not curvature > 0:
            return None
        ends = [self.evaluate(curve, end)[0] for end in (lower, upper)]
        bound = abs(ends[0]).upper().max(abs(ends[1]).upper())
        if monotone:
            return bound
        z = ((lower + upper) / 2).mid() + jet.stationary()
        for _ in range(4):
            z = z.max(lower.upper()).min(upper.lower()).mid()  # an end that is no dyadic number is a ball: stay within
            value, slope, bend = self.evaluate(curve, z, 3)
            peak = bound.max((abs(value) + slope * slope / (2 * curvature)).upper())
            if self._enough(peak):
                return peak
            if bend.contains(0):
                break
            z = z - slope / (2 * bend)
        return None

    def run(self) -> bool:
        """Search until the gap is reached; False where the budget of boxes ran out or a box cannot be bounded."""
        order = count()
        heap: list[_Entry] = []

        def push(curve: int, lower: arb, upper: arb) -> None:
            jet = self.curves[curve].jet(lower, upper)
            bound = jet.bound()
            if not bound.is_finite():
                bound = self.curves[curve].plain(lower, upper)
            heapq.heappush(heap, _Entry(bound, next(order), curve, lower, upper, jet))

        for index, curve in enumerate(self.curves):
            self.evaluate(index, curve.lower)
            self.evaluate(index, curve.upper)
            for low, high in pairwise([curve.lower, *curve.cuts, curve.upper]):
                push(index, low, high)
        # Without any error found there is no bound to meet: a few boxes say how small it must be.
        budget = MAX_BOXES if self.lower > 0 else FEW_BOXES
        while heap and next(order) < budget:
            if self._enough(heap[0].bound) or self.lower > self.allowed:
                break
            if not heap[0].bound.is_finite() and len(self.boxes) + len(heap) > UNBOUNDED_BOXES:
                self.unbounded = Box(heap[0].curve, heap[0].lower, heap[0].upper)
                return False
            watch.check()
            entry = heapq.heappop(heap)
            sharp = self._close(entry.curve, entry.lower, entry.upper, entry.jet)
            if sharp is not None and sharp < entry.bound:
                self.closed = self.closed.max(sharp)
                self.boxes.append(Box(entry.curve, entry.lower, entry.upper))
                continue
            middle = ((entry.lower + entry.upper) / 2).mid()
            push(entry.curve, entry.lower, middle)
            push(entry.curve, middle, entry.upper)
        open_bound = heap[0].bound if heap else arb(0)
        self.boxes += [Box(entry.curve, entry.lower, entry.upper) for entry in heap]
        self.upper = self.closed.max(open_bound).max(self.lower).upper()
        return self._enough(self.upper)


class _Entry(NamedTuple):
    """A box in the queue; the largest bound comes first."""

    bound: arb
    number: int
    curve: int
    lower: arb
    upper: arb
    jet: Jet

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Entry)
        return bool(self.bound > other.bound)
