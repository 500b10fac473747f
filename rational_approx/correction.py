"""Differential correction: a start that is sure to be free of poles, by a sequence of linear programmes.

On a grid, with an approximant ``P_k/Q_k`` of error ``D_k``, solve for new P, Q and z

    minimise z   subject to   abs(S Q - W P) - D_k Q <= z Q_k   on the grid,   abs(q_j) <= 1,

(Cheney & Loeb 1961; convergence, from any start and at last quadratic: Barrodale, Powell & Roberts 1972). Each step is
one call of scipy's HiGHS. In float64 it stalls some 1e-3 above the best error: near enough to start an exchange.
"""

import numpy as np

from rational_approx.extrema import alternating, looks
from rational_approx.reduction import Reduced
from rational_approx.start import stretched

__all__ = ["corrected"]

STEPS = 25


def corrected(problem: Reduced, degree: tuple[int, int]) -> list[np.ndarray]:
    """References from the alternating peaks of the corrected approximant: all of them, small ones included, or, where
    they are too few (the programme stalled, or the best approximant is degenerate), the large ones, stretched."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    p, q = degree
    count = p + q + 2
    grids, signals = [], []
    for piece, t in zip(problem.pieces, looks(problem, 6 * count // len(problem.pieces) + 24), strict=True):
        grids.append(t)
        signals.append(piece.floats(t))
    t = np.concatenate(grids)
    s, w = (np.concatenate([signal[k] for signal in signals]) for k in (0, 1))
    used = w > 0
    low, high = t[0], t[-1]
    v = np.polynomial.chebyshev.chebvander((2 * t - low - high) / (high - low), max(p, q))
    top, bottom = v[:, : p + 1] * w[:, None], v[:, : q + 1]
    q_now = np.ones_like(t)
    a = np.linalg.lstsq(top, s, rcond=None)[0]
    error = s - top @ a
    best = float(np.abs(error).max())
    for _ in range(STEPS):
        # Unknowns a (p + 1), b (q + 1), z. Both signs of the modulus are rows.
        size = best * bottom
        rows = np.block(
            [
                [-top, s[:, None] * bottom - size, -q_now[:, None]],
                [top, -s[:, None] * bottom - size, -q_now[:, None]],
            ]
        )
        cost = np.zeros(p + q + 3)
        cost[-1] = 1.0
        bounds = [(None, None)] * (p + 1) + [(-1.0, 1.0)] * (q + 1) + [(None, None)]
        found = linprog(cost, A_ub=rows, b_ub=np.zeros(2 * t.size), bounds=bounds, method="highs")
        if found.status != 0 or found.x[-1] >= 0:
            break
        q_new = bottom @ found.x[p + 1 : -1]
        if not (q_new > 0).all():
            break
        trial = s - (top @ found.x[: p + 1]) / q_new
        largest = float(np.abs(trial).max())
        if largest >= best:
            break
        progress = largest < 0.999 * best
        error, best, q_now = trial, largest, q_new / q_new.max()
        if not progress:
            break
    if best == 0:
        return []
    starts = []
    chosen = alternating(t[used], error[used], count)
    if chosen is not None:
        starts.append(chosen[0])
    large = np.abs(error) > 0.1 * best
    few, sizes = t[large], error[large]
    runs = np.cumsum(np.r_[0, np.sign(sizes[1:]) != np.sign(sizes[:-1])])
    tops = [np.flatnonzero(runs == run)[np.abs(sizes[runs == run]).argmax()] for run in range(runs[-1] + 1)]
    if 1 < len(tops) < count:
        starts.append(stretched(problem, few[tops], count))
    return starts
