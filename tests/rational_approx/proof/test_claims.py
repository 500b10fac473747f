"""Stated facts: saturation, the error of the derivative, and certificates of samples, each checked a second time."""

import copy
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from rational_approx import Certificate, Domain, Rational, Target, certify, export, fit, load, save, verify
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as verify_document


def confirmed(certificate: Certificate) -> bool:
    return certificate.status == "proved" and verify(certificate).ok


def claimed(rational: Rational, target: Target, *claim: Any) -> tuple[str, Fraction | None]:
    certificate = certify(rational, target, claims=[claim])
    (found,) = certificate.claims
    if found.status == "proved":
        assert verify(certificate).ok
    return found.status, found.witness


# 1 - 1/(1 + x^2) comes within a tolerance e of 1 where x^2 >= 1/e - 1.
ROUND = Rational(
    (Fraction(0), Fraction(0), Fraction(1)), (Fraction(1), Fraction(0), Fraction(1)), Domain.of((-3, 3)), "monomial"
)
TARGET = Target("x^2/(1 + x^2) + exp(-x^2)/1000", (-3, 3))


@pytest.mark.parametrize(
    ("start", "end", "limit", "tolerance", "status"),
    [
        (3, inf, 1, "0.1", "proved"),
        (3, "inf", 1, "0.0999", "refuted"),
        (-inf, -3, 1, "0.1", "proved"),
        ("2.9", 3, 1, "0.11", "proved"),
        ("2.9", 3, 1, "0.10", "refuted"),
        (3, 100, "0.9", "0.1", "proved"),
        (3, inf, "0.9", "0.0999", "refuted"),
        (-1, inf, "1/2", "1/2", "proved"),
    ],
)
def test_saturation_from_a_point_outwards(start, end, limit, tolerance, status) -> None:  # type: ignore[no-untyped-def]
    found, witness = claimed(ROUND, TARGET, "saturation", start, end, limit, tolerance)
    assert found == status
    if status == "refuted":
        assert witness is not None
        assert Fraction(str(start)) <= witness
        value = witness**2 / (1 + witness**2)
        assert abs(value - Fraction(limit)) > Fraction(tolerance)


def test_saturation_fails_at_a_pole_outside_the_domain_and_where_the_degrees_forbid_it() -> None:
    one, zero = Fraction(1), Fraction(0)
    pole = Rational((one,), (Fraction(4), -one), Domain.of((-1, 1)), "monomial")  # 1 / (4 - x)
    target = Target("1/(4 - x) + exp(x)/1000", (-1, 1))
    assert claimed(pole, target, "saturation", 1, 5, 0, 1000) == ("refuted", 4)
    assert claimed(pole, target, "saturation", -inf, -1, 0, "0.2") == ("proved", None)
    growing = Rational((zero, one), (one,), Domain.of((-1, 1)), "monomial")
    status, witness = claimed(growing, Target("sin(x)", (-1, 1)), "saturation", 1, inf, 1, 1000)
    assert status == "refuted"
    assert witness > 1001  # type: ignore[operator]


@pytest.mark.parametrize(
    ("question", "degree", "domain"),
    [("gelu", (6, 6), None), ("tanh(x)", (5, 4), (-3, 3)), ("relu", (5, 4), None), ("exp(x)", (4, 4), (-1, 1))],
)
def test_the_error_of_the_derivative_against_a_dense_search(question: str, degree: Any, domain: Any) -> None:
    best = fit(question, degree, domain)
    certificate = certify(best, claims=[("derivative",)])
    (claim,) = certificate.claims
    (bound,) = claim.arguments
    assert confirmed(certificate)
    slope, largest = best.rational.derivative(), 0.0
    with mpmath.workdps(30):
        for piece in best.target.pieces:
            lower, upper = (mpmath.mpf(end.numerator) / end.denominator for end in (piece.lower, piece.upper))
            for k in range(301):
                x = (lower + upper) / 2 - (upper - lower) / 2 * mpmath.cos(mpmath.pi * k / 300)
                x = min(max(x, lower), upper)
                f = piece.jets(_ball(x), 2)[0][1]
                largest = max(largest, abs(float(f.mid()) - float(slope(x))))
    assert largest * (1 - 1e-12) <= float(bound) <= largest * (1 + 1e-2)
    below = certify(best, claims=[("derivative", bound * Fraction(999, 1000))])
    assert below.status == "refuted"
    assert below.claims[0].witness is not None


def _ball(x: mpmath.mpf) -> Any:
    from rational_approx.arithmetic.precision import fraction, to_arb

    return to_arb(fraction(x))


def test_a_derivative_without_a_bound_stays_undecided() -> None:
    for best in (fit("sqrt(x)", (3, 3), (0, 1)), fit("exp(-x)", (2, 3), (0, inf)), fit(np.exp, (2, 2), (-1, 1))):
        (claim,) = certify(best, claims=[("derivative", 10)]).claims
        assert claim.status == "undecided"


