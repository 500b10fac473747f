"""Continuations outside of the domain: exact at the ends, the same in every arithmetic, and saved with the rational."""

from fractions import Fraction
from math import inf

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, Saturated, export, fit, load, save
from rational_approx.testing import rationals, saturated

ONE = Fraction(1)


@pytest.fixture(scope="module")
def sigmoid():
    return fit("sigmoid(x)", (5, 4), (-16, 16), interpolate={-16: 0, 16: 1}, bounds=(0, 1)).rational


def test_a_gate_saturates_at_exactly_its_limits(sigmoid):
    gate = sigmoid.saturated(left=0, right=1)
    assert gate.values == (0, 1)
    far = np.array([-np.inf, -1e300, -16.0, 16.0, 1e300, np.inf])
    np.testing.assert_array_equal(gate(far), [0, 0, 0, 1, 1, 1])
    x = np.linspace(-40, 40, 4001)
    assert ((gate(x) >= -1e-16) & (gate(x) <= 1 + 1e-15)).all()
    assert np.abs(gate(x) - 1 / (1 + np.exp(-x))).max() < 4e-4


def test_a_linear_side_is_the_tangent_or_a_given_slope():
    r = fit("gelu", (6, 4), interpolate={-8: 0, 8: 8}).rational
    line = r.saturated(left=0, right=(8, 1))
    assert line(np.array([-9.0, 9.0, 100.0])) == pytest.approx([0, 9, 100], abs=1e-12)
    tangent = r.saturated(right="linear")
    with mpmath.workdps(30):
        slope = r.derivative()(mpmath.mpf(8))
        assert abs(tangent(mpmath.mpf(11)) - 8 - 3 * slope) < 1e-25
    assert "right of 8" in str(tangent)


@given(saturated(), st.integers(-400, 400).map(lambda n: Fraction(n, 16)))
@settings(max_examples=60)
def test_all_arithmetics_agree_and_nothing_jumps(f, x):
    exact = f(mpmath.mpf(x.numerator) / x.denominator)
    size = 1 + abs(float(exact))
    assert f(float(x)) == pytest.approx(float(exact), rel=1e-9, abs=1e-9)
    ball = f(flint.arb(float(x)))
    assert abs(float(ball) - float(exact)) < 1e-12 * size
    wide = f(flint.arb(float(x), 0.5))
    for near in (x - Fraction(1, 2), x, x + Fraction(1, 2)):
        assert wide.overlaps(f(flint.arb(float(near))))
    for end, value in zip(f.ends, f.values, strict=True):
        step = Fraction(1, 2**60)
        for side in (-step, step):
            with mpmath.workprec(200):
                near = mpmath.mpf((end + side).numerator) / (end + side).denominator
                assert abs(f(near) - mpmath.mpf(value.numerator) / value.denominator) < 1e-12 * (1 + abs(value))


@given(saturated())
@settings(max_examples=20)
def test_documents_keep_it(tmp_path_factory, f):
    path = tmp_path_factory.mktemp("saturated") / "f.json"
    assert load(save(f, path)) == f


def test_a_fit_keeps_its_conditions_in_its_document(tmp_path):
    found = fit("sigmoid(x)", (4, 3), (-4, 4), interpolate={0: "1/2", 1: None}, bounds=(0, None))
    back = load(save(found, tmp_path / "fit.json"))
    assert (back.interpolate, back.bounds) == (((0, Fraction(1, 2)), (1, None)), (0, inf))


def test_a_half_line_is_continued_on_its_one_end():
    r = fit("exp(-x)", (3, 3), (0, inf)).rational
    f = r.saturated(left="linear")
    assert f.values[1] is None
    assert f(-1.0) == pytest.approx(float(f.values[0] - f.slopes[0]))
    assert f(1e6) == pytest.approx(r(1e6))
    with pytest.raises(ValueError, match="no end on the right"):
        r.saturated(right=0)


def test_what_would_jump_is_refused(sigmoid):
    with pytest.raises(ValueError, match=r"not exactly 0.5: fit it with interpolate=\{16: 0.5\}"):
        sigmoid.saturated(right=0.5)
    pole = Rational((ONE,), (ONE / 3, -ONE), Domain.of([(-1, 0), (1, 2)]), "monomial")
    with pytest.raises(ValueError, match="has a pole between the ends"):
        Saturated(pole)
    with pytest.raises(ValueError, match="finite number"):
        sigmoid.saturated(left="flat")


def test_constants_and_lines_are_exported():
    r = Rational((ONE, ONE), (ONE + 1, 0 * ONE, ONE), Domain.of((-1, 2)), "monomial")
    names: dict = {}
    x = np.array([-np.inf, -1e9, -1, -0.5, 0, 2, 16, 1e9, np.inf])
    for beyond in (r.saturated(), r.saturated(right="linear")):
        exec(export(beyond, "numpy", dtype="float64", name="gate"), names)
        np.testing.assert_allclose(names["gate"](x), beyond(x), atol=1e-15, rtol=1e-15)


def test_it_draws_itself(sigmoid, tmp_path):
    pytest.importorskip("matplotlib")
    sigmoid.saturated().plot(str(tmp_path / "gate.svg"))
    assert (tmp_path / "gate.svg").stat().st_size > 1000


@given(rationals())
@settings(max_examples=10)
def test_inside_it_is_the_rational(r):
    x = np.linspace(float(r.domain.lower), float(r.domain.upper), 31)[1:-1]
    np.testing.assert_allclose(r.saturated()(x), r(x), rtol=1e-12)
