"""The peaks of an error curve: where the error of an approximant is largest."""

from typing import Protocol

import numpy as np

from rational_approx.problem.reduction import Reduced

__all__ = ["Peaks", "Shown", "looks", "peaks", "spread"]

Peaks = tuple[np.ndarray, np.ndarray]
"""Points, increasing, and the signed error at each."""

PER_GAP = 8
ZOOMS = 6
ZOOMS_OPAQUE = 16
"""Without an expression a kink may lie anywhere inside a piece, and the error beside it is linear in the distance and
not quadratic: such targets are looked at down to 1e-9 of a gap."""


class Shown(Protocol):
    """A rational in floats, with points near which its peaks are."""

    @property
    def reference(self) -> np.ndarray | None: ...

    def __call__(self, t: np.ndarray) -> np.ndarray: ...


def error(problem: Reduced, k: int, r: Shown, t: np.ndarray) -> np.ndarray:
    """``S - W r`` on piece ``k``; infinite where r has a pole, so that a pole is a peak nobody misses."""
    s, w = problem.pieces[k].floats(t)
    with np.errstate(invalid="ignore", over="ignore"):
        e = s - w * r(t)
    return np.where(np.isnan(e), np.where(w == 0, s, np.inf), e)


def spread(lower: float, upper: float, count: int) -> np.ndarray:
    """A fixed look at a piece: Chebyshev points, and geometric ones towards both ends, where kinks attract peaks."""
    v = (1 - np.cos(np.pi * np.arange(count + 1) / count)) / 2
    close = np.geomspace(1e-15, 1e-1, 60)
    v = np.unique(np.concatenate([v, close, 1 - close]))
    return np.clip(lower + (upper - lower) * v, lower, upper)


def looks(problem: Reduced, count: int) -> list[np.ndarray]:
    """The points of :func:`spread` and the marks of every piece."""
    return [np.union1d(spread(piece.low, piece.high, count), piece.marks) for piece in problem.pieces]


def peaks(problem: Reduced, r: Shown, base: list[np.ndarray]) -> Peaks:
    """Local maxima of the error's size on every piece, its ends included, each found to about 1e-5 of its gap.

    The error between two points of the reference is looked at in ``PER_GAP`` points, wherever the reference
    clusters; the fixed points ``base`` of each piece guard what the reference does not see. Each bracket is then
    narrowed by a factor of four ``ZOOMS`` times, without derivatives: a kink inside a piece is found as well.
    """
    found_t, found_e = [], []
    inner = np.arange(1, PER_GAP) / PER_GAP
    known = np.empty(0) if r.reference is None else r.reference
    for k, piece in enumerate(problem.pieces):
        lower, upper = piece.low, piece.high
        mine = known[(known >= lower) & (known <= upper)]
        marks = np.unique(np.concatenate([[lower], mine, [upper]]))
        between = (marks[:-1, None] + np.diff(marks)[:, None] * inner).ravel()
        t = np.unique(np.concatenate([base[k], marks, between]))
        e = error(problem, k, r, t)
        size = np.abs(e)
        left, right = np.r_[-np.inf, size[:-1]], np.r_[size[1:], -np.inf]
        turns = np.sign(e[1:]) * np.sign(e[:-1]) < 0
        flips = np.r_[True, turns], np.r_[turns, True]
        top = np.flatnonzero(((size >= left) | flips[0]) & ((size >= right) | flips[1]))
        low, high = t[np.maximum(top - 1, 0)], t[np.minimum(top + 1, t.size - 1)]
        at, best = t[top], e[top]
        share = np.linspace(-1, 1, 9)
        half = np.maximum(at - low, high - at)
        zooms = ZOOMS if piece.source.expression is not None else ZOOMS_OPAQUE
        for _ in range(zooms):
            grid = np.clip(at[:, None] + half[:, None] * share, low[:, None], high[:, None])
            values = error(problem, k, r, grid.ravel()).reshape(grid.shape)
            same = np.where(values * np.sign(best)[:, None] > 0, np.abs(values), -1.0)
            winner = same.argmax(axis=1)
            rows = np.arange(at.size)
            better = same[rows, winner] > np.abs(best)
            at = np.where(better, grid[rows, winner], at)
            best = np.where(better, values[rows, winner], best)
            half /= 4
        found_t.append(at)
        found_e.append(best)
    return np.concatenate(found_t), np.concatenate(found_e)
