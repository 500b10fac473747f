"""A harvest in parts: the same rows whoever reads which part, and after every kill; by a command that ranks share."""

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from rsae.commands.main import main
from rsae.data.parts import harvest_parts, join_parts, mine
from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.progress import Bars
from tests.rsae.material import ranks_training
from tests.rsae.material.folders import contents
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

HOOK, PARTS = "model.layers.1", 3
PAIR = (tiny_model("llama"), tiny_tokenizer())
TEXT = tiny_text(240, 90)
OPTIONS = {"context_length": 40, "reading": Reading(batch_size=2, outlier_medians=1.05), "device": "cpu"}


def harvest(folder: Path, *parts: int, **changes: object) -> None:
    chosen = [(number, PARTS) for number in parts or range(PARTS)]
    rest = {"progress": False, **OPTIONS, **changes}
    harvest_parts(PAIR, TEXT, HOOK, folder, chosen, **rest)  # type: ignore[arg-type]


def whole(folder: Path) -> dict[str, str]:
    """The bytes of an uninterrupted harvest by one process."""
    harvest(folder)
    join_parts(folder)
    return contents(folder)


def test_joined_parts_are_what_a_harvest_of_each_gives(tmp_path: Path) -> None:
    reading = Reading(batch_size=2, outlier_medians=None)
    alone = [
        hidden_states(PAIR, TEXT[i::PARTS], HOOK, context_length=40, reading=reading, progress=False)
        for i in range(PARTS)
    ]
    harvest(tmp_path)
    join_parts(tmp_path)
    found = hidden_states(tmp_path)
    train = torch.cat([part.train for part in alone])
    limit = 1.05 * train.norm(dim=1).median()
    kept = train.norm(dim=1) <= limit
    assert 0.3 < kept.float().mean() < 0.9
    assert torch.equal(found.train, train[kept])
    held_out = torch.cat([part.held_out for part in alone])
    assert torch.equal(found.held_out, held_out[held_out.norm(dim=1) <= limit])
    assert found.statistics["dropped_outliers"]["train"] == int((~kept).sum())
    assert found.statistics["contexts"]["train"] == sum(part.statistics["contexts"]["train"] for part in alone)
    assert found.statistics["tokens_outside_contexts"] == sum(p.statistics["tokens_outside_contexts"] for p in alone)
    assert found.statistics["tokens_outside_contexts"] == 10 * len(TEXT)
    assert found.question["parts"] == PARTS
    assert sorted(os.listdir(tmp_path)) == ["held_out.safetensors", "manifest.json", "train.safetensors"]


def test_the_bytes_do_not_depend_on_who_reads_which_part_and_when(tmp_path: Path) -> None:
    wanted = whole(tmp_path / "whole")
    for part in (2, 0, 1):
        harvest(tmp_path / "one by one", part)
    harvest(tmp_path / "one by one", progress=lambda *_: pytest.fail("read again"))
    join_parts(tmp_path / "one by one")
    assert contents(tmp_path / "one by one") == wanted
    join_parts(tmp_path / "one by one")
    harvest(tmp_path / "one by one", progress=lambda *_: pytest.fail("read again"))
    assert contents(tmp_path / "one by one") == wanted


def killed_at(folder: str, share: float) -> None:
    """Harvest the second part, and end this process once such a share of its tokens has been read."""
    harvest(Path(folder), 1, progress=lambda done, total: os._exit(9) if done > share * total else None)


