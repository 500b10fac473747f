"""Monotone fits: a programme of its own, what is proved, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy.optimize import linprog

from rational_approx import DidNotConverge, Fit, certify, fit, load, save


def _best_on_grid(f: Any, degree: int, direction: int) -> float:
    """The smallest error of a monotone polynomial on 1,501 points of [-1, 1], by one linear programme."""
    x = np.cos(np.linspace(0, np.pi, 1501))
    table = chebyshev.chebvander(x, degree)
    slope = np.array([chebyshev.chebval(x, chebyshev.chebder(row)) for row in np.eye(degree + 1)]).T
    one = np.ones((x.size, 1))
    rows = np.vstack([np.hstack([table, -one]), np.hstack([-table, -one]), np.hstack([-direction * slope, 0 * one])])
    found = linprog(np.r_[np.zeros(degree + 1), 1], rows, np.r_[f(x), -f(x), 0 * x], bounds=(None, None))
    return float(found.fun)


@pytest.mark.parametrize(
    ("target", "f", "degree", "name"),
    [
        ("tanh(3*x)", lambda x: np.tanh(3 * x), 7, "increasing"),
        ("max(x,0)", lambda x: np.maximum(x, 0), 6, "increasing"),
        ("exp(-10*(x+1))", lambda x: np.exp(-10 * (x + 1)), 5, "decreasing"),
        ("x + sin(6*x)/3", lambda x: x + np.sin(6 * x) / 3, 7, "increasing"),
    ],
)
def test_a_programme_of_its_own_finds_the_same_error(target: str, f: Any, degree: int, name: str) -> None:
    found = fit(target, (degree, 0), (-1, 1), bounds=name)
    assert found.error == pytest.approx(_best_on_grid(f, degree, 1 if name == "increasing" else -1), rel=1e-4)
    assert found.upper is not None
    assert found.lower is not None
    assert found.lower <= found.upper <= found.lower * (1 + 3e-9)
    certificate = certify(found, claims=[("monotone", name)])
    assert certificate.status == "proved"
    assert f"{name} on the domain: proved" in str(found)


def test_the_best_of_all_where_it_is_monotone() -> None:
    found, plain = fit("tanh(x)", (5, 4), (-3, 3), bounds="increasing"), fit("tanh(x)", (5, 4), (-3, 3))
    assert found.rational == plain.rational
    assert found.monotone == "increasing"


def test_with_fixed_coefficients() -> None:
    free = fit("tanh(3*x)", ([0, None, 0, None, 0, None], 0), (-1, 1), bounds="increasing")
    fixed = fit("tanh(3*x)", ([0, 2, 0, None, 0, None], 0), (-1, 1), bounds="increasing")
    assert fixed.rational.numerator[:3] == (0, 2, 0)
    assert free.error < fixed.error
    whole = fit("tanh(3*x)", (5, 0), (-1, 1), bounds="increasing")
    assert whole.error == pytest.approx(free.error, rel=1e-9)
    below = fit("tanh(3*x)", ([0, None, 0, None, 0, None], [1, 0, "1/2"]), (-1, 1), bounds="increasing")
    assert certify(below, claims=[("monotone", "increasing")]).status == "proved"


def test_rounded_stays_monotone(tmp_path: Path) -> None:
    found = fit("tanh(3*x)", (7, 0), (-1, 1), bounds="increasing")
    again = load(save(found, tmp_path / "fit.json"))
    assert isinstance(again, Fit)
    assert again.monotone == "increasing"
    for format, worst in (("float32", 1.001), ("bfloat16", 1.2)):
        short = again.rounded(format)
        certificate = certify(short, found.target, claims=[("monotone", "increasing")])
        assert certificate.status == "proved"
        assert float(certificate.upper or 1) < worst * found.error


def test_where_nothing_is_decided() -> None:
    with pytest.raises(DidNotConverge, match="is not increasing") as missed:
        fit("relu", (3, 2), bounds="increasing")
    assert missed.value.fit is not None
    for options in ({"denominator": "any"}, {"tolerance": 1e-3}):
        degree = None if "tolerance" in options else (3, 2)
        with pytest.raises(ValueError, match=r"sign on a whole domain|goes with a degree"):
            fit("tanh(x)", degree, (-1, 1), bounds="increasing", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no samples"):
        fit(([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.5, 4.0]), (1, 0), bounds="increasing")
