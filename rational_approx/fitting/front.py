"""The front of the room: `fit`. Its arguments are checked here, and nothing is solved."""

import warnings
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from rational_approx import watch
from rational_approx.fitting.best import Question
from rational_approx.fitting.choose import COSTS, cheapest
from rational_approx.fitting.monotone import DIRECTIONS, fitted_monotone
from rational_approx.fitting.patterns import best
from rational_approx.fitting.prescribed import fitted_to_form
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.competitors import checked_class
from rational_approx.problem.conditions import (
    Bounds,
    Conditions,
    checked_bounds,
    checked_conditions,
    checked_digits,
)
from rational_approx.problem.prescribed import checked_form
from rational_approx.targets.poles import check_defined
from rational_approx.targets.target import Target

__all__ = ["fit"]


def fit(
    target: object,
    degree: Sequence[Any] | None = None,
    domain: object = None,
    *,
    weight: object = None,
    breakpoints: Sequence[object] = (),
    digits: int | None = None,
    tolerance: float | None = None,
    cost: str = "operations",
    interpolate: Sequence[object] | Mapping[Any, Any] = (),
    bounds: Sequence[object] | str | None = None,
    denominator: str = "one sign",
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Fit:
    """Best uniform approximation ``min max |w (f - P/Q)|`` with ``deg P <= p`` and ``deg Q <= q``.

    A relaxed Remez exchange in float64 (see :mod:`exchange.levelled` and :mod:`exchange.relaxed`),
    finished in multiprecision arithmetic (:mod:`rational_approx.exchange.finish`).

    Parameters
    ----------
    target, domain, weight, breakpoints:
        See :class:`~rational_approx.targets.target.Target`, which may also be given itself.
    degree:
        The type ``(p, q)``. In place of p or q a list of coefficients in powers of x, lowest first, None for free ones:
        ``([0, 1, 0, None], 0)`` for ``x + c x^3``. A fixed coefficient is one of the formula with ``Q(0) = 1``. See
        :mod:`fitting.prescribed`.
    digits:
        Correct digits of the error; without it the error is a correctly rounded float.
    tolerance:
        In place of a degree: the cheapest type whose error is at most this.
    cost:
        With a tolerance, what counts: ``"operations"``, each multiplication, addition and division as one; or
        ``"depth"``, for arithmetic on ciphertexts: multiplicative depth (``ceil(log2(d + 1))`` levels for a polynomial
        of degree d, 8 more for a division), and then multiplications. See :mod:`fitting.cost`.
    interpolate:
        Points at which ``r = f`` exactly, for example ``(0,)`` for a gate that must vanish at 0; or a mapping from
        points to the values of r there, for example ``{-8: 0, 8: 1}``, None for that of f. (An irrational ``f(a)`` is
        met within 2**-500.)
    bounds:
        ``(lower, upper)``, None for an open side: the best among the rationals whose values lie between them on the
        whole domain, for example ``(0, None)`` or ``(-1, 1)``. That they do is proved before the fit is returned. See
        :mod:`rational_approx.exchange.restricted`. Or ``"increasing"``, ``"decreasing"``: the best monotone one, where
        its denominator is fixed or the best of all is monotone; see :mod:`fitting.monotone`.
    denominator:
        ``"one sign"`` on the whole domain, or ``"any"`` on each interval of it. See :mod:`fitting.patterns`.
    progress:
        Called after every step with a :class:`~rational_approx.watch.Progress`: what is done, the type that is tried,
        the levelled error and the largest one. What it raises ends the fit.
    time_limit:
        Seconds of wall clock; looked at between two steps, of which few take longer than a second.

    Raises
    ------
    ValueError
        for a degree, domain, weight or target that makes no sense; the message says what to try.
    DidNotConverge
        where no best approximant was found, or the time was over: ``fit`` is the best attempt, and ``cause`` says why.

    Of samples no rational may be best, and the best one may have poles between them: then there is a ``UserWarning``,
    and ``Fit.remarks`` says the same. See :mod:`rational_approx.exchange.discrete`.

    >>> best = fit("exp(x)", (4, 4), (-1, 1))
    >>> best.error, len(best.reference), best.converged
    (1.5380550833437264e-10, 10, True)
    """
    with watch.watched(progress, time_limit):
        try:
            found = _found(
                target, degree, domain, weight, breakpoints, digits, tolerance, cost, interpolate, bounds, denominator
            )
        except watch.OutOfTime:
            raise DidNotConverge(
                "the time was over before the first exchange began: raise time_limit=", None, "time"
            ) from None
    for remark in found.remarks:
        warnings.warn(f"{found.target!r}, type {found.degree}: {remark}", stacklevel=2)
    return found


def _found(
    target: object,
    degree: Sequence[Any] | None,
    domain: object,
    weight: object,
    breakpoints: Sequence[object],
    digits: int | None,
    tolerance: float | None,
    cost: str,
    interpolate: Sequence[object] | Mapping[Any, Any],
    bounds: Sequence[object] | str | None,
    denominator: str,
) -> Fit:
    """The fit, once its arguments are checked."""
    if not isinstance(target, Target):
        target = Target(target, domain, weight=weight, breakpoints=breakpoints, digits=digits)
    elif domain is not None or weight is not None or breakpoints:
        raise ValueError(
            "a Target has its own domain, weight and breakpoints: give them to Target(...), not to fit(...)"
        )
    check_defined(target)
    digits = checked_digits(digits, target)
    conditions = checked_conditions(interpolate, target)
    slope = bounds if isinstance(bounds, str) and bounds in DIRECTIONS else None
    within = checked_bounds((None, None) if bounds is None or slope else bounds, target, conditions)
    checked_class(denominator, target, within != (-inf, inf))
    if denominator == "any" and (gap := next((gap for gap in target.left_out if gap.inside), None)):
        raise ValueError(
            f"denominator='any' would count the gap around the zero at x = {float(gap.zero):.6g} as one where the "
            "denominator may change its sign: give another weight, or denominator='one sign'"
        )
    if cost not in COSTS:
        raise ValueError(f"cost must be one of {', '.join(map(repr, COSTS))}, not {cost!r}")
    if degree is not None and cost != "operations":
        raise ValueError(f"cost={cost!r} chooses among types: give a tolerance= in place of a degree=")
    if degree is not None and tolerance is not None:
        raise ValueError("give a degree= or a tolerance=, not both: a degree has one best error")
    if degree is None:
        if tolerance is None:
            raise ValueError("give a degree=(p, q), or a tolerance= for the cheapest type that meets it")
        if slope is not None:
            raise ValueError(f"bounds={slope!r} goes with a degree=: a tolerance has no monotone fit of its own")
        return cheapest(Question(target, (0, 0), digits, conditions, within), tolerance, denominator, cost)
    numbers, form = checked_form(degree, target)
    question = Question(target, numbers, digits, conditions, within)
    if form is not None:
        _check_alone(conditions, within, denominator)
    if slope is not None:
        _check_monotone(question, denominator)
        return fitted_monotone(question, form, slope)
    return best(question, denominator) if form is None else fitted_to_form(question, form)


def _check_alone(conditions: Conditions, within: Bounds, denominator: str) -> None:
    if conditions or within != (-inf, inf) or denominator != "one sign":
        raise ValueError(
            "interpolate=, bounds= and denominator= do not go with fixed coefficients or chosen powers: fix c0 for a "
            "value at 0, and leave the others out"
        )


def _check_monotone(question: Question, denominator: str) -> None:
    if question.target.samples is not None or denominator != "one sign":
        raise ValueError(
            "a slope has a sign on a whole domain: for a monotone fit give a function, no samples, and leave "
            "denominator= out"
        )
