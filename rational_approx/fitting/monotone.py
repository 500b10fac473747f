"""The best fit that increases, or that decreases: a `Question` and a direction in, a `Fit` with a proved slope out.

Where the best fit of all has a slope of the right sign it is the best monotone one as well, and nothing more is done.
Else, with a fixed denominator, the slope is a wall in the linear programmes (:mod:`exchange.prescribed`), and the bound
of every other monotone polynomial is proved like that of a form. With a denominator to find the monotone rationals are
no convex set, and neither programmes nor multipliers decide about them: then there is no answer.
"""

from dataclasses import replace
from typing import Any

from rational_approx.arithmetic.signs import turns
from rational_approx.fitting.patterns import best
from rational_approx.fitting.prescribed import fitted_to_form
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.prescribed import Prescribed, checked_form

__all__ = ["DIRECTIONS", "fitted_monotone"]

DIRECTIONS = {"increasing": 1, "decreasing": -1}


def fitted_monotone(question: Any, form: Prescribed | None, name: str) -> Fit:
    """The best monotone fit.

    Raises
    ------
    DidNotConverge
        where the best fit is not monotone and its denominator not fixed, with that fit; or as for any fit.
    """
    direction = DIRECTIONS[name]
    found = best(question, "one sign") if form is None else fitted_to_form(question, form)
    wrong = turns(*found.rational.polynomials, question.target.domain, direction)
    if not wrong:
        return replace(found, monotone=name)
    if (question.degree[1] if form is None else form.free[1]) or question.interpolate:
        raise DidNotConverge(
            f"the best fit of type {question.degree} for {question.target!r} is not {name}, at x = {float(wrong[0]):g} "
            "for one, and the best one that is can be found for polynomials, or a denominator of fixed coefficients, "
            "without interpolate=: try another type, or such a denominator",
            replace(found, converged=False),
            "bounds",
        )
    if form is None:
        _, form = checked_form(([None] * (question.degree[0] + 1), 0), question.target)
    assert form is not None
    return replace(fitted_to_form(question, form, direction), monotone=name)
