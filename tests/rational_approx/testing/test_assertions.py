"""The strategies and assertions that users test their own gates with."""

import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rational_approx import DidNotConverge, Domain, Rational, Target, fit
from rational_approx.testing import (
    assert_best,
    assert_equioscillates,
    assert_pole_free,
    assert_within,
    domains,
    rationals,
    targets,
    types,
)

FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_the_package_does_not_import_hypothesis():
    program = "import sys, rational_approx; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_assertions_hold_under_python_O() -> None:
    program = "from rational_approx import Domain, Rational, testing; from fractions import Fraction as F\n"
    program += "testing.assert_pole_free(Rational((F(1),), (F(0), F(1)), Domain.of((-1, 1)), 'monomial'))"
    done = subprocess.run([sys.executable, "-O", "-c", program], check=False, capture_output=True, text=True)
    assert "AssertionError: the denominator has a zero" in done.stderr


@given(domains())
@settings(derandomize=True)
def test_domains_are_ordered_and_disjoint(domain):
    assert domain.bounded
    ends = [end for pair in domain.intervals for end in pair]
    assert ends == sorted(set(ends))
    assert 1 <= len(domain.intervals) <= 3


@given(types(3, 0))
@settings(derandomize=True)
def test_types_stay_in_their_range(degree):
    assert 0 <= degree[0] <= 3
    assert degree[1] == 0


@given(rationals())
@settings(derandomize=True, deadline=None)
def test_rationals_have_no_pole(r):
    assert_pole_free(r)
    assert_pole_free(r, (r.domain.lower, r.domain.upper))
    assert np.isfinite(r(np.linspace(float(r.domain.lower), float(r.domain.upper), 50))).all()


@given(rationals(type=st.just((2, 3))))
@settings(derandomize=True, deadline=None)
def test_the_type_of_rationals_can_be_chosen(r):
    assert r.type == (2, 3)


@given(targets(domains(most=2, reach=4), kinks=False), types(4, 3))
@FEW
def test_fits_of_random_targets_are_best(target, degree):
    try:
        found = fit(target, degree)
    except DidNotConverge:  # said so; how rare that is, the fuzz of `tests/benchmarks` counts
        return
    assert_best(found)


BEST = [
    ("abs(x)", (4, 4), (-1, 1), None),
    ("abs(x)", (5, 5), (-1, 1), None),
    ("relu", (3, 2), None, None),
    ("jumprelu", (6, 5), None, None),
    ("exp(x)", (2, 2), (-1, 1), "relative"),
    ("tanh(x)", (3, 2), (-1, 1), "relative"),
    ("expm1(x)", (3, 2), (-1, 1), "relative"),
    ("exp(-x)", (3, 3), (0, math.inf), None),
    ("exp(x)", (3, 2), (-1, 1), "1 + abs(x)"),
    (np.tanh, (5, 4), (-2, 2), None),
    ((np.linspace(0, 1, 40), np.sqrt(np.linspace(0, 1, 40))), (2, 2), None, None),
    ("1/(1 + x^2)", (2, 4), (-1, 1), None),
]


@pytest.mark.parametrize(("target", "degree", "domain", "weight"), BEST)
def test_best_fits_pass(target, degree, domain, weight):
    assert_best(fit(target, degree, domain, weight=weight))


def test_conditions_are_counted():
    assert_best(fit("exp(x)", (3, 2), (-1, 1), interpolate=(0,)))


def changed(found, share):
    r = found.rational
    top = (r.numerator[0] + Fraction(found.error) * Fraction(share), *r.numerator[1:])
    return replace(found, rational=replace(r, numerator=top, support=()))


@pytest.mark.parametrize("target", ["exp(x)", np.exp])
@pytest.mark.parametrize("share", ["1/100000", "1/2", "5"])
def test_a_fit_that_is_a_little_off_fails(target, share):
    found = fit(target, (2, 2), (-1, 1))
    assert_best(found)
    worse = changed(found, share)
    with pytest.raises(AssertionError, match="the error"):
        assert_equioscillates(worse)
    with pytest.raises(AssertionError, match="the error"):
        assert_best(worse)


def test_too_few_alternations_fail():
    found = fit("exp(x)", (2, 2), (-1, 1))
    with pytest.raises(AssertionError, match="5 alternations, where 6 are needed"):
        assert_equioscillates(replace(found, reference=found.reference[:-1]))
    with pytest.raises(AssertionError, match="does not change sign"):
        assert_equioscillates(replace(found, reference=found.reference[:1] + found.reference[2:]))


def test_a_larger_error_away_from_the_reference_fails():
    found = fit("exp(x)", (2, 2), (-1, 1))
    wider = replace(found, target=Target("exp(x)", (-1, 1.1)))
    with pytest.raises(AssertionError, match="above"):
        assert_best(wider)


def test_poles_are_found():
    one = Fraction(1)
    r = Rational((one,), (one / 3, -one), Domain.of([(-1, 0), (1, 2)]), "monomial")
    assert_pole_free(r)  # the pole at 1/3 lies in the gap
    with pytest.raises(AssertionError, match=r"has a zero on .*x = 0.333333"):
        assert_pole_free(r, (-1, 1))


def test_bounds_hold_or_name_the_point():
    r = fit("tanh(x)", (5, 4), (-2, 2)).rational
    assert_within(r, "tanh(x)", 1e-4)
    assert_within(r, np.tanh, 1e-4)
    for f in ("tanh(x)", np.tanh):
        with pytest.raises(AssertionError, match=r"at x = .*above 1e-09"):
            assert_within(r, f, 1e-9)
    with pytest.raises(AssertionError, match="zero on the domain"):
        assert_within(Rational((Fraction(1),), (Fraction(0), Fraction(1)), Domain.of((-1, 1))), "exp(x)", 1)


def test_the_ten_lines_of_the_documentation_run():
    page = (Path(__file__).resolve().parents[3] / "docs" / "approximation" / "testing.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    assert sum(bool(line) for line in code.splitlines()) <= 10
    names: dict = {}
    exec(compile(code, "docs/approximation/testing.md", "exec"), names)
    names["test_gate"]()
