"""Choosing a type: the cheapest one that meets a tolerance. See :mod:`fitting.cost` for what is counted."""

from collections.abc import Iterator, Sequence
from math import inf, isfinite

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import End
from rational_approx.exchange.relaxed import Exceeds
from rational_approx.fitting.best import Question
from rational_approx.fitting.causes import out_of_time
from rational_approx.fitting.cost import operations
from rational_approx.fitting.patterns import best
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.ansatz import Ansatz, Type
from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.target import Target

__all__ = ["cheapest"]

SIZES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32)
"""Types (n, n) on the way up, in the variable that is left after symmetry; what needs more is given up."""

HOPELESS = 10.0
"""Along types of equal cost the search turns back where the error is this many times too large."""


def _limit(target: Target) -> float:
    """The size of the weighted target at infinity, where a rational with p < q vanishes."""
    ends = [(target.pieces[0], target.domain.lower), (target.pieces[-1], target.domain.upper)]
    far = [(piece, np.array([np.copysign(2.0**200, end)])) for piece, end in ends if isinstance(end, float)]
    return max(abs(float((piece.function(x) * piece.weight(x))[0])) for piece, x in far)


class _Search:
    """The fits of one target that a search has asked for, each made once."""

    def __init__(self, question: Question, denominator: str, allowed: float) -> None:
        self.question, self.denominator, self.allowed = question, denominator, allowed
        self.target = target = question.target
        self.free = not question.interpolate and question.bounds == (-inf, inf) and denominator == "one sign"
        self.symmetry = symmetry_of(target) if self.free else Ansatz()
        self.fits: dict[Type, Fit | None] = {}
        self.exceeding: dict[Type, Exceeds] = {}
        self.decays = target.domain.bounded or _limit(target) <= allowed

    def possible(self, m: int, n: int) -> bool:
        """Whether a type can be the answer to anything: other types are equal to smaller ones, or too large."""
        p, q = self.symmetry.outer(m, n)
        if p < len(self.target.zeros):
            return False
        if self.target.samples is not None:
            return p + q + 2 <= len(self.target.samples[0])
        if not self.target.domain.bounded:
            return m == n or (m < n and self.decays)
        return self.symmetry.inner((p, q)) == (m, n)

    def error(self, m: int, n: int, allowed: float = inf) -> float:
        """The best error of a type, infinite where none was found; or what it is at least, above the allowed one."""
        degree = self.symmetry.outer(m, n)
        if not self.possible(m, n):
            return inf
        if degree in self.exceeding:
            return self.exceeding[degree].least
        if degree not in self.fits:
            watch.check()
            watch.report("choice of a type", degree)
            try:
                asked = self.question._replace(degree=degree, digits=None)
                self.fits[degree] = best(asked, self.denominator, self.beside(degree), allowed)
            except Exceeds as decided:
                self.exceeding[degree] = decided
                return decided.least
            except DidNotConverge as missed:
                if missed.cause == "time":
                    raise
                self.fits[degree] = None
            except ValueError:  # too few coefficients for the conditions
                if self.free:
                    raise
                self.fits[degree] = None
        found = self.fits[degree]
        return inf if found is None else float(found.error)

    def beside(self, degree: Type) -> tuple[End, ...]:
        """The reference of the nearest type that was looked at."""
        known: dict[Type, Sequence[End]] = {
            type_: fit.reference for type_, fit in self.fits.items() if fit and fit.converged and fit.error > 0
        }
        known |= {type_: decided.reference for type_, decided in self.exceeding.items()}
        nearest = min(known, key=lambda of: abs(sum(of) - sum(degree)) + abs(of[0] - degree[0]), default=None)
        return () if nearest is None else tuple(known[nearest])

    def meets(self, m: int, n: int) -> bool:
        """Whether the best error of a type is within the tolerance: that it is not is often clear before the best is
        found."""
        return self.error(m, n, self.allowed) <= self.allowed

    def smallest(self, m: int, n: int) -> Type:
        """The smallest type that holds the best approximant of a type, which may be degenerate."""
        found = self.fits.get(self.symmetry.outer(m, n))
        if found is None:
            return m, n
        p, q = found.rational.type
        lower = self.symmetry.inner((max(p, len(self.symmetry.roots)), q))
        return lower if self.possible(*lower) and lower <= (m, n) else (m, n)

    def best(self) -> Fit | None:
        """The fit with the smallest error so far."""
        return min((found for found in self.fits.values() if found), key=lambda found: found.error, default=None)


def cheapest(question: Question, tolerance: float, denominator: str = "one sign") -> Fit:
    """The best approximant of the cheapest type whose error is at most ``tolerance``.

    The diagonal of the table of types is bisected for a first type that meets the tolerance. From there the search
    goes down, one coefficient at a time, to any type of that cost that still meets it: nearest first, both ways along
    the types of equal cost, and back where the error is ten times too large. A polynomial as cheap is tried as
    well; of types of equal cost the result is the one that is locally best. A type for which ``fit`` finds no best
    approximant counts as one that misses.

    Parameters
    ----------
    question:
        What is asked; its degree does not count, its digits for the answer alone.
    tolerance:
        The largest (weighted) error allowed.
    denominator:
        As for :func:`~rational_approx.fitting.front.fit`.

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
    search = _Search(question, denominator, allowed)
    try:
        degree = search.symmetry.outer(*_descended(search, _corner(search)))
    except (DidNotConverge, watch.OutOfTime) as stopped:
        if isinstance(stopped, DidNotConverge) and stopped.cause != "time":
            raise
        raise _stopped(search) from None
    found = search.fits[degree]
    assert found is not None
    try:  # once more without what other types have shown, so that the answer is that of its degree, to the bit
        return best(question._replace(degree=degree), denominator)
    except DidNotConverge:
        if question.digits is not None:
            raise
        return found


def _stopped(search: _Search) -> DidNotConverge:
    """The exception where the time is over: with the cheapest fit that meets the tolerance, or the best there is."""
    asked = f"the cheapest type that meets the tolerance {search.allowed:g}"
    fits = [found for found in search.fits.values() if found and found.error <= search.allowed]
    if not fits:
        return out_of_time(search.target, asked, search.best())
    found = min(fits, key=lambda found: operations(search.symmetry.inner(found.degree), search.symmetry))
    return out_of_time(search.target, f"{asked} (type {found.degree} does, and may not be the cheapest)", found)


def _corner(search: _Search) -> Type:
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
        best = search.best()
        message = f"no type of {search.target!r} that was tried meets the tolerance {search.allowed:g}"
        if best is not None:
            message += f"; the smallest error found is {float(best.error):.3g}, at type {best.degree}"
        raise DidNotConverge(message + ": raise the tolerance, or shrink the domain", best, "tolerance")
    while high - low > 1 and sum(found) > 0:
        middle = (low + high) // 2
        better = near(middle)
        if better is None:
            low = middle
        else:
            high, found = middle, better
    return found


def _descended(search: _Search, corner: Type) -> Type:
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


def _polynomial(search: _Search, m: int) -> list[Type]:
    """The smallest polynomial type up to degree m that meets the tolerance, if there is one."""
    if not search.meets(m, 0):
        return []
    low, high = -1, m
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if search.meets(middle, 0) else (middle, high)
    return [(high, 0)]


def _descent(search: _Search, best: Type) -> Type:
    """One coefficient less, as long as a type of that cost still meets the tolerance."""
    while sum(best) > 0:
        better = next((t for t in _outwards(search, best) if search.meets(*t)), None)
        if better is None:
            return best
        best = search.smallest(*better)
    return best


def _outwards(search: _Search, best: Type) -> Iterator[Type]:
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
