"""Choosing a type: the cheapest one that meets a tolerance. See :mod:`fitting.cost` for what is counted."""

from collections.abc import Callable, Iterator
from math import inf, isfinite
from typing import Any

from rational_approx import watch
from rational_approx.fitting.best import Question
from rational_approx.fitting.causes import out_of_time
from rational_approx.fitting.cost import encrypted, operations
from rational_approx.fitting.depth import shallowest
from rational_approx.fitting.patterns import best
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.fitting.search import Search, out_of_reach
from rational_approx.problem.ansatz import Ansatz, Type

__all__ = ["COSTS", "cheapest"]

SIZES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32)
"""Types (n, n) on the way up, in the variable that is left after symmetry; what needs more is given up."""

HOPELESS = 10.0
"""Along types of equal cost the search turns back where the error is this many times too large."""


def cheapest(question: Question, tolerance: float, denominator: str = "one sign", cost: str = "operations") -> Fit:
    """The best approximant of the cheapest type whose error is at most ``tolerance``.

    By operations: the diagonal of the table of types is bisected for a first type that meets the tolerance. From there
    the search goes down, one coefficient at a time, to any type of that cost that still meets it: nearest first, both
    ways along the types of equal cost, and back where the error is ten times too large. A polynomial as cheap is tried
    as well; of types of equal cost the result is the one that is locally best. A type for which ``fit`` finds no best
    approximant counts as one that misses.

    Parameters
    ----------
    question:
        What is asked; its degree does not count, its digits for the answer alone.
    tolerance:
        The largest (weighted) error allowed.
    denominator:
        As for :func:`~rational_approx.fitting.front.fit`.
    cost:
        ``"operations"``, or ``"depth"``: see :mod:`fitting.depth`.

    Raises
    ------
    ValueError
        for a tolerance that is not a positive number.
    DidNotConverge
        where no type tried meets the tolerance, with the best fit seen.

    >>> cheapest(Question(Target("exp(x)", (-1, 1)), (0, 0), None, (), (-inf, inf)), 1e-6).degree
    (3, 3)
    """
    try:
        allowed = float(tolerance)
    except (TypeError, ValueError):
        allowed = -1.0
    if isinstance(tolerance, bool) or not (isfinite(allowed) and allowed > 0):
        raise ValueError(f"tolerance must be a positive number, not {tolerance!r}: give the largest error allowed")
    search = Search(question, denominator, allowed)
    try:
        degree = search.symmetry.outer(*COSTS[cost][0](search))
    except (DidNotConverge, watch.OutOfTime) as stopped:
        if isinstance(stopped, DidNotConverge) and stopped.cause != "time":
            raise
        raise _stopped(search, COSTS[cost][1]) from None
    found = search.fits[degree]
    assert found is not None
    try:  # once more without what other types have shown, so that the answer is that of its degree, to the bit
        return best(question._replace(degree=degree), denominator)
    except DidNotConverge:
        if question.digits is not None:
            raise
        return found


def _stopped(search: Search, cost: Callable[[Type, Ansatz], Any]) -> DidNotConverge:
    """The exception where the time is over: with the cheapest fit that meets the tolerance, or the best there is."""
    asked = f"the cheapest type that meets the tolerance {search.allowed:g}"
    fits = [found for found in search.fits.values() if found and found.error <= search.allowed]
    if not fits:
        return out_of_time(search.target, asked, search.best())
    found = min(fits, key=lambda found: cost(found.degree, search.symmetry))
    return out_of_time(search.target, f"{asked} (type {found.degree} does, and may not be the cheapest)", found)


def _fewest_operations(search: Search) -> Type:
    return _descended(search, _corner(search))


def _corner(search: Search) -> Type:
    """A type near the diagonal that meets the tolerance, while no smaller type near the diagonal does."""

    def near(n: int) -> Type | None:
        # A type that is not found says nothing; its neighbour may.
        tried = ((n, n), (n + 1, n)) if search.error(n, n, search.allowed) == inf else ((n, n),)
        return next((search.smallest(*t) for t in tried if search.meets(*t)), None)

    low, missed = -1, 0
    for high in SIZES:
        found = near(high)
        if found is not None:
            break
        missed = missed + 1 if search.error(high, high) == inf and search.error(high + 1, high) == inf else 0
        low = high
        if missed > 1:
            break
    if found is None:
        raise out_of_reach(search)
    while high - low > 1 and sum(found) > 0:
        middle = (low + high) // 2
        better = near(middle)
        if better is None:
            low = middle
        else:
            high, found = middle, better
    return found


def _descended(search: Search, corner: Type) -> Type:
    """The cheapest type that meets the tolerance, given one that does."""
    ends = [corner, *_polynomial(search, sum(corner))]
    best = min((_descent(search, t) for t in ends), key=lambda t: (operations(t), search.error(*t)))
    for step in (-1, 1):  # of equal cost, towards the smaller error
        while best[1] > 0 and min(best[0] - step, best[1] + step - 1) >= 0:
            other = best[0] - step, best[1] + step
            if not (search.meets(*other) and search.error(*other) < search.error(*best)):
                break
            best = other
    return best


def _polynomial(search: Search, m: int) -> list[Type]:
    """The smallest polynomial type up to degree m that meets the tolerance, if there is one."""
    if not search.meets(m, 0):
        return []
    low, high = -1, m
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if search.meets(middle, 0) else (middle, high)
    return [(high, 0)]


def _descent(search: Search, best: Type) -> Type:
    """One coefficient less, as long as a type of that cost still meets the tolerance."""
    while sum(best) > 0:
        better = next((t for t in _outwards(search, best) if search.meets(*t)), None)
        if better is None:
            return best
        best = search.smallest(*better)
    return best


def _outwards(search: Search, best: Type) -> Iterator[Type]:
    """The types with one coefficient less than ``best``, nearest first, until the error is hopeless either way."""
    m, n = best
    ways = {-1: (m - 1, n), 1: (m, n - 1)}  # a step to smaller m and larger n, and the other way
    while ways:
        for way, (p, q) in list(ways.items()):
            if min(p, q) < 0:
                del ways[way]
                continue
            yield p, q
            if search.possible(p, q) and search.error(p, q) > HOPELESS * search.allowed:
                del ways[way]
            else:
                ways[way] = p + way, q - way


COSTS: dict[str, tuple[Callable[[Search], Type], Callable[[Type, Ansatz], Any]]] = {
    "operations": (_fewest_operations, operations),
    "depth": (shallowest, encrypted),
}
"""The search for the cheapest type by each cost, and the cost of a type."""
