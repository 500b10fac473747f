"""The best rational of a prescribed form on a grid, by linear programmes.

The pairs (P, Q) are a linear space of dimension n (:mod:`problem.prescribed`): with its coordinates c, at points x_i,

    A c = w (f Q - P),   B c = Q,   and wanted is the smallest h with  abs(A c) <= h B c,  B c > 0.

That is what differential correction solves (:mod:`exchange.correction`), which needs no more of the space than that it
is linear: Haar's condition, on which alternation rests, fails for chosen powers and fixed coefficients. The multipliers
of the last programme are those of :mod:`exchange.optimality`, which goes on from there.

All that is handed to a linear programme was orthogonalised in multiprecision arithmetic: an error of 1e-30 is as good
as any other.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import flint
import numpy as np
from flint import arb, arb_mat, arb_series

from rational_approx.arithmetic.precision import to_arb
from rational_approx.problem.prescribed import Prescribed
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["Grid", "Level", "Place", "Unsolved", "programmed"]

STEPS = 80
"""Linear programmes in a row."""
NEGLIGIBLE = 1e-7
"""Multipliers below this share of the largest are rounding errors of the linear programme."""
RAISED, ENOUGH = 12, 1e-11
"""How often the first level is raised until a programme has a solution; and the relative gain that is the last."""
PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "presolve": False}


class Unsolved(ArithmeticError):
    """The reason why there is no level reference."""


class Place(NamedTuple):
    """A point of a piece, exact."""

    piece: int
    x: Fraction


@dataclass(frozen=True)
class Level:
    """Coordinates c, the level h, and the points with the signs of the error and the multipliers there."""

    c: list[arb]
    h: arb
    places: tuple[Place, ...]
    signs: tuple[int, ...]
    multipliers: tuple[arb, ...]


class Grid:
    """Points of a target with the rows of A and B, calculated once each."""

    def __init__(self, target: Target, form: Prescribed, count: int) -> None:
        self.target, self.form = target, form
        self.rows: dict[Place, tuple[list[arb], list[arb]]] = {}
        self.ends = [
            (self._beside(piece, Fraction(piece.lower), 1), self._beside(piece, Fraction(piece.upper), -1))
            for piece in target.pieces
        ]
        for index, piece in enumerate(target.pieces):
            lower, upper = self.ends[index]
            share = (1 - np.cos(np.pi * np.arange(1, count) / count)) / 2
            marks = piece.marks[:: max(1, len(piece.marks) // (2 * count))]
            inner = [Fraction(float(lower + (upper - lower) * Fraction(float(s)))) for s in share]
            inner += [Fraction(float(x)) for x in marks]
            self.add(index, [lower, upper, *(x for x in inner if lower < x < upper)])

    @staticmethod
    def _beside(piece: Piece, end: Fraction, inwards: int) -> Fraction:
        """An end; where the weight is infinite, a point so near to it that its error is the limit there."""
        finite = piece.jets(to_arb(end), 1)[1][0].is_finite()
        return end if finite else end + inwards * Fraction(1, 2 ** (flint.ctx.prec // 4))

    def add(self, index: int, points: list[Fraction]) -> None:
        """More points of a piece."""
        lower, upper = self.ends[index]
        for x in points:
            place = Place(index, min(max(x, lower), upper))
            if place not in self.rows:
                self.rows[place] = self.row(place)

    def row(self, place: Place) -> tuple[list[arb], list[arb]]:
        """The rows of A and of B at a place."""
        a, b = self.series(place.piece, to_arb(place.x), 1)
        return [side[0] for side in a], [side[0] for side in b]

    def series(self, index: int, x: arb, order: int) -> tuple[list[arb_series], list[arb_series]]:
        """The rows of A and of B around a point of a piece."""
        f, w = self.target.pieces[index].jets(x, order)
        p, q = self.form.functions(arb_series([x, 1] if order > 1 else [x], prec=order))
        return [w * (f * b - a) for a, b in zip(p, q, strict=True)], q

    def inside(self, place: Place) -> bool:
        """Whether a point may move: it is at no end of its piece."""
        lower, upper = self.ends[place.piece]
        return lower < place.x < upper

    @property
    def places(self) -> list[Place]:
        """All points, by piece and from left to right."""
        return sorted(self.rows)

    def matrices(self, places: list[Place]) -> tuple[arb_mat, arb_mat]:
        """A and B on points."""
        rows = [self.rows[place] if place in self.rows else self.row(place) for place in places]
        return arb_mat([a for a, _ in rows]), arb_mat([b for _, b in rows])


# -- linear programmes -------------------------------------------------------------------------------------------------


def programmed(grid: Grid, start: list[arb] | None = None) -> Level:
    """The best on the grid, by differential correction from c, with the points and signs whose multipliers count."""
    places = grid.places
    a, b = (side.mid() for side in grid.matrices(places))
    found, multipliers, level = None, None, 2 * max(map(abs, a.entries()), key=float)
    size, raised = [arb(1)] * len(places), 0
    if start is not None:
        q, error = _values(a, b, start)
        if all(v > 0 for v in q):
            found, size, level = start, q, max(map(abs, error), key=float)
    for _ in range(STEPS):
        if not level > 0:
            raise Unsolved("the error is zero on the grid")
        step = _programme(a, b, size, level)
        if step is None or not step.z < 0:
            multipliers = multipliers if step is None else step.multipliers
            if found is not None:
                break
            raised, level = raised + 1, level * 32
            if raised == RAISED:
                break
            continue
        multipliers = step.multipliers
        q, error = _values(a, b, step.c)
        largest, before = max(map(abs, error), key=float), level
        if not all(v > 0 for v in q) or not largest < level:
            break
        found, size, level = step.c, q, largest
        if (before - level) / before < ENOUGH:
            break
    if found is None or multipliers is None:
        raise Unsolved("no denominator of this form was found that has no zero on the domain")
    greatest = max(map(abs, found), key=float)
    _, error = _values(a, b, found)
    sides = multipliers[: len(places)] - multipliers[len(places) :]
    used = _peaks(places, [float(e / level) for e in error], sides)
    return Level(
        [(c / greatest).mid() for c in found],
        level,
        tuple(places[i] for i in used),
        tuple(1 if sides[i] > 0 else -1 for i in used),
        tuple(arb(share) for share in used.values()),
    )


def _peaks(places: list[Place], error: list[float], sides: np.ndarray) -> dict[int, float]:
    """Points whose multipliers count, with these: those of one peak, with no dip of the error between them, are one."""
    kept: dict[int, float] = {}
    last = None
    for i in np.flatnonzero(np.abs(sides) > NEGLIGIBLE * np.abs(sides).max()).tolist():
        share = abs(float(sides[i]))
        if last is not None and places[last].piece == places[i].piece and sides[last] * sides[i] > 0:
            between = np.sign(sides[i]) * np.array(error[last : i + 1])
            if between.min() >= min(between[0], between[-1]) > 0:
                share += kept.pop(last)
                i = max(last, i, key=lambda k: abs(error[k]))
        kept[i], last = share, i
    return kept


class Step(NamedTuple):
    """What a linear programme gives: c, z, and the multipliers of its rows."""

    c: list[arb]
    z: float
    multipliers: np.ndarray


def _programme(a: arb_mat, b: arb_mat, size: list[arb], level: arb) -> Step | None:
    """``min z`` subject to ``abs(A c) - level B c <= z size``, in coordinates y in which ``A c / (level size)`` has
    orthonormal columns; None where it is not solved."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    count, n = a.nrows(), a.ncols()
    columns, back = _orthonormal([[a[i, j] / size[i] for i in range(count)] for j in range(n)])
    below = (b * back * level).mid()
    lower = np.array([[float(below[i, j] / size[i]) for j in range(n)] for i in range(count)])
    u = np.array([[float(column[i, 0]) for column in columns] for i in range(count)])
    scale = np.sqrt(count) / np.maximum(1.0, np.abs(lower).max(axis=0))
    u, lower = u * scale, lower * scale
    rows = np.hstack([np.vstack([u - lower, -u - lower]), -np.ones((2 * count, 1))])
    cost, bounds = np.r_[np.zeros(n), 1.0], [(-1.0, 1.0)] * n + [(None, None)]
    solved = linprog(cost, rows, np.zeros(2 * count), bounds=bounds, method="highs", options=PRECISE)
    if solved.status != 0:
        return None
    y = arb_mat([[float(v) * float(s)] for v, s in zip(solved.x[:-1], scale, strict=True)])
    return Step(_column((back * y).mid()), float(solved.x[-1]), -np.asarray(solved.ineqlin.marginals))


