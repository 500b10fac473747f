"""Holes: points without a value and with a limit, which takes its place; and what only looks like one."""

from contextlib import suppress
from fractions import Fraction
from math import e, log
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, arb_series

from rational_approx import Rational, certify, fit
from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.precision import series_length, to_arb, working_bits
from rational_approx.expressions.expression import parse
from rational_approx.shipping.documents import document
from rational_approx.targets.target import Target
from rational_approx.verifier import verify

LIMITS: dict[str, tuple[str, Any]] = {
    "sin(x) / x": ("0", 1),
    "expm1(x) / x": ("0", 1),
    "(1 - cos(x)) / x ^ 2": ("0", 0.5),
    "log(1 + x) / x": ("0", 1),
    "(exp(x) - 1) / x": ("0", 1),
    "tan(x) / x": ("0", 1),
    "x / (exp(x) - 1)": ("0", 1),
    "(x - sin(x)) / x ^ 3": ("0", Fraction(1, 6)),
    "(sin(x) / x - 1) / x ^ 2": ("0", Fraction(-1, 6)),
    "(x ^ 2 - 1) / (x - 1)": ("1", 2),
    "log(x) / (x - 1)": ("1", 1),
    "sin(x - 0.3) / (x - 0.3)": ("0.3", 1),
    "(1 - cos(3 * x - 1)) / (3 * x - 1) ^ 2": ("1/3", 0.5),
    "x / x": ("0", 1),
    "0 / x": ("0", 0),
    "sin(x) / tanh(2 * x)": ("0", 0.5),
    "besselj(1, x) / x": ("0", 0.5),
    "(sinc(x) - 1) / x ^ 2": ("0", Fraction(-1, 6)),
    "x * log(x)": ("0", 0),
    "x ^ 0.3 * log(x)": ("0", 0),
    "sqrt(x) * log(x)": ("0", 0),
    "sin(x) * log(2 * x)": ("0", 0),
    "log(x) * exp(x) * x ^ 2": ("0", 0),
}


@pytest.mark.parametrize("text", LIMITS)
def test_the_value_is_the_limit(text: str) -> None:
    at, limit = Fraction(LIMITS[text][0]), Fraction(LIMITS[text][1])
    formula = parse(text)
    assert formula(float(at)) == pytest.approx(float(limit), abs=1e-15)
    assert abs(formula.mpf(at) - mpmath.mpf(limit.numerator) / limit.denominator) < 1e-15
    with working_bits(200):
        assert abs(formula.ball(to_arb(at)) - to_arb(limit)) < 1e-40


SMOOTH = [text for text in LIMITS if "* log" not in text and "log(x) *" not in text]


@pytest.mark.parametrize("text", SMOOTH)
def test_a_box_around_a_hole_has_all_coefficients(text: str) -> None:
    at, formula = Fraction(LIMITS[text][0]), parse(text)
    with working_bits(128), series_length(8):
        for low, high in ((-1, 1), (0, 2), (-3, -1), (1, 3)):
            box = to_arb(at + Fraction(low, 64)).union(to_arb(at + Fraction(high, 64)))
            wide = formula.ball(arb_series([box, 1], prec=8))
            for k in range(5):
                point = at + Fraction(4 * low + k * (high - low), 256)
                narrow = formula.ball(arb_series([to_arb(point), 1], prec=8))
                assert all(wide[j].is_finite() and wide[j].overlaps(narrow[j]) for j in range(8))
                truth = formula.mpf(point + Fraction(1, 10**30))  # by the quotient itself, off the hole
                assert abs(formula.ball(to_arb(point)) - arb(mpmath.nstr(truth, 25))) < 1e-13


@pytest.mark.parametrize("text", ["x * log(x)", "-x * log(x) - (1 - x) * log(1 - x)", "sqrt(x) * log(x)"])
def test_a_box_at_a_logarithm_holds_the_values(text: str) -> None:
    formula = parse(text)
    assert formula.defined(Fraction(0), Fraction(1))
    assert not formula.defined(Fraction(-1), Fraction(1))
    ball = formula.ball(arb(0).union(arb(1) / 8))
    for x in (0, 1e-300, 1e-12, 0.01, 0.125):
        assert ball.contains(arb(formula(x)))
    assert formula.ball(arb(0).union(arb(2) ** -60)).rad() < 1e-6


