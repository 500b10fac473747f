"""What a rational gives back: the same values in every form and arithmetic, its antiderivative, and how it prints."""

import math
from fractions import Fraction
from math import inf

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, fit
from rational_approx.testing import domains, rationals, types

SMALL = rationals(domains(most=1, reach=4), types(4, 4))


def powers(top, bottom, domain=(0, 1)):
    one = Fraction(1)
    return Rational(tuple(one * c for c in top), tuple(one * c for c in bottom), Domain.of(domain), "monomial")


@given(SMALL, st.fractions(0, 1))
@settings(max_examples=40)
def test_every_form_and_arithmetic_has_the_same_value(r, share):
    x = r.domain.lower + (r.domain.upper - r.domain.lower) * Fraction(float(share))
    top, bottom = (poly(flint.fmpq(x.numerator, x.denominator)) for poly in r.monomial().polynomials)
    exact = float(Fraction(int((top / bottom).p), int((top / bottom).q)))
    assert r.chebyshev().polynomials == r.monomial().polynomials == r.polynomials
    size = max(1.0, abs(exact)) * max(1.0, float(max(map(abs, r.monomial().numerator)))) * 1e-10
    for form in (r, r.monomial(), r.chebyshev(), r.safe_pade(), r.barycentric()):
        assert form(float(x)) == pytest.approx(exact, abs=size)
        assert form(np.array([float(x)]))[0] == form(float(x))
    assert float(r(mpmath.mpf(x.numerator) / x.denominator)) == pytest.approx(exact, abs=1e-12 * max(1.0, abs(exact)))
    assert abs(float(r(flint.arb(float(x)))) - exact) < 1e-9 * max(1.0, abs(exact))


@given(SMALL)
@settings(max_examples=15)
def test_losses_are_those_of_the_forms(r):
    found = r.losses()
    assert set(found) == {"monomial", "chebyshev", "safe_pade", "barycentric"}
    assert all(0 <= loss < 1e-6 for loss in found.values())


def test_a_form_that_loses_much_is_said_to():
    kink = fit("abs(x)", (20, 20), (-1, 1)).rational.losses()
    assert kink["chebyshev"] > 1 > 1e-14 > kink["barycentric"]
    assert set(fit("exp(-x)", (3, 3), (0, inf)).rational.losses()) == {"monomial"}


# -- antiderivatives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("r", "truth"),
    [
        (powers([1], [1, 0, 1]), mpmath.atan),
        (powers([1], [2, 1]), lambda x: mpmath.log(1 + x / 2)),
        (powers([0, 1], [1, 0, 2, 0, 1]), lambda x: (1 - 1 / (1 + x**2)) / 2),
        (powers([1], [-8, 12, -6, 1]), lambda x: (mpmath.mpf(1) / 4 - 1 / (x - 2) ** 2) / 2),
        (powers([0, 0, 0, 1], [2]), lambda x: x**4 / 8),
        (powers([1, 0, 1], [1, 1]), lambda x: x**2 / 2 - x + 2 * mpmath.log(1 + x)),
        (powers([3, 3], [3, 3]), lambda x: x),
    ],
)
def test_antiderivatives_in_closed_form(r, truth):
    found = r.antiderivative()
    with mpmath.workdps(40):
        for x in ("0.25", "0.5", "1"):
            assert abs(found(mpmath.mpf(x)) - truth(mpmath.mpf(x))) < mpmath.mpf(10) ** -38
    assert found(0.0) == 0
    np.testing.assert_allclose(found(np.array([0.5, 1.0])), [float(truth(mpmath.mpf(v))) for v in (0.5, 1)], rtol=1e-15)
    assert found(flint.arb("0.5")).overlaps(flint.arb(str(truth(mpmath.mpf("0.5"))), 1e-12))
    at_half = found(0.5)
    with mpmath.workprec(12):
        assert found(0.5) == at_half


