"""Checkpoints: what they keep, what they refuse, and an upgrade that kills do not change by a bit."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint, unfinished
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae import killing
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()


class Killed(Exception):
    """Stands for a kill inside one process."""


def at(step: int) -> Callable[[Progress], None]:
    """A progress callback that ends the run at a step."""

    def progress(event: Progress) -> None:
        if event.step == step:
            raise Killed

    return progress


@pytest.mark.parametrize("family", ["relu", "relu with l1", "jumprelu", "topk"])
def test_training_goes_on_with_the_same_bits(family: str, tmp_path: Path) -> None:
    start = calibrate(teacher(family.split()[0]), STATES)
    recipe = recipe_for(start, sparsity="l1" if "l1" in family else None)
    curve: list[dict[str, float]] = []
    whole = finetune(start, STATES, steps=30, recipe=recipe, curve=curve)
    again: list[dict[str, float]] = []
    work = Checkpoint(tmp_path, every=7)
    for step in (17, 26):  # checkpoints lie at 7, 14, 21 and 28
        with pytest.raises(Killed):
            finetune(start, STATES, steps=30, recipe=recipe, checkpoint=work, progress=at(step))
    for _ in range(2):  # the second time nothing is left to train
        again.clear()
        resumed = finetune(start, STATES, steps=30, recipe=recipe, checkpoint=work, curve=again)
        assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
        assert again == curve


def test_an_upgrade_in_memory_goes_on_too_and_measures_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    original = teacher("topk")

    def during_upgraded(event: Progress) -> None:
        if event.arm == "upgraded" and event.step == 8:
            raise Killed

    with pytest.raises(Killed):
        upgrade(original, STATES, steps=12, out=out, progress=during_upgraded, settings=Settings(checkpoint_every=5))
    with pytest.raises(ValueError, match=r"differs in: .*steps"):
        upgrade(original, STATES, steps=13, out=out)
    seen: list[Progress] = []
    resumed = upgrade(original, STATES, steps=12, out=out, progress=seen.append, settings=Settings(checkpoint_every=5))
    assert [event.step for event in seen] == list(range(6, 13))
    assert {event.arm for event in seen} == {"upgraded"}
    whole = upgrade(original, STATES, steps=12)
    assert torch.equal(whole.sae.W_enc, resumed.sae.W_enc)
    assert whole.report.to_json()["columns"] == resumed.report.to_json()["columns"]
    assert whole.report.to_json()["curves"] == resumed.report.to_json()["curves"]
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "sae"]


def test_overwriting_begins_anew_where_the_question_is_another(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        upgrade(teacher("topk"), STATES, steps=9, out=tmp_path, progress=at(7), settings=Settings(checkpoint_every=2))
    done = upgrade(teacher("topk"), STATES, steps=6, out=tmp_path, overwrite=True)
    assert done.report.question["steps"] == 6
    assert not unfinished(tmp_path / "checkpoint")


def test_states_are_whole_or_absent(tmp_path: Path) -> None:
    work = Checkpoint(tmp_path / "work")
    work.save("an arm, seed 3", {"a": torch.arange(3.0)}, step=2, history=[{"loss": 0.1}])
    assert work.load("another") is None
    (tmp_path / "work" / ".an-arm-seed-3.state.part").write_bytes(b"half")
    kept = Checkpoint(tmp_path / "work").load("an arm, seed 3")
    assert kept is not None
    assert kept.values == {"step": 2, "history": [{"loss": 0.1}]}
    assert torch.equal(kept.tensors["a"], torch.arange(3.0))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["an-arm-seed-3.state"]
    (tmp_path / "work" / "torn.state").write_bytes(b"not a state")
    with pytest.raises(ValueError, match="no safetensors file"):
        work.load("torn")
    with pytest.raises(ValueError, match="positive integer"):
        Checkpoint(tmp_path / "none", every=0)
    with pytest.raises(ValueError, match="does not fit this training"):
        _another_shape(tmp_path / "work")


def _another_shape(folder: Path) -> SparseAutoencoder:
    Checkpoint(folder).save("sae", {"parameter.0": torch.zeros(2)}, step=1, history=[])
    return finetune(teacher("topk"), STATES, steps=3, checkpoint=Checkpoint(folder))


def refused(folder: Path, question: int, *, state: bool = False, error: type[BaseException] = ValueError) -> None:
    """A run that ends with an error after it had harvested, and with a ``state`` trained, too."""
    with suppress(error), Checkpoint(folder) as work:
        work.agree("command", {"hook": question}, whole=True)
        work.agree("upgrade", {"teacher": question})
        (folder / "hidden_states").mkdir(exist_ok=True)
        (folder / "hidden_states" / str(question)).touch()
        if state:
            work.save("control", {}, step=1)
        raise error


def test_what_a_refused_run_left_gives_way_to_another_question_and_serves_the_same(tmp_path: Path) -> None:
    refused(tmp_path, 1)
    refused(tmp_path, 1)
    assert (tmp_path / "hidden_states/1").exists()
    refused(tmp_path, 2)
    assert [path.name for path in (tmp_path / "hidden_states").iterdir()] == ["2"]
    refused(tmp_path, 2, state=True)
    with pytest.raises(ValueError, match="an unfinished run that differs in: hook"):
        Checkpoint(tmp_path).agree("command", {"hook": 3}, whole=True)
    Checkpoint(tmp_path, discard=True).agree("command", {"hook": 3}, whole=True)
    assert {path.name for path in tmp_path.iterdir()} == {"question-command.state"}


def test_what_was_interrupted_is_not_given_up(tmp_path: Path) -> None:
    refused(tmp_path, 1, error=KeyboardInterrupt)
    with pytest.raises(ValueError, match="an unfinished run that differs in: hook"):
        Checkpoint(tmp_path).agree("command", {"hook": 2}, whole=True)
    assert (tmp_path / "hidden_states/1").exists()


def test_a_folder_without_work_goes_with_the_exception(tmp_path: Path) -> None:
    with pytest.raises(Killed), Checkpoint(tmp_path / "out" / "checkpoint") as work:
        _refused(work)
    assert not (tmp_path / "out").exists()
    with pytest.raises(Killed), Checkpoint(tmp_path / "out" / "checkpoint") as work:
        _refused(work, "arm")
    assert unfinished(tmp_path / "out" / "checkpoint")
    # Killed while it was removed:
    (tmp_path / "out" / "checkpoint").rename(tmp_path / "out" / ".checkpoint.finished")
    assert not unfinished(tmp_path / "out" / "checkpoint")
    assert not list((tmp_path / "out").iterdir())


def _refused(work: Checkpoint, *saved: str) -> None:
    work.agree("command", {"seed": 0})
    for name in saved:
        work.save(name, {})
    raise Killed


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_kills_do_not_change_an_upgrade_by_a_bit(tmp_path: Path, kills: int) -> None:
    arguments = killing.command(tmp_path / "inputs", steps=40, every=10, family="topk", documents=120)
    killing.run(["--help"])  # the process that forks the others starts here
    seconds = killing.run([*arguments, "--out", str(tmp_path / "whole")])
    moments, out = random.Random(1), tmp_path / "killed"
    for _ in range(kills):
        where = killing.kill(arguments, out, moments.uniform(0.2, 0.6) * seconds)
    if where != "finished":
        killing.run([*arguments, "--out", str(out)])
    killing.same(out, tmp_path / "whole", where)
