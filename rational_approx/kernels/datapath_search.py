"""The search for a datapath: where the codes are split, the degree, the bits that guard against rounding.

A constant or a line takes over at both ends. Between them rows are made from left to right, each as long as the wanted
degree allows: the minimax polynomial at some codes is rounded, and the integers are run beside the target. Every degree
is tried with some numbers of guard bits, and the cheapest datapath is kept that holds at every code.
"""

from dataclasses import dataclass, replace
from math import ceil, log2

import numpy as np

from rational_approx import watch
from rational_approx.kernels.code_values import CodeValues
from rational_approx.kernels.datapath import Datapath, Row, TooWide
from rational_approx.kernels.fixed_point import FixedPoint
from rational_approx.kernels.kernel import NoKernel

__all__ = ["datapath_for"]

DEGREES = range(7)
EXTRA_GUARDS = (-1, 0, 1, 3)
"""Guard bits beside those that keep all roundings together within what the polynomials may be off."""
FIT, LOOK = 80, 400
"""At so many codes a row is fitted, and looked at while it grows."""
FINE = 64
"""A row's length is found to this share."""
STEPS = 15
MARGIN = 4e-6
"""Stated bounds are rounded upwards to six digits, and values are known within `SLACK`."""


@dataclass(frozen=True)
class Span:
    """What rows are made of: the values, the largest error of an output, and the polynomials' degree and guard bits."""

    known: CodeValues
    most: float
    degree: int
    guard: int

    def within(self, row: Row, shift: int, codes: np.ndarray) -> np.ndarray:
        """Whether a row's outputs are near enough, at each of some codes."""
        point = self.known.point
        one = Datapath(point, (replace(row, upper=point.highest),), shift, self.guard)
        return np.abs(one(codes) - self.known.value[codes - point.lowest]) <= self.most - MARGIN

    def simplest(self, first: int, last: int) -> tuple[Row, int] | None:
        """A row for these codes and its shift, of the least degree that is near enough at all of them, or None."""
        codes = np.arange(first, last + 1)
        line = self.line(first, last)
        if self.within(line, 0, codes).all():
            return line, 0
        for degree in range(min(self.degree, last - first) + 1):
            if degree == self.degree or self.hopeful(first, last, degree):
                row, shift = self.fitted(first, last, degree)
                if self.within(row, shift, codes).all():
                    return row, shift
        return None

    def line(self, first: int, last: int) -> Row:
        """The input, its negative or neither, and a constant."""
        low, high = self.known.value[np.array([first, last]) - self.known.point.lowest]
        adds = max(-1, min(1, round((high - low) / max(1, last - first))))
        offset = (low - adds * first + high - adds * last) / 2
        return _line(self.known.point, adds, round(offset * 2**self.guard), self.guard, last)

    def seems(self, first: int, last: int) -> bool:
        """Whether a row seems to be near enough, by a look at some codes."""
        degree, codes = min(self.degree, last - first), _spread(first, last, LOOK)
        if not degree and self.within(self.line(first, last), 0, codes).all():
            return True
        return self.hopeful(first, last, degree) and bool(self.within(*self.fitted(first, last, degree), codes).all())

    def hopeful(self, first: int, last: int, degree: int) -> bool:
        """Whether a degree is worth a fit: the best error at as many codes as decide one is not too large."""
        if last - first <= degree:
            return True
        codes = _spread(first, last, degree + 2)
        t = (codes - first) / (last - first)
        v = self.known.value[codes - self.known.point.lowest]
        w = np.array([1 / np.prod(np.delete(t[k] - t, k)) for k in range(t.size)])
        return float(abs(w @ v) / np.abs(w).sum()) <= self.most  # de la Vallee Poussin

    def fitted(self, first: int, last: int, degree: int) -> tuple[Row, int]:
        """The rounded minimax polynomial on some codes, and the shift after a product."""
        point, size = self.known.point, last - first + 1
        reach = max(0, ceil(log2(size)) - 1) if size > 1 else 0
        origin = first + size // 2
        codes = _spread(first, last, FIT)
        t = (codes - origin) / 2.0**reach
        c = minimax(t, self.known.value[codes - point.lowest], degree) * 2.0**self.guard
        whole = tuple(round(float(each)) for each in c)
        while len(whole) > 1 and whole[-1] == 0:
            whole = whole[:-1]
        words = "a constant" if len(whole) == 1 else f"degree {len(whole) - 1} about {float(point.number(origin)):g}"
        return Row(last, whole, origin if len(whole) > 1 else None, about=words), reach

    def longest(self, first: int, stop: int, guess: int) -> tuple[Row, int] | None:
        """The longest row from a code on, about; it ends at a rounder number where that costs little."""
        good, bad = first, stop + 1
        step = max(1, guess)
        while True:  # grows until it fails
            last = min(first + step - 1, stop)
            if last > good and not self.seems(first, last):
                bad = last
                break
            good = max(good, last)
            if good == stop:
                break
            step *= 2
        while bad - good > max(1, (good - first) // FINE) and good < stop:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.seems(first, middle) else (good, middle)
        if good < stop:
            good = _rounder(first, good)
        while good >= first:
            found = self.simplest(first, good)
            if found is not None:
                return found
            good -= max(1, (good - first) // FINE)
        return None


def datapath_for(known: CodeValues, most: float, segments: int) -> Datapath:
    """The cheapest datapath whose outputs are off by at most ``most`` units in the last place at every code.

    Raises
    ------
    NoKernel
        where at most ``segments`` rows between the tails did not suffice.
    """
    best: Datapath | None = None
    for degree in DEGREES:
        found = _cheapest(known, most, degree, segments)
        if best is not None and (found is None or found.cost >= best.cost):
            break  # the rows that one more product saves cost less than it
        best = found
    if best is None:
        raise NoKernel(
            f"no table of at most {segments} rows between the tails, of polynomials up to degree {DEGREES[-1]}, is "
            f"within {most:g} ulp at every input: raise segments= or error="
        )
    return best


def _cheapest(known: CodeValues, most: float, degree: int, segments: int) -> Datapath | None:
    """The cheapest table of one degree."""
    # Every sum and every coefficient is off by half a unit of the last guard bit.
    enough = ceil(log2((degree + 0.5) / (most - 0.5)))
    best: Datapath | None = None
    for guard in sorted({max(0, enough + extra) for extra in EXTRA_GUARDS}):
        watch.check()
        watch.report(f"polynomials of degree {degree} with {guard} guard bits", (0, 0))
        try:
            found = _table(Span(known, most, degree, guard), segments)
            if best is not None and (found is None or found.cost >= best.cost):
                break
            best = found
        except TooWide:
            break
    return best


def _table(span: Span, segments: int) -> Datapath | None:
    """Tails and rows between, for one degree and so many guard bits; None where more rows are needed."""
    point = span.known.point
    left, right = (_tail(span.known, span.most, span.guard, side) for side in (-1, 1))
    rows = [] if left is None else [(left, 0)]
    first = point.lowest if left is None else left.upper + 1
    stop = point.highest if right is None else max(right.upper, first - 1)
    guess, count = max(1, (stop - first + 1) // 4), 0
    while first <= stop:
        watch.check()
        found = span.longest(first, stop, guess) if count < segments else None
        if found is None:
            return None
        rows.append(found)
        count, guess, first = count + 1, max(1, found[0].upper + 1 - first), found[0].upper + 1
    if right is not None and first <= point.highest:
        rows.append((replace(right, upper=point.highest), 0))
    # A row that reaches less far moves its t to the left: a product of it is shifted back by as much more.
    shift = max(reach for _, reach in rows)
    own = tuple(replace(row, left=0 if row.origin is None else shift - reach) for row, reach in rows)
    return Datapath(point, own, shift, span.guard)


def _tail(known: CodeValues, most: float, guard: int, side: int) -> Row | None:
    """The constant, or the line of slope 1 or -1, that takes over at an end; ``upper`` is the last code on its left."""
    point = known.point
    codes, value = point.codes[::-side], known.value[::-side]
    best: tuple[int, Row] | None = None
    for adds in (0, 1, -1):
        at = max(1, codes.size >> 6)  # not the outermost code, whose negative is no code
        offset = round(float(value[at]) - adds * int(codes[at]))
        inside = np.abs(np.clip(adds * codes + offset, point.lowest, point.highest) - value) <= most - MARGIN
        count = int(inside.argmin()) if not inside.all() else codes.size
        if count > 1 and (best is None or count > best[0]):
            best = count, _line(point, adds, offset << guard, guard, 0)
    if best is None:
        return None
    count, row = best
    return replace(row, upper=int(codes[count - 1]) if side < 0 else int(codes[count - 1]) - 1)


def _line(point: FixedPoint, adds: int, offset: int, guard: int, upper: int) -> Row:
    """The input, its negative or neither, and a constant with guard bits."""
    number = float(point.number(offset)) / 2**guard
    words = (
        f"the constant {number!r}" if not adds else f"{'-' if adds < 0 else ''}x{f' + {number!r}' if number else ''}"
    )
    return Row(upper, (offset,), adds=adds, about=words)


def _rounder(first: int, last: int) -> int:
    """A last code, at least seven eighths as far, whose successor ends in as many zeros as can be."""
    least = last - (last - first) // 8
    for bits in reversed(range(21)):
        end = (last + 1 >> bits << bits) - 1
        if end >= least:
            return end
    return last


def _spread(first: int, last: int, count: int) -> np.ndarray:
    """So many codes at most between two, dense at the ends."""
    if last - first < count:
        return np.arange(first, last + 1)
    places = (1 - np.cos(np.linspace(0, np.pi, count))) / 2 * (last - first)
    return np.unique(np.rint(places).astype(np.int64)) + first


def minimax(t: np.ndarray, v: np.ndarray, degree: int) -> np.ndarray:
    """The coefficients of the polynomial whose largest error at the points is least, by the exchange of Remez.

    >>> minimax(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9) ** 2, 1).round(6).tolist()
    [0.5, 0.0]
    """
    table = np.vander(t, degree + 1, increasing=True)
    if t.size <= degree + 1:
        return np.linalg.lstsq(table, v, rcond=None)[0]
    places = np.rint((1 - np.cos(np.linspace(0, np.pi, degree + 2))) / 2 * (t.size - 1)).astype(int)
    signs = (-1.0) ** np.arange(degree + 2)
    best, least = np.zeros(degree + 1), np.inf
    for _ in range(STEPS):
        if len(set(places.tolist())) < degree + 2:
            break
        c = np.linalg.solve(np.column_stack([table[places], signs]), v[places])
        error = v - table @ c[:-1]
        largest = float(np.abs(error).max())
        if largest < least:
            best, least = c[:-1], largest
        if largest <= 1.001 * abs(c[-1]) + 1e-6:
            break
        found = _alternating(error)
        while len(found) > degree + 2:
            found.pop(0 if abs(error[found[0]]) < abs(error[found[-1]]) else -1)
        if len(found) < degree + 2:
            break
        places = np.array(found)
    return best if np.isfinite(least) else np.linalg.lstsq(table, v, rcond=None)[0]


def _alternating(error: np.ndarray) -> list[int]:
    """The place of the largest error in each run of one sign."""
    edges = np.flatnonzero(np.diff(error >= 0)) + 1
    runs = np.split(np.arange(error.size), edges)
    return [int(run[np.abs(error[run]).argmax()]) for run in runs]
