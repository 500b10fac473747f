"""Chosen powers and fixed coefficients: closed forms, today's fits, and linear programmes of their own."""

import math
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog

from rational_approx import DidNotConverge, Fit, certify, fit, load, save

QUARTER = ("-0.7853981633974483", "0.7853981633974483")
N = None


def _reached(h: float, f: Any, p: list[Any], q: list[Any], domain: tuple[float, float]) -> bool:
    """Whether some free coefficients have an error of at most h on 800 points, by a linear programme."""
    x = (domain[0] + domain[1]) / 2 - (domain[1] - domain[0]) / 2 * np.cos(np.linspace(0, np.pi, 800))
    tops = [x**k for k, c in enumerate(p) if c is None]
    bottoms = [x**k for k, c in enumerate(q) if c is None]
    top, bottom = (sum(float(c) * x**k for k, c in enumerate(s) if c is not None) + 0 * x for s in (p, q))
    rows, right = [], []
    for sign in (1, -1):  # sign (f Q - P) <= h Q
        side = (sign * f(x) - h) / h
        rows.append(np.array([*(-sign * t / h for t in tops), *(side * b for b in bottoms)]).T)
        right.append(sign * top / h - side * bottom)
    rows.append(np.array([*(0 * t for t in tops), *(-b for b in bottoms)]).T)
    right.append(bottom - 1e-6)
    a = np.vstack(rows)
    options = {"primal_feasibility_tolerance": 1e-9}
    return linprog(np.zeros(a.shape[1]), a, np.concatenate(right), bounds=(None, None), options=options).status == 0


def _proved(found: Fit) -> None:
    assert found.converged
    assert found.upper is not None
    assert found.lower is not None
    assert found.lower <= found.upper <= found.lower * (1 + Fraction(3, 10**9))
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.upper is not None
    assert certificate.upper <= found.upper * (1 + Fraction(1, 10**9))


