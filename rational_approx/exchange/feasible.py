"""A rational within bounds and nearly best, by linear programming: a start where there is no other.

For a given h the rationals with ``abs(S - W P/Q) <= h`` and values in range are those with

    S Q - W P <= h Q,    W P - S Q <= h Q,    L Q - W P <= 0,    W P - U Q <= 0,    Q >= 1

at the points of a grid: linear in the coefficients of P and Q. The smallest h for which there are any is bisected.
"""

from collections.abc import Sequence

import flint
import numpy as np

from rational_approx.exchange.extrema import looks
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = ["nearly_best"]

Walls = Sequence[Sequence[ReducedPiece | None]]
"""For each piece the bound below ``S - W R`` and the one above it, as a piece with the bound in place of f."""


def nearly_best(
    problem: Reduced, degree: tuple[int, int], walls: Walls
) -> tuple[flint.arb_poly, flint.arb_poly, float] | None:
    """P and Q in powers of t, and h within some 1e-3 of the best; None where no h up to the size of S is feasible."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    p, q = degree
    grids = looks(problem, 6 * (p + q + 2) // len(problem.pieces) + 24)
    low, high = float(problem.pieces[0].lower), float(problem.pieces[-1].upper)
    signals = [piece.floats(t) for piece, t in zip(problem.pieces, grids, strict=True)]
    s, w = (np.concatenate([signal[k] for signal in signals]) for k in (0, 1))
    t = np.concatenate(grids)
    v = np.polynomial.chebyshev.chebvander((2 * t - low - high) / (high - low), max(p, q))
    top, bottom = v[:, : p + 1] * w[:, None], v[:, : q + 1]
    fixed = [np.hstack([0 * top, -bottom])]
    for side, sign in ((0, 1), (1, -1)):
        for k, (pair, grid) in enumerate(zip(walls, grids, strict=True)):
            wall = pair[side]
            if wall is not None:
                values, weights = wall.floats(grid)
                first = sum(map(len, grids[:k]))
                here = v[first : first + len(grid)]
                bounded = np.hstack([-here[:, : p + 1] * weights[:, None], values[:, None] * here[:, : q + 1]]) * sign
                fixed.append(bounded[np.isfinite(values)])
    limits = np.concatenate([-np.ones(t.size), np.zeros(sum(map(len, fixed[1:])) + 2 * t.size)])
    error = np.hstack([-top, s[:, None] * bottom])
    size = np.hstack([0 * top, bottom])
    found, least, most = None, 0.0, 2 * float(np.abs(s).max())
    while most > 1e-12 and most - least > (1e-3 if found else 1e-6) * most:
        h = (least + most) / 2
        rows = np.vstack([*fixed, error - h * size, -error - h * size])
        trial = linprog(np.zeros(p + q + 2), rows, limits, bounds=(None, None), method="highs")
        if trial.status == 0:
            found, most = (trial.x, h), h
        else:
            least = h
    if found is None:
        return None
    powers = [
        np.polynomial.Chebyshev(part, domain=[low, high]).convert(kind=np.polynomial.Polynomial).coef
        for part in (found[0][: p + 1], found[0][p + 1 :])
    ]
    return flint.arb_poly([float(c) for c in powers[0]]), flint.arb_poly([float(c) for c in powers[1]]), found[1]
