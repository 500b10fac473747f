"""Solving a reduced problem: one start after another until an exchange settles, then the finish and its checks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from math import inf
from typing import NamedTuple

import numpy as np

from rational_approx import watch
from rational_approx.exchange.barycentric import Barycentric
from rational_approx.exchange.bisection import bisected
from rational_approx.exchange.correction import Approximant, corrected
from rational_approx.exchange.exploration import exceeding, explored
from rational_approx.exchange.finish import finish, unfinished
from rational_approx.exchange.identity import Failure, without_error
from rational_approx.exchange.lawson import Invisible, lawson
from rational_approx.exchange.relaxed import Exceeds, Exchange, Record, exchange, sampled
from rational_approx.exchange.start import apportioned, beside_gap, continued, spread_starts, stretched, varied
from rational_approx.exchange.stationary import Reference
from rational_approx.fitting.acceptance import Candidate, alternations, has_pole, nothing_larger
from rational_approx.fitting.jump import half_jump
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["Solution", "solve"]

LARGEST_CORRECTED = 24
"""Linear programmes are slow, and in float64 of little use, for numerator and denominator degrees above this sum."""

VISIBLE = 1e-10
"""The share of the target's size above which floats have digits to spare for an error."""

LOOKS = 8
"""How often a look may find a larger error than the exchange saw, before other starts are tried."""

NEAR = 0.01
"""The deviation from which the finish may start."""

AS_GOOD = Fraction(101, 100)
"""A smaller type whose error is larger by no more than this factor is as good."""


class Solution(NamedTuple):
    """The finished rational, the type in which it was found, whether all checks were passed, and a proved bound of its
    error."""

    done: Finished
    degree: tuple[int, int]
    converged: bool
    upper: Fraction | None = None


class Seen(NamedTuple):
    """What a look at the whole domain showed: a proved bound of the error, and points t where it is larger than the
    levelled one."""

    upper: Fraction | None
    missed: tuple[float, ...]


Look = Callable[[Finished], Seen | None]
"""A look at a finished rational; None where the target cannot be enclosed."""


def solve(problem: Reduced, digits: int, history: list[Record], look: Look, briefly: bool = False) -> Solution | None:
    """The best approximant of a type, or the best attempt (``converged`` False), or None.

    What an exchange ends with is best if its error is nowhere larger than on its reference: ``look`` says so of the
    whole domain, or shows where it is not. Such points are marked, and the next exchange looks there too. Briefly, only
    what is cheap is tried.

    Raises
    ------
    OutOfTime
        with the best attempt so far, a `Finished`, or None.
    Exceeds
        where the error is larger than the problem allows.
    """
    solver = _Solver(problem, digits, history, look, briefly)
    try:
        return solver.best()
    except watch.OutOfTime as stopped:
        with watch.unwatched():
            stopped.attempt = solver.attempt() or stopped.attempt
        raise


