"""Documents: exact round trips, one-step replacement, and damaged or hostile files."""

import json
import os
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, Target, fit
from rational_approx.proof.prover import certify
from rational_approx.shipping.documents import canonical_hash, document, from_document, number_text, read_number
from rational_approx.shipping.storage import load, save


@given(st.fractions() | st.floats(allow_nan=False, allow_infinity=False).map(Fraction))
def test_numbers_are_exact(value: Fraction) -> None:
    assert read_number(number_text(value)) == value


@pytest.mark.parametrize("text", ["", "1/0", "1.5", "nan", "0x1", "0x1p99999999", "1e5", "--1", None, 3, "9" * 300_000])
def test_what_is_no_number_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="no exact number"):
        read_number(text)


@given(
    st.lists(st.fractions(), min_size=1, max_size=5),
    st.lists(st.fractions(min_value=1), min_size=1, max_size=5),
    st.sampled_from(["chebyshev", "monomial"]),
)
@settings(max_examples=50, deadline=None)
def test_rationals_come_back_equal(top: list[Fraction], bottom: list[Fraction], basis: str) -> None:
    value = Rational(tuple(top), tuple(bottom), Domain.of([(-1, "1/3"), (0.5, 2)]), basis)
    assert from_document(document(value)) == value


@pytest.mark.parametrize(
    ("question", "degree", "options"),
    [
        ("tanh(x)", (4, 3), {"domain": (-3, 3)}),
        ("tanh(x)", (3, 2), {"domain": (-3, 3), "digits": 50}),
        ("exp(x)", (2, 2), {"domain": (-1, 1), "weight": "1 + x^2"}),
        ("exp(-x)", (2, 2), {"domain": (0, inf)}),
        ("relu", (3, 2), {}),
    ],
)
def test_fits_and_certificates_come_back_equal(tmp_path: Path, question: str, degree: Any, options: Any) -> None:
    fitted = fit(question, degree, **options)
    back = load(save(fitted, tmp_path / "fit.json"))
    assert (back.rational, back.error, back.reference) == (fitted.rational, fitted.error, fitted.reference)
    assert (back.degree, back.digits, back.converged) == (fitted.degree, fitted.digits, fitted.converged)
    assert (back.target.expression, back.target.weight_expression) == (
        fitted.target.expression,
        fitted.target.weight_expression,
    )
    assert back.target.domain == fitted.target.domain
    certificate = certify(fitted, claims=[("range", -100, 100), ("monotone", "increasing"), ("error", 1)])
    assert load(save(certificate, tmp_path / "certificate.json")) == certificate
    assert certify(back).upper == certificate.upper


def test_fits_of_weighted_samples_come_back_equal(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 40)
    fitted = fit(Target((x, np.exp(x)), weight=1 + x**2), (2, 2))
    back = load(save(fitted, tmp_path / "fit.json"))
    assert back.rational == fitted.rational
    assert all((a == b).all() for a, b in zip(back.target.samples, fitted.target.samples))
    assert (back.target.weight == fitted.target.weight).all()


def test_functions_are_never_stored(tmp_path: Path) -> None:
    value = certify(
        Rational((Fraction(1),), (Fraction(1),), Domain.of((-1, 1))), Target(lambda x: 1 + 0 * np.asarray(x), (-1, 1))
    )
    assert load(save(value, tmp_path / "sampled.json")).status == "sampled"
    with pytest.raises(TypeError, match="can be saved"):
        save(np.exp, tmp_path / "x.json")
    with pytest.raises(FileNotFoundError, match="folder"):
        save(value, tmp_path / "nowhere" / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["sampled.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = Rational((Fraction(1),), (Fraction(2),), Domain.of((-1, 1)))
    path = save(value, tmp_path / "r.json")
    before = path.read_text()

    def broken(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.replace", broken)
    with pytest.raises(OSError, match="no space"):
        save(Rational((Fraction(5),), (Fraction(2),), value.domain), path)
    assert path.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_has_the_mode_that_the_user_asks_for(tmp_path: Path) -> None:
    """Files written under another name once kept the mode 0600, so that nobody else could read them."""
    before = os.umask(0o022)
    try:
        path = save(Rational((Fraction(1),), (Fraction(2),), Domain.of((-1, 1))), tmp_path / "r.json")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


VALUE = Rational((Fraction(1, 3), Fraction(2)), (Fraction(1),), Domain.of((-1, 1)))


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda d: d | {"numerator": ["2"]}, "hash"),
        (lambda d: d | {"schema": "other/1"}, "schema"),
        (lambda d: [d], "schema"),
        (lambda d: {k: v for k, v in d.items() if k != "denominator"}, "denominator"),
        (lambda d: d | {"numerator": ["__import__('os')"]}, "no exact number"),
        (lambda d: d | {"numerator": 5}, "list"),
        (lambda d: d | {"numerator": ["0x1p-9999999"]}, "no exact number"),
        (lambda d: d | {"domain": [["1", "-1"]]}, "reversed"),
        (lambda d: d | {"basis": "pickle"}, "basis"),
    ],
)
def test_damaged_documents_are_refused(tmp_path: Path, change: Any, hint: str) -> None:
    content = change(document(VALUE))
    if hint != "hash" and isinstance(content, dict):
        content["hash"] = canonical_hash(content)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=hint):
        load(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"schema": NaN}', '{"a": 1, "a": 2}', "9" * 10_000, "null", '"x"', "\x80"]
)
def test_files_that_are_no_documents_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"document"):
        load(path)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "none.json")
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(2**27)
    with pytest.raises(ValueError, match="bytes"):
        load(tmp_path / "huge.json")
