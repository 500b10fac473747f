"""Symmetry is divided out, and half-lines and the whole line are mapped, only where the type allows it."""

import math
from fractions import Fraction

import pytest

from rational_approx import DidNotConverge, certify, fit
from tests.rational_approx.truths import best_errors


def test_a_constant_plus_an_odd_function_is_reduced():
    assert fit("sigmoid(x)", (5, 5), (-8, 8)).error == fit("sigmoid(x)", (5, 4), (-8, 8)).error
    assert len(fit("sigmoid(x)", (10, 7), ("-1.5", "1.5")).reference) == 18


@pytest.mark.parametrize(("n", "better"), [(1, (5**0.5 - 2) / 2)])
def test_linear_part_plus_even_is_divided_out_only_where_the_type_holds_it(n, better):
    # x Q has degree n + 1, which a numerator of degree n cannot hold: relu of type (1, 1) is no half of abs (0, 0).
    found = fit("relu", (n, n))
    assert found.error == pytest.approx(better, rel=1e-12)
    assert len(found.reference) >= 2 * n + 2


@pytest.mark.parametrize(
    ("right", "left"), [("1/(1+exp(x))", "sigmoid(x)"), ("atan(x)", "-atan(x)"), ("exp(-x)", "exp(x)")]
)
def test_a_half_line_and_its_mirror_image_have_the_same_error(right, left):
    mirrored = fit(left, (4, 4), (-math.inf, 0), interpolate=(0,))
    assert mirrored.error == pytest.approx(fit(right, (4, 4), (0, math.inf), interpolate=(0,)).error, rel=1e-12)
    assert fit(left, (3, 3), (-math.inf, 0)).error == pytest.approx(fit(right, (3, 3), (0, math.inf)).error, rel=1e-12)


def test_a_half_line_beside_an_interval_and_its_mirror_image_have_the_same_error():
    left = fit("x*exp(x)", (2, 3), [(-math.inf, -1), (0, 1)], interpolate=(0,))
    right = fit("-x*exp(-x)", (2, 3), [(-1, 0), (1, math.inf)], interpolate=(0,))
    assert left.rational.polynomials[0](0) == right.rational.polynomials[0](0) == 0
    assert left.error == pytest.approx(right.error, rel=1e-12)


def test_a_numerator_that_cannot_follow_a_limit_at_infinity_is_said_not_to_converge():
    with pytest.raises(DidNotConverge, match="another type"):  # r tends to 0 there and tanh to 1
        fit("tanh(x)", (5, 6), (0, math.inf))


def test_two_half_lines_are_an_interval_through_infinity(shared):
    # Under x -> 1/x a rational of type (n, n) keeps its type: this is exp on [-1, 1].
    found = fit("exp(1/x)", (4, 4), [(-math.inf, -1), (1, math.inf)])
    assert found.error == pytest.approx(float(best_errors(shared)["exp_4_4"]["error"]), rel=1e-12)
    assert certify(found).status == "proved"


def test_two_half_lines_and_a_limit_of_zero_beyond_which_the_factor_is_negative():
    proof = certify(fit("exp(1/x) / x^3", (2, 5), [(-math.inf, -1), (2, math.inf)]))
    assert proof.status == "proved"
    # Best among denominators of one sign through infinity. Those of odd degree have two signs as functions of x, and
    # what is proved is a bound for those of one.
    assert 0 < proof.best_lower < proof.upper


@pytest.mark.parametrize("target", ["exp(-(x - {0})^2)", "1 / cosh(x - {0})", "exp(-abs(x - {0}))"])
@pytest.mark.parametrize("degree", [(4, 4), (2, 4), (3, 4)])
def test_on_the_whole_line_a_shift_changes_nothing(target, degree):
    # Centred, the target is even and half of the line is enough; shifted, the line is cut open.
    line = (-math.inf, math.inf)
    centred, shifted = (fit(target.format(at), degree, line) for at in ("0", "7/10"))
    assert shifted.error == pytest.approx(centred.error, rel=1e-12)
    proof = certify(shifted)
    assert proof.status == "proved"
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**10))


def test_a_rational_on_the_whole_line_is_found_exactly():
    found = fit("(x + 1) / (x^4 + 2)", (1, 4), (-math.inf, math.inf))
    assert (found.error, found.rational.type) == (0, (1, 4))
    assert found.rational(1) == pytest.approx(2 / 3, rel=1e-14)
