"""The one sentence at the top: each outcome of an upgrade, and its reason."""

import pytest

from rsae.evaluation.comparison import Comparison
from rsae.report.decision import decision
from rsae.report.question import Question


def gap(other: str, difference: float, metric: str = "mse") -> Comparison:
    return Comparison(metric, other, difference, 2.0, difference - 0.02, difference + 0.02, "tokens")


@pytest.mark.parametrize(
    ("advised", "returned", "control", "wanted"),
    [
        ("upgraded", "upgraded", -0.1, "Use the upgraded SAE: its MSE is 5.0% lower than the equally trained control"),
        ("scale", "upgraded", -0.1, "Use the upgraded SAE (the simpler arm scale is not told apart from the best): "),
        ("upgraded", "upgraded", -0.01, "Use the upgraded SAE: no simpler arm has as low a MSE (-0.5% against the"),
        (
            "control",
            "upgraded",
            -0.01,
            "Do without the rational, and train your teacher on with its own gate: the rational a",
        ),
        ("threshold", "upgraded", -0.1, "Do without the rational, and give your teacher a threshold: "),
        ("teacher", "upgraded", 0.0, "Keep your teacher: the upgraded SAE's MSE is not surely lower than its own (-10"),
        ("upgraded", "initialised", -0.1, "Keep your teacher: "),
        ("", "upgraded", -0.1, "Use the upgraded SAE: "),
        (
            "",
            "upgraded",
            0.1,
            "Do without the rational, and train your teacher on with its own gate: the rational is worse",
        ),
    ],
)
def test_every_outcome_has_its_sentence(advised: str, returned: str, control: float, wanted: str) -> None:
    question = Question(comparisons=(gap("teacher", -0.2), gap("control", control)), returned=returned)
    found = decision(question, {"mse": {"advised": advised}} if advised else {})
    assert found.startswith(wanted)
    assert found.endswith(".")
    assert found.count(". ") == 0, "one sentence"


def test_the_reason_to_leave_the_rational_is_the_arm_that_is_as_good() -> None:
    """Beside a threshold that did all of it, the sentence had named the control, which the rational beats by far."""
    question = Question(comparisons=(gap("control", -0.6), gap("threshold", 0.01)), returned="upgraded")
    found = decision(question, {"mse": {"advised": "threshold"}})
    assert found.endswith(
        "give your teacher a threshold: the rational adds nothing certain to the threshold alone "
        "(+0.5% against it, 95% interval -0.5% to +1.5%)."
    )


def test_with_a_kl_stage_the_divergence_decides() -> None:
    question = Question(
        comparisons=(gap("control", 0.3), gap("control", -0.1, "kl"), gap("teacher", -0.3, "kl")), returned="upgraded"
    )
    found = decision(question, {"kl": {"advised": "upgraded"}, "mse": {"advised": "teacher"}})
    assert found.startswith("Use the upgraded SAE: its KL divergence is 5.0% lower")


def test_nothing_compared_is_nothing_said_and_zeros_divide_nothing() -> None:
    assert decision(Question(), {}) == ""
    zero = Comparison("mse", "control", -0.1, 0.0, -0.2, -0.05, "tokens")
    found = decision(Question(comparisons=(zero,), returned="upgraded"), {"mse": {"advised": "upgraded"}})
    assert found == "Use the upgraded SAE: its MSE is lower than the equally trained control's."


def test_it_says_that_features_got_worse_only_where_the_upgraded_sae_is_to_be_used() -> None:
    asked = Question(comparisons=(gap("control", -0.1),), returned="upgraded")
    said = decision(asked, {"mse": {"advised": "upgraded"}}, worse=True)
    assert said == (
        "Use the upgraded SAE: its MSE is 5.0% lower than the equally trained control's (95% interval -6.0% to -4.0%); "
        "but its features got worse."
    )
    kept = decision(asked, {"mse": {"advised": "teacher"}}, worse=True)
    assert kept == decision(asked, {"mse": {"advised": "teacher"}})
