"""The frontier: gaps at equal L0 by hand, what does not belong together, and the command."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rsae.commands.main import main
from rsae.evaluation.metrics import Metric
from rsae.report.frontier import check_same, frontier, read_runs, save_frontier
from rsae.report.report import Report

STATES = {"source": "host", "hook": "model.layers.2", "text_sha256": "ab", "context_length": 256}


def run(l0: float, family: str = "topk", states: dict[str, Any] = STATES, **mse: float) -> Report:
    columns = {name: {"l0": Metric(l0, "codes"), "mse": Metric(value, "error")} for name, value in mse.items()}
    return Report(columns, {"family": family, "hidden_states": states}, "A verdict.")


def gaps(reports: dict[str, Report]) -> dict[tuple[str, str, str], float]:
    found = frontier(reports)["gaps"]
    return {(gap["family"], gap["against"], gap["metric"]): gap["percent"] for gap in found}


@given(st.floats(0.5, 2.0), st.lists(st.floats(0.1, 100.0), min_size=2, max_size=5))
def test_a_constant_ratio_is_found_whatever_the_shape(ratio: float, errors: list[float]) -> None:
    reports = {f"{i}": run(8.0 * 2**i, upgraded=ratio * mse, control=mse) for i, mse in enumerate(errors)}
    assert gaps(reports) == {("topk", "control", "mse"): pytest.approx(100 * (ratio - 1), abs=1e-6)}


def test_points_at_other_l0_are_compared_where_both_have_a_line() -> None:
    # Both lie on mse = 24 / l0, so there is no gap, although no two points share an L0.
    ours = {"a": run(6.0, upgraded=4.0), "b": run(24.0, upgraded=1.0)}
    theirs = {"c": run(8.0, control=3.0), "d": run(12.0, control=2.0)}
    found = frontier({**ours, **theirs})["gaps"]
    assert [(gap["low_l0"], gap["high_l0"]) for gap in found] == [(pytest.approx(8), pytest.approx(12))]
    assert found[0]["percent"] == pytest.approx(0, abs=1e-6)


def test_no_gap_without_two_sparsities_or_a_shared_range_and_families_stay_apart() -> None:
    assert gaps({"a": run(8.0, upgraded=1.0, control=2.0)}) == {}
    apart = {"a": run(2.0, upgraded=2.0), "b": run(3.0, upgraded=1.0), "c": run(8.0, control=3.0)}
    assert gaps({**apart, "d": run(9.0, control=2.0)}) == {}
    other = {"a": run(8.0, upgraded=1.0, control=2.0), "b": run(16.0, family="relu", upgraded=1.0, control=2.0)}
    assert gaps(other) == {}
    undefined = {"a": run(8.0, upgraded=1.0, control=2.0), "b": run(16.0, upgraded=math.inf, control=0.0)}
    assert gaps(undefined) == {}


def test_a_further_sae_is_a_line_of_its_own() -> None:
    metrics = {"l0": Metric(4.0, ""), "mse": Metric(9.0, "")}
    series = frontier({"a": run(8.0, teacher=1.0)}, {"other": ("relu", metrics)})["series"]
    assert [(entry["family"], entry["column"]) for entry in series] == [("topk", "teacher"), ("relu", "as given")]


def test_runs_on_other_hidden_states_are_refused(tmp_path: Path) -> None:
    for name, states in (("a", STATES), ("b", {**STATES, "hook": "model.layers.3"})):
        (tmp_path / name).mkdir()
        run(8.0, states=states, teacher=1.0).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"hook \(model.layers.2 and model.layers.3\)"):
        read_runs([tmp_path / "a", tmp_path / "b" / "report.json"])
    with pytest.raises(FileNotFoundError, match="no report at"):
        read_runs([tmp_path / "c"])
    check_same("a", STATES, "b", dict(STATES))


def test_the_command_writes_pictures_and_puts_the_frontier_into_a_report(tmp_path: Path) -> None:
    for name, l0 in (("a", 8.0), ("b", 16.0)):
        (tmp_path / name).mkdir()
        run(l0, teacher=40 / l0, control=30 / l0, upgraded=27 / l0).save(tmp_path / name)
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["frontier", *words, "--into", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    assert "-10.0%" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["frontier-mse.svg", "frontier.json"]
    tree = json.loads((tmp_path / "out" / "frontier.json").read_text())
    assert Report.load(tmp_path / "b" / "report.json").frontier == tree
    assert "Frontier over several sparsities" in (tmp_path / "b" / "report.html").read_text()
    assert "Frontier over" not in (tmp_path / "a" / "report.html").read_text()
    again = CliRunner().invoke(main, ["frontier", *words])
    assert again.exit_code == 2
    assert "is not empty" in again.stderr
    alone = CliRunner().invoke(main, ["frontier", *words[:2], "--out", str(tmp_path / "new"), "--sae", "folder"])
    assert alone.exit_code == 2
    assert "give --model and --hook and --text" in alone.stderr


def test_what_is_saved_is_the_same_every_time(tmp_path: Path) -> None:
    found = frontier({"a": run(8.0, upgraded=1.0), "b": run(16.0, upgraded=0.5)})
    first = [path.read_bytes() for path in save_frontier(found, tmp_path)]
    assert [path.read_bytes() for path in save_frontier(found, tmp_path)] == first
