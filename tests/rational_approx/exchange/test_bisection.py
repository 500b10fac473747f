"""The start by bisection: brackets of known best errors, and references that the exchange can use."""

from dataclasses import replace

import numpy as np
import pytest

from rational_approx import Target, fit
from rational_approx.exchange.bisection import bisected
from rational_approx.problem.reduction import reduced

ABS_4 = 0.008501484704073829
"""The best error of abs(x) in type (4, 4) on [-1, 1] (Varga, Ruttan & Carpenter 1991)."""


def problem_of_abs():
    return reduced(Target("abs(x)", (-1, 1)), (4, 4))


def test_brackets_shrink_to_the_best_error():
    problem = problem_of_abs()
    brackets = list(bisected(problem, problem.degree))
    last = brackets[-1]
    assert all(bracket.low < ABS_4 * (1 + 1e-9) for bracket in brackets)
    assert last.high == pytest.approx(ABS_4, rel=0.02)  # a grid misses a little of each peak
    assert last.high - last.low < 1e-3 * last.high


@pytest.mark.parametrize(("allowed", "enough"), [(0.004, False), (0.02, True)])
def test_the_first_question_is_what_is_allowed(allowed, enough):
    problem = replace(problem_of_abs(), allowed=allowed)
    first = next(bisected(problem, problem.degree))
    assert (first.high <= allowed) == enough
    assert (first.low >= allowed) != enough


def test_no_bracket_where_floats_do_not_hold_the_denominator():
    problem = reduced(Target("sqrt(x)", (0, 1)), (30, 30))
    assert list(bisected(problem, problem.degree)) == []


def test_an_oscillation_is_solved_in_its_own_type_alone():
    found = fit("x*sin(1/x)", (8, 8), (0.01, 1))  # was reached through all the types below
    assert {record.degree for record in found.history} == {(8, 8)}
    x = np.geomspace(0.01, 1, 20_001)
    assert np.abs(x * np.sin(1 / x) - found.rational(x)).max() <= found.error * (1 + 1e-9)