def _orthonormal(columns: list[list[arb]]) -> tuple[list[arb_mat], arb_mat]:
    """Orthonormal columns of the same span, and the matrix whose columns make them from the given ones."""
    n = len(columns)
    made: list[arb_mat] = []
    back = [[arb(int(i == j)) for i in range(n)] for j in range(n)]
    for j, given in enumerate(columns):
        column = arb_mat([[x] for x in given]).mid()
        for _ in range(2):
            for k, other in enumerate(made):
                share = (other.transpose() * column)[0, 0].mid()
                column = (column - other * share).mid()
                back[j] = [(x - share * y).mid() for x, y in zip(back[j], back[k], strict=True)]
        norm = (column.transpose() * column)[0, 0].mid().sqrt().mid()
        if not norm > 0:
            raise Unsolved("a rational of this form is the target itself on the grid")
        made.append((column * (1 / norm)).mid())
        back[j] = [(x / norm).mid() for x in back[j]]
    return made, arb_mat(back).transpose()


def _values(a: arb_mat, b: arb_mat, c: list[arb]) -> tuple[list[arb], list[arb]]:
    """Q and the weighted error at the rows."""
    column = arb_mat([[x] for x in c])
    q = [x.mid() for x in _column(b * column)]
    return q, [(x / y).mid() for x, y in zip(_column(a * column), q, strict=True)]


def _column(matrix: arb_mat) -> list[arb]:
    return [matrix[i, 0] for i in range(matrix.nrows())]
