"""Loggers: the protocol by itself, and each tracker offline, read back with its own reader."""

import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from rsae.commands.main import main
from rsae.formats import save_sae
from rsae.loggers import TRACKERS, Logger, logging_to
from rsae.progress import Progress
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.finetuning import finetune
from tests.rsae.material.reports import report
from tests.rsae.material.sparse_data import sparse_states, teacher
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

EVENTS = [Progress("control", step, 20, 3.0 - step / 10, 16.0, 1.0) for step in (10, 20)]
EVENTS += [Progress("upgraded", step, 20, 2.0 - step / 10, 15.5, 1.0) for step in (10, 20)]


class Kept(Logger):
    """A logger that keeps what a tracker would be given."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, dict[str, float]]] = []
        self.last: dict[str, float] = {}
        self.verdict = ""
        self.closed = False

    def step(self, arm: str, step: int, values: Mapping[str, float]) -> None:
        self.steps.append((arm, step, dict(values)))

    def end(self, values: Mapping[str, float], verdict: str) -> None:
        self.last, self.verdict = dict(values), verdict

    def close(self) -> None:
        self.closed = True


def test_a_logger_is_a_callback_of_training() -> None:
    log, events = Kept(), []
    finetune(teacher("topk"), sparse_states(), steps=8, arm="control", progress=[log, events.append])
    assert log.steps == [("control", event.step, {"loss": event.loss, "l0": event.l0}) for event in events]
    assert [step for _, step, _ in log.steps] == list(range(1, 9))


def test_a_report_gives_every_finite_metric_of_every_column_and_the_verdict() -> None:
    log, given = Kept(), report()
    log.report(given)
    assert log.last["upgraded/mse"] == given.columns["upgraded"]["mse"].value
    assert {name.split("/")[0] for name in log.last} == set(given.columns)
    assert "teacher/loss_recovered" not in log.last, "it is not a number"
    assert log.verdict == given.verdict


def test_another_tracker_is_refused_and_one_that_is_absent_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="one of wandb, tensorboard, trackio"), logging_to("mlflow", tmp_path):
        pass
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"pip install .rational-sae\[wandb\]"), logging_to("wandb", tmp_path):
        pass


def logged(tracker: str, folder: Path) -> Report:
    given = report()
    with logging_to(tracker, folder, run="test", config={"seed": 3}) as log:
        for event in EVENTS:
            log(event)
        log.report(given)
    return given


def test_a_command_refuses_a_tracker_that_is_absent_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsae.commands.logs.find_spec", lambda name: None)
    words = ["--sae", "a", "--model", "b", "--hook", "c", "--text", "d", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, ["upgrade", *words, "--log", "trackio"])
    assert result.exit_code == 2
    assert 'trackio is not installed (pip install "rational-sae[trackio]")' in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_command_logs_its_arms_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of `rsae upgrade --log`, with a tracker that only keeps."""
    kept = Kept()

    @contextmanager
    def logging_to(name: str, folder: Path, **asked: Any) -> Iterator[Kept]:
        assert (name, folder, asked["run"]) == ("wandb", tmp_path / "run" / "logs", "run")
        assert asked["config"]["hook"] == "model.layers.1"
        yield kept

    monkeypatch.setattr("rsae.commands.logs.logging_to", logging_to)
    monkeypatch.setattr("rsae.commands.logs.find_spec", lambda name: SimpleNamespace(origin=name))
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "host")
    (tmp_path / "text.json").write_text(json.dumps(tiny_text(30)))
    rows = torch.cat([torch.eye(WIDTH), -torch.eye(WIDTH)])
    options = {"b_enc": torch.zeros(2 * WIDTH), "b_dec": torch.zeros(WIDTH), "family": "topk", "k": 8}
    save_sae(SparseAutoencoder(W_enc=rows.T, W_dec=rows, **options), tmp_path / "sae")  # type: ignore[arg-type]
    asked = {"--sae": tmp_path / "sae", "--model": tmp_path / "host", "--hook": "model.layers.1", "--steps": 3}
    asked |= {"--text": tmp_path / "text.json", "--context-length": 32, "--out": tmp_path / "run", "--device": "cpu"}
    words = [str(word) for pair in asked.items() for word in pair]
    result = CliRunner().invoke(main, ["upgrade", *words, "--log", "wandb"])
    assert result.exit_code in (0, 3), result.output
    assert "upgraded" in {arm for arm, _, _ in kept.steps}
    tree = json.loads((tmp_path / "run" / "report.json").read_text())
    assert kept.verdict == tree["verdict"]
    assert kept.last["upgraded/mse"] == tree["columns"]["upgraded"]["mse"]["value"]


@pytest.mark.peers
def test_tensorboard_files_hold_every_number(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    given = logged("tensorboard", tmp_path)
    found = EventAccumulator(str(tmp_path / "test")).Reload()
    losses = [(event.step, round(event.value, 5)) for event in found.Scalars("control/loss")]
    assert losses == [(10, 2.0), (20, 1.0)]
    assert [event.value for event in found.Scalars("upgraded/l0")] == [15.5, 15.5]
    mse = found.Scalars("report/upgraded/mse")[0].value
    assert mse == pytest.approx(given.columns["upgraded"]["mse"].value, rel=1e-6)


def logged_apart(tracker: str, folder: Path, **environment: str) -> None:
    """`logged` in a process of its own: trackio reads its folder when imported, wandb writes its last when it ends."""
    script = "import sys; from pathlib import Path; from tests.rsae.test_loggers import logged;"
    script += "logged(sys.argv[1], Path(sys.argv[2]))"
    words = [sys.executable, "-c", script, tracker, str(folder)]
    subprocess.run(words, env=os.environ | environment, check=True, timeout=500, capture_output=True)


@pytest.mark.peers
def test_wandb_keeps_a_run_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    logged_apart("wandb", tmp_path, WANDB_MODE="offline", WANDB_SILENT="true", WANDB_CACHE_DIR=str(tmp_path))
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 1
    data = files[0].read_bytes()
    for wanted in (b"control/loss", b"upgraded/l0", b"upgraded/mse", report().verdict[:20].encode()):
        assert wanted in data


@pytest.mark.peers
def test_trackio_keeps_a_run_in_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    logged_apart("trackio", tmp_path, TRACKIO_DIR=str(tmp_path / "trackio"), HF_HUB_OFFLINE="1")
    (database,) = (tmp_path / "trackio").glob("rsae*.db")
    with sqlite3.connect(database) as connection:
        rows = [json.loads(row[0]) for row in connection.execute("select metrics from metrics")]
    assert {"control/loss": 2.0, "control/l0": 16.0, "control/step": 10} in rows
    assert any("report/upgraded/mse" in row for row in rows)


def test_every_tracker_has_an_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(TRACKERS) <= set(project["optional-dependencies"])
