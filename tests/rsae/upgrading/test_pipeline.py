"""The whole pipeline on synthetic vectors with known features."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rsae.activations.ratio import RationalActivation
from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import compare, compare_runs, verdict
from rsae.evaluation.errors import token_errors
from rsae.evaluation.metrics import Metric, evaluate
from rsae.progress import Progress
from rsae.report.report import Report
from rsae.upgrading.arms import arms_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pipeline import Settings, upgrade
from rsae.upgrading.plan import set_apart
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()
FAMILIES = ("relu", "jumprelu", "topk")
STEPS = 80


@pytest.mark.parametrize("family", FAMILIES)
def test_the_report_has_its_columns_and_they_are_what_they_say(family: str) -> None:
    original = teacher(family)
    result = upgrade(original, STATES, steps=STEPS, device="cpu")
    wanted = ["teacher", "initialised", "upgraded", "control", *(["threshold"] if family == "relu" else [])]
    columns, measured_on = result.report.columns, set_apart(STATES)[0]
    assert list(columns) == wanted
    assert columns["teacher"]["mse"] == evaluate(original, measured_on)["mse"]
    assert columns["initialised"]["mse"].value == pytest.approx(columns["teacher"]["mse"].value, rel=1e-5)
    assert columns["initialised"]["l0"].value == columns["teacher"]["l0"].value
    for name in wanted[2:]:
        assert columns[name]["mse"].value == evaluate(result.arms[name], measured_on)["mse"].value
    assert columns["upgraded"]["mse"].value != columns["control"]["mse"].value
    if columns["upgraded"]["mse"].value < columns["teacher"]["mse"].value:
        assert result.sae is result.arms["upgraded"]
    assert result.arms["control"].activation is None
    assert result.arms["control"].family == family
    assert (result.sae.encode(STATES.held_out) >= 0).all()
    json.dumps(result.report.question)
    assert result.report.verdict.startswith("The upgraded SAE's MSE is")
    assert set(result.report.curves) == {*wanted[2:], "activation"}


def test_upgraded_and_control_share_data_steps_and_rates() -> None:
    for family in FAMILIES:
        arms = arms_for(teacher(family), calibrate(teacher(family), STATES))
        other = "threshold" if family == "relu" else "control"
        rates = {
            name: arm.recipe.coefficient_rate for name, arm in arms.items()
        }  # of curves, which others have none of
        assert arms["upgraded"].recipe == replace(arms[other].recipe, coefficient_rate=rates["upgraded"])
        assert arms[other].sae.activation is None
        if family != "relu":  # whose curve is slower than the norm share's would be
            assert rates["upgraded"] == rates[other]
        assert arms["upgraded"].budget == arms["control"].budget == 1
        assert arms["control"].recipe.batch_size == arms["upgraded"].recipe.batch_size


def test_an_upgrade_that_is_worse_than_its_teacher_gives_the_teacher_back() -> None:
    # One step at a huge rate: certainly worse.
    result = upgrade(teacher("topk"), STATES, steps=1, device="cpu", settings=Settings(learning_rate=1e4))
    assert result.sae is not result.arms["upgraded"]
    assert evaluate(result.sae, STATES)["mse"].value == pytest.approx(evaluate(teacher("topk"), STATES)["mse"].value)
    assert "the SAE returned is the initialised one" in result.report.verdict


def test_seeds_give_means_with_standard_errors_and_paired_intervals() -> None:
    result = upgrade(teacher("topk"), STATES, steps=20, seeds=2, seed=5, device="cpu")
    assert result.report.columns["upgraded"]["mse"].standard_error is not None
    assert result.report.columns["teacher"]["mse"].standard_error is None
    assert {c.over for c in result.comparisons} == {"seeds"}
    assert "control, seed 6" in result.report.curves
    assert result.report.question["seeds"] == 2
    assert result.report.question["comparisons"][0]["other"] == "teacher"


def test_ablations_add_columns_and_keep_their_restrictions() -> None:
    names = ("scale", "fixed_denominator", "polynomial_in_h_norm", "control_twice", "unrefined")
    result = upgrade(teacher("topk"), STATES, steps=10, device="cpu", settings=Settings(ablations=names, refine="gain"))
    assert {*names, "refine_only", "upgraded", "control"} == set(result.arms)
    scale = result.arms["scale"].activation
    cubic = result.arms["fixed_denominator"].activation
    assert scale is not None
    assert isinstance(cubic, RationalActivation)
    assert scale.rational().type[0] == 0
    assert cubic.of_fixed_denominator
    assert cubic.inputs == ("ratio",)
    assert {name for name, sae in result.arms.items() if sae.refine == "gain"} == {"upgraded", "refine_only"}
    recipes = result.report.question["recipes"]
    assert recipes["control_twice"]["steps"] == 2 * recipes["control"]["steps"]
    with pytest.raises(ValueError, match="is none of them"):
        upgrade(teacher("topk"), STATES, settings=Settings(ablations=("polynomial",)))
    with pytest.raises(ValueError, match="is for relu"):
        upgrade(teacher("topk"), STATES, settings=Settings(ablations=("threshold",)))
    for name in ("refine_only", "unrefined"):
        with pytest.raises(ValueError, match="needs a refinement"):
            upgrade(teacher("topk"), STATES, settings=Settings(ablations=(name,)))
    with pytest.raises(ValueError, match="needs support='exact'"):
        upgrade(teacher("topk"), STATES, settings=Settings(ablations=("waterfall",), support="paper"))


def test_the_waterfall_is_every_step_from_the_control_to_the_upgraded() -> None:
    asked = Settings(ablations=("waterfall",), refine="residual")
    report = upgrade(teacher("topk"), STATES, steps=10, device="cpu", settings=asked).report
    found = report.attribution["mse"]
    steps = ["control", "scale", "polynomial_in_h", "fixed_denominator", "unrefined", "upgraded"]
    assert [step["arm"] for step in found["steps"]] == steps
    assert set(report.columns) - {*steps, "teacher", "initialised"} == {"trainable_denominator_norm", "refine_only"}
    assert list(report.columns)[-1] == "upgraded"
    for step in found["steps"]:
        assert step["value"] == pytest.approx(report.columns[step["arm"]]["mse"].value)
    assert found["sentence"] in report.verdict
    assert found["advice"] in report.verdict
    page = report.to_html()
    assert page.index("MSE on held-out vectors from the teacher") < page.index("What changed")
    assert Report(**vars(report)).advised == found["advised"]
    # A ReLU's curve reads the ratio alone, so that there is no norm share to add.
    alone = upgrade(teacher("relu"), STATES, steps=4, device="cpu", settings=Settings(ablations=("waterfall",))).report
    steps = ["control", "threshold", "scale", "polynomial_in_h", "upgraded"]
    assert [step["arm"] for step in alone.attribution["mse"]["steps"]] == steps
    assert alone.attribution["mse"]["steps"][-1]["what"] == "the ratio tau / h"
    assert "trainable_denominator" in alone.columns
    # The published type: its denominator is a step of its own.
    asked = Settings(ablations=("waterfall",), denominator="trainable")
    published = upgrade(teacher("topk"), STATES, steps=4, device="cpu", settings=asked)
    steps = ["control", "scale", "polynomial_in_h", "fixed_denominator", "trainable_denominator", "upgraded"]
    assert [step["arm"] for step in published.report.attribution["mse"]["steps"]] == steps
    assert published.report.question["denominator"] == "trainable"
    assert published.arms["upgraded"].activation.rational().type == (3, 2)


def test_an_unfinished_run_of_another_denominator_is_refused(tmp_path: Path) -> None:
    def killed(event: Progress) -> None:
        raise KeyboardInterrupt

    asked: dict[str, Any] = {"steps": 4, "out": tmp_path / "run", "device": "cpu"}
    with pytest.raises(KeyboardInterrupt):
        upgrade(teacher("topk"), STATES, progress=killed, settings=Settings(denominator="trainable"), **asked)
    with pytest.raises(ValueError, match="holds an unfinished run that differs in: arms"):
        upgrade(teacher("topk"), STATES, **asked)
    with pytest.raises(ValueError, match="denominator must be 'fixed' or 'trainable', not 'any'"):
        Settings(denominator="any")  # type: ignore[arg-type]


def test_other_columns_do_not_change_the_upgraded_sae() -> None:
    alone = upgrade(teacher("topk"), STATES, steps=10, device="cpu").arms["upgraded"]
    asked = Settings(ablations=("polynomial_in_h", "trainable_denominator"))
    beside = upgrade(teacher("topk"), STATES, steps=10, device="cpu", settings=asked).arms["upgraded"]
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), beside.parameters(), strict=True))


def test_a_training_under_two_names_is_done_once() -> None:
    """The upgraded curve *is* the ablation of its name, which is then a column without a training of its own."""
    trained: set[str] = set()
    asked = Settings(inputs=("ratio",), ablations=("fixed_denominator", "scale"))
    found = upgrade(
        teacher("topk"), STATES, steps=4, progress=lambda event: trained.add(event.arm), settings=asked
    ).report
    assert {name.split(" at ")[0] for name in trained} == {"upgraded", "control", "scale"}
    assert found.columns["fixed_denominator"] == found.columns["upgraded"]
    assert found.columns["scale"] != found.columns["upgraded"]


def test_where_no_rate_gains_anything_the_answer_is_not_to_train() -> None:
    """At its floor tuning had chosen a rate, and an SAE that was worse than its teacher was returned as an upgrade."""
    finished = upgrade(teacher("topk"), STATES, steps=400, device="cpu").arms["control"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsae.upgrading.tuning.TRIES", 1)  # the first rate is the floor
        result = upgrade(finished, STATES, steps=2, device="cpu")
    assert not result.worth_it
    assert result.report.advised == "teacher"
    assert "the control gained nothing, or next to nothing" in result.report.verdict
    assert "Keep your teacher, do not train" in result.report.verdict
    assert result.sae is not result.arms["upgraded"]


def test_the_papers_support_is_its_own_mode() -> None:
    result = upgrade(teacher("relu"), STATES, steps=20, device="cpu", settings=Settings(support="paper"))
    assert "threshold" not in result.report.columns
    assert "magnitude above" in result.report.columns["upgraded"]["l0"].definition
    assert (result.arms["upgraded"].encode(STATES.held_out) != 0).float().mean() > 0.99
    curve = result.report.curves["activation"]
    assert len(curve["pre_activation"]) == len(curve["before"]) == len(curve["after"])
    assert curve["before"] != curve["after"]
    assert "The code of a pre-activation" in result.report.to_html()


def test_where_relu_codes_crowd_the_curve_moves_slowly() -> None:
    result = upgrade(teacher("relu"), STATES, steps=4, device="cpu")
    assert result.report.question["target_l0"] > 8  # of 16 dimensions
    assert result.report.question["inputs"] == ["ratio"]
    assert result.report.question["recipes"]["upgraded"]["coefficient_rate"] == 3e-4


def test_arrays_are_taken_as_hidden_states() -> None:
    rows = torch.cat([STATES.train, STATES.held_out])
    events: list[Progress] = []
    result = upgrade(teacher("topk"), rows, steps=4, device="cpu", progress=events.append)
    assert len(result.report.columns) == 4
    arms = list(dict.fromkeys(event.arm for event in events))
    assert [event.arm for event in events] == [arm for arm in arms for _ in range(4)]
    assert arms[-1] == "upgraded"
    assert all(arm.startswith("control at ") for arm in arms[:-1])
    assert len(arms) == 1 + len(result.report.question["tuning"]["errors"])


def test_results_are_written_whole_and_not_over_others(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = upgrade(teacher("topk"), STATES, steps=4, out=out, device="cpu")
    assert json.loads((out / "report.json").read_text())["columns"]["upgraded"]["mse"]["value"] == pytest.approx(
        result.report.columns["upgraded"]["mse"].value
    )
    assert (out / "report.html").is_file()
    from rsae.formats import load_sae

    again = load_sae(out / "sae")
    torch.testing.assert_close(again(STATES.held_out).codes, result.sae(STATES.held_out).codes)
    with pytest.raises(FileExistsError, match="is not empty"):
        upgrade(teacher("topk"), STATES, steps=4, out=out)
    upgrade(teacher("topk"), STATES, steps=4, out=out, overwrite=True, device="cpu")
    with pytest.raises(FileExistsError, match="is a file"):
        upgrade(teacher("topk"), STATES, out=out / "report.json")


def test_what_cannot_be_upgraded_is_refused_before_any_work() -> None:
    def never(event: Progress) -> None:
        raise AssertionError("work had begun")

    few = STATES.train[:100]
    far = HiddenStates(STATES.train - 1e3, STATES.calibration - 1e3, STATES.held_out - 1e3)
    for arguments, message in (
        ({"device": "cuda:99"}, "not on this machine"),
        ({"steps": 0}, "steps must be"),
        ({"seeds": 0}, "seeds must be"),
        (
            {"settings": Settings(support="soft")},  # type: ignore[arg-type]
            "support must be",
        ),
        ({"settings": Settings(inputs=("h",))}, "inputs must be"),
        ({"settings": Settings(learning_rate=-1.0)}, "learning_rate must be"),
        ({"hidden_states": HiddenStates(few, few, few)}, "fewer than one batch"),
        ({"hidden_states": HiddenStates(few[:, :3], few[:, :3], few[:, :3])}, "d_in = 16"),
        ({"hidden_states": HiddenStates(STATES.train, STATES.calibration, few[:0])}, "0 held-out vectors are too few"),
        ({"hidden_states": far}, "worse than their mean does .*another layer, hook or model"),
    ):
        states = arguments.pop("hidden_states", STATES)
        with pytest.raises(ValueError, match=message):
            upgrade(teacher("jumprelu"), states, progress=never, **arguments)  # type: ignore[arg-type]


def test_comparisons_are_paired() -> None:
    base = torch.rand(500, dtype=torch.float64) * 10
    found = compare("control", base - 0.1, base)
    assert found.difference == pytest.approx(-0.1)
    assert found.certain
    assert found.relative == pytest.approx(-0.1 / float(base.mean()))
    assert not compare("control", base + torch.randn(500), base + 0.001).certain
    single = compare_runs("mse", "control", [1.0], [2.0])
    assert not single.certain
    x = STATES.held_out
    errors = token_errors(teacher("topk"), x)
    assert float(errors.mean()) == pytest.approx(evaluate(teacher("topk"), STATES)["mse"].value)


def test_an_interval_over_twelve_seeds_is_students() -> None:
    values = [float(value) for value in range(12)]  # of standard deviation sqrt(13)
    found = compare_runs("mse", "control", values, [1.0] * 12)
    # 2.201: Student's t at 11 degrees of freedom. The normal distribution's 1.96 was taken from 11 on.
    assert (found.high - found.difference) / (13 / 12) ** 0.5 == pytest.approx(2.201, abs=5e-4)


def test_the_verdict_says_what_the_interval_does_not_show() -> None:
    def column(mse: float) -> dict[str, Metric]:
        return {"mse": Metric(mse, ""), "l0": Metric(4.0, "")}

    columns = {"upgraded": column(1.0), "teacher": column(2.0), "control": column(1.0)}
    comparisons = (
        compare_runs("mse", "teacher", [1.0, 1.01], [2.0, 2.0]),
        compare_runs("mse", "control", [1.0, 1.01], [1.01, 1.0]),
    )
    text = verdict(columns, comparisons)
    assert "49.8% lower than the teacher's" in text
    assert text.count("not told apart from zero") == 1
    assert text.endswith(", at L0 4.00.")


def test_the_verdict_stays_short_with_many_columns() -> None:
    others = ("teacher", "control", "threshold", "scale", "polynomial", "control_twice", "refine_only")
    columns = {name: {"mse": Metric(1.0, ""), "l0": Metric(4.0, "")} for name in ("upgraded", *others)}
    columns["teacher"]["l0"] = Metric(4.1, "")
    comparisons = [compare_runs("mse", name, [1.0, 1.01], [2.0, 2.1]) for name in others]
    text = verdict(columns, comparisons)
    assert len(text) < 320
    assert not any(name in text for name in ("scale", "polynomial", "twice", "refine"))
    assert text.endswith(", at L0 4.00 against 4.10 (teacher), 4.00 (control), 4.00 (threshold).")