@pytest.fixture(scope="module")
def stated() -> dict[str, dict[str, Any]]:
    claims = [("saturation", 3, inf, 1, "0.1"), ("derivative",)]
    made = {claim[0]: document(certify(ROUND, TARGET, claims=[claim])) for claim in claims}
    assert all(verify_document(content).ok for content in made.values())
    return made


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("saturation", lambda arguments: ["2", *arguments[1:]]),
        ("saturation", lambda arguments: [*arguments[:3], "99/1000"]),
        ("saturation", lambda arguments: [*arguments[:3], "inf"]),
        ("saturation", lambda arguments: arguments[:2]),
        ("derivative", lambda arguments: ["1/100000"]),
        ("derivative", lambda arguments: ["-1"]),
        ("derivative", lambda arguments: []),
    ],
)
def test_the_verifier_rejects_changed_claims(stated: Any, name: str, change: Any) -> None:
    content = copy.deepcopy(stated[name])
    content["claims"][0]["arguments"] = change(content["claims"][0]["arguments"])
    assert not verify_document(content | {"hash": canonical_hash(content)}).ok


def test_claims_of_another_form_are_refused() -> None:
    for claim in [("saturation", 1), ("derivative", 1, 2), ("saturation", 2, 1, 0, 0), ("derivative", "x")]:
        with pytest.raises(ValueError, match=r"no claim|reversed|finite number"):
            certify(ROUND, TARGET, claims=[claim])


# -- samples ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled() -> Certificate:
    x = np.linspace(-1, 1, 301)
    weight = 1 + x**2
    target = Target((x, np.maximum(x, 0)), weight=weight)
    return certify(fit(target, (5, 4)), claims=[("range", -1, 2), ("error", 1)])


def test_samples_are_proved_stored_and_verified_exactly(sampled: Certificate, tmp_path: Path) -> None:
    assert sampled.status == "proved"
    assert sampled.lower == sampled.upper
    errors = [float(w) * abs(float(y) - sampled.rational(float(x))) for x, y, w in sampled.samples]
    assert max(errors) == pytest.approx(float(sampled.upper), rel=1e-9)  # type: ignore[arg-type]
    assert float(sampled.best_lower) == pytest.approx(float(sampled.upper), rel=1e-9)  # type: ignore[arg-type]
    path = save(sampled, tmp_path / "samples.json")
    assert load(path) == sampled
    assert verify(path).ok


def _moved(content: dict[str, Any], key: int) -> None:
    content["target"]["samples"][100][key] = "7/2"


def points(content: dict[str, Any]) -> list[Any]:
    return content["references"][0]["points"]


CHANGES: dict[str, Any] = {
    "a point": lambda d: _moved(d, 0),
    "a value": lambda d: _moved(d, 1),
    "a weight": lambda d: d["target"]["samples"][0].__setitem__(2, "1000000"),
    "a sample twice": lambda d: d["target"]["samples"].append(d["target"]["samples"][0]),
    "no sample": lambda d: d["target"]["samples"].clear(),
    "the upper bound": lambda d: d.__setitem__("upper", "1/1000"),
    "the lower bound": lambda d: d.__setitem__("lower", d["upper"].replace("/", "1/")),
    "the best": lambda d: d.__setitem__("best_lower", d["upper"]),
    "the witness": lambda d: d.__setitem__("witness", [0, "1/1024"]),
    "a sign": lambda d: points(d)[3].__setitem__(2, points(d)[4][2]),
    "a reference point": lambda d: points(d)[3].__setitem__(1, "1/1024"),
    "a coefficient": lambda d: d["rational"]["numerator"].__setitem__(0, "1/3"),
    "a claim": lambda d: d["claims"][0]["arguments"].__setitem__(1, "1/2"),
    "a derivative": lambda d: d["claims"].append({"name": "derivative", "arguments": ["99"], "status": "proved"}),
    "text": lambda d: d["target"].__setitem__("samples", "many"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_certificates_of_samples_are_rejected(sampled: Certificate, kind: str) -> None:
    content = copy.deepcopy(document(sampled))
    CHANGES[kind](content)
    assert not verify_document(content | {"hash": canonical_hash(content)}).ok


def test_exported_code_states_what_holds_at_the_samples() -> None:
    x = np.linspace(-1, 1, 65)  # numbers of float32
    best = fit((x, np.exp(x)), (2, 2))
    short = best.rounded("float32")
    source = export(short, "numpy", certificate=certify(short, best.target))
    assert "computed - target) <= " in source
    assert "at the samples" in source
    x = np.linspace(-1, 1, 50)
    best = fit((x, np.exp(x)), (2, 2))
    short = best.rounded("float32")
    source = export(short, "numpy", certificate=certify(short, best.target))
    assert "computed - target) <= " not in source
    assert "not proved" in source


def test_a_range_may_be_one_sided_and_a_refuted_error_has_a_witness(tmp_path):
    best = fit("softplus", (5, 4), bounds=(0, None))
    proof = certify(best, claims=[("range", 0, None), ("range", float("-inf"), 10)])
    assert proof.status == "proved"
    save(proof, tmp_path / "proof.json")
    assert load(tmp_path / "proof.json") == proof
    assert verify(tmp_path / "proof.json").ok
    refuted = certify(best, claims=[("error", 1e-9), ("range", "0.1", None)])
    assert [claim.status for claim in refuted.claims] == ["refuted", "refuted"]
    assert abs(best.error_at(float(refuted.claims[0].witness))) > 1e-9
    assert best.rational(float(refuted.claims[1].witness)) < 0.1
    assert "refuted at x = " in str(refuted)
