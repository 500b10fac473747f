"""The exchange on references that are hard: gaps, jumps, narrow peaks, errors below float64."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import certify, fit
from tests.rational_approx.dense import largest_error


@pytest.mark.parametrize(("target", "degree", "smaller"), [("abs(x)", (5, 5), (4, 4)), ("x^4", (3, 3), (2, 2))])
def test_degenerate_best_approximants_are_the_smaller_ones(target, degree, smaller):
    assert fit(target, degree, (-1, 1)).error == fit(target, smaller, (-1, 1)).error


@pytest.mark.parametrize(
    ("target", "degree", "domain", "breakpoints", "half"),
    [
        ("where(x > 0.1, x, -x - 1)", (4, 3), (-1, 1), ["0.1"], 0.6),
        ("sign(x)", (3, 2), (-1, 1), [0], 1.0),
        ("heaviside(x)", (0, 2), (-1, 2), [0], 0.5),
    ],
)
def test_both_limits_at_a_jump_cost_half_of_it_and_no_more(target, degree, domain, breakpoints, half):
    found = fit(target, degree, domain, breakpoints=breakpoints)
    assert found.error == pytest.approx(half, rel=1e-15)
    assert largest_error(found) <= half * (1 + 1e-12)


@pytest.mark.parametrize(
    ("target", "degree", "domain"),
    [
        ("where(x > 0.3, x, 0)", (9, 8), [(-1, "0.299"), ("0.301", 1)]),  # an unsymmetric narrow gap
        ("sign(x - 1)", (9, 3), [(0, "0.98"), ("1.01", "1.4")]),  # degrees far apart
        ("gelu", (0, 6), ("-0.5", "0.5")),  # a numerator that cannot change its sign
        ("abs(sin(x))", (2, 2), ("-2.2", "3.12")),  # nearly degenerate: only one point at a time may move
    ],
)
def test_fits_that_need_more_than_a_spread_start_are_best_ones(target, degree, domain):
    proof = certify(fit(target, degree, domain))
    assert proof.status == "proved"
    assert proof.upper / proof.best_lower < 1 + 1e-12


def test_errors_that_float64_cannot_see():
    # Meinardus: the best error of exp on [-1, 1] of type (n, n) is n! n! / (2^2n (2n)! (2n + 1)!) times 1 + o(1).
    found = fit("exp(x)", (9, 9), (-1, 1))
    estimate = math.factorial(9) ** 2 / (2.0**18 * math.factorial(18) * math.factorial(19))
    assert found.error == pytest.approx(estimate, rel=0.05)


def test_a_reference_point_at_the_end_of_a_gap_stays_on_its_side():
    text = "1.25 * exp(-(1.85 * x + 1.7) ^ 2) - 1.75 * exp(-(1.25 * x + 1.25) ^ 2)"
    found = fit(text, (3, 1), [("-3.8", "-3.4"), ("2.8", "3.5")])
    assert {Fraction(-17, 5), Fraction(14, 5)} <= set(found.reference)
    assert len(set(found.reference)) == 6


def test_every_exchange_is_recorded():
    found = fit("tanh(x)", (7, 6), (-8, 8))
    assert found.history
    assert all(record.levelled <= found.error * (1 + 1e-6) for record in found.history if record.degree == (3, 3))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    scale=st.floats(0.5, 4),
    shift=st.floats(-1, 1),
    degree=st.tuples(st.integers(1, 5), st.integers(0, 4)),
    name=st.sampled_from(["tanh", "exp", "sigmoid", "abs"]),
)
def test_the_error_is_level_on_the_reference_and_nowhere_larger(name, scale, shift, degree):
    found = fit(f"{name}({scale!r}*x - ({shift!r}))", degree, (-1, 1))
    at_reference = found.error_at(np.array([float(x) for x in found.reference]))
    size = np.abs(at_reference)
    noise = 1e-13 * np.exp(scale + abs(shift))
    assert size == pytest.approx(np.full(size.size, found.error), rel=1e-6, abs=noise)
    assert (at_reference[1:] * at_reference[:-1] <= noise).all()
    assert largest_error(found, 4001) <= found.error * (1 + 1e-6) + noise


def test_an_error_below_float64_is_that_of_the_whole_type():
    found = fit("erf(x)", (7, 6), (2.7, 3.3), weight="relative")  # type (6, 5) has 1.1e-16, and 13 points
    assert len(found.reference) == 15
    assert found.error < 1e-18


def test_a_narrow_peak_beside_nearby_poles_is_not_missed():
    # In type (6, 6) the relative error of exp on [-20, 20] has a hump that no coarse look finds; by the symmetry
    # r(-x) = 1 / r(x) of the problem the reference is symmetric.
    found = fit("exp(20*x)", (6, 6), (-1, 1), weight="relative")
    proof = certify(found)
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**12))
    assert [float(x) for x in found.reference] == pytest.approx(
        [-float(x) for x in reversed(found.reference)], abs=1e-9
    )


def test_a_very_small_error_is_not_taken_for_zero():
    # Meinardus (1967), section 9.3: the best error of exp is about n! m! / (2**(n+m) (n+m)! (n+m+1)!)
    n, found = 20, fit("exp(x)", (20, 20), (-1, 1))
    predicted = mpmath.factorial(n) ** 2 / (2 ** (2 * n) * mpmath.factorial(2 * n) * mpmath.factorial(2 * n + 1))
    assert found.error == pytest.approx(float(predicted), rel=0.05)


@pytest.mark.parametrize(
    ("target", "degree", "domain"),
    [
        ("log(1 + x)", (5, 5), (0, 1)),  # the peak is the limit at the zero
        ("sin(x)", (8, 4), [(-1, "-0.3"), ("-0.1", 1)]),  # or beside it, on the other side
        ("exp(x) - 1", (4, 4), (-1, 1)),
        ("log(x)", (4, 4), (1, 2)),
    ],
)
def test_a_peak_at_a_zero_of_the_target_is_found_to_all_digits(target, degree, domain):
    proof = certify(fit(target, degree, domain, weight="relative"))
    assert proof.status == "proved"
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**12))
