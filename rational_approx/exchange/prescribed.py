"""The best rational of a prescribed form: linear programmes on a grid, then a level reference in multiprecision.

The pairs (P, Q) are a linear space of dimension n (:mod:`problem.prescribed`): with its coordinates c, at points x_i,

    A c = w (f Q - P),   B c = Q,   and wanted is the smallest h with  abs(A c) <= h B c,  B c > 0.

**Upper bounds** come from differential correction (:mod:`exchange.correction`), which needs no more of the space than
that it is linear: Haar's condition, on which alternation rests, fails for chosen powers and fixed coefficients.

**Lower bounds**: let s_i be signs, m_i > 0 and h such that for every c

    sum m_i s_i (A c)_i = h sum m_i (B c)_i.                                                             (*)

Then no pair with Q > 0 at these points has an error below h there: the left side is at most the largest error times
``sum m_i (B c)_i``. The multipliers of the last linear programme satisfy (*) on the grid, at no more than n points.

**Where the two meet**: let ``G(x) = (s A - h B) c`` at a point x. With P/Q best, m and the points x_i solve

    G(x_i) = 0,     G'(x_i) = 0 inside of a piece,     sum m_i (s_i A - h B)(x_i) = 0,     sum m = 1,

the conditions of Karush, Kuhn and Tucker. Where there are n points, G = 0 alone is the level equation of an exchange;
where there are fewer, which without Haar's condition is no exception, the last line is needed to find c. Newton's
method solves all at once in multiprecision arithmetic, from where the linear programmes end. Once more, in balls
(interval Newton), it proves that there are x_i, m > 0 and h with (*), f being what it is, and encloses h.

All that is handed to a linear programme was orthogonalised in multiprecision arithmetic: an error of 1e-30 is as good
as any other.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import flint
import numpy as np
from flint import arb, arb_mat, arb_series

from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.problem.prescribed import Prescribed
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["Grid", "Level", "Place", "Unsolved", "levelled", "lower_bound", "peak", "programmed"]

STEPS = 80
"""Linear programmes in a row."""
NEGLIGIBLE = 1e-7
"""Multipliers below this share of the largest are rounding errors of the linear programme."""
NEWTON = 40
"""Newton steps at most."""
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
        self.ends = [(self._beside(s, Fraction(s.lower), 1), self._beside(s, Fraction(s.upper), -1)) for s in target.pieces]
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
    size, level = [arb(1)] * len(places), 2 * max((abs(a[i, j]) for i in range(a.nrows()) for j in range(a.ncols())), key=float)
    found, raised = None, 0
    if start is not None:
        q, error = _values(a, b, start)
        if all(v > 0 for v in q):
            found, size, level = start, q, max(map(abs, error), key=float)
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
    _, error = _values(a, b, found)
    greatest = max(map(abs, found), key=float)
    found = [(c / greatest).mid() for c in found]
    used = _peaks(places, [float(e / level) for e in error], sides)
    signs = tuple(1 if sides[i] > 0 else -1 for i in used)
    shares = tuple(arb(share) for share in used.values())
    return Level(found, level, tuple(places[i] for i in used), signs, shares)


def _peaks(places: list[Place], error: list[float], sides: np.ndarray) -> dict[int, float]:
    """Points whose multipliers count, with these: those of one peak, with no dip of the error between them, are one."""
    kept: dict[int, float] = {}
    last = None
    for i in np.flatnonzero(np.abs(sides) > NEGLIGIBLE * np.abs(sides).max()).tolist():
        share = abs(float(sides[i]))
        if last is not None and places[last].piece == places[i].piece and sides[last] * sides[i] > 0:
            between = np.abs(error[last : i + 1])
            if between.min() >= min(between[0], between[-1]) and min(np.sign(error[last : i + 1]) * np.sign(sides[i])) > 0:
                share += kept.pop(last)
                i = max(last, i, key=lambda k: abs(error[k]))
        kept[i], last = share, i
    return kept


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


# -- Newton's method ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conditions:
    """The conditions at given points and signs as equations ``F(v) = 0``, v being c, h, a slack, the points that may
    move, m. (The slack is 0 in a solution: c times the last conditions is m times the first, so that one is too many.)
    """

    grid: Grid
    places: tuple[Place, ...]
    signs: tuple[int, ...]
    unit: list[arb]

    def at(self, v: list[arb]) -> tuple[list[arb], arb_mat]:
        """F and its derivative, also in balls."""
        n, k = self.grid.form.size, len(self.places)
        inner = [i for i, place in enumerate(self.places) if self.grid.inside(place)]
        c, h, slack, x, m = v[:n], v[n], v[n + 1], dict(zip(inner, v[n + 2 :], strict=False)), v[-k:]
        value: list[arb] = []
        rows: list[list[arb]] = []
        width, stationary = len(v), []
        balance, slopes = [slack * u for u in self.unit], [[arb(0)] * width for _ in range(n)]
        for i, place in enumerate(self.places):
            a, b = self.grid.series(place.piece, x.get(i, to_arb(place.x)), 3 if i in x else 1)
            side = [p * self.signs[i] - q * h for p, q in zip(a, b, strict=True)]
            jet, below = (_dot(s, c) for s in (side, b))
            row = [*(s[0] for s in side), -below[0], *[arb(0)] * (width - n - 1)]
            for j in range(n):
                balance[j] += m[i] * side[j][0]
                slopes[j][n] -= m[i] * b[j][0]
                slopes[j][width - k + i] = side[j][0]
            if i in x:
                at = n + 2 + inner.index(i)
                row[at] = jet[1]
                turn = [*(s[1] for s in side), -below[1], *[arb(0)] * (width - n - 1)]
                turn[at] = 2 * jet[2]
                stationary.append((jet[1], turn))
                for j in range(n):
                    slopes[j][at] = m[i] * side[j][1]
            value.append(jet[0])
            rows.append(row)
        for j in range(n):
            slopes[j][n + 1] = self.unit[j]
        ones = [*[arb(0)] * (width - k), *[arb(1)] * k]
        norms = [*self.unit, *[arb(0)] * (width - n)]
        value += [*(s for s, _ in stationary), *balance, _dot(self.unit, c) - 1, sum(m, arb(-1))]
        return value, arb_mat([*rows, *(t for _, t in stationary), *slopes, norms, ones])


def _dot(left: list[Any], right: list[Any]) -> Any:
    return sum((x * y for x, y in zip(left[1:], right[1:], strict=True)), left[0] * right[0])


def levelled(grid: Grid, first: Level) -> Level:
    """The solution of the conditions near the end of the linear programmes."""
    square, total = _dot(first.c, first.c), sum(first.multipliers, arb(0))
    unit = [(x / square).mid() for x in first.c]
    asked = Conditions(grid, tuple(peak(grid, place, first.c) for place in first.places), first.signs, unit)
    c, h, m = first.c, first.h, [(x / total).mid() for x in first.multipliers]
    for _ in range(NEWTON):
        n, inner = grid.form.size, [i for i, place in enumerate(asked.places) if grid.inside(place)]
        v = [*c, h, arb(0), *(to_arb(asked.places[i].x) for i in inner), *m]
        value, slope = asked.at(v)
        try:
            step = _column(slope.mid().solve(arb_mat([[x] for x in value]).mid(), algorithm="approx"))
        except ZeroDivisionError:
            raise Unsolved("there are several best ones: the points at which the error is largest do not fix it") from None
        c, h = [(x - d).mid() for x, d in zip(c, step, strict=False)], (h - step[n]).mid()
        m = [(x - d).mid() for x, d in zip(m, step[-len(m) :], strict=True)]
        if not all(x.is_finite() for x in step):
            break
        places = list(asked.places)
        for i, d in zip(inner, step[n + 2 :], strict=False):
            places[i] = _moved(grid, places[i], to_fraction(d))
        still = all(abs(d) < arb(2) ** -(flint.ctx.prec // 3) * (1 + abs(x)) for d, x in zip(step, v, strict=True))
        asked = Conditions(grid, tuple(places), first.signs, unit)
        if still and abs(step[n]) < abs(h) * arb(2) ** -(flint.ctx.prec // 4):
            return Level(c, h, asked.places, first.signs, tuple(m))
    raise Unsolved("Newton's method did not converge from where the linear programmes end")


def lower_bound(grid: Grid, level: Level) -> Fraction | None:
    """A proved lower bound of the error of every rational of the form without a pole on the domain, or None: a box
    whose image under interval Newton lies inside of it holds a solution of the conditions."""
    square, prec = _dot(level.c, level.c), flint.ctx.prec
    asked = Conditions(grid, level.places, level.signs, [(x / square).mid() for x in level.c])
    n, inner = grid.form.size, [place for place in level.places if grid.inside(place)]
    v = [*level.c, level.h, arb(0), *(to_arb(place.x) for place in inner), *level.multipliers]
    largest, small = max((abs(x) for x in level.c), key=float), arb(2) ** -(prec // 8)
    sizes = [*(max(abs(x), largest * small) for x in level.c), level.h, arb(1), *[arb(1)] * len(inner)]
    sizes += [abs(x) for x in level.multipliers]
    box = [arb(x, (size * arb(2) ** -(prec // 4)).upper().mid()) for x, size in zip(v, sizes, strict=True)]
    try:
        step = _column(asked.at(box)[1].solve(arb_mat([[x] for x in asked.at(v)[0]])))
    except ZeroDivisionError:
        return None
    image = [x - d for x, d in zip(v, step, strict=True)]
    if not all(wide.contains(x) for wide, x in zip(box, image, strict=True)):
        return None
    if not all(x > 0 for x in image[-len(level.places) :]):
        return None
    return to_fraction(image[n].lower())


def peak(grid: Grid, place: Place, c: list[arb]) -> Place:
    """The stationary point of the error beside a point, by a Newton step; ends of a piece stay."""
    if not grid.inside(place):
        return place
    a, b = grid.series(place.piece, to_arb(place.x), 3)
    error = _dot(a, c) / _dot(b, c)
    step = error[1] / (2 * error[2])
    return _moved(grid, place, to_fraction(step)) if step.is_finite() else place


def _moved(grid: Grid, place: Place, step: Fraction) -> Place:
    """A point less a step, of no more than a part of its piece, and on it."""
    lower, upper = grid.ends[place.piece]
    limit, unit = (upper - lower) / (8 * grid.form.size), 2 ** flint.ctx.prec
    x = Fraction(round((place.x - max(-limit, min(limit, step))) * unit), unit)
    return Place(place.piece, min(max(x, lower), upper))