UNDEFINED = {
    "0 * gamma(x)": 0,
    "x * gamma(x)": 0,
    "x * (1 / x)": 0,
    "x * x ^ (-1)": 0,
    "cos(x) / x": 0,
    "sin(x) / x ^ 2": 0,
    "sqrt(x) / x": 0,
    "max(x, 0) / x ^ 2": 0,
    "abs(x) / x": 0,
    "sqrt(x ^ 2) / x": 0,
    "log(x)": 0,
    "(1 + x) * log(x)": 0,
    "(1 / x) / (1 / x)": 0,
    "x / (x - x)": 0,
    "sin(3 * x) / (x - 1/3 + x - x)": Fraction(1, 3),
    "1 / log(x)": 0,
}


@pytest.mark.parametrize("text", UNDEFINED)
def test_what_only_looks_like_a_hole_has_no_enclosure(text: str) -> None:
    at, formula = Fraction(UNDEFINED[text]), parse(text)
    for radius in (Fraction(0), Fraction(1, 2**30), Fraction(1, 8)):
        box = to_arb(at - radius).union(to_arb(at + radius))
        assert not formula.ball(box).is_finite()
    variable = arb_series([arb(float(at), 0.125), 1], prec=4)
    with suppress(ArithmeticError):  # a switch inside the box
        assert not formula.ball(variable)[0].is_finite()


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("(1 - cos(x)) / x ^ 2", lambda x: 2 * mpmath.sin(x / 2) ** 2 / x**2),
        ("(x - sin(x)) / x ^ 3", lambda x: (x - mpmath.sin(x)) / x**3),
        ("(exp(x) - 1 - x) / x ^ 2", lambda x: (mpmath.exp(x) - 1 - x) / x**2),
        ("sin(x ^ 10) / x", lambda x: mpmath.sin(x**10) / x),
        ("(1 - cos(x - 0.3)) / (x - 0.3)", None),
    ],
)
def test_floats_keep_their_digits_near_a_hole(text: str, truth: Any) -> None:
    x = np.array([1e-14, 1e-9, -1e-5, 1e-3, 0.05, 0.2, 0.4, -0.7]) + (0.3 if truth is None else 0)
    found = parse(text)(x)
    with mpmath.workdps(80):
        for value, at in zip(found, x, strict=True):
            exact = (
                truth(mpmath.mpf(float(at)))
                if truth
                else 2 * mpmath.sin((mpmath.mpf(float(at)) - 0.3) / 2) ** 2 / (mpmath.mpf(float(at)) - 0.3)
            )
            assert value == pytest.approx(float(exact), rel=1e-12)


def test_parts_may_be_too_large_for_a_float_where_the_whole_is_not() -> None:
    x = np.array([-1.0, 0.0, 800.0, 1000.0])
    np.testing.assert_allclose(parse("log(1 + exp(x))")(x), np.logaddexp(0, x), rtol=1e-15)
    np.testing.assert_allclose(parse("log(exp(x) + 1)")(x), np.logaddexp(0, x), rtol=1e-15)
    np.testing.assert_allclose(parse("log(2 + exp(x))")(x), np.logaddexp(np.log(2), x), rtol=1e-15)
    np.testing.assert_allclose(parse("exp(x) / (1 + exp(x))")(x), 1 / (1 + np.exp(-x)), rtol=1e-15)
    assert parse("exp(x)")(1000.0) == np.inf
    assert fit("log(1 + exp(x))", (2, 2), (-1, 1000)).converged


FITTED: list[tuple[str, tuple[int, int], Any]] = [
    *(("sin(x)/x", (4, 4), (-3, 3)), ("expm1(x)/x", (3, 3), (-1, 1)), ("(1-cos(x))/x^2", (4, 2), (-2, 3))),
    *(("log(1+x)/x", (4, 4), ("-0.5", 2)), ("(exp(x)-1)/x", (3, 3), (-1, 2)), ("tan(x)/x", (4, 4), (-1, 1))),
    *(("x/(exp(x)-1)", (4, 4), (-3, 3)), ("sin(x-0.3)/(x-0.3)", (4, 4), (-1, 1)), ("x*log(x)", (4, 4), (0, 1))),
    *(("x*log(x)", (4, 4), (0, 3)), ("-x*log(x)-(1-x)*log(1-x)", (4, 4), (0, 1)), ("abs(sin(x)/x)", (4, 4), (-4, 4))),
    ("x/(exp(x)-1)", (3, 3), (0, "inf")),
]


