"""Solving a reduced problem: one start after another until an exchange settles, then the finish and its checks."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from rational_approx.arithmetic.polynomials import fmpq, isolated_roots
from rational_approx.exchange.correction import corrected
from rational_approx.exchange.exploration import explored
from rational_approx.exchange.extrema import looks, peaks
from rational_approx.exchange.finish import finish
from rational_approx.exchange.identity import Failure, without_error
from rational_approx.exchange.levelled import Level
from rational_approx.exchange.relaxed import Exchange, Record, exchange, sampled
from rational_approx.exchange.start import apportioned, beside_gap, continued, spread_starts
from rational_approx.fitting.jump import half_jump
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["Solution", "solve"]

LARGEST_CORRECTED = 24
"""Linear programmes are slow, and in float64 of little use, for numerator and denominator degrees above this sum."""

LARGEST_INVISIBLE = 17
INVISIBLE = 1e-12
"""Errors below this share of the target's size are left to multiprecision arithmetic."""


NEARLY_LEVEL = 0.01
"""How uneven a reference may be for the finish to start from it."""

ROUGH = 1e-4
"""How uneven a reference may be for its own peaks to vouch for what is finished from it."""


class Solution(NamedTuple):
    """The finished rational, the type in which it was found, and whether all checks were passed."""

    done: Finished
    degree: tuple[int, int]
    converged: bool


class Candidate(NamedTuple):
    """A nearly level reference, from which the finish may start."""

    reference: np.ndarray
    h: float
    q_values: np.ndarray
    deviation: float
    level: Level | None


def solve(problem: Reduced, digits: int, history: list[Record]) -> Solution | None:
    """The best approximant of a type, or the best attempt (``converged`` False), or None.

    A best approximant of smaller type (p - d, q - d) is also the best of type (p, q) if its error alternates
    ``p + q + 2 - d`` times (the defect d; Cheney, section 5.5). Near such a degenerate case the level equations are
    singular, so it is looked for last.
    """
    degree = problem.degree
    if problem.changes > degree[1]:
        return None
    level = half_jump(problem, digits)
    if level is not None and not _pole(problem, level):
        return Solution(level, degree, True)
    best: list[tuple[float, Finished]] = []
    found = _first(problem, digits, _candidates(problem, digits, history), best)
    found = found or _exact(problem, digits) or _constant(problem, digits)
    if found is not None:
        return found
    if degree[1] > 0:
        smaller = (max(0, degree[0] - 1), degree[1] - 1)
        lower = solve(replace(problem, degree=smaller), digits, history)
        if lower is not None and lower.converged:
            defect = min(degree[0] - lower.degree[0], degree[1] - lower.degree[1])
            if _alternations(problem, lower) >= sum(degree) + 2 - defect:
                return lower
            if lower.degree == smaller:
                starts = beside_gap(problem, np.array([float(t) for t in lower.done.reference]), sum(degree) + 2)
                found = _first(problem, digits, _explored(problem, starts, digits, history), best)
    if found is None and best:
        return Solution(min(best, key=lambda item: item[0])[1], degree, False)
    return found


def _first(
    problem: Reduced, digits: int, candidates: Iterator[Candidate], best: list[tuple[float, Finished]]
) -> Solution | None:
    """The first candidate that can be finished and passes the checks; those that only fail the checks join ``best``."""
    for candidate in candidates:
        try:
            done = finish(problem, problem.degree, candidate.reference, candidate.h, candidate.q_values, digits)
        except Failure:
            continue
        if _pole(problem, done):
            continue
        if _nothing_larger(problem, candidate, done):
            return Solution(done, problem.degree, True)
        best.append((candidate.deviation, done))
    return None


def _exchanged(problem: Reduced, starts: Iterable[np.ndarray], history: list[Record]) -> Iterator[Exchange]:
    for start in starts:
        with suppress(*Failure):
            found = exchange(problem, problem.degree, start)
            history.extend(found.history)
            yield found


def _exact(problem: Reduced, digits: int) -> Solution | None:
    """Where the target is itself a rational of the type."""
    found = without_error(problem, digits)
    return None if found is None or _pole(problem, found[0]) else Solution(*found, True)


def _constant(problem: Reduced, digits: int) -> Solution | None:
    """The best constant, where its error alternates often enough for the type: the defect is min(p, q), and q if it
    is zero (a target that swings evenly about zero, and a numerator too poor to follow)."""
    degree = problem.degree
    if degree == (0, 0):
        return None
    constant = solve(replace(problem, degree=(0, 0)), digits, [])
    if constant is None or not constant.converged:
        return None
    if constant.done.h == 0:
        return constant
    p, q = constant.done.p, constant.done.q
    vanishes = p.degree() < 0 or abs(float(p[0] / q[0])) < 1e-9 * abs(float(constant.done.h))
    defect = degree[1] if vanishes else min(degree)
    return constant if _alternations(problem, constant) >= sum(degree) + 2 - defect else None


