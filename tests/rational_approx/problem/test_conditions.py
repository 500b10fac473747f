"""Side conditions: values at named points, and a bounded range, against closed forms and linear programming."""

import math
from fractions import Fraction
from itertools import pairwise
from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from rational_approx import DidNotConverge, certify, fit
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.testing import assert_best, assert_in_range
from tests.rational_approx.truths import zolotarev_sign_error


def exact_value(rational, x):
    top, bottom = rational.polynomials
    return top(fmpq(Fraction(x))) / bottom(fmpq(Fraction(x)))


@pytest.mark.parametrize(
    ("target", "degree", "domain", "values"),
    [
        ("gelu", (5, 4), (-4, 4), {0: 0}),
        ("sigmoid(x)", (4, 4), (-3, 4), {0: Fraction(1, 2)}),
        ("max(x, 0)", (6, 4), (-1, 2), {0: 0, Fraction(1, 3): Fraction(1, 3), Fraction(-2, 7): 0}),
        ("1/(3 + x) + abs(x)", (4, 3), (-1, 1), {1: Fraction(5, 4), "0.1": Fraction(10, 31) + Fraction(1, 10)}),
        ("exp(-x)", (3, 3), (0, inf), {0: 1}),
        ("x^3 + abs(x)", (3, 2), [(-2, -1), (1, 2)], {-1: 0}),
    ],
)
def test_conditions_hold_exactly_in_the_coefficients_that_are_returned(target, degree, domain, values):
    found = fit(target, degree, domain, interpolate=tuple(values))
    assert [a for a, _ in found.interpolate] == sorted(map(Fraction, values))
    for x, value in values.items():
        assert exact_value(found.rational, x) == fmpq(Fraction(value))
    assert_best(found)


@pytest.mark.parametrize(
    ("target", "degree", "domain", "values", "bounds"),
    [
        ("sigmoid(x)", (5, 4), (-16, 16), {-16: 0, 16: 1}, (0, 1)),
        ("tanh(x)", (7, 6), (-8, 8), {-8: -1, 8: 1}, (-1, 1)),
        ("tanh(x)", (6, 6), (-6, 9), {9: 1}, None),
        ("exp(-x)", (3, 3), (0, inf), {0: "0.999999"}, None),
    ],
)
def test_other_values_than_those_of_the_target_may_be_required(target, degree, domain, values, bounds):
    found = fit(target, degree, domain, interpolate=values, bounds=bounds)
    assert_best(found)
    for x, value in values.items():
        assert exact_value(found.rational, x) == fmpq(Fraction(value))


def test_a_value_too_far_from_the_target_is_said_to_be_so():
    with pytest.raises(DidNotConverge, match=r"the value required at x = 4 is 0\.000671 away from f there"):
        fit("tanh(x)", (4, 4), (-3, 4), interpolate={4: 1})


def test_an_irrational_value_is_met_far_beyond_the_error():
    found = fit("exp(x)", (3, 2), (-1, 1), interpolate=(0.5,))
    with mpmath.workdps(160):
        value = exact_value(found.rational, 0.5)
        assert abs(mpmath.mpf(int(value.p)) / int(value.q) - mpmath.exp(0.5)) < mpmath.mpf(2) ** -500


# -- bounds ----------------------------------------------------------------------------------------------------------


def test_a_parabola_by_a_line_that_stays_positive():
    # r = b x, x^2 - b x = -h at b/2 and 1 - b = h: b^2 / 4 = 1 - b.
    found = fit("x^2", (1, 0), (0, 1), bounds=(0, None), digits=30)
    with mpmath.workdps(30):
        assert abs(found.error - (3 - 2 * mpmath.sqrt(2))) < mpmath.mpf(10) ** -29
    assert found.bounds == (0, inf)


