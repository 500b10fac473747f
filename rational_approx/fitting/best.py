"""`fit`: the best uniform rational approximation of a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

import mpmath
import numpy as np

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import working_precision
from rational_approx.exchange.finish import Finished
from rational_approx.exchange.relaxed import Record
from rational_approx.exchange.restricted import restricted
from rational_approx.exchange.stationary import Unfinished
from rational_approx.fitting.solve import Solution, solve
from rational_approx.fitting.whole_line import on_line
from rational_approx.problem.answer import in_range, restored
from rational_approx.problem.competitors import Pattern, checked_class, marks, signs_of
from rational_approx.problem.conditions import (
    Bounds,
    Conditions,
    checked_bounds,
    checked_conditions,
    checked_degree,
    checked_digits,
    not_unique,
)
from rational_approx.problem.reduction import NoGap, Reduced, reduced
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["DidNotConverge", "Fit", "fit"]

DEFAULT_DIGITS = 18
"""Correct digits of the levelled error without ``digits=``: the float that is returned is then correctly rounded."""


@dataclass(frozen=True, repr=False)
class Fit:
    """The answer to a fit, with its question.

    Attributes
    ----------
    rational:
        The best approximant found, with exact coefficients.
    error:
        The levelled weighted error: a float, or an ``mpf`` where ``digits`` were asked for.
    reference:
        Points, increasing, at which the error alternates and is largest; with bounds, at some of them r touches a
        bound instead.
    converged:
        Whether every peak of the error agrees with the levelled one.
    target, degree, digits, interpolate, bounds:
        The question; without a bound on a side, it is infinite.
    history:
        One record per exchange.
    denominator, patterns:
        The class of competitors, and for ``"any"`` the best of every pattern of signs on the intervals of the domain.
    """

    rational: Rational
    error: Any
    reference: tuple[End, ...]
    converged: bool
    target: Target
    degree: tuple[int, int]
    digits: int | None = None
    interpolate: Conditions = ()
    bounds: Bounds = (-inf, inf)
    history: tuple[Record, ...] = field(default=(), repr=False)
    denominator: str = "one sign"
    patterns: tuple[Pattern, ...] = field(default=(), repr=False)

    def __call__(self, x: Any) -> Any:
        """The approximant at ``x``."""
        return self.rational(x)

    def error_at(self, x: np.ndarray) -> np.ndarray:
        """The weighted error ``w (f - r)`` in float64; not a number outside the domain."""
        x = np.asarray(x, dtype=np.float64)
        out = np.full(x.shape, np.nan)
        for piece in self.target.pieces:
            here = (x >= float(piece.lower)) & (x <= float(piece.upper))
            out[here] = piece.weight(x[here]) * (piece.function(x[here]) - self.rational(x[here]))
        return out

    def rounded(self, format: str, basis: str | None = None) -> Rational:
        """Near-best coefficients in a floating-point format; see :func:`rational_approx.rounding.quantize.quantize`."""
        from rational_approx.rounding.quantize import quantize

        return quantize(self, format, basis)

    def plot(self, path: str | None = None) -> Any:
        """Draw the error curve with its reference (needs matplotlib); see :func:`rational_approx.plot.error_curve`."""
        from rational_approx.plot import error_curve

        return error_curve(self, path)

    def __repr__(self) -> str:
        state = f"error {mpmath.nstr(mpmath.mpf(self.error), 10)}{'' if self.converged else ', NOT converged'}"
        return f"Fit({self.target.name} on {self.target.domain}, type {self.degree}, {state})"

    def __str__(self) -> str:
        state = "best approximation" if self.converged else "NOT converged"
        lines = [
            f"{self.target.name} on {self.target.domain}",
            f"  type {self.degree}, {state}, levelled error {mpmath.nstr(mpmath.mpf(self.error), 10)} at "
            f"{len(self.reference)} points",
        ]
        if len(self.target.domain.intervals) > 1 and self.denominator == "one sign":
            # Two half-lines are one interval through infinity: a Q of odd degree has two signs there.
            one = len(set(signs_of(self.rational, self.target.domain))) == 1
            through = "" if one else " through infinity (as functions of x, of opposite signs on the two half-lines)"
            lines.append(f"  among denominators of one sign{through}")
        elif self.denominator == "any":
            signs = marks(signs_of(self.rational, self.target.domain))
            lines.append(f"  best among denominators of any sign on each interval; its own has the signs {signs}")
        values = (f"r({float(a):g}) = {'f' if b is None else format(float(b), 'g')}" for a, b in self.interpolate)
        if conditions := ", ".join(values):
            lines.append(f"  with {conditions}")
        if self.bounds != (-inf, inf):
            lines.append(f"  with values in [{float(self.bounds[0]):g}, {float(self.bounds[1]):g}]: proved")
        return "\n".join(lines)


class DidNotConverge(ArithmeticError):
    """No best approximant was found; ``fit`` is the best attempt, or None where there was none without a pole."""

    def __init__(self, message: str, fit: Fit | None = None) -> None:
        super().__init__(message)
        self.fit = fit


def fit(
    target: object,
    degree: Sequence[int] | None = None,
    domain: object = None,
    *,
    weight: object = None,
    breakpoints: Sequence[object] = (),
    digits: int | None = None,
    tolerance: float | None = None,
    interpolate: Sequence[object] | Mapping[Any, Any] = (),
    bounds: Sequence[object] | None = None,
    denominator: str = "one sign",
) -> Fit:
    """Best uniform approximation ``min max |w (f - P/Q)|`` with ``deg P <= p`` and ``deg Q <= q``.

    A relaxed Remez exchange in float64 (see :mod:`exchange.levelled` and :mod:`exchange.relaxed`),
    finished in multiprecision arithmetic (:mod:`rational_approx.exchange.finish`).

    Parameters
    ----------
    target, domain, weight, breakpoints:
        See :class:`~rational_approx.targets.target.Target`, which may also be given itself.
    degree:
        The type ``(p, q)``.
    digits:
        Correct digits of the error; without it the error is a correctly rounded float.
    tolerance:
        In place of a degree: the cheapest type whose error is at most this.
    interpolate:
        Points at which ``r = f`` exactly, for example ``(0,)`` for a gate that must vanish at 0; or a mapping from
        points to the values of r there, for example ``{-8: 0, 8: 1}``, None for that of f. (An irrational ``f(a)`` is
        met within 2**-500.)
    bounds:
        ``(lower, upper)``, None for an open side: the best among the rationals whose values lie between them on the
        whole domain, for example ``(0, None)`` or ``(-1, 1)``. That they do is proved before the fit is returned. See
        :mod:`rational_approx.exchange.restricted`.
    denominator:
        ``"one sign"`` on the whole domain, or ``"any"`` on each interval of it. See :mod:`fitting.patterns`.

    Raises
    ------
    ValueError
        for a degree, domain, weight or target that makes no sense; the message says what to try.
    DidNotConverge
        where no best approximant was found, with the best attempt as its ``fit``.

    >>> best = fit("exp(x)", (4, 4), (-1, 1))
    >>> best.error, len(best.reference), best.converged
    (1.5380550833437264e-10, 10, True)
    """
    if not isinstance(target, Target):
        target = Target(target, domain, weight=weight, breakpoints=breakpoints)
    elif domain is not None or weight is not None or breakpoints:
        raise ValueError(
            "a Target has its own domain, weight and breakpoints: give them to Target(...), not to fit(...)"
        )
    digits = checked_digits(digits, target)
    conditions = checked_conditions(interpolate, target)
    within = checked_bounds((None, None) if bounds is None else bounds, target, conditions)
    checked_class(denominator, target, within != (-inf, inf))
    if degree is not None and tolerance is not None:
        raise ValueError("give a degree= or a tolerance=, not both: a degree has one best error")
    if degree is None:
        from rational_approx.fitting.choose import cheapest

        if tolerance is None:
            raise ValueError("give a degree=(p, q), or a tolerance= for the cheapest type that meets it")
        given = {"denominator": denominator} if denominator == "any" else {"bounds": bounds}
        return cheapest(target, tolerance, digits=digits, interpolate=interpolate, **given)
    question = Question(target, checked_degree(degree), digits, conditions, within)
    if denominator == "any":
        from rational_approx.fitting.patterns import best_of_patterns

        return best_of_patterns(question)
    return fitted(question)


class Question(NamedTuple):
    """What is asked, for one class of competitors."""

    target: Target
    degree: tuple[int, int]
    digits: int | None
    interpolate: Conditions
    bounds: Bounds

    def solved(self, problem: Reduced) -> tuple[Solution | None, Fit | None]:
        """The solution of a reduced problem, and the fit that it makes."""
        history: list[Record] = []
        solution = solve(problem, problem.degree, self.digits or DEFAULT_DIGITS, history)
        done = None if solution is None else self.answer(problem, solution.done, solution.converged, history)
        return solution, done

    def answer(self, problem: Reduced, done: Finished, converged: bool, history: Sequence[Record]) -> Fit:
        """The fit of a finished rational."""
        reference = problem.points_in_x(done.reference)
        error: Any = float(abs(done.h))
        if self.digits is not None:
            with working_precision(self.digits):
                error = mpmath.mpf(abs(done.h).numerator) / abs(done.h).denominator
        rational = restored(problem, done, self.target.domain, reference)
        return Fit(rational, error, tuple(reference), converged, *self, history=tuple(history))

    def check_forced(self, found: Fit | None) -> None:
        """DidNotConverge where a required value is so far from f that a best fit is not unique."""
        error = float(found.error) if found is not None and found.converged else 0.0
        if reason := not_unique(self.target, self.interpolate, self.degree, error):
            raise DidNotConverge(reason, None if found is None else replace(found, converged=False))


def _on_line(question: Question) -> Fit:
    def fitted_cut(cut: Target, degree: tuple[int, int]) -> Fit:
        return fitted(question._replace(target=cut, degree=degree))

    points = tuple(a for a, _ in question.interpolate)
    found: Fit | None = on_line(question.target, question.degree, points, fitted_cut)
    if found is None or not found.converged:
        raise DidNotConverge(
            f"no best approximant of type {question.degree} was found for {question.target!r}: try another type, or a "
            "half-line or a bounded domain",
            found,
        )
    return found


def fitted(question: Question) -> Fit:
    """The best fit among denominators of one sign."""
    target, degree, bounds = question.target, question.degree, question.bounds
    try:
        problem = reduced(target, degree, question.interpolate)
    except NoGap:
        return _on_line(question)
    if target.samples is not None and sum(problem.degree) + 2 > len(target.samples[0]):
        raise ValueError(
            f"type {degree} needs at least {sum(degree) + 2} samples, and there are {len(target.samples[0])}: "
            "lower the degree"
        )
    solution, found = question.solved(problem)
    question.check_forced(found)
    if found is None or not found.converged:
        raise DidNotConverge(
            f"no best approximant of type {degree} was found for {target!r}: try another type (one lower or higher "
            "in either degree), a smaller domain, or a gap around a jump",
            found,
        )
    if bounds == (-inf, inf) or in_range(found.rational, target.domain, bounds):
        return found
    # A symmetry of the target is one of the best approximant only where the bounds have it as well.
    kept = ("even", "odd", "constant") if sum(bounds) == 2 * sum(problem.change.offset[:1]) else ("even",)
    walled = reduced(target, degree, question.interpolate, kept)
    start = solution.done.reference if solution is not None else ()
    if walled.change != problem.change:
        start = tuple(sorted({walled.change.t_of(x) for x in found.reference}))
    try:
        done, records = restricted(walled, walled.degree, bounds, start, question.digits or DEFAULT_DIGITS)
        inside = question.answer(walled, done, True, [*found.history, *records])
        if in_range(inside.rational, target.domain, bounds):
            return inside
        reason = "rounding left its range"
    except Unfinished as problem_found:
        reason = str(problem_found)
    raise DidNotConverge(
        f"the best approximant of type {degree} for {target!r} within {bounds} was not found ({reason}); the one "
        "without bounds is attached: try another type",
        replace(found, converged=False),
    )