def _candidates(problem: Reduced, digits: int, history: list[Record]) -> Iterator[Candidate]:
    degree = problem.degree
    # Until an exchange shows an error that float64 can see. Of larger types a failed start says more about the start.
    invisible = sum(degree) <= LARGEST_INVISIBLE
    starts = chain(spread_starts(problem, degree), apportioned(problem, degree) if problem.changes else ())
    for found in _exchanged(problem, starts, history):
        invisible = invisible and _is_invisible(problem, found)
        if found.deviation < NEARLY_LEVEL:
            yield _candidate(found)
    if problem.precise and invisible:
        yield from _explored(problem, spread_starts(problem, degree), digits, history)
    try:
        for found in continued(problem, degree):
            history.extend(found.history)
    except Failure:
        pass
    else:
        yield _candidate(found)
    last = []
    if sum(degree) <= LARGEST_CORRECTED:
        for start in corrected(problem, degree):
            last = [start]
            yield from (_candidate(f) for f in _exchanged(problem, last, history) if f.deviation < NEARLY_LEVEL)
    if problem.precise:
        starts = chain(last, () if invisible else spread_starts(problem, degree))
        yield from _explored(problem, starts, digits, history)


def _explored(
    problem: Reduced, starts: Iterable[np.ndarray], digits: int, history: list[Record]
) -> Iterator[Candidate]:
    for start in starts:
        try:
            found = explored(problem, problem.degree, start, digits)
        except Failure:
            continue
        history.extend(found.history)
        if found.exact:
            return
        yield Candidate(found.reference, found.h, found.q_values, found.deviation, None)


def _candidate(found: Exchange) -> Candidate:
    level = found.level
    return Candidate(level.reference, level.h, level.q_values, found.deviation, level)


def _is_invisible(problem: Reduced, found: Exchange) -> bool:
    s, _ = sampled(problem, found.level.reference)
    return found.largest < INVISIBLE * float(np.abs(s).max())


def _pole(problem: Reduced, done: Finished) -> bool:
    """Whether a zero of the denominator may lie on the domain, or its sign on some piece is not the one that it shall
    have: its roots are isolated in balls, so none is missed."""
    if len({done.q(fmpq(piece.lower)) * piece.q_sign > 0 for piece in problem.pieces}) > 1:
        return True
    roots = [root for root in isolated_roots(done.q) if abs(root.value.imag) <= root.radius]
    return any(
        float(piece.lower) - root.radius <= root.value.real <= float(piece.upper) + root.radius
        for root in roots
        for piece in problem.pieces
    )


def _nothing_larger(problem: Reduced, candidate: Candidate, done: Finished) -> bool:
    """Whether no error on a fresh look, in float64, exceeds the levelled one by more than rounding explains, and the
    levelled one is no smaller than the candidate's.

    By de la Vallee-Poussin's theorem no rational of the type has a smaller error than the one that a candidate levels:
    a finish that ends below it has followed Newton's step to another stationary point, past a peak.
    """
    h, low = abs(float(done.h)), abs(candidate.h)
    if candidate.level is None:  # explored in multiprecision arithmetic, peaks and all
        return h >= low * (1 - 1e-6)
    s, _ = sampled(problem, candidate.level.reference)
    noise = 1e-13 * float(np.abs(s).max())
    if h < low * (1 - 1e-9) - noise:
        return False
    level, allowed = candidate.level, 1 + 2 * candidate.deviation + 1e-6
    if candidate.deviation > ROUGH:  # it says little of the finished one: that is levelled once more
        try:
            level = exchange(problem, problem.degree, np.array([float(t) for t in done.reference]), limit=1).level
            allowed = 1 + ROUGH
        except Failure:
            pass
    _, e = peaks(problem, level, looks(problem, 40 * len(done.reference)))
    return float(np.abs(e).max()) <= max(low, h) * allowed + noise


def _alternations(problem: Reduced, solution: Solution) -> int:
    """How often the error of a solution alternates at full height; as often as its own type needs where float64 shows
    less or more than the error, and would count noise."""
    reference = np.array([float(t) for t in solution.done.reference])
    try:
        level = exchange(problem, solution.degree, reference, limit=1).level
    except Failure:
        return 0
    s, _ = sampled(problem, reference)
    _, e = peaks(problem, level, looks(problem, 40 * reference.size))
    h, noise = abs(level.h), 1e-12 * float(np.abs(s).max())
    if abs(float(solution.done.h)) < noise or np.abs(e).max() > 1.001 * h + noise:
        return reference.size
    e = e[np.abs(e) >= h * (1 - 1e-6)]
    return int(np.count_nonzero(np.sign(e[1:]) != np.sign(e[:-1])) + 1)