def test_residues_and_polynomial_part():
    found = powers([1, 0, 1], [1, 1]).antiderivative()
    assert found.polynomial == (0, -1, Fraction(1, 2))
    ((pole, residue, _),) = powers([1, 0, 1], [1, 1]).residues()
    assert (pole.value, residue) == (-1, 2)
    double = powers([0, 1], [1, 0, 2, 0, 1]).residues()
    assert [(found.pole.multiplicity, found.value) for found in double] == [(2, 0), (2, 0)]


@given(SMALL, st.sampled_from([Fraction(1, 3), Fraction(3, 4)]))
@settings(max_examples=20)
def test_the_derivative_of_an_antiderivative_is_the_rational(r, share):
    found = r.antiderivative()
    x = r.domain.lower + (r.domain.upper - r.domain.lower) * share
    with mpmath.workdps(60):
        at, step = mpmath.mpf(x.numerator) / x.denominator, mpmath.mpf(10) ** -15
        slope = (found(at + step) - found(at - step)) / (2 * step)
        assert abs(slope - r(at)) < 1e-15 * (1 + abs(r.derivative().derivative()(at)))


def test_an_integral_of_a_fit():
    found = fit("tanh(x)", (9, 8), (-8, 8))
    integral = found.rational.antiderivative()
    assert integral(8.0) == 0  # odd, from end to end
    assert abs(integral(3.0) - integral(0.0) - math.log(math.cosh(3))) < 3 * found.error


def test_a_pole_has_no_antiderivative_at_it():
    with pytest.raises(ZeroDivisionError, match=r"pole at 0\.5"):
        powers([1], [Fraction(-1, 2), 1], (1, 2)).antiderivative()(0.5)


# -- text ------------------------------------------------------------------------------------------------------------


def test_fits_and_rationals_print_in_a_line_and_in_full():
    found = fit("exp(x)", (3, 2), (-2, 1), interpolate={0: 1, -1: None}, bounds=(0, None))
    assert repr(found).startswith("Fit(exp(x) on Domain([-2, 1]), type (3, 2), error 4.36")
    assert str(found).splitlines()[2:] == [
        "  with r(-1) = f, r(0) = 1",
        "  with values in [0, inf]: proved",
        "  proved: the error is nowhere larger than 4.361709612e-5",
    ]
    assert repr(found.rational) == "Rational(type (3, 2), chebyshev, exact, Domain([-2, 1]))"
    assert str(found.rational).splitlines()[0] == "type (3, 2) rational on Domain([-2, 1])"


@given(r=SMALL)
@settings(max_examples=10)
def test_zeros_of_the_numerator_and_poles_come_with_multiplicities(r):
    top, bottom = r.polynomials
    assume(top.degree() > 0)
    assert sum(root.multiplicity for root in r.poles()) <= max(bottom.degree(), 0)
    assert sum(root.multiplicity for root in r.zeros()) <= top.degree()
    squared = powers([4, -4, 1], [1, 0, 0, 0, 1])  # (x - 2)^2
    assert [(z.value, z.multiplicity) for z in squared.zeros()] == [(2, 2)]
    assert all(z.radius < 1e-14 for z in squared.zeros() + squared.poles())


def test_the_derivative_keeps_its_digits_beside_a_kink():
    slope = fit("abs(x)", (20, 20), (-1, 1)).rational.derivative()
    for x in (1e-6, 1e-3, -0.02, 0.1, 0.77):
        assert slope(x) == pytest.approx(float(slope(mpmath.mpf(x))), rel=1e-12)


def test_arrays_of_multiprecision_numbers_stay_what_they_are_and_zeros_are_zeros():
    rational = fit("gelu", (5, 4), (-3, 8), interpolate=(0,)).rational
    with mpmath.workdps(40):
        third = mpmath.mpf(1) / 3
        values = rational(np.array([third, mpmath.mpf(0)]))
        assert values.tolist() == [rational(third), 0]


def test_a_rational_draws_itself_and_needs_a_bounded_domain_for_chebyshev(tmp_path):
    rational = fit("exp(-x)", (2, 2), (0, math.inf)).rational
    rational.plot(tmp_path / "r.svg")
    assert (tmp_path / "r.svg").read_text().startswith("<?xml")
    with pytest.raises(ValueError, match="bounded domain"):
        rational.chebyshev()
