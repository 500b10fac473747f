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


@pytest.mark.parametrize("allowed", [0.004, 0.02])
def test_a_closed_bracket_says_whether_an_error_is_within_reach(allowed):
    problem = replace(problem_of_abs(), allowed=allowed)
    *_, last = bisected(problem, problem.degree)
    assert last.closed
    assert (last.low > allowed) == (allowed < ABS_4)


def test_a_type_is_not_refused_because_a_normaliser_hides_its_solution():
    # The best error is 0.00485: asked at once for 0.01, the programme of the first normaliser says no.
    problem = replace(reduced(Target("clip(1000*(x-0.3), 0, 1)", (-1, 1)), (16, 16)), allowed=0.01)
    *_, last = bisected(problem, problem.degree)
    assert last.high < 0.01


def test_no_bracket_where_floats_do_not_hold_the_denominator():
    problem = reduced(Target("sqrt(x)", (0, 1)), (30, 30))
    assert list(bisected(problem, problem.degree)) == []


def test_an_oscillation_is_solved_in_its_own_type_alone():
    found = fit("x*sin(1/x)", (8, 8), (0.01, 1))  # was reached through all the types below
    assert {record.degree for record in found.history} == {(8, 8)}
    x = np.geomspace(0.01, 1, 20_001)
    assert np.abs(x * np.sin(1 / x) - found.rational(x)).max() <= found.error * (1 + 1e-9)
