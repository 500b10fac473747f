"""The rate is the control's own best, on vectors that no arm is trained on."""

from dataclasses import replace

import pytest
import torch

from rsae.evaluation.errors import token_errors
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.upgrading import tuning
from rsae.upgrading.arms import Arm
from rsae.upgrading.pipeline import Settings, upgrade
from rsae.upgrading.plan import planned, set_apart
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states(3000)


def found(rate: float, trusted: bool = False) -> tuning.Tuning:
    asked = {"host": None, "steps": 20, "time_budget": None, "seed": 1, "seeds": 1, "device": "cpu"}
    plan = planned(teacher("topk"), STATES, **asked, settings=Settings(learning_rate=rate))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsae.upgrading.plan.WIDE", 1024 if trusted else 16)
        return tuning.tune(plan)


def test_a_rate_that_is_too_high_is_lowered_and_the_best_is_kept() -> None:
    tuned = found(3.0)
    assert tuned.factor < 1
    arm = Arm(teacher("topk"), recipe_for(teacher("topk"))).slowed(tuned.factor)
    assert arm.recipe.learning_rate == tuned.factor * recipe_for(teacher("topk")).learning_rate
    assert tuned.errors[tuned.factor] == min(tuned.errors.values())
    _, judges = set_apart(STATES)
    assert float(token_errors(tuned.control, judges).mean()) == tuned.errors[tuned.factor]


def test_l0_is_matched_on_enough_vectors_that_nothing_was_trained_on() -> None:
    many = replace(STATES, held_out=STATES.train[:8192].repeat(3, 1)[:4096])
    rest, judges = set_apart(many)
    assert len(judges) == 1024
    assert torch.equal(rest.calibration, judges)
    few, judges = set_apart(replace(many, held_out=many.held_out[:4092]))
    assert len(judges) == 1023
    assert torch.equal(few.calibration, STATES.calibration)


def test_a_good_rate_is_left_alone_at_the_price_of_one_training() -> None:
    tuned = found(3e-2)
    assert tuned.factor == 1
    assert list(tuned.errors) == [1, 0.25]
    assert tuned.to_json()["errors"].keys() == {"1", "0.25"}


def test_training_on_is_futile_where_no_rate_beats_the_teacher() -> None:
    assert found(1e4).futile
    assert not found(3e-2).futile


def test_a_trusted_rate_is_tuned_only_where_the_control_ends_worse_than_its_teacher() -> None:
    assert found(3e-2, trusted=True).errors.keys() == {1}
    tuned = found(3.0, trusted=True)
    assert tuned.errors[1] >= tuned.teacher
    assert len(tuned.errors) > 1


def test_wide_teachers_are_tuned_and_every_arm_takes_the_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.upgrading.plan.WIDE", 16)
    result = upgrade(teacher("relu"), STATES, steps=12, device="cpu")
    question = result.report.question
    factor = question["tuning"]["factor"]
    assert str(factor) in {"1.0", "0.25", "0.0625", "0.015625"}
    for name, recipe in question["recipes"].items():
        sparsity = "l1" if name == "control" else "threshold"
        assert recipe["learning_rate"] == pytest.approx(
            factor * recipe_for(teacher("relu"), sparsity=sparsity).learning_rate
        )
    rest, _ = set_apart(STATES)
    again = finetune(
        teacher("relu"),
        rest,
        steps=12,
        recipe=recipe_for(teacher("relu"), learning_rate=question["recipes"]["control"]["learning_rate"]),
        target_l0=question["target_l0"],
    )
    torch.testing.assert_close(again.W_dec, result.arms["control"].W_dec)
    explicit = upgrade(teacher("relu"), STATES, steps=2, device="cpu", settings=Settings(learning_rate=1e-3))
    assert explicit.report.question["tuning"] is None


def test_the_factor_of_another_run_takes_the_place_of_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.upgrading.plan.WIDE", 16)
    tuned = upgrade(teacher("relu"), STATES, steps=12, device="cpu")
    again = upgrade(
        teacher("relu"),
        STATES,
        steps=12,
        device="cpu",
        settings=Settings(rate_factor=tuned.report.asked.rate_factor),
    )
    assert again.report.question["tuning"] is None
    assert again.report.question["recipes"] == tuned.report.question["recipes"]
    for name, arm in tuned.arms.items():
        assert torch.equal(arm.W_dec, again.arms[name].W_dec), name
    for wrong in ({"rate_factor": 0.0}, {"rate_factor": 0.25, "learning_rate": 1e-3}):
        with pytest.raises(ValueError, match="rate_factor must be a positive number"):
            upgrade(teacher("relu"), STATES, steps=2, device="cpu", settings=Settings(**wrong))


@pytest.mark.parametrize("family", ["topk", "jumprelu", "relu"])
def test_below_the_width_a_rate_is_lowered_only_where_the_control_ends_worse(family: str) -> None:
    tried = upgrade(teacher(family), STATES, steps=12, device="cpu").report.question["tuning"]
    assert (len(tried["errors"]) == 1) == (tried["errors"]["1"] < tried["teacher"])


def test_the_judges_are_neither_trained_on_nor_measured_on() -> None:
    rest, judges = set_apart(STATES)
    assert torch.equal(torch.cat([rest.held_out, judges]), STATES.held_out)
    assert len(judges) == len(STATES.held_out) // 4
    assert rest.train is STATES.train
    result = upgrade(teacher("topk"), STATES, steps=3, device="cpu")
    measured = float(token_errors(teacher("topk"), rest.held_out).mean())
    assert result.report.columns["teacher"]["mse"].value == pytest.approx(measured)
    assert result.report.question["tuning"]["teacher"] == pytest.approx(
        float(token_errors(teacher("topk"), judges).mean())
    )
    few = replace(STATES, held_out=STATES.held_out[:1])
    with pytest.raises(ValueError, match="1 held-out vectors are too few"):
        upgrade(teacher("topk"), few, steps=3, device="cpu")