@pytest.mark.parametrize(("n", "gap"), [(1, "0.3"), (2, "0.05"), (4, "0.05")])
def test_sign_and_heaviside_inside_their_range_are_zolotarevs_scaled(n, gap):
    # Values in [1 - h, 1] are values in [1 - E, 1 + E], scaled: h = 2 E / (1 + E).
    pair = [(-1, f"-{gap}"), (gap, 1)]
    free = float(zolotarev_sign_error(n, mpmath.mpf(gap)))
    degree = (2 * n + 1, 2 * n)
    assert fit("sign(x)", degree, pair, bounds=(-1, 1)).error == pytest.approx(2 * free / (1 + free), rel=1e-12)
    assert fit("heaviside(x)", degree, pair, bounds=(0, 1)).error == pytest.approx(free / (1 + free), rel=1e-12)


def best_by_linear_programming(f, degree, domain, bounds, kinks):
    """Bisection in h: P and Q with ``(f - h) Q <= P <= (f + h) Q``, the same with the bounds, and ``Q >= 1``."""
    p, q = degree
    close = np.geomspace(1e-6, 0.5, 60)  # to a kink or an end
    v = np.unique(np.concatenate([np.linspace(0, 1, 200), close, 1 - close]))
    ends = [sorted({a, b, *(kink for kink in kinks if a < kink < b)}) for a, b in domain]
    x = np.unique(np.concatenate([a + (b - a) * v for row in ends for a, b in pairwise(row)]))
    middle, half = (x[0] + x[-1]) / 2, (x[-1] - x[0]) / 2
    v = np.polynomial.chebyshev.chebvander((x - middle) / half, max(p, q))
    top, bottom = v[:, : p + 1], v[:, : q + 1]

    def feasible(h):
        low, high = np.maximum(f(x) - h, bounds[0]), np.minimum(f(x) + h, bounds[1])
        rows = [np.hstack([-top, low[:, None] * bottom]), np.hstack([top, -high[:, None] * bottom])]
        rows.append(np.hstack([0 * top, -bottom]))
        limits = np.concatenate([np.zeros(2 * x.size), -np.ones(x.size)])
        found = linprog(np.zeros(p + q + 2), np.vstack(rows), limits, bounds=(None, None), method="highs")
        return found.status == 0

    low, high = 0.0, 1.0
    for _ in range(14):
        middle_h = (low + high) / 2
        low, high = (low, middle_h) if feasible(middle_h) else (middle_h, high)
    return low, high


@pytest.mark.parametrize(
    ("text", "f", "degree", "domain", "bounds", "kinks"),
    [
        ("max(x, 0)", lambda x: np.maximum(x, 0), (3, 2), [(-1, 1)], (0, np.inf), (0,)),
        ("clip(x, -1, 1)", lambda x: np.clip(x, -1, 1), (3, 4), [(-3, 3)], (-1, 1), (-1, 1)),
        ("exp(x)", np.exp, (3, 0), [(-5, 0)], (0, 1), ()),
        ("abs(x) + x", lambda x: abs(x) + x, (2, 3), [(-1, -0.5), (-0.25, 1)], (0, 2), (0,)),
    ],
)
def test_the_error_is_what_linear_programming_finds_on_a_grid(text, f, degree, domain, bounds, kinks):
    found = fit(text, degree, domain, bounds=bounds)
    low, high = best_by_linear_programming(f, degree, domain, bounds, kinks)
    assert low * (1 - 1e-3) < found.error < high * (1 + 1e-3)
    assert_best(found)


BOUNDED = [
    ("sigmoid", (4, 4), None, (0, 1), {}),
    ("tanh", (7, 6), None, (-1, 1), {}),
    ("tanh", (7, 6), None, (-1, None), {}),
    ("relu", (9, 8), None, (0, None), {}),
    ("relu6", (4, 4), None, (0, 6), {}),
    ("gelu", (4, 4), None, ("-0.17", None), {}),
    ("exp(-x)", (5, 5), (0, inf), (0, 1), {}),
    ("exp(-x)", (3, 5), (0, inf), (0, None), {}),
    ("exp(-x^2)", (4, 6), (-inf, inf), (0, 1), {}),
    ("sigmoid(x)", (5, 4), (-8, 8), (0, 1), {"interpolate": (0,)}),
    ("tanh(3 * x + 1)", (4, 4), (0, 2), (None, 1), {"weight": "relative"}),
    ("exp(-(0.7 * x + 0.6)^2)", (6, 2), (-1, 1), (0, 1), {}),  # leaves its bound on an interval of width sqrt(h)
]


