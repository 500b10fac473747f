"""Best approximation with a bounded range: ``lower <= r <= upper`` on the whole domain.

A rational in range has an error of at most h exactly where it lies between two envelopes,

    max(f - h/w, lower)  <=  r  <=  min(f + h/w, upper).

The best one touches the lower and the upper envelope in turn, ``p + q + 2`` times (less its defect), at least once as
that of the error: the difference to a better one would change its sign ``p + q + 1`` times, one too many (Loeb,
Moursund & Taylor 1968; Taylor 1969). So the exchange is the ordinary one, on an error extended by the bounds, in the
letters of :mod:`rational_approx.problem.reduction` with L and U the bounds in place of f in S:

    E+ = max(S - W R, L - W R + h),        E- = min(S - W R, U - W R - h).

The exchange is that of :mod:`exchange.sides`, and a bound is a side. The start is the reference of the best approximant
without bounds: they are moved in from where it still fits, as far at a time as the exchange settles. All in balls.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from math import inf

import flint

from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.exchange.correction import nearly_best
from rational_approx.exchange.envelopes import LOOKS, Envelopes
from rational_approx.exchange.relaxed import Record
from rational_approx.exchange.sides import Failure, Settled, constant
from rational_approx.exchange.stationary import Unfinished
from rational_approx.problem.answer import Finished
from rational_approx.problem.conditions import Bounds
from rational_approx.problem.reduction import Reduced

__all__ = ["restricted"]

SMALLEST_STEP = 2.0**-5
ROUGH = 1e-2

Near = tuple[Settled, list[Record]]


def restricted(
    problem: Reduced, degree: tuple[int, int], bounds: Bounds, start: Sequence[Fraction], digits: int
) -> tuple[Finished, list[Record]]:
    """The best approximant of a type within the bounds, from the alternation points of the one without them.

    Raises
    ------
    Unfinished
        where the exchange does not settle.
    ValueError
        where a condition ``r(a) = f(a)`` holds r so close to a bound that none stays inside.
    """
    bits = int(6.7 * digits) + 138 + 10 * (sum(degree) + 1)
    tolerance = 10.0 ** -(2 * digits + 10) if problem.precise else 1e-9
    failure: Exception = Unfinished("no start was found")
    with working_bits(bits):
        for defect in range(min(degree) + 1):
            smaller = (degree[0] - defect, degree[1] - defect)
            curves = Envelopes(problem, smaller)
            for near in _starts(curves, bounds, () if defect else start):
                try:
                    now, history = near()
                    found = curves.settled(now, bounds, tolerance, LOOKS, history)
                except Failure as found_wrong:
                    failure = failure if defect else found_wrong
                    continue
                if defect and curves.alternations(found, bounds) < sum(degree) + 2 - defect:
                    raise Unfinished(str(failure))  # the best of a smaller type, and not of the one asked for
                p, q = curves.inside(found, bounds, digits)
                reference = [to_fraction(touch.t) for touch in found.touches]
                return Finished.of(p, q, found.h, reference, found.deviation, bits, len(history)), history
    raise Unfinished(str(failure))


def _starts(curves: Envelopes, bounds: Bounds, start: Sequence[Fraction]) -> Iterator[Callable[[], Near]]:
    """Ways to a start: from every part of a reference that has points to spare, then by linear programming, which
    the best approximant without bounds need not be any good for, as where it is degenerate."""
    count = sum(curves.degree) + 2
    for first in range(len(start) - count + 1):
        yield partial(_moved_in, curves, bounds, start[first : first + count])
    yield partial(_programmed, curves, bounds)


def _programmed(curves: Envelopes, bounds: Bounds) -> Near:
    walls = [
        [None if (wall := curves.wall(k, sign, bounds)) is None else constant(piece, wall) for sign in (1, -1)]
        for k, piece in enumerate(curves.problem.pieces)
    ]
    found = nearly_best(curves.problem, curves.degree, walls)
    if found is None:
        raise Unfinished("linear programming finds nothing within the bounds")
    # A smaller level shows the peaks of the error above those at the bounds, which grow with it.
    return Settled(*found[:2], flint.arb(0.98 * found[2]), [], inf), []


def _moved_in(curves: Envelopes, bounds: Bounds, start: Sequence[Fraction]) -> Near:
    """Continuation in the bounds, from where the unrestricted approximant touches them to where they are to be."""
    history: list[Record] = []
    now = curves.started(start)
    slack = curves.violation(now, bounds)
    reached, step = 0.0, 1.0
    while reached < 1:
        share = min(1.0, reached + step)
        rest = Fraction(1 - share)
        moved = (bounds[0] - rest * slack[0], bounds[1] + rest * slack[1])
        try:
            now = curves.settled(now, moved, ROUGH, LOOKS, history)
        except Failure:
            step /= 2
            if step < SMALLEST_STEP:
                raise
            continue
        reached, step = share, 2 * step
    return now, history
