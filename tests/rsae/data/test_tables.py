"""Parquet and Arrow files as hidden states and as text; data sets by name, and what is said without the libraries."""

import builtins
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.text import read_documents

VECTORS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def arrow():
    pytest.importorskip("pyarrow")
    import pyarrow.feather
    import pyarrow.parquet

    return pyarrow


def write(arrow, table, path):
    if path.suffix == ".parquet":
        arrow.parquet.write_table(table, path, row_group_size=16)
    elif path.suffix == ".feather":
        arrow.feather.write_feather(table, path)
    else:
        opened = arrow.ipc.new_stream if path.stem == "stream" else arrow.ipc.new_file
        with opened(path, table.schema) as file:
            file.write_table(table, max_chunksize=7)
    return path


def in_a_file(tensor):
    """Whether the values of a tensor are pages of a file, which need no memory of their own."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux says what a process's memory is")
    for line in maps.read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= tensor.data_ptr() < end:
            return "/" in line
    raise AssertionError("no such memory")


@pytest.mark.parametrize("contexts", [False, True])
def test_a_table_need_not_fit_into_memory(arrow, tmp_path, contexts):
    """It was read whole, in float32 whatever its format, and twice for a moment."""
    x = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float16)
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(x.ravel()), 8)
    if contexts:
        column = arrow.FixedSizeListArray.from_arrays(column, 100)
    arrow.parquet.write_table(arrow.table({"vector": column}), tmp_path / "a.parquet", row_group_size=len(column) // 10)
    found = hidden_states(tmp_path / "a.parquet", held_out=2, reading=Reading(calibration=1000))
    assert in_a_file(found.train)
    assert not in_a_file(found.calibration)
    assert found.train.dtype == torch.float16, "as it is stored"
    own = x.reshape(-1, 100, 8)[:, 1:].reshape(-1, 8) if contexts else x
    assert torch.equal(found.train, torch.from_numpy(own[: len(found.train)]))
    assert len(found.train) == len(own) - (198 if contexts else 2)
    assert next(found.batches(8, 0, 1)).dtype == torch.float32


NAMES = ["a.parquet", "a.feather", "file.arrow", "stream.arrow"]


@pytest.mark.parametrize("name", NAMES)
def test_vectors_from_a_column_of_lists(arrow, tmp_path, name):
    fixed = arrow.FixedSizeListArray.from_arrays(arrow.array(VECTORS.ravel()), 3)
    for i, column in enumerate((fixed, arrow.array(VECTORS.tolist()))):
        (tmp_path / str(i)).mkdir()
        path = write(arrow, arrow.table({"id": list(range(40)), "vector": column}), tmp_path / str(i) / name)
        found = hidden_states(path, held_out=10)
        assert torch.equal(found.train, torch.from_numpy(VECTORS[:30]))
        assert torch.equal(found.held_out, torch.from_numpy(VECTORS[30:]))


@pytest.mark.parametrize("name", NAMES)
def test_vectors_from_columns_of_numbers(arrow, tmp_path, name):
    table = arrow.table({"a": VECTORS[:, 0], "b": VECTORS[:, 1].astype(np.float64), "c": np.arange(40)})
    found = hidden_states(write(arrow, table, tmp_path / name), held_out=10)
    assert torch.equal(found.train[:, :2], torch.from_numpy(VECTORS[:30, :2]))
    assert torch.equal(found.train[:, 2], torch.arange(30.0))


def test_tables_that_are_no_vectors_are_refused(arrow, tmp_path):
    cases = {
        "words": ({"a": ["x"] * 3, "b": [1, 2, 3]}, "one column of lists .* it has a"),
        "two lists": ({"a": [[1.0]], "b": [[2.0]]}, "one column of lists .*name it; its columns of vectors are a, b"),
        "ragged": ({"a": [[1.0], [1.0, 2.0]]}, "lists of .1, 2. numbers"),
        "a missing list": ({"a": [[1.0], None]}, "missing lists"),
        "a missing number": ({"a": [1.0, None]}, "1 missing values"),
        "lists of words": ({"a": [["x"], ["y"]]}, "one column of lists .* it has a"),
        "not finite": ({"a": [1.0, float("nan")]}, "NaN or infinity"),
    }
    for columns, words in cases.values():
        with pytest.raises(ValueError, match=words):
            hidden_states(write(arrow, arrow.table(columns), tmp_path / "a.parquet"))
    for suffix in ("parquet", "arrow", "feather"):
        (tmp_path / f"junk.{suffix}").write_bytes(b"ARROW1" + b"\xff" * 90)
        with pytest.raises(ValueError, match="not a readable"):
            hidden_states(tmp_path / f"junk.{suffix}")
    with pytest.raises(FileNotFoundError, match="no file"):
        hidden_states(tmp_path / "missing.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_text_from_a_column(arrow, tmp_path, name):
    table = arrow.table({"id": [1, 2, 3], "text": ["One day.", None, "Two days."], "n": [0, 0, 0]})
    path = write(arrow, table, tmp_path / name)
    assert read_documents(path) == ["One day.", "Two days."]
    with pytest.raises(ValueError, match=r"no column 'story' .it has id, text, n.; name it with text_field="):
        read_documents(path, "story")
    with pytest.raises(ValueError, match=r"row 0 of .* is int, not a string"):
        read_documents(path, "id")


def test_without_the_libraries_it_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")

    def absent(name, *rest):
        if name.partition(".")[0] in {"pyarrow", "datasets"}:
            raise ImportError(name)
        return found(name, *rest)

    found = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"a.parquet needs pyarrow .*rational-sae\[data\]"):
        hidden_states(tmp_path / "a.parquet")
    with pytest.raises(ImportError, match=r"a.parquet needs pyarrow"):
        read_documents(tmp_path / "a.parquet")
    with pytest.raises(ImportError, match=r"datasets:wikitext needs the library datasets .*rational-sae\[data\]"):
        read_documents("datasets:wikitext")


@pytest.mark.filterwarnings("ignore")
def test_data_sets_by_name(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "stories"
    folder.mkdir()
    lines = [json.dumps({"text": f"Day {i}.", "n": i}) for i in range(3)]
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "test.jsonl").write_text(json.dumps({"text": "Night.", "n": 0}), encoding="utf-8")
    assert read_documents(f"datasets:{folder}") == ["Day 0.", "Day 1.", "Day 2."]
    assert read_documents(f"datasets:{folder}:test") == ["Night."]
    with pytest.raises(ValueError, match=r"has no column 'story' .it has text, n"):
        read_documents(f"datasets:{folder}", "story")
    with pytest.raises(ValueError, match=r"row 0 of .* is int"):
        read_documents(f"datasets:{folder}", "n")


@pytest.mark.filterwarnings("ignore")
def test_a_data_set_without_a_connection_says_so(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def refuse(name, configuration, split, streaming):
        assert (name, configuration, split, streaming) == ("owner/name", "part", "validation", True)
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub\nand more")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ValueError, match=r"no data set .*: Couldn't reach 'owner/name' on the Hub; offline, give"):
        read_documents("datasets:owner/name/part:validation")


@pytest.mark.filterwarnings("ignore")
def test_a_data_set_is_read_no_further_than_the_vectors_that_are_asked_for(monkeypatch):
    from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

    datasets = pytest.importorskip("datasets")
    rows = 0

    def endless(*_, **__):
        nonlocal rows
        while True:
            for text in tiny_text(100, seed=rows):
                rows += 1
                yield {"text": text}

    monkeypatch.setattr(datasets, "load_dataset", endless)
    pair = (tiny_model("llama"), tiny_tokenizer())
    asked = {"context_length": 20, "max_tokens": 12_000}
    found = hidden_states(pair, "datasets:owner/name", "model.layers.1", **asked)
    assert 256 <= rows <= 600  # 38 vectors a document, in groups of 256
    assert 0.98 * 12_000 <= len(found.train) + len(found.held_out) <= 12_000
    again = hidden_states(pair, "datasets:owner/name", "model.layers.1", **asked)
    assert found.question["text"] == "datasets:owner/name"
    assert found.question["text_sha256"] != again.question["text_sha256"]  # these rows were others