@pytest.mark.parametrize(("text", "degree", "domain"), FITTED)
def test_fits_across_holes_are_best_and_proved(text: str, degree: tuple[int, int], domain: Any) -> None:
    found = fit(text, degree, domain)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert float(certificate.upper) == pytest.approx(found.error, rel=1e-12)
    assert float(certificate.best_lower) == pytest.approx(found.error, rel=1e-9)
    assert verify(document(certificate), 1).outcome != "refuted"


def test_best_constants_have_half_the_range_as_their_error() -> None:
    assert fit("x*log(x)", (0, 0), (0, 1)).error == pytest.approx(1 / (2 * e), rel=1e-14)
    assert fit("-x*log(x)-(1-x)*log(1-x)", (0, 0), (0, 1)).error == pytest.approx(log(2) / 2, rel=1e-14)
    assert fit("sin(x)/x", (0, 0), (0, 3)).error == pytest.approx((1 - np.sin(3) / 3) / 2, rel=1e-14)


def test_a_relative_error_across_a_hole() -> None:
    found = fit("(1-cos(x))/x", (5, 4), (-1, 1), weight="relative")
    assert found.target.relative_zeros == (0,)
    assert certify(found).status == "proved"


def test_an_identity_across_a_hole_has_no_error() -> None:
    one, line = (Fraction(1),), (Fraction(1), Fraction(1))
    assert certify(Rational(line, one, Domain.of((-1, 3)), "monomial"), Target("(x^2-1)/(x-1)", (-1, 3))).upper == 0
    across = certify(Rational(one, one, Domain.of((-1, 1)), "monomial"), Target("x*(2+x)/(x+2)/x", (-1, 1)))
    assert across.upper == 0
    hidden = certify(Rational(one, one, Domain.of(("-0.7", 1)), "monomial"), Target("(x/(2*x^2))*(2*x)", ("-0.7", 1)))
    assert hidden.status == "undecided"


TURNS = {  # the point, and the limit as a multiple of a power of pi
    "sin(pi * x) / (1 - x)": (1, 1, 1),
    "cos(pi * x) / (x - 1/2)": (Fraction(1, 2), -1, 1),
    "(1 + cos(pi * x)) / (x - 1) ^ 2": (1, Fraction(1, 2), 2),
    "cos(x * pi / 2) / (1 - x ^ 2)": (-1, Fraction(1, 4), 1),
    "sin(-pi * (x - 1/3)) / (3 * x - 1)": (Fraction(1, 3), Fraction(-1, 3), 1),
    "sin(pi * x) / sin(2 * pi * x)": (0, Fraction(1, 2), 0),
}


@pytest.mark.parametrize("text", TURNS)
def test_whole_turns_are_known_exactly(text: str) -> None:
    at, factor, power = TURNS[text]
    with mpmath.workdps(40):
        limit = mpmath.pi**power * factor
        assert abs(parse(text).mpf(Fraction(at)) - limit) < mpmath.mpf(10) ** -35
    fitted = fit(text, (4, 4), (at - Fraction(1, 8), at + Fraction(1, 8)))
    assert certify(fitted).status == "proved"


def test_a_zero_at_a_whole_turn_is_one_of_the_relative_error() -> None:
    fitted = fit("sin(pi * x)", (5, 5), ("0.5", "1.5"), weight="relative")
    assert fitted.rational(1) == 0
    assert certify(fitted).status == "proved"


def test_near_a_whole_turn_is_no_zero() -> None:
    with pytest.raises(ValueError, match=r"infinite or has no value|must be finite"):
        fit("sin(pi * x) / (x - 1.0001)", (4, 4), ("0.5", "1.5"))


def test_a_sum_without_a_value_is_told_how_to_be_written() -> None:
    with pytest.raises(ValueError, match="as one quotient"):
        fit("1 / x - 1 / tanh(x)", (4, 4), (-1, 1))
    assert fit("(tanh(x) - x) / (x * tanh(x))", (4, 4), (-1, 1)).error < 1e-9
