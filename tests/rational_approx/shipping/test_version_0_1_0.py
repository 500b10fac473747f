"""Files that version 0.1.0 wrote are read, mean what they meant, and are judged by the verifier.

They lie in `version_0_1_0/`, written by that version's own code (commit 7fe4749, the last before certificates of
schema 2) and never written again. `values.json` has what its rationals returned.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import rational_approx as ra

FILES = Path(__file__).with_name("version_0_1_0")
WRITTEN = json.loads((FILES / "values.json").read_text(encoding="utf-8"))
CERTIFICATES = sorted(path.stem for path in FILES.glob("certificate*.json"))
# Schema 1 did not say against which competitors the best possible error holds: on a union, on samples, under a weight
# nothing is decided about it.
UNDECIDED = {"certificate-relative", "certificate-samples", "certificate-union"}


def read(name: str) -> Any:
    return ra.load(FILES / f"{name}.json")


@pytest.mark.parametrize("name", ["rational", "rational-float32", "saturated"])
def test_a_rational_has_the_values_that_it_had(name: str) -> None:
    assert [float(read(name)(x)) for x in WRITTEN["x"]] == pytest.approx(WRITTEN[name], rel=1e-14)


@pytest.mark.parametrize("name", ["fit", "fit-union", "fit-samples"])
def test_a_fit_is_the_fit_of_today(name: str) -> None:
    old = read(name)
    assert isinstance(old, ra.Fit)
    again = ra.certify(old)
    assert float(again.upper) == pytest.approx(float(old.error), rel=1e-6)


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_says_what_it_said(name: str) -> None:
    old, text = read(name), json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    assert text["schema"] == "rational-approx/certificate/1"
    assert float(old.upper) >= float(old.lower) > 0
    assert old.pole_free
    judged = ra.verify(FILES / f"{name}.json")
    assert judged.outcome == ("not decided" if name in UNDECIDED else "verified")


def test_a_read_certificate_is_written_in_the_schema_of_today(tmp_path: Path) -> None:
    ra.save(read("certificate"), tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text())["schema"] == "rational-approx/certificate/2"
    assert ra.verify(tmp_path / "new.json").ok


def test_a_schema_of_the_future_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = (FILES / "rational.json").read_text(encoding="utf-8").replace("rational/1", "rational/9")
    (tmp_path / "future.json").write_text(text)
    with pytest.raises(ValueError, match="rational-approx/rational/9"):
        ra.load(tmp_path / "future.json")
