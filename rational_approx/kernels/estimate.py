"""How large the error of a type would be, quickly: a linearised rational fit of weighted values at some points.

``P - g Q`` is small in least squares with weights that are divided by Q of the step before (Sanathanan & Koerner 1963),
and then by the errors found (Lawson 1961). The estimate lies above the best possible error, seldom by more than half.
"""

import numpy as np

__all__ = ["estimate"]

STEPS = 4


def estimate(v: np.ndarray, g: np.ndarray, weight: np.ndarray, p: int, q: int) -> float:
    """The largest ``weight * abs(g - P/Q)`` of a rational of type (p, q); infinite where its denominator may vanish."""
    low, high = v.min(), v.max()
    t = (2 * v - low - high) / (high - low) if high > low else np.zeros_like(v)
    table = np.polynomial.chebyshev.chebvander(t, max(p, q))
    scale, best, lawson = np.ones_like(v), np.inf, np.ones_like(v)
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            rows = weight * scale * np.sqrt(lawson)
            matrix = np.hstack([table[:, : p + 1], -g[:, None] * table[:, 1 : q + 1]]) * rows[:, None]
            if not np.isfinite(matrix).all():
                return float("inf")
            c = np.linalg.lstsq(matrix, rows * g, rcond=None)[0]
            bottom = 1 + table[:, 1 : q + 1] @ c[p + 1 :]
            error = weight * np.abs(g - table[:, : p + 1] @ c[: p + 1] / bottom)
            if (bottom > 0).all() and error.max() < best:
                best = float(error.max())
            scale = 1 / np.maximum(np.abs(bottom), 1e-3 * np.abs(bottom).max())
            lawson = lawson * (error / max(error.max(), 1e-300) + 1e-3)
            lawson /= lawson.mean()
    return best
