"""The best approximant of one type among denominators of one sign: a `Question` in, a `Fit` out."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import mpmath

from rational_approx import watch
from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import working_precision
from rational_approx.arithmetic.signs import in_range
from rational_approx.exchange.relaxed import Exceeds, Record
from rational_approx.exchange.restricted import restricted
from rational_approx.exchange.start import spread_starts
from rational_approx.exchange.stationary import Unfinished
from rational_approx.fitting.beside_zeros import with_reference
from rational_approx.fitting.causes import explained, out_of_time
from rational_approx.fitting.itself import itself
from rational_approx.fitting.last_look import last_look
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.fitting.samples import fitted_to_samples
from rational_approx.fitting.solve import Seen, Solution, solve
from rational_approx.fitting.whole_line import on_line
from rational_approx.problem.answer import Finished, restored
from rational_approx.problem.change import NoGap, drawn_to
from rational_approx.problem.conditions import Bounds, Conditions, not_unique
from rational_approx.problem.reduction import Reduced, reduced
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["DEFAULT_DIGITS", "Question", "fitted"]

DEFAULT_DIGITS = 18
"""Correct digits of the levelled error without ``digits=``: the float that is returned is then correctly rounded."""


class Question(NamedTuple):
    """What is asked, for one class of competitors."""

    target: Target
    degree: tuple[int, int]
    digits: int | None
    interpolate: Conditions
    bounds: Bounds

    def solved(
        self, problem: Reduced, near: Sequence[End] = (), allowed: float = inf
    ) -> tuple[Solution | None, Fit | None]:
        """The solution of a reduced problem, and the fit that it makes.

        Raises
        ------
        DidNotConverge
            where the time is over, with the best attempt.
        Exceeds
            where the best error is larger than the allowed one, with a reference in x.
        """
        history: list[Record] = []
        near_t = tuple(sorted({float(problem.change.t_of(x)) for x in near}))
        problem = replace(problem, near=near_t, allowed=allowed)

        seen_last: list[tuple[Finished, Fit]] = []

        def look(done: Finished) -> Seen | None:
            found = self.answer(problem, done, True, history)
            seen_last[:] = [(done, found)]
            seen = last_look(found)
            return seen and Seen(seen.upper, tuple(float(problem.change.t_of(x)) for x in seen.missed))

        try:
            solution = solve(problem, self.digits or DEFAULT_DIGITS, history, look)
        except watch.OutOfTime as stopped:
            with watch.unwatched():
                done = stopped.attempt
                attempt = None if done is None else self.answer(problem, done, False, history)
            raise out_of_time(self.target, f"the best approximant of type {self.degree}", attempt) from None
        except Exceeds as decided:
            reference = problem.points_in_x([Fraction(float(t)) for t in decided.reference])
            raise Exceeds(decided.least, reference) from None
        if solution is None:
            return None, None
        if seen_last and seen_last[0][0] is solution.done:
            found = replace(seen_last[0][1], converged=solution.converged, history=tuple(history))
        else:
            found = self.answer(problem, solution.done, solution.converged, history)
        return solution, replace(found, upper=solution.upper)

    def answer(self, problem: Reduced, done: Finished, converged: bool, history: Sequence[Record]) -> Fit:
        """The fit of a finished rational."""
        reference = problem.points_in_x(done.reference)
        error: Any = float(abs(done.h))
        if self.digits is not None:
            with working_precision(self.digits):
                error = mpmath.mpf(abs(done.h).numerator) / abs(done.h).denominator
        rational = restored(problem, done, self.target.domain, reference)
        return Fit(rational, error, tuple(reference), converged, *self, history=tuple(history))

    def exactly(self, rational: Rational, problem: Reduced) -> Fit:
        """The fit of a target that is this rational itself."""
        reference = problem.points_in_x([Fraction(t) for t in next(spread_starts(problem, problem.degree)).tolist()])
        error: Any = 0.0 if self.digits is None else mpmath.mpf(0)
        found = Fit(rational, error, tuple(reference), True, *self)
        seen = last_look(found)
        return replace(found, upper=seen and seen.upper)

    def check_forced(self, found: Fit | None) -> None:
        """DidNotConverge where a required value is so far from f that a best fit is not unique."""
        error = float(found.error) if found is not None and found.converged else 0.0
        if reason := not_unique(self.target, self.interpolate, self.degree, error):
            attempt = None if found is None else replace(found, converged=False)
            raise DidNotConverge(reason, attempt, "condition")


def _on_line(question: Question) -> Fit:
    def fitted_cut(cut: Target, degree: tuple[int, int]) -> Fit:
        return fitted(question._replace(target=cut, degree=degree))

    points = tuple(a for a, _ in question.interpolate)
    try:
        found: Fit | None = on_line(question.target, question.degree, points, fitted_cut)
    except DidNotConverge as stopped:  # the time is over, on a line that is cut open
        attempt, target = stopped.fit, question.target
        if attempt is not None:
            rational = replace(attempt.rational, domain=target.domain)
            free = in_range(*rational.polynomials, target.domain, (-inf, inf))
            attempt = replace(attempt, rational=rational, target=target, degree=question.degree) if free else None
        raise out_of_time(target, f"the best approximant of type {question.degree}", attempt) from None
    if found is None or not found.converged:
        raise explained(question.target, question.degree, found)
    return found


def _moved(question: Question, problem: Reduced, near: Sequence[End], allowed: float) -> Fit | None:
    """The fit of the target moved so that a singularity that draws peaks lies at 0, where floats are dense; None where
    there is none beside 0, or the moved one is not solved either."""
    target = question.target
    end = drawn_to(target) if target.domain.bounded and problem.change.ansatz.step == 1 else None
    if not end or target.expression is None or target.weight_expression is None:
        return None
    conditions = tuple((a - end, value) for a, value in question.interpolate)
    try:
        at_zero = question._replace(target=target.shifted(end), interpolate=conditions)
        found = fitted(at_zero, [x - end for x in near], allowed)
    except Exceeds as decided:
        raise Exceeds(decided.least, [x + end for x in decided.reference]) from None
    except (ValueError, DidNotConverge) as failed:
        if isinstance(failed, DidNotConverge) and failed.cause == "time":
            raise
        return None
    rational = replace(found.rational.composed(1, -end), domain=target.domain)
    reference = tuple(x + end for x in found.reference)
    return replace(found, rational=rational, reference=reference, target=target, interpolate=question.interpolate)


def fitted(question: Question, near: Sequence[End] = (), allowed: float = inf) -> Fit:
    """The best fit among denominators of one sign; from a reference of a type nearby, if one is known.

    Raises
    ------
    DidNotConverge
        where it was not found.
    Exceeds
        where it may not have been found, but its error is larger than the allowed one.
    """
    target, degree, bounds = question.target, question.degree, question.bounds
    if target.samples is not None:
        return fitted_to_samples(question, question.digits or DEFAULT_DIGITS)
    try:
        problem = reduced(target, degree, question.interpolate)
    except NoGap:
        return _on_line(question)
    exact = itself(target, degree, question.interpolate, bounds)
    if exact is not None:
        return question.exactly(exact, problem)
    problem = with_reference(problem, target, degree, question.interpolate)
    moved = None if problem.known else _moved(question, problem, near, allowed)
    if moved is not None:
        return moved
    solution, found = question.solved(problem, near, allowed)
    question.check_forced(found)
    if found is None or not found.converged:
        raise explained(target, degree, found, solution is not None and solution.degree != problem.degree)
    if bounds == (-inf, inf) or in_range(*found.rational.polynomials, target.domain, bounds):
        return found
    walled = reduced(target, degree, question.interpolate, bounds)
    start = solution.done.reference if solution is not None else ()
    if walled.change != problem.change:
        start = tuple(sorted({walled.change.t_of(x) for x in found.reference}))
    try:
        done, records = restricted(walled, walled.degree, bounds, start, question.digits or DEFAULT_DIGITS)
        inside = question.answer(walled, done, True, [*found.history, *records])
        if in_range(*inside.rational.polynomials, target.domain, bounds):
            seen = last_look(inside)
            return replace(inside, upper=seen and seen.upper)
        reason = "rounding left its range"
    except watch.OutOfTime:
        attempt = replace(found, converged=False)
        raise out_of_time(target, f"the best approximant of type {degree} within {bounds}", attempt) from None
    except Unfinished as problem_found:
        reason = str(problem_found)
    raise DidNotConverge(
        f"the best approximant of type {degree} for {target!r} within {bounds} was not found ({reason}); the one "
        "without bounds is attached: try another type",
        replace(found, converged=False),
        "bounds",
    )
