"""Certificates against independent truths, and no false proof."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import inf
from pathlib import Path

import mpmath
import numpy as np
import pytest

from rational_approx import Domain, Rational, Target, fit
from rational_approx.proof.prover import certify
from rational_approx.shipping.storage import verify
from tests.rational_approx.powers import powers
from tests.rational_approx.truths import best_errors

PADE = powers([1, "1/2", "1/12"], [1, "-1/2", "1/12"])  # of exp


def test_the_truths_are_proved_and_agree(shared: Path) -> None:
    for name, case in best_errors(shared).items():
        if name == "abs_40_40":
            continue  # one second: in the slow tests
        fitted = fit(case["target"], case["degree"], case["domain"], weight=case["weight"])
        certificate = certify(fitted)
        truth = Fraction(case["error"])
        assert certificate.status == "proved", name
        assert certificate.pole_free, name
        assert certificate.gap <= 1e-12, name
        slack = Fraction(1, 10 ** (case["digits"] - 2))
        assert certificate.upper >= truth * (1 - slack), name
        assert certificate.best_lower <= truth * (1 + slack), name
        assert certificate.upper / certificate.best_lower - 1 < 1e-12, name


def test_forty_digits() -> None:
    certificate = certify(fit("tanh(x)", (5, 4), (-3, 3), digits=40))
    assert certificate.gap <= 1e-12
    assert certificate.upper / certificate.best_lower - 1 < Fraction(1, 10**12)


@pytest.mark.parametrize(
    ("text", "weight", "function", "weight_function"),
    [
        ("exp(x)", None, mpmath.exp, lambda x: 1),
        ("exp(x)", "1 + x^2", mpmath.exp, lambda x: 1 + x * x),
        ("exp(x)", "relative", mpmath.exp, lambda x: mpmath.exp(-x)),
        ("abs(x) + 1", None, lambda x: abs(x) + 1, lambda x: 1),
        ("sqrt(1 + x)", None, lambda x: mpmath.sqrt(1 + x), lambda x: 1),
        ("gamma(x + 3)", None, lambda x: mpmath.gamma(x + 3), lambda x: 1),
        ("max(sin(3*x), x^2)", None, lambda x: max(mpmath.sin(3 * x), x * x), lambda x: 1),
    ],
)
def test_bounds_enclose_a_dense_search_in_sixty_digits(text, weight, function, weight_function) -> None:  # type: ignore[no-untyped-def]
    certificate = certify(PADE, Target(text, (-1, 1), weight=weight))
    assert certificate.status == "proved"
    assert certificate.gap <= 1e-12
    with mpmath.workdps(60):

        def error(x: mpmath.mpf) -> mpmath.mpf:
            return abs(weight_function(x) * (function(x) - (12 + 6 * x + x * x) / (12 - 6 * x + x * x)))

        largest = max(error(mpmath.mpf(k) / 1000) for k in range(-1000, 1001))
        assert largest <= mpmath.mpf(certificate.upper.numerator) / certificate.upper.denominator
        assert largest >= mpmath.mpf(certificate.lower.numerator) / certificate.lower.denominator * (1 - 1e-4)
        witness = certificate.witness.x
        there = error(mpmath.mpf(witness.numerator) / witness.denominator)
        assert there >= mpmath.mpf(certificate.lower.numerator) / certificate.lower.denominator


def test_parts_cover_the_domain_without_a_gap() -> None:
    certificate = certify(fit("relu", (3, 2)))
    for index, (lower, upper) in enumerate([(-1, 0), (0, 1)]):
        parts = [part for part in certificate.parts if part.piece == index]
        assert (parts[0].lower, parts[-1].upper) == (lower, upper)
        assert all(a.upper == b.lower for a, b in pairwise(parts))


def test_half_line() -> None:
    certificate = certify(powers([1], [1, 1, "1/2"], 0, inf), Target("exp(-x)", (0, inf)))
    assert certificate.status == "proved"
    x = np.linspace(0, 60, 200_001)
    largest = np.abs(np.exp(-x) - 1 / (1 + x + x * x / 2)).max()
    assert float(certificate.upper) == pytest.approx(largest, rel=1e-7)
    unbounded = certify(powers([1], [1], 0, inf), Target("x", (0, inf)))
    assert unbounded.status == "undecided"
    assert "unbounded" in unbounded.reason


def test_a_pole_is_refuted_with_a_witness() -> None:
    certificate = certify(powers([1], ["-1/2", 0, 1]), Target("exp(x)", (-1, 1)))
    assert certificate.status == "refuted"
    assert certificate.pole_free is False
    assert abs(abs(float(certificate.witness.x)) - 0.5**0.5) < 1e-12
    touching = certify(powers([1], ["1/9", "-2/3", 1]), Target("exp(x)", (-1, 1)))
    assert touching.status in ("refuted", "undecided")
    at_the_end = certify(powers([1], [1, -1]), Target("exp(x)", (-1, 1)))
    assert (at_the_end.status, at_the_end.witness.x) == ("refuted", 1)


def test_a_pole_in_a_gap_of_the_domain_is_no_pole() -> None:
    r = Rational((Fraction(1),), (Fraction(0), Fraction(1)), Domain.of([(-1, -0.5), (0.5, 1)]), basis="monomial")
    certificate = certify(r, Target("1/x", r.domain))
    assert certificate.pole_free
    assert certificate.status == "proved"
    assert certificate.upper == 0


def test_claims() -> None:
    target = Target("exp(x)", (-1, 1))
    claims = [
        ("range", "0.3", 3),
        ("range", "0.4", 3),
        ("monotone", "increasing"),
        ("monotone", "decreasing"),
        ("lipschitz", 3),
        ("lipschitz", 1),
        ("error", 0.01),
        ("error", 1e-9),
        ("best", 1000),
    ]
    certificate = certify(PADE, target, claims=claims)
    assert [claim.status for claim in certificate.claims] == [
        *("proved", "refuted", "proved", "refuted", "proved", "refuted", "proved", "refuted", "undecided")
    ]
    assert certificate.status == "refuted"
    low = next(claim for claim in certificate.claims if claim.status == "refuted")
    assert PADE(float(low.witness)) < 0.4
    assert certify(PADE, target, claims=claims[:1]).status == "proved"
    assert certify(PADE, target, claims=claims[-1:]).status == "undecided"
    fitted = fit("exp(x)", (2, 2), (-1, 1))
    assert certify(fitted, claims=[("best", 1.0000001)]).status == "proved"


@pytest.mark.parametrize(
    "claim", [("range", 1), ("monotone", "up"), ("nothing",), "range", (), ("error", "nan"), ("lipschitz", None)]
)
def test_claims_of_another_form_are_refused(claim: object) -> None:
    with pytest.raises(ValueError, match=r"claim|increasing|finite number"):
        certify(PADE, Target("exp(x)", (-1, 1)), claims=[claim])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="certify takes"):
        certify(PADE)
    with pytest.raises(TypeError, match="certify takes"):
        certify("exp(x)", Target("exp(x)", (-1, 1)))
    with pytest.raises(ValueError, match="gap"):
        certify(PADE, Target("exp(x)", (-1, 1)), gap=0)


def test_opaque_callables_are_sampled_never_proved() -> None:
    certificate = certify(PADE, Target(np.exp, (-1, 1)), claims=[("range", "0.3", 3)])
    assert certificate.status == "sampled"
    assert certificate.upper is None
    assert certificate.pole_free
    assert float(certificate.lower) == pytest.approx(float(certify(PADE, Target("exp(x)", (-1, 1))).upper), rel=1e-3)


def test_samples_are_exact() -> None:
    x = np.linspace(-1, 1, 41)
    certificate = certify(PADE, Target((x, np.exp(x)), None))
    assert certificate.status == "proved"
    assert certificate.lower == certificate.upper
    errors = np.abs(np.exp(x) - (12 + 6 * x + x * x) / (12 - 6 * x + x * x))
    assert float(certificate.upper) == pytest.approx(errors.max(), rel=1e-9)


def test_a_rational_against_itself_and_against_a_neighbour() -> None:
    same = certify(powers([1, 1], [2, 1]), Target("(1 + x) / (2 + x)", (-1, 1)))
    assert same.lower == same.upper == 0
    shifted = certify(powers([1, 1], [2, 1]), Target("(1 + x) / (2 + x) + 1e-25", (-1, 1)))
    assert shifted.upper / Fraction(1, 10**25) - 1 < Fraction(1, 10**12)


def test_functions_that_are_not_defined_everywhere_are_not_proved() -> None:
    target = Target("sqrt(x)", (0, 1))
    hidden = replace(target.pieces[0], lower=Fraction(-1, 10**9))
    target.pieces = (hidden,)
    certificate = certify(powers(["1/2"], [1], 0, 1), target)
    assert certificate.status == "undecided"
    assert "defined" in certificate.reason


@pytest.mark.slow
def test_abs_40_40() -> None:
    certificate = certify(fit("abs(x)", (40, 40), (-1, 1)))
    assert certificate.status == "proved"
    assert certificate.upper / Fraction("1.561328856994866816394441450908582777557e-8") - 1 < 1e-12


def test_the_zero_function_is_proved_best_by_its_own_defect():
    # Its tangent space is that of the numerators alone, so that p + 2 points are enough, whatever q is.
    proof = certify(fit("sin(2*x)", (2, 5), (-8, 4)))
    assert proof.upper == pytest.approx(1, rel=1e-12)
    assert proof.best_lower == pytest.approx(1, rel=1e-12)
    assert verify(proof).ok


@pytest.mark.parametrize("format", ["bfloat16", "float32"])
def test_a_rational_against_a_rational(format):
    best = fit("gelu", (5, 4), (-4, 4))
    proof = certify(best.rounded(format), Target(best.rational))
    assert proof.status == "proved"
    assert verify(proof).ok
    x = np.linspace(-4, 4, 4001)
    seen = float(np.abs(best.rounded(format)(x) - best(x)).max())
    assert seen <= float(proof.upper) * (1 + 1e-6)
    assert float(proof.upper) <= seen * (1 + 1e-3)
