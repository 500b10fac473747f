"""The first sentence of a report: it tells what probing and continuity surely lost, and nothing else."""

from typing import Any

import pytest

from rsae.data.states import HiddenStates
from rsae.evaluation.worsened import worsened
from rsae.report.report import Report
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.sparse_data import D_SAE, sparse_states, teacher


def row(k: int, gap: float, spread: float, control: bool = True) -> dict[str, Any]:
    accuracy = {"teacher": 0.85, "upgraded": 0.85 + gap} | ({"control": 0.86} if control else {})
    cell = {"value": gap, "low": gap - spread, "high": gap + spread}
    return {
        "group": "pairs",
        "k": k,
        "accuracy": {name: {"value": value} for name, value in accuracy.items()},
        "difference": {"teacher": cell},
    }


def latents(ours: range, theirs: range | None, count: int = 500) -> dict[str, Any]:
    found: dict[str, Any] = {"changed": list(ours), "latents": {"cosine": [1.0] * count}}
    return found | ({} if theirs is None else {"control": {"changed": list(theirs)}})


def test_probing_is_told_where_its_interval_excludes_zero() -> None:
    assert worsened({}, {}) == ""
    assert worsened({"rows": [row(1, -0.06, 0.061), row(2, 0.05, 0.01)]}, {}) == ""
    said = worsened({"rows": [row(1, -0.03, 0.02), row(2, -0.072, 0.037, control=False), row(5, 0.0, 0.01)]}, {})
    assert said.startswith("The upgraded SAE's features got worse: with 2 latents (pairs) probing finds 77.8%")
    assert "(-7.2 points, 95% interval -10.9 to -3.5)" in said
    assert "one of 2 such losses in 3 rows" in said
    assert "control" not in said


def test_continuity_is_told_where_it_is_surely_below_the_controls() -> None:
    assert worsened({}, latents(range(12), range(12))) == ""
    assert worsened({}, latents(range(12), range(12, 24))) == ""  # others, and as many
    assert worsened({}, latents(range(10, 13), range(11))) == ""
    # 20 that the control kept, 5 the other way round: 15 +- 1.96 sqrt(25 - 15^2 / 500).
    said = worsened({}, latents(range(5, 30), range(10)))
    assert said == (
        "The upgraded SAE's features got worse: 25 of 500 latents changed their meaning, 10 in the control "
        "(+15, 95% interval +5.3 to +24.7)."
    )


@pytest.mark.parametrize("theirs", [range(60), None])
def test_many_changes_are_told_whatever_the_control_did(theirs: range | None) -> None:
    said = worsened({}, latents(range(60), theirs))
    assert "60 of 500 latents changed their meaning" in said
    assert "interval" not in said
    assert worsened({}, latents(range(50), None)) == ""


def test_a_report_says_it_first_and_keeps_what_it_says_it_by() -> None:
    """A teacher trained far too fast: hardly a latent is what it was."""
    states: HiddenStates = sparse_states()
    report = upgrade(teacher("topk"), states, steps=20, device="cpu", settings=Settings(learning_rate=1.0)).report
    changed, beside = report.continuity["changed"], report.continuity["control"]["changed"]
    assert len(changed) > D_SAE / 2
    assert report.verdict.startswith(
        f"The upgraded SAE's features got worse: {len(changed)} of {D_SAE} latents changed"
    )
    assert f"{len(beside)} in the control" in report.verdict
    assert f"In the control {len(beside)} did not." in report.to_html()
    # A report from before there was a control's continuity is a page too.
    old = {name: part for name, part in report.continuity.items() if name != "control"}
    plain = {**vars(report), "histograms": {}, "attribution": {}, "continuity": old}  # pictures take their time
    assert "In the control" not in Report(**plain).to_html()
