"""A formula moved to another origin is the same function, and keeps its digits there."""

from fractions import Fraction

import mpmath
import pytest

from rational_approx.expressions.expression import parse

FORMULAS = [
    "sqrt(x - 1)",
    "log(x - 1) + x^3",
    "where(x > 1.5, x - 1, 0) / (x^2 + 1)",
    "besselj(0, x - 1)",
    "pi * abs(x - 1)^0.3",
]


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("by", [Fraction(1), Fraction(1, 3), Fraction(-2)])
def test_it_is_the_same_function(text, by):
    formula = parse(text)
    moved = formula.shifted(by)
    with mpmath.workdps(30):
        for x in (Fraction(11, 10), Fraction(7, 4), Fraction(19, 8)):
            assert abs(moved.mpf(x - by) - formula.mpf(x)) < mpmath.mpf(10) ** -28


def test_beside_the_new_origin_no_digit_is_lost():
    assert parse("sqrt(x^2 - 1)").shifted(Fraction(1))(2e-40) == pytest.approx(2e-20, rel=1e-15)
    assert parse("sqrt(0.3 - x)").shifted(Fraction(3, 10))(-1e-30) == pytest.approx(1e-15, rel=1e-15)
