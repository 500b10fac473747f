"""Degrees of a composition: least error at a depth, or fewest multiplications for an error at a depth.

The larger the gap that a stage is given, the larger the gap that it leaves: L rises with g, and so does every later L.
So of all ways to use n levels only the one that leaves the largest gap can be a part of the best one, and dynamic
programming over levels is exact (Lee, Lee, No and Kim 2021). A higher degree of the same depth leaves a larger gap, so
that for the least error each depth has one degree. For the fewest multiplications, of all ways to use n levels those
are kept that no other one beats in multiplications and gap together; and of these the ones whose gap still suffices for
the levels that are left.
"""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

import flint

from rational_approx import watch
from rational_approx.arithmetic.precision import working_bits
from rational_approx.composition.minimax import Minimax, minimax
from rational_approx.fitting.cost import levels, multiplications

__all__ = ["DEEPEST", "Way", "fewest", "least", "used", "way"]

DEEPEST = 60
"""Levels that a search looks at."""
BITS = 1024
"""Of the numbers between two stages."""
SMALLEST = 1e-80
"""An error below which no further stage is made."""


class Way(NamedTuple):
    """Stages, the gap that they leave for a next one, and the error where the last of them is the last."""

    stages: tuple[Minimax, ...]
    gap: flint.arb
    error: flint.arb

    @property
    def degrees(self) -> tuple[int, ...]:
        return tuple(stage.degree for stage in self.stages)

    @property
    def multiplications(self) -> int:
        return sum(multiplications(d, odd=True) for d in self.degrees)


def way(degrees: tuple[int, ...], gap: flint.arb, noise: flint.arb) -> Way | None:
    """The composition of stages of these degrees; None where the noise leaves nothing of the gap."""
    now: Way | None = Way((), gap, flint.arb(1))
    for degree in degrees:
        now = _after(now, degree, noise) if now else None
    return now


def least(gap: flint.arb, noise: flint.arb, highest: int) -> Iterator[Way | None]:
    """The composition of least error within 0, 1, 2, ... levels; None where there is none."""
    largest = {n: d for d in range(3, highest + 1, 2) for n in [levels(d)]}
    best: list[Way | None] = [Way((), gap, flint.arb(1))]
    yield None
    shown: Way | None = None
    for n in range(1, DEEPEST + 1):
        if shown is None or shown.error >= SMALLEST:
            before = [(d, best[n - k]) for k, d in largest.items() if k <= n]
            ways = [_after(each, d, noise) for d, each in before if each is not None]
            best.append(max((found for found in ways if found is not None), key=_by_gap, default=None))
            newest = best[-1]
            if newest is not None and (shown is None or newest.error < shown.error):
                shown = newest
            watch.report(f"degrees within {n} levels", (0, 0))
        yield shown


def fewest(gap: flint.arb, noise: flint.arb, highest: int, error: flint.arb, depth: int) -> Way | None:
    """The composition of fewest multiplications within a depth and an error; of these, the one of least error."""
    needed = _needed(noise, highest, error, depth)
    fronts: list[list[Way]] = [[Way((), gap, flint.arb(1))]]
    found: list[Way] = []
    for n in range(1, depth + 1):
        watch.check()
        ways: list[Way] = []
        for degree in range(3, highest + 1, 2):
            if levels(degree) > n:
                break
            for before in fronts[n - levels(degree)]:
                after = _after(before, degree, noise)
                if after is None:
                    continue
                if after.error <= error:
                    found.append(after)
                elif after.gap >= needed[depth - n]:
                    ways.append(after)
        fronts.append(_unbeaten(ways))
    return min(found, key=lambda each: (each.multiplications, float(each.error)), default=None)


def used(degrees: tuple[int, ...]) -> int:
    """The levels of a composition."""
    return sum(map(levels, degrees))


def _after(before: Way, degree: int, noise: flint.arb) -> Way | None:
    """One stage more, or None where the noise leaves nothing, or nothing is to be gained.

    Its values are scaled to at most ``1 - noise``, and may be off by the noise either way.
    """
    watch.check()
    if before.error < SMALLEST:
        return None
    stage = minimax(degree, before.gap)
    with working_bits(BITS):
        gap = (stage.low * (1 - noise) - noise).mid()
        return Way((*before.stages, stage), gap, (stage.error + noise).mid()) if gap > 0 else None


def _unbeaten(ways: list[Way]) -> list[Way]:
    """By rising multiplications, each with a larger gap than all before."""
    kept: list[Way] = []
    for each in sorted(ways, key=lambda each: (each.multiplications, -_by_gap(each))):
        if not kept or each.gap > kept[-1].gap:
            kept.append(each)
    return kept


def _by_gap(each: Way) -> float:
    """Rises with the gap, also where it is nearer to 1 than floats are."""
    gap = each.gap
    return float(gap.log()) if gap < 0.5 else -float((1 - gap).log())


def _needed(noise: flint.arb, highest: int, error: flint.arb, depth: int) -> list[flint.arb]:
    """Gaps from which the error can be reached in 0, 1, 2, ... levels more, or just not."""
    largest = {n: d for d in range(3, highest + 1, 2) for n in [levels(d)]}
    with working_bits(BITS):
        infinite = flint.arb(2)
        wanted = error - noise
        last = ((1 - wanted) / (1 + wanted)).mid()
        out = [infinite]
        for n in range(1, depth + 1):
            gaps = []
            for k, d in largest.items():
                if k == n:
                    gaps.append(_before(d, last))
                elif k < n and out[n - k] < 1:
                    gaps.append(_before(d, ((out[n - k] + noise) / (1 - noise)).mid()))
            out.append(min(gaps, key=float, default=infinite))
    return out


def _before(degree: int, low: flint.arb) -> flint.arb:
    """A gap, hardly below the one that a stage takes to L; 2 where there is none.

    By the secant method in ``log(g/(1 - g))``, in which L is nearly linear at both ends, with a slope of 1 at least.
    """
    if not low < 1:
        return flint.arb(2)
    target = _logit(low)
    below, above = -inf, inf
    slope, t = 1.0, target / ((degree + 1) / 2) if target > 0 else target - 1.0
    before: tuple[float, float] | None = None
    for _ in range(40):
        value = _logit(minimax(degree, _gap_of(t)).low) - target
        below, above = (t, above) if value <= 0 else (below, t)
        if -0.02 <= value <= 0:
            break
        if before is not None:
            slope = max(1.0, (value - before[1]) / (t - before[0]))
        before = t, value
        t -= (value + 0.01) / slope
        if not below < t < above:
            t = (below + above) / 2
    return _gap_of(below if below > -inf else t)


def _logit(g: flint.arb) -> float:
    return float((g / (1 - g)).log())


def _gap_of(t: float) -> flint.arb:
    e = flint.arb(t).exp()
    return (e / (1 + e)).mid()
