"""Differential correction: starts that are sure to be free of poles, by a sequence of linear programmes.

On a grid, with an approximant ``P_k/Q_k`` of error ``D_k``, solve for new P, Q and z

    minimise z   subject to   abs(S Q - W P) - D_k Q <= z Q_k   on the grid,

(Cheney & Loeb 1961; convergence, from any start and at last quadratic: Barrodale, Powell & Roberts 1972). Divided by
``Q_k`` each row is of size one, and with P and Q in polynomials that are orthonormal with the weight ``1 / Q_k**2`` on
the grid (by Arnoldi's process: Brubeck, Nakatsukasa & Trefethen 2021) so is each column, though Q may range over ten
orders of magnitude. The unknowns are the coordinates of ``(S Q - W P) / (D_k Q_k)`` in its singular vectors: no digits
cancel in it, and the tolerance of the linear programme is one relative to ``D_k``.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from rational_approx.arithmetic.alternation import alternating
from rational_approx.exchange.extrema import looks
from rational_approx.exchange.levelled import Level
from rational_approx.problem.reduction import Reduced

__all__ = ["PRECISE", "corrected", "orthonormal"]

STEPS = 120


def corrected(problem: Reduced, degree: tuple[int, int], first: Level | None = None) -> Iterator[np.ndarray]:
    """References from the alternating peaks of better and better approximants, as soon as they are nearly level.

    The first of them is given, and of a smaller type, or it is a polynomial of least squares, over factors in gaps.
    """
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    p, q = degree
    count = p + q + 2
    grids = looks(problem, 16 * count // len(problem.pieces) + 48)
    side = np.concatenate([np.full(t.size, piece.q_sign) for piece, t in zip(problem.pieces, grids, strict=True)])
    signals = [piece.floats(t) for piece, t in zip(problem.pieces, grids, strict=True)]
    t, s, w = (np.concatenate(part) for part in (grids, *zip(*signals, strict=True)))
    cost = np.r_[np.zeros(p + q + 2), 1.0]
    bounds = [(-1.0, 1.0)] * (p + q + 2) + [(None, None)]
    column = np.full((t.size, 1), -1.0)
    if first is None or not ((q_now := side * first.denominator(t)) > 0).all():
        q_now = side * _changing(problem, t)
        top = w[:, None] * orthonormal(t, side / q_now, p)
        error = s - top @ np.linalg.lstsq(top, s, rcond=None)[0]
    else:
        error = s - w * first(t)
    offered = np.inf
    for _ in range(STEPS):
        best = float(np.abs(error).max())
        if best == 0:
            return
        basis = orthonormal(t, 1 / q_now, max(p, q))
        top, bottom = w[:, None] * basis[:, : p + 1], basis[:, : q + 1]
        u, sizes, v = np.linalg.svd(np.hstack([s[:, None] * bottom, -top]), full_matrices=False)
        lower = best * (side[:, None] * bottom) @ (v[:, : q + 1].T / np.maximum(sizes, 1e-15 * sizes[0]))
        scale = np.maximum(1.0, np.abs(lower).max(axis=0))
        u, lower = u * np.sqrt(t.size) / scale, lower * np.sqrt(t.size) / scale
        rows = np.block([[u - lower, column], [-u - lower, column]])
        found = linprog(cost, A_ub=rows, b_ub=np.zeros(2 * t.size), bounds=bounds, method="highs", options=PRECISE)
        if found.status != 0 or found.x[-1] >= 0:
            return
        ratio = lower @ found.x[:-1]  # Q / Q_k, with the sizes of both
        if not (ratio > 0).all():
            return
        error = side * best * (u @ found.x[:-1]) / ratio
        q_now = q_now * ratio / (q_now * ratio).max()
        largest = float(np.abs(error).max())
        chosen = alternating(error[w > 0].tolist(), count)
        if chosen is not None:
            unevenness = 1 - float(np.abs(error[w > 0][chosen]).min()) / largest
            if unevenness < 0.5 * offered:
                offered = unevenness
                yield t[w > 0][chosen]
        if not largest < (1 - 1e-9) * best:
            return


def _changing(problem: Reduced, t: np.ndarray) -> np.ndarray:
    """The polynomial of lowest degree that changes its sign where Q does, in the middle of gaps: 1 for one sign."""
    q = np.full(t.size, float(problem.pieces[-1].q_sign))
    for before, piece in pairwise(problem.pieces):
        if before.q_sign != piece.q_sign:
            q *= t - float(before.upper + piece.lower) / 2
    return q / np.abs(q).max()


PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "presolve": False}


def orthonormal(t: np.ndarray, first: np.ndarray, degree: int) -> np.ndarray:
    """``first`` times polynomials of degree 0, 1, ... on a grid, orthonormal in the mean."""
    middle, half = (t[0] + t[-1]) / 2, (t[-1] - t[0]) / 2
    columns = [first / np.linalg.norm(first)]
    for _ in range(degree):
        column = (t - middle) / half * columns[-1]
        for _ in range(2):
            for before in columns:
                column = column - before * (before @ column)
        columns.append(column / np.linalg.norm(column))
    return np.sqrt(t.size) * np.array(columns).T