class _Solver:
    """One problem, with what has been found out about it: the exchanges so far, and marks where peaks were missed."""

    def __init__(self, problem: Reduced, digits: int, history: list[Record], look: Look, briefly: bool) -> None:
        self.problem, self.digits, self.history, self.look = problem, digits, history, look
        self.missed: tuple[float, ...] = ()
        self.marked: set[float] = set()
        self.invisible = False
        self.finished: list[tuple[float, Finished]] = []
        self.nearest: Candidate | None = None
        self.grown: Exchange | None = None
        self.hurried = problem.allowed < inf and sum(problem.degree) > LARGEST_CORRECTED
        """A large type of many that are tried: what no start levels at once is left alone."""
        self.briefly = briefly and sum(problem.degree) > LARGEST_CORRECTED
        """A large type that might only help a larger one."""

    def best(self) -> Solution | None:
        """The best approximant of a type, or the best attempt, or None.

        A best approximant of smaller type (p - d, q - d) is also the best of type (p, q) if its error alternates
        ``p + q + 2 - d`` times (the defect d; Cheney, section 5.5). Near such a degenerate case the level equations are
        singular, so it is looked for last.
        """
        degree = self.problem.degree
        if self.problem.changes > degree[1]:
            return None
        level = half_jump(self.problem, self.digits)
        found = None if level is None else self.accepted(level)
        if found is not None:
            return found
        for round_ in range(LOOKS):
            self.missed = ()
            found = self.first(self.candidates(), patient=round_ == LOOKS - 1)
            fresh: set[float] = set(self.missed) - self.marked
            if found is not None or not fresh:
                break
            self.marked |= fresh
            self.problem = self.problem.marked(fresh)
        if found is None and self.hurried:
            return None
        if found is None and (self.invisible or self.problem.changes):
            found = self.exact()
        found = found or self.constant()
        if found is not None:
            return found
        lower = None
        if degree[1] > 0:
            smaller = (max(0, degree[0] - 1), degree[1] - 1)
            lower = self.smaller(smaller)
            if lower is not None and lower.converged:
                defect = min(degree[0] - lower.degree[0], degree[1] - lower.degree[1])
                if alternations(self.problem, lower.degree, lower.done) >= sum(degree) + 2 - defect:
                    return lower
                if lower.degree == smaller and self.problem.precise:  # of floats more digits show noise alone
                    reference = np.array([float(t) for t in lower.done.reference])
                    starts = beside_gap(self.problem, reference, sum(degree) + 2)
                    found = self.first(self.explored(starts))
        return found or self.unaccepted(lower)

    def unaccepted(self, lower: Solution | None) -> Solution | None:
        """The best attempt. The best of a smaller type is one where the attempts of the type itself are no better: then
        the type is degenerate, or so nearly that its level equations are."""
        attempt = self.attempt()
        if lower is None or not lower.converged:
            return None if attempt is None else Solution(attempt, self.problem.degree, False)
        if attempt is None or abs(lower.done.h) <= abs(attempt.h) * AS_GOOD:
            return Solution(lower.done, lower.degree, False)
        return Solution(attempt, self.problem.degree, False)

    def attempt(self) -> Finished | None:
        """The best that was found, though it was not accepted, or not even finished; None if it has a pole."""
        for _, done in sorted(self.finished, key=lambda item: item[0]):
            if not has_pole(self.problem, done):
                return done
        nearest, degree = self.nearest, self.problem.degree
        if nearest is None and self.grown is not None:  # on the way to the type
            nearest, degree = _candidate(self.grown), self.grown.history[-1].degree
        if nearest is None:
            return None
        try:
            found = unfinished(self.problem, degree, *nearest[:4])
        except Failure:
            return None
        return None if found.h == 0 or has_pole(self.problem, found) else found

    def noted(self, candidate: Candidate) -> Candidate:
        """A candidate, remembered if it is more level than those before, unless the time is over."""
        if self.nearest is None or candidate.deviation < self.nearest.deviation:
            self.nearest = candidate
        watch.check()
        return candidate

    def smaller(self, degree: tuple[int, int]) -> Solution | None:
        """The best approximant of a smaller type, or the best attempt, or None. Of large types each would take as long
        as the one that is asked for, and there are many."""
        problem = replace(self.problem, degree=degree, allowed=inf)
        return solve(problem, self.digits, self.history, self.look, briefly=True)

    def first(self, candidates: Iterator[Candidate], patient: bool = True) -> Solution | None:
        """The first candidate that can be finished and is accepted; all finished ones are remembered. Without
        patience a look that shows a peak at a new place is the end: the next candidates would miss it as well."""
        for candidate in candidates:
            try:
                done = finish(
                    self.problem, self.problem.degree, candidate.reference, candidate.h, candidate.q_values, self.digits
                )
            except Failure:
                continue
            self.finished.append((candidate.deviation, done))
            found = self.accepted(done, candidate)
            if found is not None:
                return found
            if not patient and not self.marked.issuperset(self.missed):
                return None
        return None

    def accepted(self, done: Finished, candidate: Candidate | None = None) -> Solution | None:
        """The solution that a finished rational is, if it has no pole and no larger error."""
        degree = self.problem.degree
        if has_pole(self.problem, done):
            return None
        seen = self.look(done)
        if seen is not None and seen.missed:
            self.missed += seen.missed
            return None
        if seen is None or seen.upper is None:  # no proof: floats decide, as far as they see
            if candidate is not None and not nothing_larger(self.problem, candidate, done):
                return None
            if candidate is not None and candidate.level is None and (larger := exceeding(self.problem, done)):
                self.missed += larger
                return None
            return Solution(done, degree, True)
        return Solution(done, degree, True, seen.upper)

    def exact(self) -> Solution | None:
        """Where the target is itself a rational of the type."""
        found = without_error(self.problem, self.digits)
        if found is None:
            return None
        solution = self.accepted(found[0])
        return solution and solution._replace(degree=found[1])

    def constant(self) -> Solution | None:
        """The best constant, where its error alternates often enough for the type: the defect is min(p, q), and q if it
        is zero (a target that swings evenly about zero, and a numerator too poor to follow)."""
        degree = self.problem.degree
        if degree == (0, 0):
            return None
        constant = self.smaller((0, 0))
        if constant is None or not constant.converged:
            return None
        if constant.done.h == 0:
            return constant
        p, q = constant.done.p, constant.done.q
        vanishes = p.degree() < 0 or abs(float(p[0] / q[0])) < 1e-9 * abs(float(constant.done.h))
        defect = degree[1] if vanishes else min(degree)
        return (
            constant if alternations(self.problem, constant.degree, constant.done) >= sum(degree) + 2 - defect else None
        )

    def candidates(self) -> Iterator[Candidate]:
        """One after another, the cheapest starts first."""
        problem, degree = self.problem, self.problem.degree
        if problem.known and len(problem.known) == sum(degree) + 2:
            yield from self.explored([problem.known])
        nearly: list[Barycentric] = []
        further = apportioned(problem, degree)
        if not problem.changes:
            further = chain(varied(problem, degree), _remembered(lawson(problem, degree), nearly))
        try:
            near = [stretched(problem, np.array(problem.near), sum(degree) + 2)] if problem.near else []
            for start in chain(near, spread_starts(problem, degree), further):
                found = self.exchanged(problem, start)
                if found is not None and found.deviation < NEAR:
                    yield _candidate(found)
        except Invisible:
            self.invisible = True
        except np.linalg.LinAlgError:  # beside a pole of a callable
            pass
        if self.invisible:
            if not problem.precise:  # whatever is tried next would level rounding errors
                return
            yield from self.explored(spread_starts(problem, degree))
        if self.briefly:
            return
        with suppress(np.linalg.LinAlgError):  # floats have no digits of the weighted error
            yield from self.bisected(nearly)
        if self.hurried:
            return
        try:
            for grown in continued(problem, degree):
                self.history.extend(grown.history)
                self.grown = grown
                watch.check()
        except Failure:
            pass
        else:
            yield _candidate(grown)
        last: list[np.ndarray] = []
        if sum(degree) <= LARGEST_CORRECTED:
            seed: Approximant | None = min(nearly, key=lambda each: each.largest, default=None)
            if self.grown is not None and self.grown.level.reference.size == sum(degree) + 2:
                seed = self.grown.level
            with suppress(np.linalg.LinAlgError):  # floats have no digits of the weighted error
                yield from self.corrected(seed, last)
        if problem.precise:
            spread = () if self.invisible or self.visible(nearly) else spread_starts(problem, degree)
            yield from self.explored(chain(last[-1:], spread))

    def visible(self, nearly: list[Barycentric]) -> bool:
        """Whether floats see the error of a large type well: then more digits level no start that they do not."""
        if not nearly or sum(self.problem.degree) <= LARGEST_CORRECTED:
            return False
        s, _ = sampled(self.problem, nearly[0].support)
        return min(each.largest for each in nearly) > VISIBLE * float(np.abs(s).max())

    def bisected(self, nearly: list[Barycentric]) -> Iterator[Candidate]:
        """Exchanges from what bisection finds. Where it ends above the allowed error, other starts are not worth it."""
        bracket = None
        for bracket in bisected(self.problem, self.problem.degree, nearly):
            found = None if bracket.reference is None else self.exchanged(self.problem, bracket.reference)
            if found is not None and found.deviation < NEAR:
                yield _candidate(found)
        if bracket is not None and bracket.low > self.problem.allowed and bracket.closed:
            raise Exceeds(bracket.low, () if bracket.reference is None else bracket.reference.tolist())

    def corrected(self, nearest: Approximant | None, last: list[np.ndarray]) -> Iterator[Candidate]:
        """Exchanges from what differential correction finds."""
        for shown in corrected(self.problem, self.problem.degree, nearest):
            if shown.reference is None:
                continue
            last.append(shown.reference)
            found = self.exchanged(self.problem, shown.reference)
            if found is not None and found.deviation < NEAR:
                yield _candidate(found)

    def exchanged(self, problem: Reduced, start: np.ndarray) -> Exchange | None:
        """Where the exchange from a start ends, if it begins."""
        try:
            found = exchange(problem, problem.degree, start)
        except Failure:
            return None
        self.history.extend(found.history)
        self.noted(_candidate(found))
        return found

    def explored(self, starts: Iterable[Reference]) -> Iterator[Candidate]:
        """Candidates in multiprecision arithmetic."""
        for start in starts:
            try:
                found = explored(self.problem, self.problem.degree, start, self.digits)
            except Failure:
                continue
            self.history.extend(found.history)
            if found.exact:
                return
            yield self.noted(Candidate(found.reference, found.h, found.q_values, found.deviation, None))


def _remembered(offered: Iterator[Barycentric], nearly: list[Barycentric]) -> Iterator[np.ndarray]:
    for each in offered:
        nearly.append(each)
        if each.reference is not None:
            yield each.reference


def _candidate(found: Exchange) -> Candidate:
    level = found.level
    return Candidate(level.reference, level.h, level.q_values, found.deviation, level)
