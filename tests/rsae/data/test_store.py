"""Hidden states on disk: equal to those in memory, resumed with the same bytes, and checked."""

import hashlib
import json
import os
from dataclasses import replace

import pytest
import torch

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from tests.rsae.material import ranks_training
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

PAIR = (tiny_model("llama"), tiny_tokenizer())
TEXT = tiny_text(120, 40)
READING = Reading(batch_size=2, outlier_medians=1.05)
OPTIONS = {"context_length": 40, "reading": READING}


def harvest(store=None, **changes):
    return hidden_states(PAIR, TEXT, "model.layers.1", store=store, **OPTIONS | changes)


def bytes_in(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_disk_gives_what_memory_gives(tmp_path):
    here, there = harvest(), harvest(tmp_path / "store")
    assert sorted(os.listdir(tmp_path / "store")) == ["held_out.safetensors", "manifest.json", "train.safetensors"]
    assert here.statistics == there.statistics
    assert here.statistics["dropped_outliers"]["train"] > 0
    for part in ("train", "calibration", "held_out"):
        assert torch.equal(getattr(here, part), getattr(there, part))
    assert here.host.clean_loss() == there.host.clean_loss()
    for a, b in zip(here.batches(32, 0, 5), there.batches(32, 0, 5)):
        assert torch.equal(a, b)
    alone = hidden_states(tmp_path / "store")
    assert torch.equal(alone.train, here.train)
    assert alone.host is None


def test_a_killed_harvest_resumes_with_the_same_bytes(tmp_path):
    harvest(tmp_path / "whole")

    def stop(done, total):
        if done > total * 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        harvest(tmp_path / "killed", progress=stop)
    shards = sorted(path.name for path in (tmp_path / "killed").glob("train-*"))
    assert shards
    (tmp_path / "killed" / shards[0]).write_bytes(b"rotten")
    (tmp_path / "killed" / ".train-00009.safetensors.part").write_bytes(b"half")
    again = []
    harvest(tmp_path / "killed", progress=lambda done, total: again.append(done))
    assert again[-1] == 120 * 40
    (tmp_path / "killed" / ".train-00009.safetensors.part").unlink()
    assert bytes_in(tmp_path / "whole") == bytes_in(tmp_path / "killed")


def killed(folder):
    """Harvest, and end this process in the middle."""
    harvest(folder, progress=lambda done, total: os._exit(9) if done > total / 2 else None)


def test_a_process_killed_outright_resumes(tmp_path):
    assert ranks_training.together(1, str(tmp_path / "says"), killed, str(tmp_path / "killed")) == [9]
    assert list((tmp_path / "killed").glob("train-*"))
    harvest(tmp_path / "killed")
    harvest(tmp_path / "whole")
    assert bytes_in(tmp_path / "whole") == bytes_in(tmp_path / "killed")


def test_an_ended_harvest_does_not_read_the_model_again(tmp_path):
    harvest(tmp_path / "store")
    found = harvest(
        tmp_path / "store",
        progress=lambda *_: pytest.fail("read again"),
        seed=3,
        reading=replace(READING, loss_tokens=100),
    )
    assert found.host.predicted_tokens <= 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "train.safetensors").write_bytes(b"0" * 100), "SHA-256 differs"),
        (lambda f: (f / "train.safetensors").unlink(), "SHA-256 differs"),
        (lambda f: edit(f, lambda m: m["parts"]["train"].update(file="../../etc/passwd")), "not inside its folder"),
        (lambda f: edit(f, lambda m: m["parts"]["train"].update(file=["x"])), "not inside its folder"),
        (lambda f: edit(f, lambda m: m["parts"].pop("held_out")), "has not ended"),
        (lambda f: edit(f, lambda m: m.update(format="other")), "not of the format"),
        (lambda f: (f / "manifest.json").write_text("[" * 10**6), "manifest.json"),
        (lambda f: (f / "manifest.json").write_text("[]"), "not the object"),
    ],
)
def test_folders_that_were_changed_are_refused(tmp_path, change, words):
    harvest(tmp_path / "store")
    change(tmp_path / "store")
    with pytest.raises(ValueError, match=words):
        hidden_states(tmp_path / "store")


def edit(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_another_question_is_refused(tmp_path):
    harvest(tmp_path / "store")
    with pytest.raises(ValueError, match="differ in context_length, prepend_bos"):
        harvest(tmp_path / "store", context_length=20, reading=replace(READING, prepend_bos=True))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("all of it")
    with pytest.raises(ValueError, match="not empty"):
        harvest(tmp_path / "full")
    with pytest.raises(ValueError, match="leave them out"):
        hidden_states(tmp_path / "store", TEXT, "model.layers.1")
