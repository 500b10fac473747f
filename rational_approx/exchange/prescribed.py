"""The best rational of a prescribed form on a grid, by linear programmes.

The pairs (P, Q) are a linear space of dimension n (:mod:`problem.prescribed`): with its coordinates c, at points x_i,

    A c = w (f Q - P),   B c = Q,   and wanted is the smallest h with  abs(A c) <= h B c,  B c > 0.

That is what differential correction solves (:mod:`exchange.correction`), which needs no more of the space than that it
is linear: Haar's condition, on which alternation rests, fails for chosen powers and fixed coefficients. The multipliers
of the last programme are those of :mod:`exchange.optimality`, which goes on from there.

Where Q is fixed up to ``q_0``, that r is monotone is linear as well: ``C c <= 0`` with ``C c = -+(P' Q - P Q')`` at
every point, a wall. It is a row of A with a row of zeros in B, so that what is said of the error holds of it as well.

All that is handed to a linear programme was orthogonalised in multiprecision arithmetic: an error of 1e-30 is as good
as any other.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import flint
import numpy as np
from flint import arb, arb_mat, arb_series

from rational_approx import watch
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
    """The reason why there is no level reference, and its cause in a word (:class:`fitting.result.DidNotConverge`)."""

    def __init__(self, reason: str, cause: str = "unknown") -> None:
        super().__init__(reason)
        self.cause = cause


class Place(NamedTuple):
    """A point of a piece, exact: of the error, or of a wall."""

    piece: int
    x: Fraction
    wall: bool = False


@dataclass(frozen=True)
class Level:
    """Coordinates c, the level h, and the points with the signs of the error and the multipliers there."""

    c: list[arb]
    h: arb
    places: tuple[Place, ...]
    signs: tuple[int, ...]
    multipliers: tuple[arb, ...]


class Grid:
    """Points of a target with the rows of A and B, calculated once each.

    With a ``direction`` of 1 or -1 r shall increase or decrease, its slope being at least a ``margin`` in size.
    """

    def __init__(self, target: Target, form: Prescribed, count: int, direction: int = 0) -> None:
        self.target, self.form, self.direction, self.margin = target, form, direction, arb(0)
        self.rows: dict[Place, tuple[list[arb], list[arb]]] = {}
        self.ends = [
            (self._beside(piece, Fraction(piece.lower), 1), self._beside(piece, Fraction(piece.upper), -1))
            for piece in target.pieces
        ]
        for index, piece in enumerate(target.pieces):
            lower, upper = self.ends[index]
            nodes = np.sin(np.pi * (np.arange(1, count) - count / 2) / count)
            marks = piece.marks[:: max(1, len(piece.marks) // (2 * count))]
            middle, half = (lower + upper) / 2, (upper - lower) / 2
            inner = [Fraction(float(middle + half * Fraction(float(t)))) for t in nodes]
            inner += [Fraction(float(x)) for x in marks]
            self.add(index, [lower, upper, *(x for x in inner if lower < x < upper)])

    @staticmethod
    def _beside(piece: Piece, end: Fraction, inwards: int) -> Fraction:
        """An end; where the weight is infinite, a point so near to it that its error is the limit there."""
        finite = piece.jets(to_arb(end), 1)[1][0].is_finite()
        return end if finite else end + inwards * Fraction(1, 2 ** (flint.ctx.prec // 4))

    def add(self, index: int, points: list[Fraction]) -> None:
        """More points of a piece, and of a symmetric domain their mirror images: of two points with nearly the same
        row, as a point and a mirror image have, both would count."""
        intervals = self.target.domain.intervals
        if intervals == tuple((-b, -a) for a, b in reversed(intervals)):
            for k, (lower, upper) in enumerate(self.ends):
                self._add(k, [-x for x in points if lower <= -x <= upper])
        self._add(index, points)

    def _add(self, index: int, points: list[Fraction]) -> None:
        lower, upper = self.ends[index]
        for x in points:
            for wall in (False, True) if self.direction else (False,):
                place = Place(index, min(max(x, lower), upper), wall)
                if place not in self.rows:
                    self.rows[place] = self.row(place)

    def row(self, place: Place) -> tuple[list[arb], list[arb]]:
        """The rows of A and of B at a place."""
        a, b = self.series(place, to_arb(place.x), 1)
        return [side[0] for side in a], [side[0] for side in b]

    def series(self, place: Place, x: arb, order: int) -> tuple[list[arb_series], list[arb_series]]:
        """The rows of A and of B around x, at a place."""
        if place.wall:
            return self.slope(x, order)
        f, w = self.target.pieces[place.piece].jets(x, order)
        p, q = self.form.functions(arb_series([x, 1] if order > 1 else [x], prec=order))
        return [w * (f * b - a) for a, b in zip(p, q, strict=True)], q

    def slope(self, x: arb, order: int) -> tuple[list[arb_series], list[arb_series]]:
        """The row of C, less the margin, and zeros. Q is q_0 times a fixed polynomial, and its sign that of q_0."""
        p, q = self.form.functions(arb_series([x, 1], prec=order + 1))
        unit = len(self.form.free[0])
        q1 = q[unit]
        side = self.direction * (1 if q1[0] > 0 else -1)
        rows = [(a * q1.derivative() - a.derivative() * q1) * side for a in p]
        rows[unit] += q1 * q1 * self.margin * (side * self.direction)
        return [arb_series([row[k] for k in range(order)], prec=order) for row in rows], [
            arb_series([0], prec=order) for _ in rows
        ]

    def inside(self, place: Place) -> bool:
        """Whether a point may move: it is at no end of its piece."""
        lower, upper = self.ends[place.piece]
        return lower < place.x < upper

    def places(self, wall: bool = False) -> list[Place]:
        """All points of the error, or of walls, by piece and from left to right."""
        return sorted(place for place in self.rows if place.wall == wall)

    def matrices(self, places: list[Place]) -> tuple[arb_mat, arb_mat]:
        """A and B on points."""
        rows = [self.rows[place] if place in self.rows else self.row(place) for place in places]
        return arb_mat([a for a, _ in rows]), arb_mat([b for _, b in rows])


# -- linear programmes -------------------------------------------------------------------------------------------------


def programmed(grid: Grid, start: list[arb] | None = None) -> Level:
    """The best on the grid, by differential correction from c, with the points and signs whose multipliers count."""
    places, bricks = grid.places(), grid.places(wall=True)
    a, b = (side.mid() for side in grid.matrices(places))
    walls = grid.matrices(bricks)[0].mid() if bricks else arb_mat(0, a.ncols())
    found, last, level = None, None, 2 * max(map(abs, a.entries()), key=float)
    size, raised = [arb(1)] * len(places), 0
    if start is not None:
        q, error = _values(a, b, start)
        if all(v > 0 for v in q):
            found, size, level = start, q, max(map(abs, error), key=float)
    for _ in range(STEPS):
        watch.check()
        if not level > 0:
            raise Unsolved("the error is zero on the grid")
        step = _programme(a, b, walls, size, level)
        if step is None or not step.z < 0:
            last = last if step is None else step
            if found is not None:
                break
            raised, level = raised + 1, level * 32
            if raised == RAISED:
                break
            continue
        last = step
        q, error = _values(a, b, step.c)
        largest, before = max(map(abs, error), key=float), level
        if not all(v > 0 for v in q) or not largest < level:
            break
        found, size, level = step.c, q, largest
        watch.report("programme", grid.form.degree, None, float(level))
        if (before - level) / before < ENOUGH:
            break
    if found is None or last is None:
        raise Unsolved(
            "the linear programmes have no solution: no pole-free rational of the form, or one with no error"
        )
    greatest = max(map(abs, found), key=float)
    _, error = _values(a, b, found)
    count = len(places)
    multipliers, units = last.multipliers, last.units
    shares = multipliers[:count] - multipliers[count : 2 * count]
    used = _peaks(places, [float(e / level) for e in error], shares, units[:count])
    low = [float(x) for x in _column(walls * arb_mat([[c] for c in found]))]
    touched = _peaks(bricks, low, multipliers[2 * count :], units[2 * count :])
    return Level(
        [(c / greatest).mid() for c in found],
        level,
        (*(places[i] for i in used), *(bricks[i] for i in touched)),
        (*(1 if shares[i] > 0 else -1 for i in used), *(1 for _ in touched)),
        tuple(arb(share) for share in (*used.values(), *touched.values())),
    )


def _peaks(places: list[Place], values: list[float], shares: np.ndarray, units: np.ndarray) -> dict[int, float]:
    """Points whose multipliers count, with these, of rows that are not scaled: those of one peak, with no dip of the
    values between, are one."""
    kept: dict[int, float] = {}
    last = None
    for i in np.flatnonzero(np.abs(shares) > NEGLIGIBLE * np.abs(shares).max(initial=0)).tolist():
        share = abs(float(shares[i] / units[i]))
        if last is not None and places[last].piece == places[i].piece and shares[last] * shares[i] > 0:
            between = np.sign(shares[i]) * np.array(values[last : i + 1])
            if between.min() >= min(between[0], between[-1]):
                share += kept.pop(last)
                i = max(last, i, key=lambda k: np.sign(shares[k]) * values[k])
        kept[i], last = share, i
    return kept


class Step(NamedTuple):
    """What a linear programme gives: c, z, and the multipliers of its rows, which are those of A, of -A and of walls
    over units."""

    c: list[arb]
    z: float
    multipliers: np.ndarray
    units: np.ndarray


def _programme(a: arb_mat, b: arb_mat, walls: arb_mat, size: list[arb], level: arb) -> Step | None:
    """``min z`` subject to ``abs(A c) - level B c <= z size`` and the walls, in coordinates y in which
    ``A c / (level size)`` has orthonormal columns; None where it is not solved."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    count, n = a.nrows(), a.ncols()
    columns, back = _orthonormal([[a[i, j] / size[i] for i in range(count)] for j in range(n)])
    below = (b * back * level).mid()
    lower = np.array([[float(below[i, j] / size[i]) for j in range(n)] for i in range(count)])
    u = np.array([[float(column[i, 0]) for column in columns] for i in range(count)])
    if not np.isfinite(lower).all():
        return None
    scale = np.sqrt(count) / np.maximum(1.0, np.abs(lower).max(axis=0))
    u, lower = u * scale, lower * scale
    rows = np.hstack([np.vstack([u - lower, -u - lower]), -np.ones((2 * count, 1))])
    units = np.array([float(x) for x in [*size, *size]])
    if walls.nrows():
        turned = (walls * back).mid()
        bricks = np.array([[float(turned[i, j]) for j in range(n)] for i in range(walls.nrows())]) * scale
        norms = np.abs(bricks).max(axis=1)
        rows = np.vstack([rows, np.hstack([bricks / norms[:, None], np.zeros((len(bricks), 1))])])
        units = np.r_[units, norms]
    cost, bounds = np.r_[np.zeros(n), 1.0], [(-1.0, 1.0)] * n + [(None, None)]
    solved = linprog(cost, rows, np.zeros(len(rows)), bounds=bounds, method="highs", options=PRECISE)
    if solved.status != 0:
        return None
    y = arb_mat([[float(v) * float(s)] for v, s in zip(solved.x[:-1], scale, strict=True)])
    return Step(_column((back * y).mid()), float(solved.x[-1]), -np.asarray(solved.ineqlin.marginals), units)


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
