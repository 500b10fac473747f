"""Where the error of a prescribed form is smallest, and the proof that it is: a level reference with multipliers.

With A and B of :mod:`exchange.prescribed`: let s_i be signs, m_i > 0 and h such that for every c

    sum m_i s_i (A c)_i = h sum m_i (B c)_i.                                                             (*)

Then no pair with Q > 0 at these points has an error below h there: the left side is at most the largest error times
``sum m_i (B c)_i``. In the programmes' last step the multipliers satisfy (*) on the grid, at no more than n points.

Let ``G(x) = (s A - h B) c`` at a point x. With P/Q best, m and the points x_i solve

    G(x_i) = 0,     G'(x_i) = 0 inside of a piece,     sum m_i (s_i A - h B)(x_i) = 0,     sum m = 1,

the conditions of Karush, Kuhn and Tucker. Where there are n points, G = 0 alone is the level equation of an exchange;
where there are fewer, which without Haar's condition is no exception, the last conditions are needed to find c.
A wall that c touches is one more point, with ``G = C c`` and a multiplier of its own: in (*) the left side then has
``+ sum k_l (C c)_l``, which is not positive and leaves the conclusion as it is.

Newton's method solves all at once in multiprecision arithmetic, from where the programmes end. Once more, in balls
(interval Newton), it proves that there are x_i, m > 0 and h with (*), f being what it is, and encloses h.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
from flint import arb, arb_mat

from rational_approx import watch
from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.exchange.prescribed import Grid, Level, Place, Unsolved

__all__ = ["levelled", "lower_bound", "peak"]

NEWTON = 40
"""Newton steps at most."""


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
        width = len(v)
        value, rows, still, turns = [], [], [], []
        balance, slopes = [slack * u for u in self.unit], [[arb(0)] * width for _ in range(n)]
        for i, place in enumerate(self.places):
            a, b = self.grid.series(place, x.get(i, to_arb(place.x)), 3 if i in x else 1)
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
                still.append(jet[1])
                turns.append(turn)
                for j in range(n):
                    slopes[j][at] = m[i] * side[j][1]
            value.append(jet[0])
            rows.append(row)
        for j in range(n):
            slopes[j][n + 1] = self.unit[j]
        ones = [*[arb(0)] * (width - k), *[arb(1)] * k]
        norms = [*self.unit, *[arb(0)] * (width - n)]
        value += [*still, *balance, _dot(self.unit, c) - 1, sum(m, arb(-1))]
        return value, arb_mat([*rows, *turns, *slopes, norms, ones])


def _dot(left: list[Any], right: list[Any]) -> Any:
    return sum((x * y for x, y in zip(left[1:], right[1:], strict=True)), left[0] * right[0])


def levelled(grid: Grid, first: Level) -> Level:
    """The solution of the conditions near the end of the linear programmes."""
    square, total = _dot(first.c, first.c), sum(first.multipliers, arb(0))
    unit = [(x / square).mid() for x in first.c]
    asked = Conditions(grid, tuple(peak(grid, place, first.c) for place in first.places), first.signs, unit)
    c, h, m = first.c, first.h, [(x / total).mid() for x in first.multipliers]
    for _ in range(NEWTON):
        watch.check()
        n, inner = grid.form.size, [i for i, place in enumerate(asked.places) if grid.inside(place)]
        v = [*c, h, arb(0), *(to_arb(asked.places[i].x) for i in inner), *m]
        value, slope = asked.at(v)
        try:
            step = _entries(slope.mid().solve(arb_mat([[x] for x in value]).mid(), algorithm="approx"))
        except ZeroDivisionError:
            raise Unsolved(
                "there are several best ones: the points at which the error is largest do not fix it"
            ) from None
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
        step = _entries(asked.at(box)[1].solve(arb_mat([[x] for x in asked.at(v)[0]])))
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
    a, b = grid.series(place, to_arb(place.x), 3)
    error = _dot(a, c) if place.wall else _dot(a, c) / _dot(b, c)
    step = error[1] / (2 * error[2])
    return _moved(grid, place, to_fraction(step)) if step.is_finite() else place


def _moved(grid: Grid, place: Place, step: Fraction) -> Place:
    """A point less a step, of no more than a part of its piece, and on it."""
    lower, upper = grid.ends[place.piece]
    limit, unit = (upper - lower) / (8 * grid.form.size), 2**flint.ctx.prec
    x = Fraction(round((place.x - max(-limit, min(limit, step))) * unit), unit)
    return place._replace(x=min(max(x, lower), upper))


def _entries(column: arb_mat) -> list[arb]:
    return [column[i, 0] for i in range(column.nrows())]
