"""The time left, and how many steps fit into a budget."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rsae.progress import Progress
from rsae.upgrading.arms import arms_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pace import Pace, seconds_a_step, steps_within
from rsae.upgrading.pipeline import Settings, upgrade
from rsae.upgrading.plan import planned
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()


def test_the_time_left_counts_every_training_and_measurement_to_come() -> None:
    """A run whose steps take half as long again as expected, told from its first event on, and with a try fewer."""
    seen: list[Progress] = []
    costs = {"upgraded": 0.1, "control": 0.0, "threshold": 0.2}  # the control is trained by the tries
    pace = Pace(costs, measuring=lambda: 1.0, tries=[0.2, 0.2, 0.2], ending=5.0)
    follow = pace.following(seen.append, 100)
    real = {"control at 1": 30.0, "control at 0.25": 30.0, "upgraded": 15.0, "threshold": 30.0}
    for arm, seconds in real.items():
        for step in (25, 50, 75, 100):
            follow(Progress(arm, step, 100, 0.0, 0.0, seconds * (1 - step / 100)))
    left = [event.seconds_left for event in seen]
    assert left[0] == pytest.approx(22.5 + 30 + 30 + 15 + 30 + 3 + 5)  # three tries expected, half as slow again
    assert left[8] == pytest.approx(11.25 + 30 + 3 + 5)  # no column is measured before the first is trained
    assert left[12] == pytest.approx(22.5 + 1 + 5)
    assert left[-1] == pytest.approx(1.0 + 5)


def test_a_resumed_run_does_not_count_what_is_done() -> None:
    seen: list[Progress] = []
    follow = Pace({"upgraded": 0.1, "control": 0.2}, measuring=lambda: 0.0, tries=[9.0]).following(seen.append, 100)
    follow(Progress("control", 50, 100, 0.0, 0.0, 10.0))
    assert seen[0].seconds_left == pytest.approx(10.0)


def test_a_short_budget_spares_the_costliest_steps_of_a_waterfall_first() -> None:
    asked = {"host": None, "steps": None, "time_budget": 100.0, "seed": 0, "seeds": 1, "device": "cpu"}
    plan = planned(teacher("topk"), STATES, **asked, settings=Settings(ablations=("waterfall",)))  # type: ignore[arg-type]
    costs = {"control": 0.0, "scale": 0.01, "polynomial_in_h": 0.03, "fixed_denominator": 0.02}
    costs["trainable_denominator_norm"] = 0.02
    pace = Pace(costs | {"upgraded": 0.02}, measuring=lambda: 0.0, tries=[0.01])
    assert plan.steps == 2000
    assert pace.spared(plan, 1000.0) == []
    assert pace.spared(plan, 90.0) == ["polynomial_in_h"]
    steps = {"scale", "polynomial_in_h", "fixed_denominator"}
    assert set(pace.spared(plan, 1.0)) == {*steps, "trainable_denominator_norm"}
    kept = plan.without(["scale", "trainable_denominator_norm"])
    assert set(kept.arms) == {"control", "polynomial_in_h", "fixed_denominator", "upgraded"}
    assert replace(plan, settings=Settings(ablations=("scale",))).optional == []


def test_a_budget_that_is_too_short_is_refused_with_what_it_takes() -> None:
    assert steps_within(1000.0, [0.1], 0.0, most=70) == 70
    with pytest.raises(ValueError, match="take 11 s; give more time"):
        steps_within(5.0, [0.1, 0.1], 0.0, most=2000)


def test_a_step_is_timed_without_touching_the_arm() -> None:
    arms = arms_for(teacher("relu"), calibrate(teacher("relu"), STATES))
    before = [parameter.clone() for parameter in arms["upgraded"].sae.parameters()]
    cost = seconds_a_step(arms["upgraded"], STATES, STATES.calibration, 4.0)
    assert 1e-5 < cost < 5
    assert all(torch.equal(a, b) for a, b in zip(before, arms["upgraded"].sae.parameters(), strict=True))


def test_a_budget_decides_the_steps_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        pass

    def dies(event: Progress) -> None:
        raise Killed

    monkeypatch.setattr("rsae.upgrading.pace.seconds_a_step", lambda *_: 10.0)
    with pytest.raises(Killed):
        upgrade(teacher("topk"), STATES, out=tmp_path, time_budget=1300.0, progress=dies)
    monkeypatch.setattr("rsae.upgrading.pace.seconds_a_step", lambda *_: 5.0)
    resumed = upgrade(teacher("topk"), STATES, out=tmp_path, time_budget=1300.0)
    assert 55 <= resumed.report.question["steps"] <= 61  # two trainings at 10 s a step, a twentieth in reserve
    with pytest.raises(ValueError, match="either steps or a time_budget"):
        upgrade(teacher("topk"), STATES, steps=10, time_budget=3.0)
