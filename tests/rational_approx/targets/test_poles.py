"""Poles and points without a value are named before any work, however narrow they are."""

from fractions import Fraction
from math import inf, pi
from typing import Any

import pytest

from rational_approx import Target, fit
from rational_approx.expressions.expression import parse
from rational_approx.targets.poles import pole_of


@pytest.mark.parametrize(
    ("text", "domain", "place"),
    [
        ("log((x-0.1234567)^2)", (-1, 1), "0.1234567"),
        ("1/tan(x)", (-1, 2), "x = 0"),
        ("0*gamma(x)", ("-1.5", 1), "x = -1"),
        ("tan(x)", (1, 2), "1.570796327"),
        ("1/(x-1/3)", (0, 1), "0.3333333333"),
        ("1/(x^2-2)", (0, 3), "1.414213562"),
        ("x*gamma(x)", ("-0.5", "0.75"), "x = 0"),
        ("x^x", (0, 1), "x = 0"),
        ("zeta(x)", ("0.3", "2.1"), "x = 1"),
        ("1/(x-1234567.1)", (0, inf), "1234567.1"),
        ("where(x > 0, log(x - 0.123), 0)", [(-1, "-0.1"), ("0.05", 1)], "0.123|nan"),
    ],
)
def test_fit_names_the_place(text: str, domain: Any, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        fit(text, (3, 3), domain)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("1/(x^2 + 1e-30)", -1, 1),
        ("1/(x*x - 2*x + 1 + 1e-60)", 0, 2),
        ("sqrt(x)", 0, 1),
        ("asin(x)", -1, 1),
        ("sin(x)/x", -1, 1),
        ("x*log(x)", 0, 1),
        ("exp(exp(x))", -5, 5),
        ("gamma(x)", 1, 50),
        ("atanh(x)", Fraction(-999999, 10**6), Fraction(999999, 10**6)),
        ("x*sin(1/x)", Fraction(1, 100), 1),
        ("exp(-x)*sin(x)", 0, inf),
        ("lambertw(x)", Fraction(-36, 100), inf),
    ],
)
def test_what_is_finite_has_no_pole(text: str, low: Any, high: Any) -> None:
    ends = [end if end == inf else Fraction(end) for end in (low, high)]
    assert pole_of(parse(text), *ends) is None


def test_a_pole_is_located_to_many_digits() -> None:
    found = pole_of(parse("1/cos(x)"), Fraction(1), Fraction(2))
    assert found is not None
    assert float(found) == pi / 2


def test_a_gap_around_the_pole_makes_it_a_target() -> None:
    assert fit("1/tan(x)", (2, 2), [(-1, "-0.1"), ("0.1", 1)]).converged
    assert Target("1/tan(x)", (-1, 2))  # asked for by itself it is only a description
