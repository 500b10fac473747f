"""A start that sees the whole function at once: the AAA algorithm, drawn towards minimax by Lawson's iteration.

AAA (Nakatsukasa, Sete & Trefethen 2018) interpolates at ``m + 1`` support points, chosen one after another where the
error is largest, by

    r(t) = sum_k f_k b_k / (t - t_k)  /  sum_k b_k / (t - t_k),

with b the right singular vector that makes the linearised error on the grid smallest. Lawson's iteration (Nakatsukasa
& Trefethen 2020) frees the numerator's ``f_k b_k`` and weights every grid point by its own error, again and again: the
weighted least-squares error comes near the minimax one. It needs no reference to begin with, so a narrow peak or a
cluster of singularities costs it nothing, and its error's peaks are a reference for the exchange, which ends exactly.
"""

from collections.abc import Iterator

import numpy as np

from rational_approx.exchange.extrema import alternating, looks
from rational_approx.problem.reduction import Reduced

__all__ = ["lawson"]

STEPS = 24
OFFERED = (4, 12, STEPS)
"""Steps after which the peaks are offered: the later ones are more level where the iteration converges."""


def lawson(problem: Reduced, degree: tuple[int, int]) -> Iterator[np.ndarray]:
    """References from the alternating peaks of a nearly minimax rational of type (p, p) or of a lower one."""
    p, q = degree
    n = max(p, q)
    grids = looks(problem, 8 * (p + q + 2) // len(problem.pieces) + 48)
    signals = [piece.floats(t) for piece, t in zip(problem.pieces, grids, strict=True)]
    t, s, w = (np.concatenate(part) for part in (grids, *zip(*signals, strict=True)))
    used = w > 0
    t, s, w = t[used], s[used], w[used]
    t, first = np.unique(t, return_index=True)
    s, w = s[first], w[first]
    f = s / w
    if t.size < 3 * (n + 1) or not np.isfinite(f).all():
        return
    support = _support(t, f, w, n + 1)
    cauchy = _cauchy(t, support)
    # Rows at support points: there P/Q is the quotient of two coefficients.
    rows = np.hstack([cauchy, -f[:, None] * cauchy]) * w[:, None]
    rows /= np.abs(cauchy).max(axis=1)[:, None]
    share = np.ones(t.size)
    for step in range(1, STEPS + 1):
        try:
            _, _, v = np.linalg.svd(np.sqrt(share)[:, None] * rows, full_matrices=False)
        except np.linalg.LinAlgError:
            return
        top, bottom = cauchy @ v[-1, : n + 1], cauchy @ v[-1, n + 1 :]
        with np.errstate(all="ignore"):
            error = w * (f - top / bottom)
        size = np.abs(error)
        if not np.isfinite(size).all() or size.max() == 0:
            return
        if step in OFFERED:
            chosen = alternating(t, error, p + q + 2)
            if chosen is not None:
                yield chosen[0]
        share = share * size / size.max()
        share = np.maximum(share / share.max(), 1e-30)


def _support(t: np.ndarray, f: np.ndarray, w: np.ndarray, count: int) -> np.ndarray:
    chosen: list[int] = []
    error = np.abs(w * (f - f.mean()))
    for _ in range(count):
        chosen.append(int(error.argmax()))
        c = _cauchy(t, t[chosen])
        rest = np.setdiff1d(np.arange(t.size), chosen)
        loewner = (f[rest, None] - f[chosen]) * c[rest] * w[rest, None]
        b = np.linalg.svd(loewner, full_matrices=False)[2][-1]
        with np.errstate(all="ignore"):
            r = (c[rest] @ (f[chosen] * b)) / (c[rest] @ b)
        error = np.zeros(t.size)
        error[rest] = np.abs(w[rest] * (f[rest] - r))
        error[~np.isfinite(error)] = 0.0
    return t[chosen]


def _cauchy(t: np.ndarray, support: np.ndarray) -> np.ndarray:
    difference = t[:, None] - support
    hit = difference == 0
    c = 1.0 / np.where(hit, 1.0, difference)
    at = hit.any(axis=1)
    c[at] = hit[at]
    return c
