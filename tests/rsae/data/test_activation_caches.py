"""Caches of hidden states as SAELens's ``CacheActivationsRunner`` writes them: a data set whose rows are contexts."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from rsae.commands.main import main
from rsae.data import parts
from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates

pyarrow = pytest.importorskip("pyarrow")

CONTEXTS, LENGTH, D_IN = 20, 8, 4
HOOK = "blocks.2.hook_resid_post"
X = np.random.default_rng(0).normal(size=(CONTEXTS, LENGTH, D_IN)).astype(np.float32)
X[:, 0] *= 50  # the first position of a context, as a model has it
KEPT = torch.from_numpy(X[:, 1:])  # what rule 2 leaves
ALL = Reading(outlier_medians=None)


def column(values: np.ndarray, kind: str = "float32") -> Any:
    inner = pyarrow.list_(pyarrow.list_(pyarrow.from_numpy_dtype(np.dtype(kind))))
    return pyarrow.array([list(row) for row in values.astype(kind)], inner)


def token_ids() -> Any:
    numbers = pyarrow.array(np.ones(CONTEXTS * LENGTH, np.int32))
    return pyarrow.FixedSizeListArray.from_arrays(numbers, LENGTH)


def saved(folder: Path, columns: dict[str, Any], shards: int = 1) -> Path:
    """The layout of ``save_to_disk``: Arrow streams, and a ``state.json`` that lists them."""
    folder.mkdir(parents=True)
    table = pyarrow.table(columns)
    names = []
    for i, rows in enumerate(np.array_split(np.arange(len(table)), shards)):
        names.append(f"data-{i:05d}-of-{shards:05d}.arrow")
        with pyarrow.ipc.new_stream(folder / names[-1], table.schema) as file:
            file.write_table(table.slice(rows[0], len(rows)), max_chunksize=3)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def whole(states: HiddenStates) -> torch.Tensor:
    return torch.cat([states.train, states.held_out])


@pytest.mark.parametrize("kind", ["float32", "float16", "float64"])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_cache_is_read_context_by_context(tmp_path: Path, kind: str, shards: int) -> None:
    """It was refused, or once datasets was imported read as its token numbers: d_in = 8, all ones."""
    found = hidden_states(saved(tmp_path / "c", {HOOK: column(X, kind), "token_ids": token_ids()}, shards), reading=ALL)
    expected = torch.from_numpy(X[:, 1:].astype(kind).astype(np.float32)).flatten(0, 1)
    assert torch.equal(whole(found), expected)
    assert len(found.held_out) == 2 * (LENGTH - 1), "whole contexts are held out"
    assert found.statistics["dropped_first_positions"] == CONTEXTS
    assert found.statistics["contexts"] == {"train": 18, "held_out": 2}
    assert {"hook": HOOK, "context_length": LENGTH}.items() <= found.question.items()


def test_outliers_are_dropped_and_counted_as_in_a_harvest(tmp_path: Path) -> None:
    values = X.copy()
    values[3, 4] *= 1e4
    found = hidden_states(saved(tmp_path / "c", {HOOK: column(values)}))
    assert found.statistics["dropped_outliers"] == {"train": 1, "held_out": 0}
    assert len(whole(found)) == CONTEXTS * (LENGTH - 1) - 1


def test_at_most_so_many_vectors(tmp_path: Path) -> None:
    found = hidden_states(saved(tmp_path / "c", {HOOK: column(X)}, 3), max_tokens=30, held_out=0.25, reading=ALL)
    assert torch.equal(whole(found), KEPT[:4].flatten(0, 1))
    assert len(found.held_out) == LENGTH - 1


def test_several_columns_are_told_apart_by_the_hook(tmp_path: Path) -> None:
    columns = {HOOK: column(X), "blocks.5.hook_resid_post": column(2 * X), "token_ids": token_ids()}
    cache = saved(tmp_path / "c", columns)
    with pytest.raises(ValueError, match=rf"hook= \(--hook\).*{HOOK}, blocks.5.hook_resid_post"):
        hidden_states(cache)
    for hook in ("blocks.5.hook_resid_post", "blocks.6.hook_resid_pre", "model.layers.5"):
        found = hidden_states(cache, hook=hook, reading=ALL)
        assert torch.equal(whole(found), 2 * KEPT.flatten(0, 1))
        assert found.question["hook"] == "blocks.5.hook_resid_post"
    with pytest.raises(ValueError, match=r"no column for the hook 'model.layers.3'; its columns of vectors are blocks"):
        hidden_states(cache, hook="model.layers.3")
    with pytest.raises(ValueError, match="no column for the hook 'token_ids'"):
        hidden_states(cache, hook="token_ids")
    with pytest.raises(ValueError, match="text belongs to a language model"):
        hidden_states(cache, ["a text"])


def test_contexts_may_differ_in_length(tmp_path: Path) -> None:
    rows = [X[i, : 3 + i % 3].tolist() for i in range(CONTEXTS)]
    found = hidden_states(saved(tmp_path / "c", {"vectors": pyarrow.array(rows)}), reading=ALL)
    assert torch.equal(whole(found), torch.cat([KEPT[i, : 2 + i % 3] for i in range(CONTEXTS)]))
    assert found.question["context_length"] is None
    assert "hook" not in found.question


def test_one_shard_and_parquet_are_read_alike(tmp_path: Path) -> None:
    cache = saved(tmp_path / "c", {HOOK: column(X), "token_ids": token_ids()})
    expected = whole(hidden_states(cache, reading=ALL))
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({HOOK: column(X)}), tmp_path / "c.parquet")
    for file in (cache / "data-00000-of-00001.arrow", tmp_path / "c.parquet"):
        assert torch.equal(whole(hidden_states(file, reading=ALL)), expected)


def test_folders_that_are_no_one_cache_are_refused(tmp_path: Path) -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "only tokens": ({"token_ids": token_ids()}, "one column of lists .* it has token_ids"),
        "a missing context": ({HOOK: pyarrow.array([[[1.0]], None])}, "1 missing lists"),
        "a missing vector": ({HOOK: pyarrow.array([[[1.0], None]])}, "1 missing lists"),
        "two widths": ({HOOK: pyarrow.array([[[1.0], [1.0, 2.0]]])}, r"lists of \[1, 2\] numbers"),
        "two widths, far apart": ({HOOK: pyarrow.array([[[1.0]]] * 3 + [[[1.0, 2.0]]])}, r"lists of \[1, 2\] numbers"),
        "not finite": ({HOOK: pyarrow.array([[[1.0], [float("nan")]]] * 4)}, "NaN or infinity in 4 rows"),
    }
    for name, (columns, words) in cases.items():
        with pytest.raises(ValueError, match=words):
            hidden_states(saved(tmp_path / name, columns))
    cache = saved(tmp_path / "elsewhere", {HOOK: column(X)})
    for state, words in (
        ({"_data_files": [{"filename": "../c/data.arrow"}]}, "no Arrow files of its folder"),
        ({"_data_files": []}, "no Arrow files of its folder"),
        ({"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_files": [1]}, "another order"),
    ):
        (cache / "state.json").write_text(json.dumps(state))
        with pytest.raises(ValueError, match=words):
            hidden_states(cache)


def test_a_folder_of_splits_is_read_where_it_holds_one(tmp_path: Path) -> None:
    for split in ("train", "test"):
        saved(tmp_path / "c" / split, {HOOK: column(X)})
    (tmp_path / "c/dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    with pytest.raises(ValueError, match=r"the splits \['train', 'test'\]"):
        hidden_states(tmp_path / "c")
    (tmp_path / "c/dataset_dict.json").write_text(json.dumps({"splits": ["test"]}))
    assert hidden_states(tmp_path / "c").d_in == D_IN


@pytest.mark.filterwarnings("ignore")
def test_what_datasets_itself_saves_with_its_own_types(tmp_path: Path) -> None:
    """Once it is imported, lists of lists have a type that only it knows: the cache's own column was not seen."""
    datasets = pytest.importorskip("datasets")
    assert "datasets" in sys.modules
    features = datasets.Features(
        {
            HOOK: datasets.Array2D(shape=(LENGTH, D_IN), dtype="float16"),
            "token_ids": datasets.Sequence(datasets.Value(dtype="int32"), length=LENGTH),
        }
    )
    rows = {HOOK: torch.from_numpy(X).half(), "token_ids": torch.ones(CONTEXTS, LENGTH, dtype=torch.int32)}
    os.environ["TQDM_DISABLE"] = "1"
    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict(rows, features=features)
    made.save_to_disk(str(tmp_path / "c"), num_shards=2)
    found = hidden_states(tmp_path / "c", reading=ALL)
    assert torch.equal(whole(found), KEPT.half().float().flatten(0, 1))
    made.shuffle(seed=1).save_to_disk(str(tmp_path / "shuffled"))
    order = torch.from_numpy(np.stack([np.asarray(row, np.float16) for row in made.shuffle(seed=1)[HOOK]]))
    assert torch.equal(whole(hidden_states(tmp_path / "shuffled", reading=ALL)), order[:, 1:].float().flatten(0, 1))
    made.to_parquet(str(tmp_path / "c.parquet"))
    assert torch.equal(whole(hidden_states(tmp_path / "c.parquet", reading=ALL)), whole(found))


