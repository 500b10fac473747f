"""What a harvest refuses: one sentence that says what was given and what to try, before the model reads anything."""

import json
from dataclasses import fields

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsae.data.reading import Reading
from rsae.data.states import hidden_states
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

PAIR = (tiny_model("llama"), tiny_tokenizer())
TEXT = tiny_text(12)
READING = {field.name for field in fields(Reading)}


def _files(folder):
    (folder / "empty.txt").write_text(" \n", encoding="utf-8")
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    (folder / "object.json").write_text('{"text": "a"}', encoding="utf-8")
    (folder / "broken.json").write_text('["a"', encoding="utf-8")
    (folder / "deep.json").write_text("[" * 10**6, encoding="utf-8")
    (folder / "numbers.json").write_text("[1, 2]", encoding="utf-8")
    (folder / "fields.jsonl").write_text(json.dumps({"story": "a"}), encoding="utf-8")
    np.save(folder / "nan.npy", np.array([[1.0, np.nan]]))
    np.save(folder / "flat.npy", np.arange(3.0))
    np.save(folder / "words.npy", np.array([["a"]]))
    np.save(folder / "pickle.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    (folder / "short.npy").write_bytes((folder / "nan.npy").read_bytes()[:-4])
    save_file({"a": torch.zeros(2, 2), "b": torch.zeros(2, 2)}, folder / "two.safetensors")
    (folder / "junk.safetensors").write_bytes(b"\xff" * 40)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty.txt", "holds no text"),
        ("latin.txt", "not UTF-8 text .byte 3."),
        ("object.json", "not a JSON list"),
        ("broken.json", "not valid JSON"),
        ("deep.json", "not valid JSON"),
        ("numbers.json", "entry 0 .* is int"),
        ("fields.jsonl", "no field 'text' .it has story."),
        ("missing.txt", "no text file"),
    ],
)
def test_texts(tmp_path, name, words):
    _files(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        hidden_states(PAIR, tmp_path / name, "model.layers.1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nan.npy", "NaN or infinity"),
        ("flat.npy", "matrix"),
        ("words.npy", "no array of numbers"),
        ("pickle.npy", "not a readable .npy"),
        ("short.npy", "not a readable .npy"),
        ("two.safetensors", "one matrix"),
        ("junk.safetensors", "not a readable safetensors"),
        ("missing.npy", "no file"),
    ],
)
def test_arrays(tmp_path, name, words):
    _files(tmp_path)
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=words):
        hidden_states(tmp_path / name)


def test_rows_that_are_no_numbers_are_named():
    """The message spoke of rows 0 to 65535 of an array of ten."""
    array = np.zeros((10, 2))
    array[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in row 7 \(rows count"):
        hidden_states(array)
    array[3, 0] = np.inf
    with pytest.raises(ValueError, match="in 2 rows, of which row 3 is the first"):
        hidden_states(array)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"held_out": 1.0}, "held_out"),
        ({"held_out": 12}, "nothing to train on"),
        ({"held_out": -0.5}, "held_out"),
        ({"context_length": 4}, "context_length"),
        ({"context_length": 65}, "beyond the 64 positions"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"outlier_medians": 0.5}, "outlier_medians"),
        ({"device": "cuda:99"}, "not on this machine"),
        ({"dtype": "int8"}, "float32, bfloat16, float16"),
        ({"calibration": 0}, "calibration"),
        ({"batch_size": 0}, "batch_size"),
        ({"text": ["w1 w2"]}, "not one context"),
        ({"text": None}, "need a text"),
        ({"hook": "model.layers.9"}, "near names"),
    ],
)
def test_options(options, words):
    arguments = {"text": TEXT, "hook": "model.layers.1", "context_length": 32} | options
    kept = {name: arguments.pop(name) for name in READING if name in arguments}
    with pytest.raises(ValueError, match=words):
        hidden_states(PAIR, reading=Reading(**kept), **arguments)


def test_sources_of_the_wrong_kind():
    with pytest.raises(TypeError, match="pair"):
        hidden_states(PAIR[0], TEXT, "model.layers.1")
    with pytest.raises(TypeError, match="pair"):
        hidden_states((1, 2), TEXT, "model.layers.1")
    with pytest.raises(ValueError, match="language model"):
        hidden_states(torch.zeros(3, 2), hook="model.layers.1")
    with pytest.raises(TypeError, match="no array"):
        hidden_states(object())