@pytest.mark.parametrize(("target", "degree", "domain", "bounds", "options"), BOUNDED)
def test_the_range_is_kept_and_proved(target, degree, domain, bounds, options):
    found = fit(target, degree, domain, bounds=bounds, **options)
    assert_best(found)
    free = fit(target, degree, domain, **options)
    assert found.error >= free.error * (1 - 1e-12)
    low, high = ((-1000 if bounds[0] is None else bounds[0]), (1000 if bounds[1] is None else bounds[1]))
    assert [claim.status for claim in certify(found, claims=[("range", low, high)]).claims] == ["proved"]


def test_a_fit_already_in_range_is_the_one_without_bounds():
    assert fit("exp(x)", (3, 3), (-1, 1), bounds=(0, 3)).rational == fit("exp(x)", (3, 3), (-1, 1)).rational


def test_a_float64_callable_stays_in_range():
    found = fit(np.tanh, (7, 6), (-8, 8), bounds=(-1, 1))
    assert found.error == pytest.approx(fit("tanh", (7, 6), bounds=(-1, 1)).error, rel=1e-6)
    assert_in_range(found.rational, (-1, 1))


@given(
    name=st.sampled_from(["sigmoid", "tanh", "erf", "clip"]),
    scale=st.integers(2, 30).map(lambda n: Fraction(n, 5)),
    shift=st.integers(-10, 10).map(lambda n: Fraction(n, 10)),
    degree=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
@settings(max_examples=15)
def test_bounds_of_random_problems(name, scale, shift, degree):
    inner = f"(({scale}) * x + ({shift}))"
    text = f"clip{inner[:-1]}, -1, 1)" if name == "clip" else f"{name}{inner}"
    try:
        found = fit(text, degree, (-1, 1), bounds=(0 if name == "sigmoid" else -1, 1))
    except DidNotConverge:  # said so; `tests/benchmarks` counts how rare that is
        return
    assert_best(found)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("gelu", (4, 4)), {"bounds": (0, None)}, r"the target is -0.169\d* at x = -0.7.* outside of the bounds"),
        (("tanh", (4, 4)), {"bounds": (1, -1)}, "reversed"),
        (("tanh", (4, 4)), {"bounds": 1}, "bounds must be"),
        (("tanh", (4, 4)), {"bounds": (0, 1, 2)}, "bounds must be"),
        (("tanh", (4, 4)), {"bounds": (math.nan, 1)}, "nan"),
        (("relu", (4, 4)), {"bounds": (0, None), "interpolate": (0,)}, "a value on a bound is required"),
        (("tanh", None), {"bounds": (1, -1), "tolerance": 1e-3}, "bounds"),
        (("tanh", None), {"interpolate": (100,), "tolerance": 1e-3}, "domain"),
        (((np.arange(9.0), np.arange(9.0) ** 0.5), (2, 2)), {"bounds": (0, None)}, "samples say nothing between"),
        (("tanh", (4, 4)), {"interpolate": (9,)}, "outside the domain"),
        (("tanh", (4, 4)), {"interpolate": ("x",)}, "finite number"),
        (("tanh", (4, 4)), {"interpolate": {8: 2}, "bounds": (-1, 1)}, "outside of the bounds"),
        (("tanh", (4, 4)), {"interpolate": {0: 1}, "weight": "relative"}, "finite only for r = 0"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        fit(*arguments, **keywords)
