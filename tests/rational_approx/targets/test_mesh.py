"""Marks lie where a target varies, however narrow that is, and interpolants give a slow function to rounding."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Target
from rational_approx.problem.change import drawn_to
from rational_approx.targets.interpolant import Interpolant


@given(at=st.fractions(-1, 1, max_denominator=10**6), width=st.integers(2, 7))
@settings(max_examples=30)
def test_a_peak_is_seen_wherever_it_is(at, width):
    w = Fraction(1, 10**width)
    (piece,) = Target(f"tanh(x) + exp(-((x - ({at})) / ({w}))^2)", (-1, 1)).pieces
    assert np.count_nonzero(np.abs(piece.marks - float(at)) < 3 * float(w)) >= 5


@pytest.mark.parametrize(("text", "domain", "near"), [("sqrt(x)", (0, 1), 1e-20), ("exp(-x)", (0, math.inf), 1.0)])
def test_marks_go_to_a_singularity_and_stay_on_half_lines(text, domain, near):
    x = Target(text, domain).pieces[0].marks
    assert np.isfinite(x).all()
    assert (np.diff(x) > 0).all()
    assert 0 <= x[0] <= x[1] < near


def test_a_smooth_function_has_few_marks():
    assert Target("exp(x)", (-1, 1)).pieces[0].marks.size < 40


@pytest.mark.parametrize("function", [math.sin, math.exp, lambda x: abs(x - 0.3), lambda x: 1 / (1 + 1e4 * x * x)])
def test_interpolants_are_exact_to_rounding(function):
    x = np.linspace(-1, 1, 1001)
    wanted = np.array([function(float(v)) for v in x])
    assert np.abs(Interpolant(function, -1.0, 1.0)(x) - wanted).max() <= 4e-15 * np.abs(wanted).max()


def test_ends_that_floats_round_are_one_mark() -> None:
    for k in range(1, 60):
        lower, upper = -Fraction(17, 10) - Fraction(k, 7), Fraction(-34, 100) + Fraction(k, 30)
        target = Target("exp(x) * (1 + x^2)", (lower, upper))
        assert np.diff(target.pieces[0].marks)[[0, -1]].min() > 1e-6
        assert drawn_to(target) is None
