"""A near-best rational of a type for weighted values at some points, in milliseconds.

``P - g Q`` is small in least squares with weights that are divided by Q of the step before (Sanathanan & Koerner 1963),
and multiplied by the errors found so far (Lawson 1961). Nothing is claimed of the result: whoever uses it tries it at
every input. It takes the place of the best fit of :mod:`fitting.samples` because units in the last place jump by two at
every power of two, so that a best fit seldom alternates nicely and may take a minute.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational

__all__ = ["Estimate", "estimate"]

WIDE = 1e4
Coefficients = tuple[Fraction, ...]


class Estimate(NamedTuple):
    """The largest weighted error at the points, infinite where the denominator may vanish, and the coefficients of
    Chebyshev polynomials on an interval."""

    error: float
    top: np.ndarray
    bottom: np.ndarray
    interval: tuple[float, float] | None

    def powers(self) -> tuple[Coefficients, Coefficients]:
        """The exact coefficients of powers of the variable, scaled so that those of Q begin with 1 where they can."""
        top, bottom = (tuple(Fraction(float(c)) for c in side) for side in (self.top, self.bottom))
        if self.interval is None:
            return top, bottom
        low, high = self.interval
        if low == high:
            return top[:1], (Fraction(1),)
        same = Rational(top, bottom, Domain.of((Fraction(low), Fraction(high)))).monomial()
        scale = same.denominator[0] or max(same.denominator, key=abs)
        return tuple(c / scale for c in same.numerator), tuple(c / scale for c in same.denominator)


def estimate(v: np.ndarray, g: np.ndarray, weight: np.ndarray, p: int, q: int, steps: int, hopeless: float) -> Estimate:
    """Fit values g with weights, all ``[points]``, at v by a rational of type (p, q), in so many steps; or in two,
    where the error is above ``hopeless`` then."""
    low, high = float(v.min()), float(v.max())
    t = (2 * v - low - high) / (high - low) if high > low else np.zeros_like(v)
    # Over many powers of two the points crowd at one value of t, and powers of v, each scaled, tell them apart.
    wide = max(-low, high) > WIDE
    with np.errstate(all="ignore"):
        table = (
            np.vander(v, max(p, q) + 1, increasing=True) if wide else np.polynomial.chebyshev.chebvander(t, max(p, q))
        )
    scale, lawson = np.ones_like(v), np.ones_like(v)
    interval = None if wide else (low, high)
    best = Estimate(float("inf"), np.zeros(1), np.ones(1), interval)
    with np.errstate(all="ignore"):
        for step in range(steps):
            rows = weight * scale * np.sqrt(lawson)
            matrix = np.hstack([table[:, : p + 1], -g[:, None] * table[:, 1 : q + 1]]) * rows[:, None]
            if not np.isfinite(matrix).all():
                break
            sizes = np.maximum(np.abs(matrix).max(0), 1e-300)
            c = np.linalg.lstsq(matrix / sizes, rows * g, rcond=None)[0] / sizes
            top, bottom = c[: p + 1], np.concatenate([[1.0], c[p + 1 :]])
            below = table[:, : q + 1] @ bottom
            error = weight * np.abs(g - table[:, : p + 1] @ top / below)
            largest = float(error.max())
            if (below > 0).all() and largest < best.error:
                best = Estimate(largest, top, bottom, interval)
            if not np.isfinite(largest) or largest == 0 or (step == 1 and best.error > hopeless):
                break
            scale = 1 / np.maximum(np.abs(below), 1e-3 * np.abs(below).max())
            lawson = lawson * (error / largest + 1e-3)
            lawson /= lawson.mean()
    return best
