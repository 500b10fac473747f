"""The exchange over sides: bounds that a look at a few points does not see, and targets that leave nothing to level."""

import math

import pytest

from rational_approx import DidNotConverge, fit
from rational_approx.testing import assert_best


@pytest.mark.parametrize(
    ("target", "degree", "domain"),
    [("sin(1.7 * x + 0.4)", (5, 6), (-3, 1)), ("sin(1.8 * x + 1.9)", (5, 7), (-1, 1))],
)
def test_a_bound_that_is_passed_on_less_than_a_gap_of_the_looks_is_kept(target, degree, domain):
    free, found = fit(target, degree, domain), fit(target, degree, domain, bounds=(-1, 1))
    assert found.error > free.error
    assert_best(found)


@pytest.mark.parametrize("degree", [(2, 2), (2, 7), (0, 0)])
def test_the_zero_function_is_found_whatever_the_type(degree):
    found = fit("max(0.5 * x - 2, 0)", degree, (-1, 1))
    assert found.error == 0
    assert found.rational(0.5) == 0


@pytest.mark.parametrize("degree", [(7, 8), pytest.param((7, 9), marks=pytest.mark.slow)])
def test_an_error_at_infinity_that_no_rational_changes_is_not_passed_over(degree):
    """With p < q every r vanishes there, and erf does not: no error is below 1, whatever a reference inside levels."""
    try:
        found = fit("erf(0.4 * x + 0.1)", degree, (0, math.inf), digits=25)
    except DidNotConverge:
        return
    assert found.error == 1
