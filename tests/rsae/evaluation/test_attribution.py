"""The waterfall: what each arm adds, which is best, and what follows from it; on errors whose differences are known."""

import pytest
import torch
from torch import Tensor

from rsae.evaluation.attribution import Attribution, attribution
from rsae.evaluation.comparison import Paired

TOKENS = 2000
NOISE = torch.rand(TOKENS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def errors(mean: float, own: int = 1, spread: float = 0.2) -> Tensor:
    """Squared errors of a mean, with noise that all arms share and noise of their own."""
    mine = torch.randn(TOKENS, dtype=torch.float64, generator=torch.Generator().manual_seed(own))
    found = 3 * NOISE + spread * mine
    return found - found.mean() + mean


def attributed(curve: str = "fixed_denominator_norm", left_out: tuple[str, ...] = (), **means: float) -> Attribution:
    values = {name: errors(mean, own) for own, (name, mean) in enumerate(means.items(), 1)}
    comparable = [name for name in values if name not in left_out]
    found = attribution(Paired("mse", "tokens", values), curve=curve, comparable=comparable)
    assert found is not None
    return found


def test_steps_follow_the_way_from_the_teacher_and_add_up() -> None:
    found = attributed(teacher=10.0, upgraded=4.7, control=6.8, threshold=4.8, control_twice=6.0)
    assert [(step.arm, step.change.other) for step in found.steps] == [
        ("control", "teacher"),
        ("threshold", "control"),
        ("upgraded", "threshold"),
    ]
    assert sum(step.change.difference for step in found.steps) == pytest.approx(4.7 - 10.0)
    assert found.sentence == (
        "MSE is 53.0% lower than the teacher's: more training takes off 32.0 points, the threshold 20.0, the curve 1.0."
    )
    assert all(step.change.certain for step in found.steps)


def test_a_whole_waterfall_names_one_change_a_step() -> None:
    names = ("control", "scale", "polynomial_in_h", "fixed_denominator", "unrefined", "upgraded")
    values = dict(zip(("teacher", *names), (10.0, 9.0, 8.9, 8.5, 8.0, 7.0, 6.0), strict=True))
    beside = {"refine_only": 6.5, "polynomial_in_h_norm": 7.5, "trainable_denominator": 7.9}
    found = attributed(**values, **beside, trainable_denominator_norm=7.1)
    assert [step.arm for step in found.steps] == list(names)
    what = ["more training", "one scalar", "a polynomial in h", "the ratio tau / h", "the norm share", "the refinement"]
    assert [step.what for step in found.steps] == what


@pytest.mark.parametrize(
    ("curve", "steps"),
    [
        ("fixed_denominator", ["a polynomial in h", "the ratio tau / h"]),
        ("trainable_denominator", ["a polynomial in h", "the ratio tau / h", "the trainable denominator"]),
        (
            "trainable_denominator_norm",
            ["a polynomial in h", "the ratio tau / h", "the trainable denominator", "the norm share"],
        ),
    ],
)
def test_the_way_ends_at_the_upgraded_curve(curve: str, steps: list[str]) -> None:
    """An arm that is the upgraded curve under its own name is no step to it."""
    names = ("control", "polynomial_in_h", "fixed_denominator", "trainable_denominator")
    means = dict(zip(names, (9.0, 8.9, 8.5, 8.0), strict=True))
    found = attributed(curve, teacher=10.0, **means, upgraded=7.0)
    assert [step.what for step in found.steps[1:]] == steps
    assert found.steps[-1].arm == "upgraded"


def test_between_what_is_there_it_is_called_the_curve_or_what_two_changes_are() -> None:
    means = {"teacher": 10.0, "control": 9.0}
    assert attributed("fixed_denominator", **means, upgraded=8.0).steps[-1].what == "the curve"
    both = attributed("trainable_denominator_norm", **means, fixed_denominator=8.5, upgraded=8.0)
    assert [step.what for step in both.steps[1:]] == ["the curve", "the trainable denominator and the norm share"]


def test_a_curve_of_more_scalars_is_no_simpler_one() -> None:
    """The trainable denominator had been named as the simpler arm where it was not told apart from a fixed one."""
    tied = {"teacher": 10.0, "control": 9.0, "trainable_denominator_norm": 8.0, "upgraded": 8.001}
    found = attributed(**tied)
    assert (found.best, found.advised) == ("trainable_denominator_norm", "upgraded")
    assert found.advice == (
        "Upgrade: the upgraded SAE's MSE is not told apart from the lowest, that of the trainable denominator norm."
    )
    better = attributed(**tied | {"upgraded": 8.5})
    assert better.advised == "trainable_denominator_norm"
    assert better.advice.startswith("Upgrade, with a trainable denominator: no arm has a lower MSE")
    other = attributed("trainable_denominator_norm", **tied | {"upgraded": 7.999, "fixed_denominator_norm": 8.001})
    assert (other.best, other.advised) == ("upgraded", "fixed_denominator_norm")


def test_the_kl_stage_is_the_last_step_where_an_arm_without_it_is_there() -> None:
    means = {"teacher": 10.0, "control": 9.2, "control_mse": 9.0, "upgraded": 8.2}
    found = attributed(**means)
    assert [(step.arm, step.what) for step in found.steps] == [
        ("control_mse", "more training"),
        ("control", "the KL stage"),
        ("upgraded", "the curve"),
    ]
    assert found.best == "upgraded"
    found = attributed(**means, scale=8.9, upgraded_mse=8.0)
    assert [step.arm for step in found.steps] == ["control_mse", "scale", "upgraded_mse", "upgraded"]
    assert found.steps[-1].what == "the KL stage"
    assert found.advice.startswith("Upgrade, without the KL stage: no arm has a lower MSE")


def test_a_refined_upgrade_is_judged_against_the_refinement_alone() -> None:
    found = attributed(teacher=10.0, upgraded=6.99, control=9.0, refine_only=7.0, scale=8.9)
    assert [step.arm for step in found.steps] == ["control", "refine_only", "upgraded"]
    assert not found.steps[-1].change.certain
    assert "the curve 0.1 (not told apart)" in found.sentence
    assert found.advised == "refine_only"
    words = "the refinement alone's MSE is not told apart from the lowest, that of the upgraded SAE."
    assert found.advice == f"Refine, without a curve: {words}"


@pytest.mark.parametrize(
    ("means", "best", "advised", "words"),
    [
        ({"control": 10.1, "upgraded": 10.06}, "teacher", "teacher", "Keep your teacher, do not train"),
        ({"control": 9.999, "upgraded": 9.998}, "upgraded", "teacher", "Keep your teacher"),
        ({"control": 9.0, "upgraded": 8.999}, "upgraded", "control", "Train on, without a curve"),
        ({"control": 9.0, "threshold": 7.0, "upgraded": 7.2}, "threshold", "threshold", "Set a threshold"),
        ({"control": 9.0, "upgraded": 8.0}, "upgraded", "upgraded", "Upgrade: no arm has a lower MSE"),
        (
            {"control": 9.0, "fixed_denominator": 8.0, "upgraded": 7.999},
            "upgraded",
            "fixed_denominator",
            "Upgrade; but the simpler fixed denominator is not told apart from the best arm, the upgraded SAE.",
        ),
    ],
)
def test_the_simplest_arm_that_is_as_good_is_advised(
    means: dict[str, float], best: str, advised: str, words: str
) -> None:
    found = attributed(teacher=10.0, **means)
    assert (found.best, found.advised) == (best, advised)
    assert found.advice.startswith(words)


def test_a_step_that_harms_is_said_to_add() -> None:
    """A part of a gain that was no gain had been called "-3.8 are more training"."""
    found = attributed(teacher=10.0, control=10.38, threshold=8.93, upgraded=7.96)
    assert found.sentence == (
        "MSE is 20.4% lower than the teacher's: "
        "more training adds 3.8 points, the threshold takes off 14.5, the curve 9.7."
    )
    found = attributed(teacher=10.0, control=10.05, upgraded=10.06)
    assert found.sentence.startswith("MSE is 0.60% higher than the teacher's: more training adds 0.50 points, the cur")


def test_a_small_gain_is_not_rounded_to_another() -> None:
    found = attributed(teacher=1521.1, control=1521.5, upgraded=1520.3)
    assert found.sentence.startswith("MSE is 0.05% lower than the teacher's: more training adds 0.03 points")


def test_an_arm_that_missed_its_l0_cannot_be_best() -> None:
    means = {"teacher": 10.0, "control": 9.0, "threshold": 5.0, "upgraded": 8.0}
    assert attributed(**means).best == "threshold"
    assert attributed(**means, left_out=("threshold",)).best == "upgraded"


def test_seeds_are_paired_and_few_of_them_tell_little_apart() -> None:
    few = {"teacher": [10.0, 10.0], "control": [9.0, 9.1], "upgraded": [8.0, 8.9]}
    values = {name: torch.tensor(means, dtype=torch.float64) for name, means in few.items()}
    found = attribution(Paired("delta_ce", "seeds", values), curve="fixed_denominator", comparable=list(few))
    assert found is not None
    assert found.steps[1].change.over == "seeds"
    assert found.advised == "teacher"
    assert "delta-CE" in found.sentence
    zero = {name: torch.zeros(2) for name in few}
    assert attribution(Paired("delta_ce", "seeds", zero), curve="fixed_denominator", comparable=list(few)) is None
