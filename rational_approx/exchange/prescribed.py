"""The best rational of a prescribed form: linear programmes on a grid, then a level reference in multiprecision.

The pairs (P, Q) are a linear space of dimension n (:mod:`problem.prescribed`): with its coordinates c, at points x_i,

    A c = w (f Q - P),   B c = Q,   and wanted is the smallest h with  abs(A c) <= h B c,  B c > 0.

**Upper bounds** come from differential correction (:mod:`exchange.correction`), which needs no more of the space than
that it is linear: Haar's condition, on which alternation rests, fails for chosen powers and fixed coefficients.

**Lower bounds**: let s_i be signs, m_i > 0 and h such that for every c

    sum m_i s_i (A c)_i = h sum m_i (B c)_i.                                                             (*)

Then no pair with Q > 0 at these points has an error below h there: the left side is at most the largest error times
``sum m_i (B c)_i``. The multipliers of the last linear programme satisfy (*) on the grid, at n points of it as a rule.

**Where the two meet**: ``M(h) = diag(s) A - h B`` on these n points is singular, its null vector is the c whose error is
levelled there, and the null vector of its transpose is m. So the points move to the peaks of the error, as in an
exchange, and M(h) c = 0 is solved again, by Newton's method in multiprecision arithmetic. At last Newton's method in
balls, on the transpose, proves that there are m > 0 and h with (*) exactly, f being what it is, and encloses h.

All that is handed to a linear programme was orthogonalised in multiprecision arithmetic: an error of 1e-30 is as good
as any other.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import flint
import numpy as np
from flint import arb, arb_mat, arb_series

from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.problem.prescribed import Prescribed
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["Grid", "Level", "Unsolved", "levelled", "lower_bound", "programmed"]

STEPS = 80
"""Linear programmes in a row."""
NEGLIGIBLE = 1e-7
"""Multipliers below this share of the largest are rounding errors of the linear programme."""
LEVELS = 40
"""How often the points of a reference may move."""
PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "presolve": False}


class Unsolved(ArithmeticError):
    """The reason why there is no level reference."""


class Place(NamedTuple):
    """A point of a piece, exact."""

    piece: int
    x: Fraction


@dataclass(frozen=True)
class Level:
    """Coordinates c, the level h, and the points with the signs of the error there."""

    c: list[arb]
    h: arb
    places: tuple[Place, ...]
    signs: tuple[int, ...]


class Grid:
    """Points of a target with the rows of A and B, calculated once each."""

    def __init__(self, target: Target, form: Prescribed, count: int) -> None:
        self.target, self.form = target, form
        self.rows: dict[Place, tuple[list[arb], list[arb]]] = {}
        for index, piece in enumerate(target.pieces):
            lower, upper = Fraction(piece.lower), Fraction(piece.upper)
            share = (1 - np.cos(np.pi * np.arange(1, count) / count)) / 2
            inner = [Fraction(float(lower + (upper - lower) * Fraction(float(s)))) for s in share]
            self.add(index, [lower, upper, *(x for x in inner if lower < x < upper)])

    def add(self, index: int, points: list[Fraction]) -> None:
        """More points of a piece; beside one where the weight is infinite, what is a limit there stands for it."""
        piece = self.target.pieces[index]
        for x in points:
            if not piece.jets(to_arb(x), 1)[1][0].is_finite():
                inwards = 1 if x < piece.upper else -1
                x += inwards * Fraction(1, 2 ** (flint.ctx.prec // 4))
            place = Place(index, x)
            if place not in self.rows:
                self.rows[place] = self.row(place)

    def row(self, place: Place) -> tuple[list[arb], list[arb]]:
        """The rows of A and of B at a place."""
        f, w = (jet[0] for jet in self.target.pieces[place.piece].jets(to_arb(place.x), 1))
        p, q = self.form.functions(to_arb(place.x))
        return [w * (f * b - a) for a, b in zip(p, q, strict=True)], q

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
    size, level = [arb(1)] * len(places), 2 * max((abs(a[i, j]) for i in range(a.nrows()) for j in range(a.ncols())), key=float)
    if start is not None:
        size, error = _values(a, b, start)
        level = max(map(abs, error), key=float)
    found, raised = start, 0
    for _ in range(STEPS):
        if level == 0:
            raise Unsolved("the error is zero on the grid")
        y, z, multipliers, back = _programme(a, b, size, level)
        fresh = None if y is None else [c.mid() for c in _column(back * arb_mat([[v] for v in y]))]
        if fresh is None or not z < 0:
            if found is not None:
                break
            raised += 1
            if raised > 12:
                raise Unsolved("no denominator of this form was found that has no zero on the domain")
            level *= 32
            continue
        q, error = _values(a, b, fresh)
        largest = max(map(abs, error), key=float)
        if not all(v > 0 for v in q) or not largest < level:
            break
        before, found, size, level = level, fresh, q, largest
        if start is None and not level > 0:
            raise Unsolved("the error is zero on the grid")
        if float((before - level) / before) < 1e-11:
            break
    if found is None or multipliers is None:
        raise Unsolved("the linear programmes have no solution")
    sides = multipliers[: len(places)] - multipliers[len(places) :]
    used = [i for i in range(len(places)) if abs(sides[i]) > NEGLIGIBLE * np.abs(sides).max()]
    signs = tuple(1 if sides[i] > 0 else -1 for i in used)
    return Level(found, level, tuple(places[i] for i in used), signs)


def _programme(
    a: arb_mat, b: arb_mat, size: list[arb], level: arb
) -> tuple[list[float] | None, float, np.ndarray | None, arb_mat]:
    """``min z`` subject to ``abs(A c) - level B c <= z size``, in coordinates y in which ``A c / (level size)`` has
    orthonormal columns; y, z, the multipliers and the matrix from y to c."""
    from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

    count, n = a.nrows(), a.ncols()
    columns = [arb_mat([[a[i, j] / size[i]] for i in range(count)]).mid() for j in range(n)]
    back = [[arb(int(i == j)) for i in range(n)] for j in range(n)]
    for j in range(n):
        for _ in range(2):
            for k in range(j):
                share = (columns[k].transpose() * columns[j])[0, 0].mid()
                columns[j] = (columns[j] - columns[k] * share).mid()
                back[j] = [(x - share * y).mid() for x, y in zip(back[j], back[k], strict=True)]
        norm = (columns[j].transpose() * columns[j])[0, 0].mid().sqrt().mid()
        if not norm > 0:
            raise Unsolved("a rational of this form is the target itself on the grid")
        columns[j] = (columns[j] * (1 / norm)).mid()
        back[j] = [(x / norm).mid() for x in back[j]]
    turned = arb_mat(back).transpose()
    below = (b * turned * level).mid()
    lower = np.array([[float(below[i, j] / size[i]) for j in range(n)] for i in range(count)])
    u = np.array([[float(columns[j][i, 0]) for j in range(n)] for i in range(count)])
    scale = np.sqrt(count) / np.maximum(1.0, np.abs(lower).max(axis=0))
    u, lower = u * scale, lower * scale
    rows = np.hstack([np.vstack([u - lower, -u - lower]), -np.ones((2 * count, 1))])
    cost, bounds = np.r_[np.zeros(n), 1.0], [(-1.0, 1.0)] * n + [(None, None)]
    solved = linprog(cost, rows, np.zeros(2 * count), bounds=bounds, method="highs", options=PRECISE)
    if solved.status != 0:
        return None, 0.0, None, turned
    y = [float(v) * float(s) for v, s in zip(solved.x[:-1], scale, strict=True)]
    return y, float(solved.x[-1]), -np.asarray(solved.ineqlin.marginals), turned


def _values(a: arb_mat, b: arb_mat, c: list[arb]) -> tuple[list[arb], list[arb]]:
    """Q and the weighted error at the rows."""
    column = arb_mat([[x] for x in c])
    q = [x.mid() for x in _column(b * column)]
    return q, [(x / y).mid() for x, y in zip(_column(a * column), q, strict=True)]


def _column(matrix: arb_mat) -> list[arb]:
    return [matrix[i, 0] for i in range(matrix.nrows())]


# -- a level reference -------------------------------------------------------------------------------------------------


def levelled(grid: Grid, first: Level) -> Level:
    """The error levelled on its own peaks, from the points of a programme."""
    level = _merged(grid, first)
    n = grid.form.size
    if len(level.places) != n:
        raise Unsolved(
            f"the error is pinned at {len(level.places)} points, and {n} are needed for one best approximant: the "
            "prescribed coefficients leave several, or none"
        )
    enough, calm = arb(2) ** -(flint.ctx.prec // 4), 0
    for _ in range(LEVELS):
        a, b = grid.matrices(list(level.places))
        signed = arb_mat([[a[i, j] * level.signs[i] for j in range(n)] for i in range(n)])
        c, h = null_vector(signed.mid(), b.mid(), level.c, level.h)
        moved = tuple(peak(grid, place, c) for place in level.places)
        near = abs(h - level.h) < enough * abs(h)
        level = Level(c, h, moved, level.signs)
        calm = calm + 1 if near else 0
        if calm == 2:
            return level
    raise Unsolved("the points of the reference did not settle on the peaks of the error")


def _merged(grid: Grid, level: Level) -> Level:
    """Neighbours on the grid with one sign, as peaks between two grid points have, become one point where there are
    more than n."""
    order, n = grid.places, grid.form.size
    kept: list[int] = []
    for k, place in enumerate(level.places):
        at = order.index(place)
        beside = kept and order[at - 1] == level.places[kept[-1]] and level.signs[k] == level.signs[kept[-1]]
        if not (beside and len(level.places) > n):
            kept.append(k)
    return Level(level.c, level.h, tuple(level.places[k] for k in kept), tuple(level.signs[k] for k in kept))


def null_vector(m: arb_mat, b: arb_mat, v: list[arb], h: arb) -> tuple[list[arb], arb]:
    """v and h with ``(m - h b) v = 0`` near given ones, by Newton's method with ``start . v = 1``."""
    n = m.nrows()
    square = sum((x * x for x in v), arb(0))
    start = [(x / square).mid() for x in v]
    for _ in range(60):
        column = arb_mat([[x] for x in v])
        rest = _column((m - b * h) * column)
        slope = _column(b * column)
        rows = [[m[i, j] - h * b[i, j] for j in range(n)] + [-slope[i]] for i in range(n)] + [[*start, arb(0)]]
        off = sum((x * y for x, y in zip(start, v, strict=True)), arb(-1))
        try:
            step = _column(arb_mat(rows).mid().solve(arb_mat([[x] for x in [*rest, off]]).mid(), algorithm="approx"))
        except ZeroDivisionError:
            raise Unsolved("the level equations are singular: the best approximant may be one of a smaller type") from None
        v, h, change = [(x - d).mid() for x, d in zip(v, step, strict=False)], (h - step[-1]).mid(), abs(step[-1])
        if not h.is_finite():
            break
        if change < abs(h) * arb(2) ** -(flint.ctx.prec // 2):
            return v, h
    raise Unsolved("the level equations have no solution near the one of the linear programme")


def peak(grid: Grid, place: Place, c: list[arb]) -> Place:
    """The stationary point of the error beside a point, by a Newton step; ends of a piece stay."""
    piece = grid.target.pieces[place.piece]
    lower, upper = Fraction(piece.lower), Fraction(piece.upper)
    tiny = Fraction(1, 2 ** (flint.ctx.prec // 4))
    if place.x <= lower + tiny or place.x >= upper - tiny:
        return place
    error = series(piece, grid.form, c, to_arb(place.x), 3)
    step = error[1] / (2 * error[2])
    if not step.is_finite():
        return place
    limit = (upper - lower) / (8 * grid.form.size)
    x = place.x - max(-limit, min(limit, to_fraction(step)))
    unit = 2 ** (3 * flint.ctx.prec // 4)
    return Place(place.piece, min(max(Fraction(round(x * unit), unit), lower), upper))


def series(piece: Piece, form: Prescribed, c: list[arb], x: arb, order: int) -> arb_series:
    """Taylor coefficients of the weighted error."""
    f, w = piece.jets(x, order)
    p, q = form.functions(arb_series([x, 1], prec=order))
    top, bottom = (sum((s * v for s, v in zip(side, c, strict=True)), arb_series([0], prec=order)) for side in (p, q))
    return w * (f - top / bottom)


# -- the proof ---------------------------------------------------------------------------------------------------------


def lower_bound(grid: Grid, level: Level) -> Fraction | None:
    """A proved lower bound of the error of every rational of the form without a pole on the domain, or None.

    Interval Newton on (*) with ``sum m = 1``: a box whose image lies inside of it holds a solution.
    """
    n = len(level.places)
    a, b = grid.matrices(list(level.places))
    left = arb_mat([[a[i, j] * level.signs[i] for i in range(n)] for j in range(n)])
    right = b.transpose()
    try:
        m, h = null_vector(left.mid(), right.mid(), _multipliers(left.mid(), right.mid(), level.h), level.h)
        total = sum(m, arb(0))
        m = [(x / total).mid() for x in m]
        smallest = min((abs(x) for x in m), key=float)
        radius = smallest.mid() * arb(2) ** -(flint.ctx.prec // 4)
        wide = [arb(x, radius) for x in m], arb(h, radius * abs(h).mid())
        column = arb_mat([[x] for x in m])
        rest = [*_column((left - right * h) * column), sum(m, arb(-1))]
        slope = _column(right * arb_mat([[x] for x in wide[0]]))
        rows = [[left[j, i] - wide[1] * right[j, i] for i in range(n)] + [-slope[j]] for j in range(n)]
        rows.append([arb(1)] * n + [arb(0)])
        step = _column(arb_mat(rows).solve(arb_mat([[x] for x in rest])))
    except (ZeroDivisionError, Unsolved):
        return None
    image = [x - d for x, d in zip([*m, h], step, strict=True)]
    if not all(box.contains(x) for box, x in zip([*wide[0], wide[1]], image, strict=True)):
        return None
    if not all(x > 0 for x in image[:n]):
        return None
    return to_fraction(image[n].lower())


def _multipliers(left: arb_mat, right: arb_mat, h: arb) -> list[arb]:
    """The null vector of a nearly singular matrix, by inverse iteration."""
    n = left.nrows()
    shifted = (left - right * (h * (1 + arb(2) ** -(flint.ctx.prec // 2)))).mid()
    v = arb_mat([[arb(1)] for _ in range(n)])
    for _ in range(4):
        v = shifted.solve(v, algorithm="approx").mid()
        largest = max((abs(x) for x in _column(v)), key=float)
        v = (v * (1 / largest)).mid()
    total = sum(_column(v), arb(0))
    return [(x / total).mid() for x in _column(v)]