def test_a_cache_is_copied_in_parts_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of three contexts: seven, of which the parts take four and three, and hold out one each."""
    cache = saved(tmp_path / "cache", {HOOK: column(X), "token_ids": token_ids()})
    rows = X[:, 1:].reshape(CONTEXTS, -1)
    batch = [rows[first : first + 3].reshape(-1, D_IN) for first in range(0, CONTEXTS, 3)]
    largest = max(map(len, batch)) + 3
    given = parts.cached
    monkeypatch.setattr(parts, "cached", lambda x, *rest: given(x, *rest) if len(x) <= largest else pytest.fail("all"))
    parts.copy_parts(cache, tmp_path / "out", [(1, 2)], outlier_medians=None)
    with pytest.raises(ValueError, match="1 of 2 parts"):
        parts.join_parts(tmp_path / "out")
    parts.copy_parts(cache, tmp_path / "out", [(0, 2), (1, 2)], outlier_medians=None)
    parts.join_parts(tmp_path / "out")
    found = hidden_states(tmp_path / "out")
    assert np.array_equal(found.train.numpy(), np.concatenate([batch[i] for i in (0, 2, 4, 1, 3)]))
    assert np.array_equal(found.held_out.numpy(), np.concatenate([batch[6], batch[5]]))
    assert found.statistics["dropped_first_positions"] == CONTEXTS
    with pytest.raises(ValueError, match="differ in held_out"):
        parts.copy_parts(cache, tmp_path / "out", [(0, 2)], held_out=0.3, outlier_medians=None)
    with pytest.raises(ValueError, match="too few record batches for 8 parts"):
        parts.copy_parts(cache, tmp_path / "few", [(7, 8)])
    with pytest.raises(ValueError, match="no table"):
        parts.copy_parts(tmp_path / "few", tmp_path / "more", [(0, 1)])


def test_vectors_are_copied_as_they_are_by_the_command(tmp_path: Path) -> None:
    rows = X.reshape(-1, D_IN)
    inner = pyarrow.array([list(map(float, row)) for row in rows], pyarrow.list_(pyarrow.float32()))
    cache = saved(tmp_path / "cache", {"vectors": inner})
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["harvest", "--states", str(cache), "--out", str(out), "--parts", "3"])
    assert done.exit_code == 0, done.output
    found = whole(hidden_states(out)).numpy()
    assert sorted(map(tuple, found)) == sorted(map(tuple, rows)), "no row twice, and none lost"
    wrong = CliRunner().invoke(main, ["harvest", "--states", str(cache), "--out", str(out), "--model", "gpt2"])
    assert wrong.exit_code == 2
    assert "leave out --model" in wrong.output
    wrong = CliRunner().invoke(main, ["harvest", "--model", "gpt2", "--out", str(out)])
    assert "give --hook, --text, or --states" in wrong.output
