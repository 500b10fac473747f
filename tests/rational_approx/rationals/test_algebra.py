"""Arithmetic of rationals: fractions at exact points are the truth."""

import operator
from fractions import Fraction
from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, fit
from rational_approx.testing import domains, rationals, types

SMALL = rationals(domains(most=2, reach=4), types(3, 3))
NUMBERS = st.one_of(st.integers(-4, 4), st.fractions(-4, 4, max_denominator=7))
OPERATIONS = [operator.add, operator.sub, operator.mul, operator.truediv]


def value(r, x):
    """The exact value by the definition of the coefficients, or None at a pole."""
    if r.basis == "chebyshev":
        t = (2 * x - r.domain.lower - r.domain.upper) / (r.domain.upper - r.domain.lower)
        functions = [Fraction(1), t]
        while len(functions) < max(len(r.numerator), len(r.denominator)):
            functions.append(2 * t * functions[-1] - functions[-2])
    else:
        functions = [x**k for k in range(max(len(r.numerator), len(r.denominator)))]
    top, bottom = (sum(c * f for c, f in zip(side, functions)) for side in (r.numerator, r.denominator))
    return None if bottom == 0 else Fraction(top) / bottom


def exact(operation, *values):
    try:
        return None if None in values else operation(*values)
    except ZeroDivisionError:
        return None


@given(SMALL, SMALL, st.sampled_from(OPERATIONS), st.fractions(-4, 4, max_denominator=11))
@settings(max_examples=60, deadline=None)
def test_values_of_two_rationals_are_combined(r, s, operation, x):
    assume(any(s.numerator))
    try:
        found = operation(r, s)
    except ValueError as problem:
        assert "no interval in common" in str(problem)  # noqa: PT017
        return
    truth = exact(operation, value(r, x), value(s, x))
    assert truth is None or value(found, x) == truth
    assert all(end in r.domain and end in s.domain for pair in found.domain.intervals for end in pair)


@given(SMALL, NUMBERS, st.sampled_from(OPERATIONS), st.fractions(-4, 4, max_denominator=11))
@settings(max_examples=60, deadline=None)
def test_values_are_combined_with_numbers_on_both_sides(r, c, operation, x):
    assume(c and any(r.numerator))
    for found, truth in (
        (operation(r, c), exact(operation, value(r, x), Fraction(c))),
        (operation(c, r), exact(operation, Fraction(c), value(r, x))),
    ):
        assert truth is None or value(found, x) == truth
        assert found.domain == r.domain


@given(SMALL, st.lists(NUMBERS, min_size=4, max_size=4), st.fractions(-4, 4, max_denominator=11))
@settings(max_examples=100, deadline=None)
def test_a_composition_has_the_values_at_the_images(r, numbers, x):
    a, b, c, d = map(Fraction, numbers)
    assume(a * d != b * c and c * x + d)
    found = r.composed(a, b, c, d)
    image = (a * x + b) / (c * x + d)
    assert value(found, x) == value(r, image) or value(r, image) is None
    inside = image in r.domain
    ends = [end for pair in found.domain.intervals for end in pair]
    assert (x in found.domain) == inside or x in ends


@pytest.mark.parametrize(
    ("domain", "numbers", "wanted"),
    [
        ((0, 1), (2, 1), (Fraction(-1, 2), 0)),
        ((0, 1), (-1, 0), (-1, 0)),
        ((1, inf), (0, 1, 1, 0), (0, 1)),
        ((0, 1), (0, 1, 1, 0), (1, inf)),
        ((-1, 1), (0, 1, 1, 0), [(-inf, -1), (1, inf)]),
        ([(-inf, -1), (1, inf)], (0, 1, 1, 0), (-1, 1)),
        ((-inf, inf), (1, 2, 3, 4), (-inf, inf)),
        ((0, inf), (1, 1, -1, 1), (-1, 1)),  # the Cayley map of the half-line
    ],
)
def test_the_domain_of_a_composition_is_where_the_map_leads_into_the_domain(domain, numbers, wanted):
    found = Rational([0, 1], [2, 0, 1], domain, "monomial").composed(*numbers)
    assert found.domain == Domain.of(wanted)


def test_results_are_in_lowest_terms():
    r = Rational([0, 1], [1, 0, 1], (-1, 1), "monomial")
    assert (r - r).type == (0, 0)
    assert (r / r).type == (0, 0)
    assert (r + r).type == r.type
    assert (-r)(0.5) == -0.4


def test_zero_divides_nothing():
    r = Rational([0, 1], [1, 0, 1], (-1, 1), "monomial")
    for divide in (lambda: r / 0, lambda: r / (r - r), lambda: 1 / (r - r)):
        with pytest.raises(ZeroDivisionError, match="divided by zero"):
            divide()
    with pytest.raises(ValueError, match="constant"):
        r.composed(1, 2, 2, 4)
    with pytest.raises(ValueError, match="no interval in common"):
        r + Rational([1], [1], (2, 3))
    for stranger in ("1", None, [1, 2], True):
        with pytest.raises(TypeError):
            r + stranger
        with pytest.raises(TypeError):
            stranger * r


def test_numpy_and_mpmath_numbers_are_numbers():
    r = Rational([0, 1], [1, 0, 1], (-1, 1), "monomial")
    for number in (np.float64(0.5), np.int64(2), np.float32(0.5), mpmath.mpf("0.5"), 0.1):
        assert isinstance(number * r, Rational)
        assert (number * r)(0.5) == pytest.approx(float(number) * 0.4, rel=1e-15)
        assert (number - r)(0.5) == pytest.approx(float(number) - 0.4, rel=1e-15)


def test_floats_of_a_combination_stay_accurate_where_denominators_vary_by_orders_of_magnitude():
    kink = fit("abs(x)", (20, 20), (-1, 1)).rational
    x = np.linspace(-1, 1, 401)
    for found, truth in ((kink * kink, x * x), (kink + 1, np.abs(x) + 1), (kink + kink.composed(-1, 0), 2 * np.abs(x))):
        assert np.abs(found(x) - truth).max() < 1e-5
        high = np.array([float(found(mpmath.mpf(v))) for v in x[::40]])
        assert np.abs(found(x[::40]) - high).max() < 1e-11


def test_normalised_coefficients():
    r = fit("exp(x)", (2, 3), (-1, 2)).rational
    found = r.normalised()
    assert (found.denominator[0], found.basis) == (1, "monomial")
    x = Fraction(1, 3)
    assert value(found, x) == value(r, x)
    top, bottom = found.floats()
    assert np.polynomial.polynomial.polyval(0.3, top) / np.polynomial.polynomial.polyval(0.3, bottom) == pytest.approx(
        r(0.3), rel=1e-14
    )
    for side, texts in zip((found.numerator, found.denominator), found.decimals(30), strict=True):
        for c, text in zip(side, texts, strict=True):
            assert abs(Fraction(text) - c) <= abs(c) * Fraction(1, 10**29)
    with pytest.raises(ValueError, match="a pole"):
        Rational([1], [0, 1], (1, 2), "monomial").normalised()
    shared = Rational([0, 1], [0, 1, 1], (1, 2), "monomial").normalised()  # x / (x + x^2)
    assert (shared.numerator, shared.denominator) == ((1,), (1, 1))
