"""Differential correction: rationals that are sure to be free of poles, by a sequence of linear programmes.

On a grid, with an approximant ``P_k/Q_k`` of error ``D_k``, solve for new P, Q and z

    minimise z   subject to   abs(S Q - W P) - D_k Q <= z Q_k   on the grid,

(Cheney & Loeb 1961; convergence, from any start and at last quadratic: Barrodale, Powell & Roberts 1972). Where Q shall
have other signs, its values times these stand for Q. Linear are also bounds of r, and a value of r at a point.

Divided by ``Q_k`` each row is of size one, and with P and Q in polynomials that are orthonormal with the weight
``1 / Q_k**2`` on the grid (by Arnoldi's process: Brubeck, Nakatsukasa & Trefethen 2021) so is each column, though Q may
range over ten orders of magnitude. The unknowns are the coordinates of ``(S Q - W P) / (D_k Q_k)`` in its singular
vectors: no digits cancel in it, and the tolerance of the linear programme is one relative to ``D_k``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.alternation import alternating
from rational_approx.exchange.barycentric import Barycentric, interpolating
from rational_approx.exchange.extrema import Shown, looks, peaks
from rational_approx.exchange.relaxed import sampled
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = [
    "UNSEEN",
    "Approximant",
    "Grid",
    "Improved",
    "Programme",
    "changing",
    "corrected",
    "improved",
    "in_powers",
    "nearly_best",
    "orthonormal",
    "programme",
    "shown_on",
]

STEPS = 120
ROUNDS, LEVEL = 4, 1e-6
"""How often a grid is made finer, and the unevenness of the peaks from which that is of no use."""

UNSEEN = 1e-11
"""An error on a grid that is a smaller share of the target's size is none that a linear programme makes smaller."""

ITERATIONS = 30
"""A programme that takes so many iterations an unknown has lost its way."""

NEAR = 1e-3
"""A step that lowers the error by less than this is the last, where a start is all that is wanted."""


