"""A seeded slice of claims made false by a small change (``tests/adversaries/false_proofs.py``)."""

from dataclasses import replace
from typing import Any

import pytest

from tests.adversaries.false_proofs import CHANGES, MARGIN, Case, answer, case

SEED = 2
PROBLEMS = (0, 1, 2, 3, 5, 6, 7, 8, 10, 12, 13, 14, 15)
"""Every kind of change, and what is quick: a dense evaluation in 60 digits takes up to two seconds."""


@pytest.fixture(scope="module")
def slice_of_cases() -> list[tuple[Case, dict[str, Any]]]:
    """The cases and what is answered."""
    made = [case(SEED, index) for index in PROBLEMS]
    return [(one, answer(one)) for one in made if one is not None]


def test_no_false_claim_is_proved_and_no_true_one_refuted(slice_of_cases: list[tuple[Case, dict[str, Any]]]) -> None:
    false = [entry for made, entry in slice_of_cases if made.change != "none"]
    true = [entry for made, entry in slice_of_cases if made.change == "none"]
    assert min(len(false), len(true)) >= 6
    assert {entry["change"] for entry in false} == set(CHANGES)
    assert not [entry for entry in false if entry["says"] == "proved"]
    assert not [entry for entry in true if entry["says"] == "refuted" and not entry["shown"]]


def test_most_is_decided_and_proofs_are_confirmed(slice_of_cases: list[tuple[Case, dict[str, Any]]]) -> None:
    answers = [entry for _, entry in slice_of_cases]
    assert sum(entry["says"] == "undecided" for entry in answers) <= 1
    assert all(entry["confirmed"] for entry in answers if entry["says"] == "proved")
    assert False not in [entry["shown"] for entry in answers if entry["says"] == "refuted"]  # None: a pole, or infinite


def test_a_claim_that_is_off_by_its_margin_is_noticed(slice_of_cases: list[tuple[Case, dict[str, Any]]]) -> None:
    made = next(one for one, entry in slice_of_cases if entry["says"] == "proved")
    assert answer(replace(made, bound=made.bound * (1 - 3 * MARGIN)))["says"] == "refuted"
