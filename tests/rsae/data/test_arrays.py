"""Hidden states from files of arrays: every format gives the same vectors, and contexts stay whole."""

import re
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsae.data.arrays import open_array
from rsae.data.sources import hidden_states

STATES = torch.randn(12, 5, 3, generator=torch.Generator().manual_seed(0))  # contexts, positions, width
IDS = torch.arange(60).reshape(12, 5)


def write(path, array, named):
    """One array, bare where the format has that; with ``named`` token numbers and a mask lie beside it."""
    beside = {"states": array, "input_ids": IDS, "attention_mask": IDS > 0} if named else {"states": array}
    if path.suffix == ".npy":
        np.save(path, array.numpy())
    elif path.suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in beside.items()})
    elif path.suffix == ".safetensors":
        save_file(beside, path)
    else:
        torch.save(beside if named else array, path)
    return path


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "pt", "pth"])
def test_every_format_gives_the_same_vectors(tmp_path, suffix, named):
    rows = hidden_states(write(tmp_path / f"a.{suffix}", STATES.flatten(0, 1), named), held_out=7)
    assert torch.equal(rows.train, STATES.flatten(0, 1)[:53])
    assert torch.equal(rows.held_out, STATES.flatten(0, 1)[53:])
    assert "contexts" not in rows.statistics
    contexts = hidden_states(write(tmp_path / f"b.{suffix}", STATES, named), held_out=0.25, max_tokens=35)
    # As in a harvest the first position of each context is dropped; eight whole contexts, of which two are held out.
    assert torch.equal(contexts.train, STATES[:6, 1:].flatten(0, 1))
    assert torch.equal(contexts.held_out, STATES[6:8, 1:].flatten(0, 1))
    assert contexts.statistics["contexts"] == {"train": 6, "held_out": 2}


@pytest.mark.parametrize("suffix", ["npy", "safetensors", "pt"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_precision_stays_as_it_is_on_the_disk(tmp_path, suffix, dtype):
    if suffix == "npy" and dtype == torch.bfloat16:
        pytest.skip("numpy has no bfloat16")
    given = STATES.flatten(0, 1).to(dtype)
    found = hidden_states(write(tmp_path / f"a.{suffix}", given, False), held_out=10)
    assert found.train.dtype == (torch.float32 if dtype == torch.float64 else dtype)
    assert found.held_out.dtype == found.calibration.dtype == torch.float32
    assert torch.equal(found.held_out, given[50:].float())
    assert next(found.batches(4, 0, 1)).dtype == torch.float32


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read from /proc")
@pytest.mark.parametrize("suffix", ["npy", "safetensors", "pt"])
def test_a_large_file_is_not_read_into_memory(tmp_path, suffix):
    """To know its shape the process takes up a fraction of its 64 MiB."""

    def in_use():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    path = write(tmp_path / f"a.{suffix}", torch.zeros(2**14, 2**10), False)
    before = in_use()
    opened = open_array(path)
    assert opened.shape == (2**14, 2**10)
    assert in_use() - before < 2**23


def test_what_is_not_one_array_of_vectors_is_refused(tmp_path):
    torch.save({"a": STATES, "b": STATES}, tmp_path / "two.pt")
    torch.save([STATES], tmp_path / "list.pt")
    torch.save({"a": "words"}, tmp_path / "words.pt")
    torch.save(re.compile("a"), tmp_path / "object.pt")
    torch.save(STATES[None], tmp_path / "four.pt")
    np.savez(tmp_path / "flat.npz", a=np.arange(3.0))
    (tmp_path / "junk.pt").write_bytes(b"PK" + b"\xff" * 40)
    (tmp_path / "junk.npz").write_bytes(b"\xff" * 40)
    nan = STATES.clone()
    nan[7, 2, 1] = torch.nan
    torch.save(nan, tmp_path / "nan.pt")
    cases = {
        "two.pt": "must hold one matrix .* it holds a, b",
        "list.pt": "holds a list, not a tensor",
        "words.pt": "it holds none among no arrays",
        "object.pt": "cannot be read safely",
        "four.pt": "must hold one|has shape",
        "flat.npz": "it holds none among a",
        "junk.pt": "cannot be read safely",
        "junk.npz": "not a usable .npz",
        "nan.pt": "NaN or infinity in row 37 ",
    }
    for name, words in cases.items():
        with pytest.raises(ValueError, match=words):
            hidden_states(tmp_path / name)
