"""AAA-Lawson in thirty lines, as its authors describe it: what `fit` is compared with.

SciPy has AAA without Lawson's iteration. This one takes SciPy's support points and weights each point of the grid by
its own error again and again (Nakatsukasa & Trefethen 2020). It shares no code with the package.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import AAA

__all__ = ["Sums", "aaa_lawson"]


class Sums(NamedTuple):
    """``sum alpha_k / (x - z_k) / sum beta_k / (x - z_k)``."""

    nodes: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray


def aaa_lawson(x: np.ndarray, y: np.ndarray, terms: int, steps: int = 40) -> Sums:
    """The best of the steps on the grid, with as many support points as there are terms."""
    z = np.asarray(AAA(x, y, rtol=0, max_terms=terms).support_points)
    rest = ~np.isin(x, z)
    x, y = x[rest], y[rest]
    cauchy = 1 / (x[:, None] - z)
    rows = np.hstack([cauchy, -y[:, None] * cauchy])
    weight = np.ones_like(x)
    best: tuple[float, Any] = (np.inf, None)
    for _ in range(steps):
        v = np.linalg.svd(np.sqrt(weight)[:, None] * rows, full_matrices=False)[2][-1]
        alpha, beta = v[: z.size], v[z.size :]
        error = np.abs(y - (cauchy @ alpha) / (cauchy @ beta))
        if error.max() < best[0]:
            best = (float(error.max()), Sums(z, alpha, beta))
        weight = weight * error / error.max()
        weight = np.maximum(weight / weight.max(), 1e-30)
    return best[1]
