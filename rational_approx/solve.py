"""Solving a reduced problem: one start after another until an exchange settles, then the finish and its checks."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rational_approx.correction import corrected_start
from rational_approx.exchange import Exchange, Record, exchange, sampled
from rational_approx.extrema import looks, peaks
from rational_approx.finish import Equations, Finished, Unfinished, finish, placed
from rational_approx.levelled import Inadmissible, Level
from rational_approx.polynomials import isolated_roots
from rational_approx.precise import explored
from rational_approx.precision import to_fraction, working_bits
from rational_approx.reduction import Reduced
from rational_approx.start import continued, spread_starts

__all__ = ["Solution", "solve"]

LARGEST_CORRECTED = 24
"""Linear programmes are slow, and in float64 of little use, for numerator and denominator degrees above this sum."""

INVISIBLE = 1e-12
"""Errors below this share of the target's size are left to multiprecision arithmetic."""

Failure = (Inadmissible, Unfinished, ArithmeticError, np.linalg.LinAlgError)


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


def solve(problem: Reduced, degree: tuple[int, int], digits: int, history: list[Record]) -> Solution | None:
    """The best approximant of a type, or the best attempt (``converged`` False), or None.

    A best approximant of smaller type (p - d, q - d) is also the best of type (p, q) if its error alternates
    ``p + q + 2 - d`` times (the defect d; Cheney, section 5.5). Near such a degenerate case the level equations are
    singular, so it is looked for last.
    """
    best: tuple[float, Finished] | None = None
    for candidate in _candidates(problem, degree, digits, history):
        try:
            done = finish(problem, degree, candidate.reference, candidate.h, candidate.q_values, digits)
        except Failure:
            continue
        if _pole(problem, done):
            continue
        if _nothing_larger(problem, candidate, done):
            return Solution(done, degree, True)
        if best is None or candidate.deviation < best[0]:
            best = candidate.deviation, done
    exact = _exact(problem, degree, digits)
    if exact is not None:
        return exact
    if min(degree) > 0:
        smaller = (degree[0] - 1, degree[1] - 1)
        lower = solve(problem, smaller, digits, history)
        if lower is not None and lower.converged:
            defect = min(degree[0] - lower.degree[0], degree[1] - lower.degree[1])
            if _alternations(problem, lower) >= sum(degree) + 2 - defect:
                return lower
    return None if best is None else Solution(best[1], degree, False)


def _candidates(problem: Reduced, degree: tuple[int, int], digits: int, history: list[Record]) -> Iterator[Candidate]:
    invisible = False
    for start in spread_starts(problem, degree):
        try:
            found = exchange(problem, degree, start)
        except Failure:
            continue
        history.extend(found.history)
        invisible = invisible or _is_invisible(problem, found)
        if found.deviation < 0.01:
            yield _candidate(found)
    if problem.precise and invisible:
        yield from _explored(problem, degree, digits, history)
    for growth in (0.25, 0.0):
        try:
            for found in continued(problem, degree, growth):
                history.extend(found.history)
        except Failure:
            continue
        if found.deviation < 0.1:
            yield _candidate(found)
    if sum(degree) <= LARGEST_CORRECTED:
        try:
            found = exchange(problem, degree, corrected_start(problem, degree))
        except Failure:
            pass
        else:
            history.extend(found.history)
            yield _candidate(found)
    if problem.precise and not invisible:
        yield from _explored(problem, degree, digits, history)


def _explored(problem: Reduced, degree: tuple[int, int], digits: int, history: list[Record]) -> Iterator[Candidate]:
    for start in spread_starts(problem, degree):
        try:
            found = explored(problem, degree, start, digits)
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
    return abs(found.level.h) < INVISIBLE * float(np.abs(s).max())


def _exact(problem: Reduced, degree: tuple[int, int], digits: int) -> Solution | None:
    """Where the target is itself a rational of the type: in the smallest type that still holds it, where P and Q have
    no common factor and so are unique."""
    if not problem.precise:
        return None
    for k in range(min(degree), -1, -1):
        smaller = (degree[0] - k, degree[1] - k)
        try:
            attempt = explored(problem, smaller, next(iter(spread_starts(problem, smaller))), digits)
        except Failure:
            continue
        if attempt.exact:
            break
    else:
        return None
    bits = int(6.7 * digits) + 128 + 10 * attempt.reference.size
    with working_bits(bits):
        equations = Equations([placed(problem, t) for t in attempt.reference], smaller)
        zero = equations.s[0] * 0
        q_values = [zero + 1] * attempt.reference.size
        if smaller[1] > 0:  # one step of inverse iteration, with a shift that is not quite the eigenvalue zero
            _, q_values = equations.solve(zero + 2.0 ** (-bits // 2), [zero + float(v) for v in attempt.q_values])
        p, q = equations.polynomials(zero, q_values)
        done = Finished.of(p, q, zero, [to_fraction(t) for t in equations.t], 0.0, bits, 1)
    return None if _pole(problem, done) else Solution(done, smaller, True)


def _pole(problem: Reduced, done: Finished) -> bool:
    """Whether a zero of the denominator may lie on the domain: its roots are isolated in balls, so none is missed."""
    roots = [root for root in isolated_roots(done.q) if abs(root.value.imag) <= root.radius]
    return any(
        float(piece.lower) - root.radius <= root.value.real <= float(piece.upper) + root.radius
        for root in roots
        for piece in problem.pieces
    )


def _nothing_larger(problem: Reduced, candidate: Candidate, done: Finished) -> bool:
    """Whether no error on a fresh look, in float64, exceeds the levelled one by more than rounding explains."""
    if candidate.level is None:  # explored in multiprecision arithmetic, peaks and all
        return True
    h = abs(float(done.h))
    _, e = peaks(problem, candidate.level, looks(problem, 40 * len(done.reference)))
    s, _ = sampled(problem, candidate.level.reference)
    noise = 1e-13 * float(np.abs(s).max())
    return float(np.abs(e).max()) <= max(abs(candidate.h), h) * (1 + 2 * candidate.deviation + 1e-6) + noise


def _alternations(problem: Reduced, solution: Solution) -> int:
    """How often the error of a solution alternates at full height."""
    reference = np.array([float(t) for t in solution.done.reference])
    try:
        level = exchange(problem, solution.degree, reference, limit=1).level
    except Failure:
        return 0
    _, e = peaks(problem, level, looks(problem, 40 * reference.size))
    e = e[np.abs(e) >= abs(level.h) * (1 - 1e-6)]
    return int(np.count_nonzero(np.sign(e[1:]) != np.sign(e[:-1])) + 1)