@pytest.mark.parametrize("n", [4, 16])
def test_even_powers_of_lower_degree_leave_a_chebyshev_polynomial(n: int) -> None:
    found = fit(f"x^{n}", ([N, 0] * (n // 2 - 1) + [N], 0), (-1, 1))
    assert found.error == pytest.approx(2.0 ** (1 - n), rel=1e-14)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= Fraction(1, 2 ** (n - 1)) <= found.upper
    _proved(found)


def test_one_power_has_a_closed_form() -> None:
    found = fit("x^2", ([0, N], 0), (0, 1))
    assert found.error == pytest.approx(3 - 2 * math.sqrt(2), rel=1e-14)
    assert float(found.rational.numerator[1]) == pytest.approx(2 * (math.sqrt(2) - 1), rel=1e-14)
    assert found.rational.numerator[0] == 0
    _proved(found)


@pytest.mark.parametrize(
    ("target", "form", "degree", "domain", "weight"),
    [
        ("exp(x)", ([N] * 4, [N] * 4), (3, 3), (-1, 1), None),
        ("log(x)", ([N] * 4, 2), (3, 2), (1, 2), None),
        ("sin(x)", ([0, N, 0, N, 0, N], 0), (5, 0), (-1, 1), None),
        ("tanh(x)", ([0, N, 0, N], [1, 0, N]), (3, 2), (-2, 2), "relative"),
        ("abs(x)", ([N, 0, N, 0, N], [1, 0, N, 0, N]), (4, 4), (-1, 1), None),
        ("exp(x)", ([N] * 3, 0), (2, 0), [(-1, -0.5), (0.5, 1)], None),
    ],
)
def test_what_does_not_bind_leaves_the_best_fit(
    target: str, form: Any, degree: tuple[int, int], domain: Any, weight: str | None
) -> None:
    found, plain = fit(target, form, domain, weight=weight), fit(target, degree, domain, weight=weight)
    assert found.error == pytest.approx(plain.error, rel=1e-12)
    x = np.linspace(*(domain if isinstance(domain, tuple) else domain[1]), 101)
    assert np.abs(found(x) - plain(x)).max() < 1e-9
    _proved(found)


@pytest.mark.parametrize(
    ("target", "f", "p", "q", "domain"),
    [
        ("exp(x)", np.exp, [1, 1, N, N], [1], (-1, 1)),
        ("sin(x)", np.sin, [0, 1, 0, N], [1, 0, N], (-1, 1)),
        ("exp(x)", np.exp, [1, "1/2", N], [1, N], (-1, 1)),
        ("tanh(x)", np.tanh, [0, 1, N, N], [1, N, N], (-1, 2)),
        ("exp(x)", np.exp, [0, 1], [1, N, N], (1, 3)),
        ("sin(x)", np.sin, [N] * 6, [1, 0, 0, 0, N], (0, 3)),
    ],
)
def test_a_programme_of_its_own_finds_the_same_error(
    target: str, f: Any, p: list[Any], q: list[Any], domain: tuple[float, float]
) -> None:
    found = fit(target, (p, q), domain)
    exact = [None if c is None else Fraction(c) for c in p]
    assert _reached(found.error * (1 + 1e-6), f, exact, q, domain)
    assert not _reached(found.error * (1 - 3e-4), f, exact, q, domain)
    for given, side in zip((exact, q), (found.rational.numerator, found.rational.denominator), strict=True):
        assert all(c is None or c == made for c, made in zip(given, side, strict=True))
    _proved(found)


def test_without_haars_condition_fewer_points_than_coefficients_bind() -> None:
    # Seven points for an unknown more: no alternation, no level equation, and the best one all the same.
    found = fit("sin(x)", ([N] * 6, [1, 0, 0, 0, N]), (0, 3))
    assert len(found.reference) == 7
    assert found.form is not None
    assert found.form.size == 8
    _proved(found)


def test_errors_far_below_float64() -> None:
    found = fit("sin(x)", ([0, 1] + [0, N] * 9, 0), (-1, 1), weight="relative", digits=30)
    assert float(found.error) == pytest.approx(4.2811915017706963e-26, rel=1e-12)
    _proved(found)


def test_a_narrow_peak_is_seen() -> None:
    found = fit("tanh(x)+0.01*exp(-((x-0.7312345)/0.003)^2)", ([0, 1, N, N, N], 2), (-3, 3))
    assert found.error > 2e-3
    _proved(found)


def test_far_from_zero_floats_are_as_exact_as_near_to_it() -> None:
    found = fit("exp(x)", ([N] * 9, 0), (10, 11))
    x = np.linspace(10, 11, 50)
    assert np.abs(found(x) / np.exp(x) - 1).max() < 1e-9 + found.error / math.exp(10)
    exact = [float(found(mpmath.mpf(float(v)))) for v in x]
    assert np.abs(found(x) - exact).max() < 1e-14 * math.exp(11)


def test_the_target_itself() -> None:
    found = fit("(x + x^3) / (2 + x^2)", ([0, "1/2", 0, N], [1, 0, N]), (-1, 1))
    assert found.error == 0
    assert found.rational.numerator == (0, Fraction(1, 2), 0, Fraction(1, 2))


def test_float32_sine_with_a_first_coefficient_of_one() -> None:
    # 4.0e-9 is what Sollya's fpminimax has for x + c3 x^3 + c5 x^5 + c7 x^7 in single precision.
    best = fit("sin(x)", ([0, 1, 0, N, 0, N, 0, N], 0), QUARTER, weight="relative")
    _proved(best)
    short = best.rounded("float32")
    found = certify(short, best.target, claims=[("format", "float32")])
    assert found.status == "proved"
    assert f"{float(found.upper or 1):.1e}" == "4.0e-09"
    assert short.numerator[:3] == (0, 1, 0)
    assert short.denominator == (1,)


def test_rounded_rationals_keep_what_is_fixed() -> None:
    best = fit("tanh(x)", ([0, 1, 0, N, 0, N], [1, 0, N, 0, N]), (-3, 3), weight="relative")
    for format, worst in (("float32", 1.001), ({"P": "float32", "Q": "bfloat16"}, 2), ("bfloat16", 50)):
        short = best.rounded(format)  # type: ignore[arg-type]
        assert short.numerator[::2] == (0, 0, 0)
        assert short.numerator[1] == short.denominator[0] == 1
        certificate = certify(short, best.target)
        assert certificate.status == "proved"
        assert float(certificate.upper or 9) < worst * best.error


def test_a_fit_is_saved_with_its_form(tmp_path: Path) -> None:
    found = fit("exp(x)", ([1, N, N], 1), (-1, 1))
    again = load(save(found, tmp_path / "fit.json"))
    assert isinstance(again, Fit)
    assert again.form == found.form == pickle.loads(pickle.dumps(found)).form
    assert "best of its form (proved" in str(found)
    assert "proved" not in str(again)  # a file proves nothing
    assert "with P = 1 + p1 x + p2 x^2, Q = 1 + q1 x" in str(found)
    assert again.rounded("bfloat16").numerator[0] == 1


@pytest.mark.parametrize(
    ("target", "form", "domain", "options", "message"),
    [
        ("exp(x)", ([1, 1], 0), (-1, 1), {}, "nothing is free"),
        ("exp(x)", ([N], [2, N]), (-1, 1), {}, "unit of all others"),
        ("exp(x)", ([], 1), (-1, 1), {}, "is empty"),
        ("exp(x)", (["a"], 1), (-1, 1), {}, "finite number"),
        ("exp(x)", ([N], -1), (-1, 1), {}, "pair of integers"),
        ("sin(x)", ([1, N], 0), (-1, 1), {"weight": "relative"}, "must be 0 there"),
        ("sin(x-1)", ([N, N], 0), (-1, 2), {"weight": "relative"}, "cannot be prescribed there"),
        ("exp(-x)", ([N], [1, N]), (0, math.inf), {}, "bounded domain"),
        ("exp(x)", ([N, 0, N], 0), (-1, 1), {"bounds": (0, None)}, "do not go with"),
        ("exp(x)", ([N, 0, N], 0), (-1, 1), {"interpolate": (0,)}, "do not go with"),
        (np.tanh, ([N, 0, N], 0), (-1, 1), {}, "can be enclosed"),
        (([0, 1, 2], [0, 1, 3]), ([0, N], 0), None, {}, "can be enclosed"),
    ],
)
def test_what_is_refused(target: Any, form: Any, domain: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(target, form, domain, **options)


@pytest.mark.parametrize(
    ("target", "form", "domain", "message"),
    [
        ("exp(x)", ([5, N, N], 0), (-1, 1), "so far from f"),
        ("cos(x)", ([0, N], 0), (0, 1), "many best"),
        ("sqrt(x)", ([0, 1, N], 1), (0, 1), "none is the best"),
        ("max(x,0)", ([0, N, 0, N], [1, N]), (-0.5, 1.5), "comes to zero at x = 1.5"),
    ],
)
def test_no_best_one_or_many(target: str, form: Any, domain: Any, message: str) -> None:
    with pytest.raises(DidNotConverge, match=message):
        fit(target, form, domain)


def test_time_and_progress() -> None:
    with pytest.raises(DidNotConverge, match="time") as missed:
        fit("exp(x)", ([1, *[N] * 7], [1, *[N] * 7]), (-1, 1), time_limit=0.01)
    assert missed.value.cause == "time"
    told: list[Any] = []
    fit("exp(x)", ([1, N, N], 0), (-1, 1), progress=told.append)
    assert {step.stage for step in told} >= {"programme"}
    with pytest.raises(DidNotConverge) as forced:
        fit("exp(x)", ([5, N, N], 0), (-1, 1))
    assert forced.value.cause == "condition"
