"""The whole line without a symmetry: a circle, cut open where the error turns out to be small.

A Möbius map takes the line with its point at infinity to itself, never to an interval. But cut out an arc (a, b): what
is left, ``(-inf, a] u [b, inf)``, is an interval through infinity, and a Möbius map takes it to a bounded one. If the
best approximant there has no pole and no larger error in the arc, it is the best on the whole line, since it alternates
often enough outside. So any arc serves that holds no point of the reference: the first is a guess, the next ones lie in
the widest gaps of the reference that was found.

A denominator without a zero on the line has even degree, and a bounded rational no larger a numerator.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import inf, isinf
from typing import Any

import numpy as np

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.signs import in_range
from rational_approx.problem.change import varying
from rational_approx.targets.target import Target

__all__ = ["on_line"]

TRIES = 8
FIRST = 2.2
"""The angle of the first arc, on the circle where the middle of the target's variation is 0 and infinity is pi."""

INSIDE = 2000
"""Points at which the error is looked at in the arc."""


def on_line(
    target: Target,
    degree: tuple[int, int],
    outside: tuple[Fraction, ...],
    fitted: Callable[[Target, tuple[int, int]], Any],
) -> Any:
    """The best fit on the line, by a function that fits a target on the line without an arc; the last attempt, not
    converged, where none of a few arcs served, and None where no fit was found at all. Points ``outside`` are left out
    of the arcs.
    """
    q = degree[1] - degree[1] % 2
    even = min(degree[0], q), q
    circle = _Circle.around(target)
    attempt = None
    centre, half = FIRST, 0.5 / (sum(even) + 2)
    for tries in range(TRIES):
        if attempt is not None and len(attempt.reference) > 1:
            centre, half = _widest(circle, attempt.reference, centre, half, tries // 2)
        elif tries > 0:  # another guess
            centre = (centre + 2.0) % 5.0 - 2.5
        a, b = _short(circle.x(centre - half), circle.x(centre + half))
        if not a < b or any(a <= x <= b for x in outside):
            continue
        breaks = [x for x in target.breakpoints if not a < x < b]
        cut = Target(target.function, [(-inf, a), (b, inf)], weight=target.weight, breakpoints=breaks)
        try:
            found = fitted(cut, even)
        except ArithmeticError as problem:
            if getattr(problem, "cause", "") == "time":
                raise
            continue
        rational = replace(found.rational, domain=target.domain)
        attempt = replace(found, rational=rational, target=target, degree=degree, converged=False)
        p, q = rational.polynomials
        if in_range(p, q, target.domain, found.bounds):
            x = np.linspace(float(a), float(b), INSIDE)
            noise = 1e-14 * float(np.abs(attempt(x)).max())
            if np.abs(attempt.error_at(x)).max() <= float(found.error) * (1 + 1e-9) + noise:
                return replace(attempt, converged=True)
    return attempt


class _Circle:
    """Angles for the points of the line: ``x = middle + scale tan(angle / 2)``."""

    def __init__(self, middle: float, scale: float) -> None:
        self.middle, self.scale = middle, scale

    @classmethod
    def around(cls, target: Target) -> "_Circle":
        """Half of the target's variation lies within ``scale`` of the middle."""
        z = np.geomspace(1e-3, 1e4, 400)
        x = np.concatenate([-z[::-1], [0.0], z])
        quarter, half, three = varying(target, x, 0.25, 0.5, 0.75) or (-1.0, 0.0, 1.0)
        return cls(half, max((three - quarter) / 2, 1e-3))

    def angle(self, x: float) -> float:
        return float(np.pi if isinf(x) else 2 * np.arctan2(x - self.middle, self.scale))

    def x(self, angle: float) -> float:
        return self.middle + self.scale * float(np.tan(angle / 2))


def _short(a: float, b: float) -> tuple[Fraction, Fraction]:
    """Ends of an arc near to those given, with few digits: the coefficients of an exact answer stay short as well."""
    unit = Fraction(2) ** int(np.floor(np.log2((b - a) / 8)))
    return round(Fraction(a) / unit) * unit, round(Fraction(b) / unit) * unit


def _widest(circle: _Circle, reference: tuple[End, ...], centre: float, half: float, rank: int) -> tuple[float, float]:
    """Middle and half width of an arc in the widest gap of a reference, or one of the next, but not of the arc before;
    in angles, infinity left out."""
    angles = np.sort([circle.angle(float(x)) for x in reference])
    gaps, middles = np.diff(angles), (angles[1:] + angles[:-1]) / 2
    gaps = np.where(np.abs(middles - centre) > half, gaps, 0.0)
    best = int(np.argsort(-gaps)[rank % gaps.size])
    return float(middles[best]), float(gaps[best]) / 4
