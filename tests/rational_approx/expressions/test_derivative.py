"""Derivatives of expressions: mpmath's numerical differentiation is the truth."""

import mpmath
import pytest
from mpmath import mpf

from rational_approx import Target, certify, fit
from rational_approx.expressions.expression import ExpressionError, parse

FORMULAS = [
    *("exp(2*x)", "expm1(x)", "log(x)", "log1p(x)", "sqrt(x)", "sin(x^2)", "cos(3*x)", "tan(x)", "sinh(x)", "cosh(x)"),
    *("tanh(x)", "asin(x)", "acos(x)", "atan(x)", "asinh(x)", "acosh(1 + x)", "atanh(x)", "erf(x)", "erfc(x)"),
    *("sigmoid(x)", "softplus(x)", "abs(x - 1)", "sign(x) * x", "heaviside(x) * x^2", "min(x, 1/3)", "max(x, x^2)"),
    *("where(x < 2, x^3, 1)", "clip(2*x, 0, 1.5)", "relu(x)", "gelu(x)", "silu(x)", "mish(x)", "elu(x - 1)"),
    *("hardswish(x)", "x^5", "x^(1/3)", "x^(-2)", "x^x", "2^x", "(1 + x)^sin(x)", "x / (1 + x)", "-x * exp(-x) * 3"),
    *("pi * x", "e^2", "x", "7", "1 / x", "sin(x) / x", "exp(-x^2 / 2) * cos(x) * x"),
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_derivative_has_the_values_of_numerical_differentiation(formula):
    f = parse(formula)
    slope = f.derivative()
    with mpmath.workdps(40):
        for x in (mpf("0.2"), mpf("0.61"), mpf("0.87")):
            assert abs(slope.mpf(x) - mpmath.diff(f.mpf, x)) < mpf(10) ** -12 * (1 + abs(slope.mpf(x)))
    assert parse(slope.text) == slope
    assert slope(0.5) == pytest.approx(float(slope.mpf(mpf("0.5"))), rel=1e-12)


def test_a_derivative_is_a_target_that_can_be_proved():
    slope = Target("gelu", (-4, 4)).derivative()
    found = fit(slope, (6, 6))
    assert certify(found).status == "proved"
    direct = "(1 + erf(x / sqrt(2))) / 2 + x * exp(-x^2 / 2) / sqrt(2 * pi)"
    assert found.error == pytest.approx(fit(direct, (6, 6), (-4, 4)).error, rel=1e-13)
    assert Target("sin(x)", (0, 1)).derivative().derivative().name == "-sin(x)"


def test_what_has_no_derivative_is_refused_in_words():
    with pytest.raises(ExpressionError, match="the derivative of gamma"):
        Target("gamma(x)", (1, 2)).derivative()
    with pytest.raises(ValueError, match="jumps at x = 0"):
        Target("relu", (-1, 1)).derivative()
    with pytest.raises(ValueError, match="inf at x = 0"):
        Target("sqrt(x)", (0, 1)).derivative()
    with pytest.raises(ValueError, match="is no expression"):
        Target(lambda x: x, (0, 1)).derivative()
