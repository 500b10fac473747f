"""A start by bisection: is there a rational of the type with an error of at most h? One linear programme knows.

The largest error is a quasi-convex function of P and Q: where ``abs(S Q - W P) <= h Q`` has a solution with Q > 0 is a
linear question for given h. So the best error on a grid lies between an h for which there is a solution and one for
which there is none, and each programme halves the distance. The programmes are those of :mod:`exchange.correction`,
which lower the error that they start from by what z says, often little; here they have to halve it or to say no.

A programme sees what its normaliser ``Q_k`` sees: values of Q that are a billion times smaller than it are rounding.
The Q of a good rational ranges over many orders of magnitude, as its poles lie beside the domain as near to it as the
target varies there. So the first normaliser has its zeros there: beside points that part the marks of the pieces
(:mod:`targets.mesh`) evenly, as far away as they are from each other.

The multipliers of a programme without a solution tell why there is none: the points where some are positive are those
on which no P/Q has an error of h. If there are ``p + q + 2``, they are a reference with a level above h.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.alternation import alternating
from rational_approx.exchange.correction import (
    UNSEEN,
    Approximant,
    Grid,
    Improved,
    changing,
    orthonormal,
    programme,
    shown_on,
)
from rational_approx.problem.reduction import Reduced

__all__ = ["Bracket", "bisected"]

STEPS = 24
CLOSE, MET = 0.1, 1e-4
"""A bracket of the first share of the error is small enough for programmes that start from the upper end to converge
quickly; one of the second is the end."""

SMALLEST = 1e-100
"""The least share of its largest value down to which floats hold a denominator and its square."""

POSITIVE = 1e-9
"""Multipliers of a smaller share of the largest are zero."""


class Bracket(NamedTuple):
    """Between which errors the best one on a grid lies, as far as floats can tell; and a reference: the peaks of a
    rational with the larger error, or points on which no rational has the smaller one."""

    low: float
    high: float
    reference: np.ndarray | None

    @property
    def closed(self) -> bool:
        """Whether the ends are near each other."""
        return self.high - self.low < CLOSE * self.high


def bisected(problem: Reduced, degree: tuple[int, int], known: Sequence[Approximant] = ()) -> Iterator[Bracket]:
    """Brackets that become smaller; none where floats do not hold a Q that follows the target.

    A programme may say no because its normaliser hides the solution. So the levels come from above, and where all of a
    bracket exceeds the allowed error, that is believed only after a programme from its upper end has hardly lowered it.
    """
    t, s, w, _ = grid = Grid.of(problem, degree)
    q_now = varying(problem, degree[1], t)
    if not np.abs(q_now).min() > SMALLEST:
        return
    q_now, error = _first(degree, grid, q_now, known)
    count, size = sum(degree) + 2, float(np.abs(s).max())
    low, high = 0.0, float(np.abs(error).max())
    level, lowering = high / 2, False
    for _ in range(STEPS):
        if not high > UNSEEN * size:
            return
        made = programme(grid, degree, q_now, level)
        better = _better(made.found, high)
        if better is None:
            low = level
            at = np.flatnonzero(made.multipliers > POSITIVE * made.multipliers.max(initial=0.0))
            yield Bracket(low, high, t[at] if at.size == count else None)
        else:
            q_now, high = better.q, float(np.abs(better.error).max())
            low = low if low < high else 0.0  # with the last normaliser it was not to be seen
            watch.report("linear programmes", problem.change.ansatz.outer(*degree), None, high)
            peaks = alternating(better.error[w > 0].tolist(), count)
            shown = None if peaks is None else shown_on(problem, degree, grid, better, np.flatnonzero(w > 0)[peaks])
            yield Bracket(low, high, None if shown is None else shown.reference)
        if high - low < (CLOSE if lowering and low > problem.allowed else MET) * high:
            return
        # Programmes from the upper end of a small bracket converge quickly, or hardly: every second one starts there.
        level = high if high - low < CLOSE * high and not lowering else (low + high) / 2
        lowering = level == high


def _better(found: Improved | None, high: float) -> Improved | None:
    return found if found is not None and found.z < 0 and np.abs(found.error).max() < high else None


def _first(
    degree: tuple[int, int], grid: Grid, q: np.ndarray, known: Sequence[Approximant]
) -> tuple[np.ndarray, np.ndarray]:
    """The denominator on the grid of the best approximant that is known, and its error: with the given Q the one of
    least squares is always known."""
    t, s, w, sides = grid
    top = w[:, None] * orthonormal(t, 1 / q, degree[0])
    best = q, s - top @ np.linalg.lstsq(top, s, rcond=None)[0]
    for each in known:
        other = each.denominator(t)
        if (sides * other > 0).all():
            error = s - w * each(t)
            if np.abs(error).max() < np.abs(best[1]).max():
                best = other, error
    return best


def varying(problem: Reduced, degree: int, t: np.ndarray) -> np.ndarray:
    """A polynomial of a degree with the signs of Q, and zeros beside the domain where the target varies."""
    q, rest = changing(problem, t), degree - problem.changes
    if rest <= 0:
        return q
    marks = np.concatenate([piece.marks[int(piece.meets) :] for piece in problem.pieces])  # where two meet is one mark
    parts = np.interp(np.linspace(0, marks.size - 1, 2 * rest + 1), np.arange(marks.size), marks)
    middle, width = parts[1::2], np.diff(parts[::2])
    size = np.log(np.hypot(t[:, None] - middle, width)).sum(axis=1)
    return q * np.exp(size - size.max())
