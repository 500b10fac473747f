"""Residues and partial fractions: SciPy, mpmath and closed forms are the truth."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rational_approx import Rational, fit

SMALL = st.integers(-5, 5)


def powers(top, bottom):
    return Rational(top, bottom, (0, 1), "monomial")


@pytest.mark.parametrize(
    ("top", "bottom"),
    [
        ([1], [6, 5, 1]),  # 1 / ((x + 2)(x + 3))
        ([1, 2, 3], [2, 0, 1]),
        ([0, 0, 0, 0, 1], [-6, 11, -6, 1]),
        ([7, -1], [-8, 12, -6, 1]),  # (x - 2)^3
        ([1], [0, 0, 1, 1]),  # x^2 (x + 1)
        ([5, 1, 0, 2], [1, 0, 2, 0, 1]),  # (x^2 + 1)^2
    ],
)
def test_residues_are_those_of_scipy(top, bottom):
    r = powers(top, bottom)
    values, places, direct = scipy.signal.residue(top[::-1], bottom[::-1], tol=1e-3)
    found = r.partial_fractions()
    flat = [(complex(z), complex(c)) for z, coefficients in found.terms for c in coefficients]
    order = [(z, j) for z, coefficients in found.terms for j in range(len(coefficients))]
    assert len(flat) == len(values)
    np.testing.assert_allclose([float(c) for c in found.polynomial], direct[::-1][: len(found.polynomial)], atol=1e-9)
    unused = list(zip(places, values, strict=True))
    for (z, c), (_, j) in zip(flat, order, strict=True):
        # SciPy lists the powers of one pole in order, and its multiple poles are good to a few digits
        mine = [k for k, (place, _) in enumerate(unused) if abs(place - z) < 1e-3]
        first = min(mine, key=lambda k: abs(unused[k][1] - c))
        assert abs(unused.pop(first)[1] - c) < 1e-3, (z, j)


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(SMALL, min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_their_sum_is_the_rational_to_all_digits(top, bottom):
    assume(any(bottom))
    r, x = powers(top, bottom), mpmath.mpf(2) ** -9 + 7  # no zero of a Q with such small coefficients
    found = r.partial_fractions(60)
    with mpmath.workdps(70):
        exact = mpmath.polyval(top[::-1], x) / mpmath.polyval(bottom[::-1], x)
        scale = 1 + sum(abs(c) for term in found.terms for c in term.coefficients)
        assert abs(found(x) - exact) < mpmath.mpf(10) ** -52 * scale
        z = mpmath.mpc(3, 2)
        exact = mpmath.polyval(top[::-1], z) / mpmath.polyval(bottom[::-1], z)
        assert abs(found(z) - exact) < mpmath.mpf(10) ** -52 * scale * (1 + abs(exact))


@given(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=1, max_size=4, unique=True), st.data())
@settings(max_examples=30, deadline=None)
def test_residues_of_real_poles_in_closed_form(places, data):
    orders = data.draw(st.lists(st.integers(1, 3), min_size=len(places), max_size=len(places)))
    bottom = np.array([Fraction(1)], dtype=object)
    for place, order in zip(places, orders, strict=True):
        for _ in range(order):
            bottom = np.convolve(bottom, [-place, Fraction(1)])
    r = powers([1], bottom)
    for found in r.residues():
        place, order = next((p, m) for p, m in zip(places, orders, strict=True) if abs(p - found.pole.value) < 1e-9)
        assert found.pole.multiplicity == order
        others = [(p, m) for p, m in zip(places, orders, strict=True) if p != place]
        with mpmath.workdps(60):  # the derivative of order m - 1 of 1 / prod (x - p)^n, by Leibniz
            exact = mpmath.mpf(0)
            for split in itertools.product(range(order), repeat=len(others)):
                if sum(split) == order - 1:
                    term = mpmath.mpf(1)
                    for (p, m), k in zip(others, split, strict=True):
                        distance = (
                            mpmath.mpf(place.numerator) / place.denominator - mpmath.mpf(p.numerator) / p.denominator
                        )
                        term *= mpmath.binomial(-m, k) * distance ** (-m - k)
                    exact += term
        assert abs(complex(exact) - found.value) <= found.radius + 1e-55  # `exact` has 60 digits, also where it is 0
        assert found.radius <= 1e-15 * abs(found.value) + 1e-300


def test_residues_are_in_the_order_of_the_poles():
    r = fit("sigmoid(-x)", (5, 6), (-9, 9)).rational
    assert [found.pole.value for found in r.residues()] == [pole.value for pole in r.poles()]


def test_residues_of_the_fermi_function():
    # Near the real line the best rational has poles near i pi (2 k + 1), where the residues of 1 / (1 + e^x) are -1.
    fermi = fit("sigmoid(-x)", (9, 10), (-12, 12)).rational
    nearest = min(fermi.residues(), key=lambda found: (abs(found.pole.value), found.pole.value.imag))
    assert abs(abs(nearest.pole.value.imag) - math.pi) < 1e-6
    assert abs(nearest.value + 1) < 1e-6
    parts = fermi.partial_fractions()
    x = np.linspace(-12, 12, 101)
    np.testing.assert_allclose(parts(x), 1 / (1 + np.exp(x)), atol=1e-8)
    assert parts(0.5) == pytest.approx(fermi(0.5), abs=1e-13)
    assert isinstance(parts(0.5), float)
    assert isinstance(parts(0.5j), complex)


def test_a_residue_that_is_zero_is_zero_and_a_tiny_one_is_not():
    assert [found.value for found in powers([0, 1], [1, 0, 2, 0, 1]).residues()] == [0, 0]
    tiny = Fraction(1, 10**80)
    ((_, coefficients),) = powers([tiny * 3, tiny], [4, -4, 1]).partial_fractions().terms  # tiny (x + 3) / (x - 2)^2
    assert [float(c.real) / 1e-80 for c in coefficients] == pytest.approx([1, 5])


def test_a_polynomial_has_no_terms_and_common_factors_go():
    found = powers([1, 2], [4]).partial_fractions()
    assert (found.polynomial, found.terms) == ((Fraction(1, 4), Fraction(1, 2)), ())
    assert powers([-1, 0, 1], [-1, 1]).residues() == ()
    assert powers([-1, 0, 1], [-1, 1]).partial_fractions()(2.0) == 3.0


def test_partial_fractions_refuse_in_words():
    with pytest.raises(ValueError, match="positive number of decimal digits"):
        powers([1], [1, 1]).partial_fractions(0)
    with pytest.raises(TypeError, match="numbers or arrays"):
        powers([1], [1, 1]).partial_fractions()("1")