def test_a_kill_loses_one_shard_at_most(tmp_path: Path) -> None:
    wanted = whole(tmp_path / "whole")
    harvest(tmp_path / "killed", 0)
    assert ranks_training.together(1, str(tmp_path / "says"), killed_at, str(tmp_path / "killed"), 0.6) == [9]
    folder = tmp_path / "killed/part-00001-of-00003"
    shards = {path: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert len(shards) >= 1
    with pytest.raises(ValueError, match=r"2 of 3 parts of .* part-00001-of-00003, part-00002-of-00003"):
        join_parts(tmp_path / "killed")
    harvest(tmp_path / "killed")
    assert {path: path.stat().st_mtime_ns for path in shards} == shards, "a whole shard is not read again"
    join_parts(tmp_path / "killed")
    assert contents(tmp_path / "killed") == wanted


@pytest.mark.parametrize("moment", ["rsae.data.store.Store._join", "rsae.data.parts.shutil.rmtree"])
def test_a_kill_while_parts_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    wanted = whole(tmp_path / "whole")
    harvest(tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            join_parts(tmp_path / "killed")
    join_parts(tmp_path / "killed")
    assert contents(tmp_path / "killed") == wanted


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    harvest(tmp_path, 0)
    for changes, said in (({"context_length": 30}, "context_length"), ({"held_out": 0.3}, "held_out")):
        with pytest.raises(ValueError, match=f"differ in {said}; give a new folder"):
            harvest(tmp_path, 0, **changes)
    harvest(tmp_path, 1, 2, context_length=30)
    with pytest.raises(ValueError, match="part-00001-of-00003 differ in context_length"):
        join_parts(tmp_path)
    harvest_parts(PAIR, TEXT, HOOK, tmp_path, [(1, 2)], progress=False, **OPTIONS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="parts of two harvests"):
        join_parts(tmp_path)
    with pytest.raises(ValueError, match="part 3 of 3 is none"):
        harvest(tmp_path, 3)
    with pytest.raises(ValueError, match="only 2 documents, too few for 3 parts"):
        harvest_parts(PAIR, TEXT[:2], HOOK, tmp_path / "few", [(2, 3)], progress=False)
    with pytest.raises(ValueError, match="holds no parts"):
        join_parts(tmp_path / "nothing")
    assert not (tmp_path / "few").exists()


def test_max_tokens_are_of_all_parts_together(tmp_path: Path) -> None:
    harvest(tmp_path, max_tokens=1000, reading=Reading(batch_size=2, outlier_medians=None))
    join_parts(tmp_path)
    found = hidden_states(tmp_path)
    assert 900 < len(found.train) + len(found.held_out) <= 1000


def test_ranks_share_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(mine(5)) == [0, 1, 2, 3, 4]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert list(mine(5)) == [1, 3]


def inputs(folder: Path) -> list[str]:
    """A host and a text in a folder, and the words of the command but for --out."""
    folder.mkdir()
    for thing in PAIR:
        thing.save_pretrained(folder / "host")
    (folder / "text.jsonl").write_text("\n".join(json.dumps({"story": document}) for document in TEXT))
    words = {"--model": folder / "host", "--hook": HOOK, "--text": folder / "text.jsonl", "--text-field": "story"}
    words |= {"--parts": 5, "--context-length": 40, "--batch-size": 2, "--device": "cpu"}
    return [str(word) for pair in words.items() for word in pair]


def command(words: list[str]) -> str:
    """The command as a rank of torchrun runs it."""
    torch.set_num_threads(1)
    main(words, standalone_mode=False)
    return "ended"


def lost(words: list[str]) -> str:
    """The same as the second of two ranks, killed in the middle of its first part."""

    def ends(self: Bars, done: int, total: int) -> None:
        if done > 0.7 * total:
            os._exit(9)

    os.environ |= {"RANK": "1", "WORLD_SIZE": "2"}
    Bars.harvest = ends  # type: ignore[method-assign]
    return command(words)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and talk through gloo")
def test_two_processes_harvest_what_one_does_and_three_go_on_after_one_was_killed(tmp_path: Path) -> None:
    words = ["harvest", *inputs(tmp_path / "inputs"), "--out"]
    done = CliRunner().invoke(main, [*words, str(tmp_path / "one")])
    assert done.exit_code == 0, done.output
    wanted = contents(tmp_path / "one")
    says = str(tmp_path / "says")
    codes = ranks_training.together(2, says, command, [*words, str(tmp_path / "two")])
    assert codes == [0, 0], [Path(f"{says}.{rank}").read_text() for rank in range(2)]
    assert contents(tmp_path / "two") == wanted
    for number in range(5):  # what is left when torchrun ends the others: parts of one, and half a part of the other
        if number not in (1, 3):
            done = CliRunner().invoke(main, [*words, str(tmp_path / "lost"), "--part", str(number)])
            assert done.exit_code == 0, done.output
    assert ranks_training.together(1, says, lost, [*words, str(tmp_path / "lost")]) == [9]
    assert list((tmp_path / "lost/part-00001-of-00005").glob("train-*"))
    assert ranks_training.together(3, says, command, [*words, str(tmp_path / "lost")]) == [0, 0, 0]
    assert contents(tmp_path / "lost") == wanted


def test_a_data_set_is_shared_out_by_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    for number in range(4):  # four files for two parts: two whole ones each
        rows = [json.dumps({"text": document}) for document in TEXT[number::4]]
        (tmp_path / "data" / f"train-{number}.jsonl").write_text("\n".join(rows))
    name = f"datasets:{tmp_path / 'data'}"
    for count in (2, 3):
        chosen = [(number, count) for number in range(count)]
        options = {"context_length": 40, "reading": Reading(batch_size=2, outlier_medians=None), "progress": False}
        harvest_parts(PAIR, name, HOOK, tmp_path / str(count), chosen, **options)  # type: ignore[arg-type]
        join_parts(tmp_path / str(count))
        found = hidden_states(tmp_path / str(count))
        every = hidden_states(PAIR, TEXT, HOOK, **options)  # type: ignore[arg-type]
        both = [torch.cat([states.train, states.held_out]) for states in (found, every)]
        assert _rows(both[0]) == _rows(both[1]), "no row twice, and none lost"


def _rows(states: torch.Tensor) -> list[str]:
    return sorted(hashlib.sha256(row.numpy().tobytes()).hexdigest() for row in (1e3 * states).round())
