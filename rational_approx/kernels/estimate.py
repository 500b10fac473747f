"""A near-best rational of a type for weighted values at some points, in milliseconds.

``P - g Q`` is small in least squares with weights that are divided by Q of the step before (Sanathanan & Koerner 1963),
and multiplied by the errors found so far (Lawson 1961). Nothing is claimed of the result: whoever uses it tries it at
every input. It takes the place of the best fit of :mod:`fitting.samples` because units in the last place jump by two at
every power of two, so that a best fit seldom alternates nicely and may take a minute.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from rational_approx.rationals.rational import Rational

__all__ = ["Estimate", "estimate"]

Coefficients = tuple[Fraction, ...]


class Estimate(NamedTuple):
    """The largest weighted error at the points, infinite where the denominator may vanish, and the coefficients of
    Chebyshev polynomials on an interval."""

    error: float
    top: np.ndarray
    bottom: np.ndarray
    interval: tuple[float, float]

    def powers(self) -> tuple[Coefficients, Coefficients]:
        """The exact coefficients of powers of the variable, scaled so that those of Q begin with 1 where they can."""
        low, high = self.interval
        if low == high:
            return (Fraction(float(self.top[0])),), (Fraction(1),)
        top, bottom = ([Fraction(float(c)) for c in side] for side in (self.top, self.bottom))
        same = Rational(top, bottom, (Fraction(low), Fraction(high))).monomial()
        scale = same.denominator[0] or max(same.denominator, key=abs)
        return tuple(c / scale for c in same.numerator), tuple(c / scale for c in same.denominator)


def estimate(v: np.ndarray, g: np.ndarray, weight: np.ndarray, p: int, q: int, steps: int) -> Estimate:
    """Fit values g with weights, all ``[points]``, at v by a rational of type (p, q), in so many steps."""
    low, high = float(v.min()), float(v.max())
    t = (2 * v - low - high) / (high - low) if high > low else np.zeros_like(v)
    table = np.polynomial.chebyshev.chebvander(t, max(p, q))
    scale, lawson = np.ones_like(v), np.ones_like(v)
    best = Estimate(float("inf"), np.zeros(1), np.ones(1), (low, high))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            rows = weight * scale * np.sqrt(lawson)
            matrix = np.hstack([table[:, : p + 1], -g[:, None] * table[:, 1 : q + 1]]) * rows[:, None]
            if not np.isfinite(matrix).all():
                break
            c = np.linalg.lstsq(matrix, rows * g, rcond=None)[0]
            top, bottom = c[: p + 1], np.concatenate([[1.0], c[p + 1 :]])
            below = table[:, : q + 1] @ bottom
            error = weight * np.abs(g - table[:, : p + 1] @ top / below)
            largest = float(error.max())
            if (below > 0).all() and largest < best.error:
                best = Estimate(largest, top, bottom, (low, high))
            if not np.isfinite(largest) or largest == 0:
                break
            scale = 1 / np.maximum(np.abs(below), 1e-3 * np.abs(below).max())
            lawson = lawson * (error / largest + 1e-3)
            lawson /= lawson.mean()
    return best
