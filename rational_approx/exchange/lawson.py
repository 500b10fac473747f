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

from rational_approx import watch
from rational_approx.arithmetic.alternation import alternating
from rational_approx.exchange.barycentric import Barycentric, cauchy_matrix
from rational_approx.exchange.extrema import looks
from rational_approx.problem.reduction import Reduced

__all__ = ["Invisible", "lawson"]

STEPS = 24
OFFERED = (4, 12, STEPS)
"""Steps after which a rational is offered: the later ones are more level where the iteration converges."""

SMALLEST = 1e-30
"""The least share of a weight: a point whose error is zero by chance must be able to come back."""


INVISIBLE = 1e-13
"""An error that is a smaller share of the target's size is rounding."""


class Invisible(ArithmeticError):
    """AAA already meets the target as far as float64 can tell: the error of the best approximant is not to be seen."""


def lawson(problem: Reduced, degree: tuple[int, int]) -> Iterator[Barycentric]:
    """Nearly minimax rationals, of equal degrees the larger of both.

    Raises
    ------
    Invisible
        where float64 shows no error to make smaller.
    """
    n, count = max(degree), sum(degree) + 2
    grids = looks(problem, 8 * count // len(problem.pieces) + 48)
    signals = [piece.floats(t) for piece, t in zip(problem.pieces, grids, strict=True)]
    t, s, w = (np.concatenate(part) for part in (grids, *zip(*signals, strict=True)))
    t, first = np.unique(t[w > 0], return_index=True)
    s, w = s[w > 0][first], w[w > 0][first]
    f = s / w
    if t.size < 3 * (n + 1) or not np.isfinite(f).all():
        return
    support = _support(t, f, w, n + 1)
    cauchy = cauchy_matrix(t, support)
    rows = np.hstack([cauchy, -f[:, None] * cauchy]) * (w / np.abs(cauchy).max(axis=1))[:, None]
    share = np.ones(t.size)
    for step in range(1, STEPS + 1):
        watch.check()
        v = np.linalg.svd(np.sqrt(share)[:, None] * rows, full_matrices=False)[2][-1]
        with np.errstate(all="ignore"):
            error = w * (f - (cauchy @ v[: n + 1]) / (cauchy @ v[n + 1 :]))
        size = np.abs(error)
        if not np.isfinite(size).all():
            return
        if size.max() <= INVISIBLE * np.abs(s).max():
            raise Invisible
        if step in OFFERED:
            chosen = alternating(error.tolist(), count)
            reference = None if chosen is None else t[chosen]
            yield Barycentric(support, v[: n + 1], v[n + 1 :], reference, float(size.max()))
        share = share * size
        share = np.maximum(share / share.max(), SMALLEST)


def _support(t: np.ndarray, f: np.ndarray, w: np.ndarray, count: int) -> np.ndarray:
    chosen: list[int] = []
    error = np.abs(w * (f - f.mean()))
    for _ in range(count):
        watch.check()
        chosen.append(int(error.argmax()))
        c = cauchy_matrix(t, t[chosen])
        rest = np.setdiff1d(np.arange(t.size), chosen)
        # Divided by its largest entry of the Cauchy matrix no row holds more noise than its value does.
        loewner = (f[rest, None] - f[chosen]) * c[rest] * (w[rest] / np.abs(c[rest]).max(axis=1))[:, None]
        b = np.linalg.svd(loewner, full_matrices=False)[2][-1]
        with np.errstate(all="ignore"):
            r = (c[rest] @ (f[chosen] * b)) / (c[rest] @ b)
        error = np.zeros(t.size)
        error[rest] = np.abs(w[rest] * (f[rest] - r))
        error[~np.isfinite(error)] = 0.0
        if error.max() <= INVISIBLE * np.abs(w * f).max() and np.isfinite(r).all():
            raise Invisible
    return t[chosen]
