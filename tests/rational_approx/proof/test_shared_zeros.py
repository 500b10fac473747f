"""Relative errors through a zero of the target: proofs, against dense evaluations, and what must not be proved."""

from dataclasses import replace
from fractions import Fraction
from math import inf

import mpmath
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, Target, fit
from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.expression import parse
from rational_approx.proof.prover import certify
from rational_approx.proof.shared_zeros import Divided, taylor
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify

THROUGH_ZERO = [
    ("tanh(x)", (3, 2), (-1, 1), "relative", mpmath.tanh),
    ("sin(x)", (3, 2), (-2, 2), "relative", mpmath.sin),
    ("expm1(x)", (3, 2), (-1, 1), "relative", mpmath.expm1),
    ("log(x)", (3, 3), ("1/2", 2), "relative", mpmath.log),
    ("log(x)", (3, 3), (1, 3), "relative", mpmath.log),
    ("gelu", (4, 4), (-3, 3), "relative", lambda x: x * mpmath.ncdf(x)),
    ("atan(x)", (4, 5), (-3, 3), "1/abs(x)", mpmath.atan),
    ("x*(x^2-1)*exp(x)", (5, 2), (-2, 2), "relative", lambda x: x * (x * x - 1) * mpmath.exp(x)),
    ("tanh(x)", (4, 4), (0, inf), "relative", mpmath.tanh),
    ("log(x + 0.9)", (3, 3), ("-1/2", 1), "relative", lambda x: mpmath.log(x + mpmath.mpf(9) / 10)),
    ("sin(x - 0.3)", (4, 3), (-1, 1), "relative", lambda x: mpmath.sin(x - mpmath.mpf(3) / 10)),
    ("sin(3*x - 1)", (4, 4), (0, 1), "relative", lambda x: mpmath.sin(3 * x - 1)),
    (
        "expm1(x - 1/3)*(x + 0.7)",
        (4, 3),
        (-1, 1),
        "relative",
        lambda x: mpmath.expm1(x - mpmath.mpf(1) / 3) * (x + mpmath.mpf(7) / 10),
    ),
]


def exact(rational: Rational, x: mpmath.mpf) -> mpmath.mpf:
    top, bottom = rational.polynomials
    values = []
    for side in (top, bottom):
        coefficients = [mpmath.mpf(int(c.p)) / int(c.q) for c in side.coeffs()]
        values.append(mpmath.polyval(coefficients[::-1], x))
    return values[0] / values[1]


@pytest.mark.parametrize(("text", "degree", "domain", "weight", "function"), THROUGH_ZERO)
def test_a_relative_error_through_a_zero_is_proved_and_confirmed(text, degree, domain, weight, function) -> None:  # type: ignore[no-untyped-def]
    found = fit(text, degree, domain, weight=weight)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.gap <= 1e-12
    assert 0 <= certificate.upper / certificate.best_lower - 1 < 1e-9  # the fit is the best
    assert verify(document(certificate)).ok
    lower, upper = (float(Fraction(end)) if end != inf else 30.0 for end in domain)
    with mpmath.workdps(60):
        errors = []
        for k in range(401):
            x = lower + (upper - lower) * mpmath.mpf(k) / 400 + mpmath.mpf("1e-12") * (1 if k < 200 else -1)
            scale = abs(x) if weight == "1/abs(x)" else abs(function(x))
            errors.append(abs(function(x) - exact(found.rational, x)) / scale)
        assert max(errors) <= mpmath.mpf(certificate.upper.numerator) / certificate.upper.denominator
        assert max(errors) >= float(certificate.lower) * (1 - 1e-2)


def test_the_limit_at_the_zero_counts() -> None:
    """``(x - 2 x / (2 + x^2)) / x = x^2 / (2 + x^2)``, and a slope that is wrong by one half."""
    domain = Domain.of((-1, 1))
    zero, one = Fraction(0), Fraction(1)
    good = Rational((zero, 2 * one), (2 * one, zero, one), domain, basis="monomial")
    certificate = certify(good, Target("x", (-1, 1), weight="1/abs(x)"))
    assert 0 <= certificate.upper * 3 - 1 < 1e-12
    steep = Rational((zero, 3 * one / 2, zero, -one / 2), (one,), domain, basis="monomial")
    certificate = certify(steep, Target("x", (-1, 1), weight="1/abs(x)"))
    assert 0 <= certificate.upper * 2 - 1 < 1e-12
    assert certificate.witness.x == 0
    assert verify(document(certificate)).ok


def test_no_bound_where_the_rational_misses_the_zero() -> None:
    found = fit("expm1(x)", (3, 2), (-1, 1), weight="relative")
    first, *others = found.rational.numerator
    moved = replace(found.rational, numerator=(first + Fraction(1, 10**30), *others))
    certificate = certify(moved, found.target)
    assert certificate.status == "undecided"
    assert certificate.upper is None
    assert "infinite at x = 0" in certificate.reason


def test_the_verifier_does_not_take_a_zero_that_is_not_shared() -> None:
    certificate = certify(fit("expm1(x)", (3, 2), (-1, 1), weight="relative"))
    content = document(certificate)
    one = content["target"]["weight"]
    cases = [("expm1(x)", "1 / abs(x^2)"), ("x + sin(x^2)", "1 / abs(expm1(x))"), ("expm1(x) + 1e-30", one)]
    for expression, weight in cases:
        other = content | {"target": content["target"] | {"expression": expression, "weight": weight}}
        other["hash"] = canonical_hash(other)
        assert not verify(other).ok


def test_fewer_points_need_a_zero_that_every_rival_shares() -> None:
    """One point of the reference less is accepted for each common zero, and none without one."""
    certificate = certify(fit("expm1(x)", (2, 2), (-1, 1), weight="relative"))
    assert len(certificate.reference) == 2 + 2 + 2 - 1
    assert verify(document(certificate)).ok
    content = document(certificate)
    content["references"][0]["points"].pop(0)
    content["hash"] = canonical_hash(content)
    assert any("needed" in failure for failure in verify(content).failures)
    flipped = document(certificate)
    for k, entry in enumerate(flipped["references"][0]["points"]):
        entry[2] = entry[2] if k % 2 else -entry[2]
    flipped["hash"] = canonical_hash(flipped)
    assert not verify(flipped).ok


@given(
    st.fractions(-1, 1), st.fractions(0, Fraction(1, 4)), st.sampled_from(["sin(x)", "tanh(x) * exp(x)", "log(1 + x)"])
)
@settings(max_examples=40, deadline=None)
def test_the_shifted_series_encloses_that_of_the_quotient(at: Fraction, half: Fraction, text: str) -> None:
    formula = parse(text)
    ratio = Divided(formula.ball, Fraction(0), 1, formula.tree)
    box = arb(to_arb(at / 2).mid(), to_arb(half).upper())
    over = taylor(ratio.ball, box, 5)
    point = to_arb(at / 2 + half * Fraction(9, 10)).mid()
    if point.is_zero() or not over[0].is_finite():
        return
    there = taylor(lambda x: formula.ball(x) / x, point, 5)
    assert all(over[k].overlaps(there[k]) for k in range(5))
