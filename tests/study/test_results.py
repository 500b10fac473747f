"""The page of results, from cells whose numbers are known, and `python -m tests.study` itself on a small study."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from rsae.evaluation.errors import token_errors
from rsae.evaluation.metrics import Metric
from rsae.formats import save_sae
from rsae.report.report import Report
from rsae.storage.writing import write_text
from rsae.training.finetuning import finetune
from rsae.training.l0 import mean_l0
from rsae.training.recipe import recipe_for
from rsae.upgrading.plan import set_apart
from tests.rsae.material.sparse_data import sparse_states, teacher
from tests.study import cells as table
from tests.study import reproduce as module
from tests.study import teachers
from tests.study.__main__ import main
from tests.study.cells import STUDIES, Study, finished_cells, rows
from tests.study.reproduce import reproduce
from tests.study.results import fill, page
from tests.study.teachers import ENOUGH, finished_teacher

NAMES = [
    (study.name, name) for study in STUDIES for name in study.teachers if (study.refine, study.kl_share) == ("none", 0)
]


def cell(out: Path, study: str, name: str, seed: int, mse: dict[str, float], **more: dict[str, float]) -> None:
    """A finished cell with these numbers."""
    family = name.split("_")[0]
    metrics = {"mse": mse, "l0": dict.fromkeys(mse, 16.0), "alive_fraction": dict.fromkeys(mse, 1.0)} | more
    columns = {c: {m: Metric(values[c], "") for m, values in metrics.items()} for c in mse}
    recipe = {"learning_rate": 6e-3, "coefficient_rate": 3e-3, "steps": 2000, "batch_size": 256}
    compared = [
        {"metric": "mse", "other": o, "difference": mse["upgraded"] - v, "base": v, "low": -0.2, "high": 0.1}
        | {"over": "tokens"}
        for o, v in mse.items()
    ]
    question: dict[str, Any] = {"family": family, "d_sae": 512, "steps": 2000, "inputs": ["ratio"], "seconds": 60.0}
    question |= {"denominator": "fixed", "recipes": {"upgraded": recipe, "control": recipe}, "comparisons": compared}
    folder = out / study / name / f"seed_{seed}"
    folder.mkdir(parents=True)
    write_text(folder / "report.json", json.dumps(Report(columns, question, "").to_json()))


def test_cells_become_rows_with_intervals_over_seeds(tmp_path: Path) -> None:
    study = STUDIES[0].name
    ce = {"teacher": 0.2, "control": 0.1, "upgraded": 0.11}
    for seed, (control, ours) in enumerate([(1.0, 0.90), (1.1, 0.99), (0.9, 0.82)]):
        mse = {"teacher": 2.0, "control": control, "upgraded": ours}
        cell(tmp_path, study, "topk_16", seed, mse, delta_ce=ce)
        cell(tmp_path, study, "topk_8", seed, mse | {"upgraded": control + 0.01}, delta_ce=ce)
    found = {row.cells[0].teacher: row for row in rows(finished_cells(tmp_path))}
    better = found["topk_16"].against("control")
    assert better.relative == pytest.approx(-0.29 / 3.0)
    assert better.over == "seeds"
    assert better.high < 0
    text = page(finished_cells(tmp_path))
    assert "| MSE below the teacher's | 2 of 2 | - | 22 of 24: reproduced |" in text
    assert "| MSE better than the control, interval excludes zero | 1 of 2 | topk_8 |  |" in text
    assert "| delta-CE below the control's | 0 of 2 | topk_8, topk_16 |" in text
    assert "TopK: MSE below the control's by 2.5%, interval excludes zero | 1 of 2" in text
    assert "ReLU: MSE" not in text


def test_one_seed_takes_its_interval_from_the_tokens(tmp_path: Path) -> None:
    cell(tmp_path, STUDIES[1].name, "relu", 0, {"teacher": 2.0, "control": 1.0, "threshold": 0.8, "upgraded": 0.7})
    (row,) = rows(finished_cells(tmp_path))
    assert row.against("control").over == "tokens"
    assert (row.against("control").low, row.against("control").high) == (-0.2, 0.1)
    assert "0.8000" in page(finished_cells(tmp_path))


def test_latents_that_fell_silent_are_counted(tmp_path: Path) -> None:
    mse = {"teacher": 2.0, "control": 1.0, "upgraded": 0.7}
    cell(tmp_path, *NAMES[0], 0, mse, alive_fraction={"teacher": 1.0, "control": 0.9, "upgraded": 0.95})
    text = page(finished_cells(tmp_path))
    assert "alive fraction not below the teacher's | 0 of 1" in text
    assert "alive fraction not below the control's | 1 of 1" in text


def test_probed_cells_get_a_table_and_a_verdict(tmp_path: Path) -> None:
    cell(tmp_path, *NAMES[0], 0, {"teacher": 2.0, "control": 1.0, "upgraded": 0.7})
    assert "probing" not in page(finished_cells(tmp_path))
    (path,) = tmp_path.rglob("report.json")
    report = json.loads(path.read_text())
    apart = {"value": 0.02, "low": 0.01, "high": 0.03}
    accuracy = {name: apart | {"value": 0.75} for name in ("teacher", "control", "upgraded")}
    row: dict[str, Any] = {
        "group": "pairs",
        "k": 5,
        "tasks": 3,
        "accuracy": accuracy,
        "difference": {"teacher": apart, "control": apart},
    }
    report["probing"] = {"rows": [row]}
    path.write_text(json.dumps(report))
    text = page(finished_cells(tmp_path))
    assert "| pairs (3), 5 | 75.0% | 75.0% | 75.0% | +2.0 [+1.0, +3.0] | +2.0 [+1.0, +3.0] |" in text
    asked = "probing accuracies surely below the teacher's"
    assert f"| {asked} | 0 of 1; 0.0 by chance | surely above: 1 of 1 | not worse: reproduced |" in text
    row["difference"]["teacher"] = {"value": -0.02, "low": -0.03, "high": -0.01}
    path.write_text(json.dumps(report))
    assert f"| {asked} | 1 of 1; 0.0 by chance | surely above: 0 of 1 | not worse: not reproduced |" in page(
        finished_cells(tmp_path)
    )


def test_probing_of_several_seeds_is_less_sure_where_they_disagree(tmp_path: Path) -> None:
    for seed, value in enumerate((-0.06, 0.00, 0.03)):
        cell(tmp_path, *NAMES[0], seed, {"teacher": 2.0, "control": 1.0, "upgraded": 0.7})
        path = tmp_path / NAMES[0][0] / NAMES[0][1] / f"seed_{seed}" / "report.json"
        report = json.loads(path.read_text())
        apart = {"value": value, "low": value - 0.03, "high": value + 0.03}
        accuracy = {name: apart | {"value": 0.75 + value} for name in ("teacher", "control", "upgraded")}
        row: dict[str, Any] = {
            "group": "pairs",
            "k": 1,
            "tasks": 3,
            "accuracy": accuracy,
            "difference": dict.fromkeys(accuracy, apart),
        }
        report["probing"] = {"rows": [row]}
        path.write_text(json.dumps(report))
        if not seed:
            assert "surely below the teacher's | 1 of 1" in page(finished_cells(tmp_path))
    (found,) = rows(finished_cells(tmp_path))[0].probed()
    difference = found.difference["teacher"]
    assert difference.value == pytest.approx(-0.01)
    # Over seeds: 4.303 (t, two degrees of freedom) times 0.04583 / sqrt(3); over texts 0.03 still.
    assert difference.high - difference.value == pytest.approx((0.03**2 + (4.30265 * 0.0458258 / 3**0.5) ** 2) ** 0.5)
    assert "surely below the teacher's | 0 of 1" in page(finished_cells(tmp_path))


def test_a_study_replaces_its_own_part_of_the_page_alone(tmp_path: Path) -> None:
    name, *_ = NAMES[0]
    for study, each in NAMES:
        if study == name:
            cell(tmp_path / "cells", study, each, 0, {"teacher": 2.0, "control": 1.0, "upgraded": 0.7})
    begun = next((study, each) for study, each in NAMES if study == "smollm2_layer10")  # one of its three teachers
    cell(tmp_path / "cells", *begun, 0, {"teacher": 2.0, "control": 1.0, "upgraded": 0.7})
    cells, target = finished_cells(tmp_path / "cells"), tmp_path / "results.md"
    assert fill(target, cells) == [name]
    first = target.read_text()
    fill(target, cells)
    assert target.read_text() == first
    other = "<!-- another: begin -->\nlast year\n<!-- another: end -->"
    target.write_text(f"above\n<!-- {name}: begin -->\nlast year\n<!-- {name}: end -->\n{other}\nbelow\n")
    fill(target, cells)
    assert target.read_text().startswith(f"above\n<!-- {name}: begin -->\n### {name}\n")
    assert target.read_text().endswith(f"<!-- {name}: end -->\n{other}\nbelow\n")
    assert target.read_text().count("last year") == 1
    target.write_text("no marks")
    with pytest.raises(ValueError, match=f"the marks <!-- {name}: begin -->"):
        fill(target, cells)
    assert target.read_text() == "no marks"
    with pytest.raises(ValueError, match="no study whose teachers all have one"):
        fill(target, [each for each in cells if each.study == begun[0]])
    with pytest.raises(ValueError, match="no finished cells"):
        page([])


def test_a_study_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study("small", "small", "hosts/none", "h.0", "text", 1, 256, ("topk_4", "relu_1"), seeds=2)
    for place in (module, table):
        monkeypatch.setattr(place, "STUDIES", (study,))
    states = sparse_states(3000)
    monkeypatch.setattr(Study, "states", lambda *_: states)
    (tmp_path / "data" / "teachers" / "small").mkdir(parents=True)
    for name in study.teachers:
        save_sae(teacher(name.split("_")[0]), tmp_path / "data" / "teachers" / "small" / name)
    said: list[str] = []
    out = tmp_path / "out"
    assert len(reproduce(tmp_path / "data", out, steps=3, limit=1, say=said.append)) == 1
    report = (out / "small" / "topk_4" / "seed_0" / "report.json").read_bytes()
    cells = reproduce(tmp_path / "data", out, steps=3, say=said.append)
    assert [(c.teacher, c.seed) for c in cells] == [("topk_4", 0), ("topk_4", 1), ("relu_1", 0), ("relu_1", 1)]
    assert said == ["small/topk_4, seed 0", "small/relu_1, seed 0", "small/topk_4, seed 1", "small/relu_1, seed 1"]
    assert (out / "small" / "topk_4" / "seed_0" / "report.json").read_bytes() == report
    assert cells[0].report.question["recipes"]["control"]["batch_size"] == recipe_for(teacher("topk")).batch_size
    for first, second in (cells[:2], cells[2:]):  # the rate is tuned once a teacher
        assert first.report.question["tuning"] is not None
        assert second.report.question["tuning"] is None
        assert first.report.question["recipes"] == second.report.question["recipes"]
    with pytest.raises(ValueError, match="was run for 3 steps, not 4"):
        reproduce(tmp_path / "data", out, steps=4)
    with pytest.raises(ValueError, match="names no cell"):
        reproduce(tmp_path / "data", out, only=["gemma"])
    with pytest.raises(FileNotFoundError, match="is that the data's folder"):
        reproduce(tmp_path / "nothing", out)


def test_teachers_and_upgrades_read_other_texts() -> None:
    study = Study("small", "small", "hosts/none", "h.0", "text", 1, 256, ("topk_4",), teachers_share=0.5)
    states = replace(sparse_states(3000), contexts=[[0] * 8] * 357 + [[0] * 2])
    rows = torch.cat([study.teachers_part(states).train, study._part(states, 0.5, 1.0).train])
    assert torch.equal(rows, states.train)
    assert len(study.teachers_part(states).train) == 7 * len(study.teachers_part(states).contexts) == 1253


def test_a_teacher_is_finished_when_a_round_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "PASSES", 30)
    states = sparse_states(1200)
    said: list[str] = []
    made = finished_teacher(states, "topk", 4, d_sae=32, say=said.append)
    *_, before, last = made.metadata["errors"]
    assert (1 - ENOUGH) * before < last
    assert len(said) == len(made.metadata["errors"])
    rest, judges = set_apart(states)
    recipe = recipe_for(made, learning_rate=teachers.RATE)
    again = finetune(made, rest, steps=30 * len(rest.train) // recipe.batch_size, recipe=recipe, seed=99)
    assert token_errors(again, judges).mean() > 0.9 * token_errors(made, judges).mean()
    with pytest.raises(RuntimeError, match="not finished after 1 rounds"):
        finished_teacher(states, "topk", 4, d_sae=32, rounds=1, say=said.append)


@pytest.mark.parametrize("family", ["topk", "jumprelu", "relu"])
def test_finished_teachers_have_the_codes_that_their_name_says(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "ENOUGH", 1.0)  # two rounds
    states = sparse_states(600)
    made = finished_teacher(states, family, 4, d_sae=32, say=lambda _: None)
    assert made.family == family
    assert mean_l0(made, set_apart(states)[0].calibration) == pytest.approx(4, rel=0.02)


def test_the_command_writes_the_page_of_what_is_there(tmp_path: Path) -> None:
    for study, each in NAMES:
        if study == NAMES[0][0]:
            cell(tmp_path / "out", study, each, 0, {"teacher": 2.0, "control": 1.0, "upgraded": 0.7})
    for which in STUDIES:
        for name in which.teachers:
            which.teacher(tmp_path / "data", tmp_path / "out", name).mkdir(parents=True, exist_ok=True)
    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--limit", "0"]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    assert "of the teachers" in shown.output
    written = CliRunner().invoke(main, [*arguments, "--page", str(tmp_path / "results.md")])
    assert written.exit_code == 0
    assert "of the teachers" in (tmp_path / "results.md").read_text()
    path = next(tmp_path.rglob("report.json"))
    path.write_text(path.read_text().replace('"denominator": "fixed"', '"denominator": "trainable"'))
    older = CliRunner().invoke(main, arguments)
    assert older.exit_code == 2
    assert "was run with a trainable denominator: give another folder" in older.output
    refused = CliRunner().invoke(main, [*arguments, "--only", "gemma"])
    assert refused.exit_code == 2
    assert "names no cell" in refused.output