class Grid(NamedTuple):
    """Points, increasing, with S and W and the sign that Q shall have there."""

    t: np.ndarray
    s: np.ndarray
    w: np.ndarray
    sides: np.ndarray

    @classmethod
    def of(cls, problem: Reduced, degree: tuple[int, int]) -> "Grid":
        """A fixed look at every piece, with many points a coefficient."""
        t = np.concatenate(looks(problem, 16 * (sum(degree) + 2) // len(problem.pieces) + 48))
        return cls(t, *sampled(problem, t), problem.signs_at(t))


class Improved(NamedTuple):
    """P, Q (its largest value 1 in size) and ``S - W P/Q`` on the grid, and z: negative for a smaller error."""

    p: np.ndarray
    q: np.ndarray
    error: np.ndarray
    z: float


class Programme(NamedTuple):
    """What a linear programme has found, None where it has no solution with the signs of Q; and its multipliers at the
    points of the grid."""

    found: Improved | None
    multipliers: np.ndarray


def programme(
    grid: Grid,
    degree: tuple[int, int],
    q_now: np.ndarray,
    level: float,
    *,
    room: np.ndarray | None = None,
    walls: Sequence[tuple[int, np.ndarray, np.ndarray]] = (),
    through: tuple[int, float] | None = None,
) -> Programme:
    """One linear programme, on no fewer points than ``p + q + 2``.

    Parameters
    ----------
    grid, degree, q_now, level:
        The grid, the type, and ``Q_k`` (of the grid's signs, or only its size) and ``D_k``.
    room:
        Factors of z in the rows of the grid; rows with the factor 0 are left out.
    walls:
        Triples of a sign and of the values L and weights V of a bound: ``sign (L - V P/Q) <= 0`` where L is finite.
    through:
        Index of a point of the grid and the value that P/Q has there.
    """
    watch.check()
    (t, s, w, sides), (p, q) = grid, degree
    size_now = np.abs(q_now)
    basis = orthonormal(t, 1 / size_now, max(p, q))
    top, bottom = basis[:, : p + 1], basis[:, : q + 1]
    errors = np.hstack([s[:, None] * bottom, -w[:, None] * top])
    if not np.isfinite(errors).all():  # beside a pole of a callable
        return Programme(None, np.zeros(t.size))
    u, sizes, v = np.linalg.svd(errors, full_matrices=False)
    inverse = v.T / np.maximum(sizes, 1e-15 * sizes[0])
    lower = level * (sides[:, None] * bottom) @ inverse[: q + 1]
    scale = np.sqrt(t.size) / np.maximum(1.0, np.abs(lower).max(axis=0))
    u, lower, coefficients = u * scale, lower * scale, level * inverse * scale
    factors = np.ones(t.size) if room is None else room
    used = factors > 0
    rows, rooms = [(u - lower)[used], (-u - lower)[used]], [factors[used], factors[used]]
    for sign, values, weights in walls:
        here = np.isfinite(values)
        bound = np.hstack([values[here, None] * bottom[here], -weights[here, None] * top[here]])
        rows.append((sign * sides[here])[:, None] * bound @ coefficients)
        rooms.append(np.zeros(len(bound)))
    equal = np.empty((0, p + q + 2))
    if through is not None:
        at, value = through
        row = np.r_[-value * bottom[at], top[at]] @ coefficients
        equal = (row / np.abs(row).max())[None, :]
    solved = _smallest(np.vstack(rows), np.concatenate(rooms), equal)
    if solved is None:
        return Programme(None, np.zeros(t.size))
    c, z, multipliers = solved
    above, below = np.split(multipliers[: 2 * int(used.sum())], 2)
    weights_of = np.zeros(t.size)
    weights_of[used] = above + below
    ratio = lower @ c  # Q / Q_k, with the sizes of both
    if not (ratio > 0).all():
        return Programme(None, weights_of)
    largest = (size_now * ratio).max()
    p_now = size_now * (top @ (coefficients[q + 1 :] @ c)) / largest
    error = sides * level * (u @ c) / ratio
    return Programme(Improved(p_now, sides * (size_now * ratio / largest), error, z), weights_of)


def _smallest(rows: np.ndarray, rooms: np.ndarray, equal: np.ndarray) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The c in [-1, 1] and the z that is smallest with ``rows c <= z rooms`` and ``equal c = 0``, and the multipliers
    of the rows. The primal programme is solved: where Q ranges over many orders of magnitude, the multipliers of the
    dual one are too coarse to be its solution."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    count, n = rows.shape
    found = linprog(
        np.r_[np.zeros(n), 1.0],
        np.hstack([rows, -rooms[:, None]]),
        np.zeros(count),
        np.hstack([equal, np.zeros((len(equal), 1))]),
        np.zeros(len(equal)),
        [(-1.0, 1.0)] * n + [(None, None)],
        method="highs-ds",
        options=PRECISE | {"maxiter": ITERATIONS * n},
    )
    return None if found.status != 0 else (found.x[:n], float(found.x[n]), -found.ineqlin.marginals)


def improved(grid: Grid, degree: tuple[int, int], q_now: np.ndarray, level: float, **asked: Any) -> Improved | None:
    """What one :func:`programme` finds."""
    return programme(grid, degree, q_now, level, **asked).found


class Approximant(Shown, Protocol):
    """A rational in floats, and its denominator up to a factor."""

    def denominator(self, t: np.ndarray) -> np.ndarray: ...


def corrected(problem: Reduced, degree: tuple[int, int], first: Approximant | None = None) -> Iterator[Barycentric]:
    """Better and better approximants with their alternating peaks, as soon as they are nearly level.

    The first of them is given, and of a smaller type, or it is a polynomial of least squares, over factors in gaps. The
    peaks are looked for between the points of the grid as well: where they cluster, a grid misses them by more than the
    level equations bear.
    """
    known = [] if first is None else [first]
    for _ in range(ROUNDS):
        if known:
            problem = problem.marked(peaks(problem, known[0], looks(problem, 16))[0])
        found = None
        for found in _corrected(problem, degree, known):
            yield found
        if found is None or found.reference is None:
            return
        s, w = sampled(problem, found.reference)
        size = np.abs(s - w * found(found.reference))
        if size.min() > (1 - LEVEL) * size.max() or found.largest < UNSEEN * np.abs(s).max():
            return
        known.insert(0, found)


def _corrected(problem: Reduced, degree: tuple[int, int], known: Sequence[Approximant]) -> Iterator[Barycentric]:
    """The same on one grid, from the first known approximant that has no pole on it; what it ends with comes last."""
    t, s, w, sides = grid = Grid.of(problem, degree)
    for first in known:
        if (sides * (q_now := first.denominator(t)) > 0).all():
            error = s - w * first(t)
            break
    else:
        q_now = changing(problem, t)
        top = w[:, None] * orthonormal(t, 1 / q_now, degree[0])
        error = s - top @ np.linalg.lstsq(top, s, rcond=None)[0]
    offered, shown = np.inf, None
    for _ in range(STEPS):
        best = float(np.abs(error).max())
        step = improved(grid, degree, q_now, best) if best > 0 else None
        if step is None or step.z >= 0:
            break
        q_now, error = step.q, step.error
        largest = float(np.abs(error).max())
        watch.report("linear programmes", problem.change.ansatz.outer(*degree), None, largest)
        chosen = alternating(error[w > 0].tolist(), sum(degree) + 2)
        if chosen is not None:
            unevenness = 1 - float(np.abs(error[w > 0][chosen]).min()) / largest
            shown = shown_on(problem, degree, grid, step, np.flatnonzero(w > 0)[chosen])
            if unevenness < 0.5 * offered:
                offered = unevenness
                yield shown
                shown = None
        if not largest < (1 - 1e-9) * best:
            break
    if shown is not None:
        yield shown


def shown_on(problem: Reduced, degree: tuple[int, int], grid: Grid, found: Improved, chosen: np.ndarray) -> Barycentric:
    """What a programme has found, with the peaks of its error that lie beside the chosen points of the grid."""
    t, nodes = grid.t, chosen[np.unique(np.round(np.linspace(1, chosen.size - 1, max(degree) + 1)).astype(int))]
    largest = float(np.abs(found.error).max())
    shown = interpolating(t[nodes], found.p[nodes], found.q[nodes], t[chosen], largest)
    at, e = peaks(problem, shown, looks(problem, 16))
    refined = alternating(e.tolist(), chosen.size) if np.isfinite(e).all() else None
    return shown if refined is None else replace(shown, reference=at[refined])


def nearly_best(
    problem: Reduced, degree: tuple[int, int], walls: Sequence[Sequence[ReducedPiece | None]]
) -> tuple[flint.arb_poly, flint.arb_poly, float] | None:
    """P and Q in powers of t within bounds, and their error, nearly the best; None where none is smaller than S itself.

    ``walls`` has for each piece the bound below ``S - W R`` and the one above it, as a piece with the bound in place of
    f.
    """
    grid = Grid.of(problem, degree)
    limits = []
    for k, sign in ((0, 1), (1, -1)):
        values, weights = np.full_like(grid.t, np.inf), np.ones_like(grid.t)
        for piece, pair in zip(problem.pieces, walls, strict=True):
            here = (grid.t >= piece.low) & (grid.t <= piece.high)
            if (wall := pair[k]) is not None:
                values[here], weights[here] = wall.floats(grid.t[here])
        limits.append((sign, values, weights))
    found, q_now, h = None, np.ones_like(grid.t), 2 * float(np.abs(grid.s).max())
    for _ in range(STEPS):
        step = improved(grid, degree, q_now, h, walls=limits)
        if step is None or step.z >= 0:
            break
        found, q_now, before, h = step, step.q, h, float(np.abs(step.error).max())
        if not 1e-12 < h < (1 - NEAR) * before:
            break
    if found is None:
        return None
    return in_powers(grid.t, found.p, degree[0]), in_powers(grid.t, found.q, degree[1]), h


def in_powers(t: np.ndarray, values: np.ndarray, degree: int) -> flint.arb_poly:
    """The polynomial of a degree that has given values on a grid, in powers of t."""
    found = np.polynomial.Chebyshev.fit(t, values, degree, domain=[t[0], t[-1]])
    return flint.arb_poly([float(c) for c in found.convert(kind=np.polynomial.Polynomial).coef])


def changing(problem: Reduced, t: np.ndarray) -> np.ndarray:
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
