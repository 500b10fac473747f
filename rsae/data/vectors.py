"""Hidden states of vectors that exist already: an array, a table, or a folder that a harvest left."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsae.data.arrays import ARRAYS, read_array, real_matrix
from rsae.data.harvest import cached, count_held_out, norms_of, statistics
from rsae.data.reading import Reading
from rsae.data.states import HiddenStates
from rsae.data.store import Store
from rsae.data.tables import vectors
from rsae.hosts.places import place_of

__all__ = ["drawn", "from_array", "from_store", "from_table"]


def drawn(train: Tensor, count: int, seed: int, folder: Store | None = None) -> Tensor:
    """The calibration sample: at most ``count`` training vectors in float32, the same for the same seed."""
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:count].sort().values
    return train[rows].float() if folder is None else folder.rows("train", rows)


def from_store(source: str | Path, seed: int, reading: Reading) -> HiddenStates:
    """Those of a folder that a harvest left; without a host."""
    saved = Store(source)
    train, kept_out, counts = saved.load()
    sample = drawn(train, reading.calibration, seed, saved)
    return HiddenStates(train, sample, kept_out, saved.manifest["question"], counts, buffer=reading.shuffle_buffer)


def from_table(
    source: Path, hook: str | None, held_out: float | int, limit: int | None, seed: int, reading: Reading
) -> HiddenStates:
    """Hidden states of a table; where its rows are contexts, they are treated as a harvest treats contexts."""
    if not source.exists():
        raise FileNotFoundError(f"no file {str(source)!r}; give a {', '.join(ARRAYS)} file, or an array")
    found = vectors(source, hook, limit)
    array = real_matrix(found.values, str(source))
    known = {"source": str(source)} | ({"hook": found.column} if place_of(found.column) else {})
    if found.lengths is None:
        return _from_rows(array, known, held_out, limit, seed, reading)
    firsts = real_matrix(found.firsts, f"the first positions of {source}")
    return _from_contexts(array, firsts, found.lengths.tolist(), known, held_out, limit, seed, reading)


def from_array(source: Any, held_out: float | int, limit: int | None, seed: int, reading: Reading) -> HiddenStates:
    """Those of an array [n, d_in] or [contexts, positions, d_in], or of a file of one."""
    array = read_array(source)
    shape = tuple(array.shape)
    known = {"source": str(source) if isinstance(source, str | Path) else f"an array of shape {shape}"}
    if array.dim() == 2:
        return _from_rows(array, known, held_out, limit, seed, reading)
    others = array[:, 1:].clone(memory_format=torch.contiguous_format).flatten(0, 1)  # what is dropped is squeezed out
    return _from_contexts(others, array[:, 0], [shape[1]] * shape[0], known, held_out, limit, seed, reading)


def _from_contexts(
    array: Tensor,
    firsts: Tensor,
    lengths: list[int],
    known: dict[str, Any],
    held_out: float | int,
    limit: int | None,
    seed: int,
    reading: Reading,
) -> HiddenStates:
    """Those of vectors [n, d_in] that lie context by context, without the first of each; they are written over."""
    trained, rest = cached(array, firsts, lengths, held_out, limit)
    counts = statistics(0, trained, rest, reading.outlier_medians)
    train, kept_out = (part.keep(counts["outlier_norm"]) for part in (trained, rest))
    common = set(lengths)
    question = known | {
        "context_length": common.pop() if len(common) == 1 else None,
        "held_out": held_out,
        "max_tokens": limit,
        "outlier_medians": reading.outlier_medians,
        "calibration": reading.calibration,
        "seed": seed,
    }
    sample = drawn(train, reading.calibration, seed)
    return HiddenStates(train, sample, kept_out.float(), question, counts, buffer=reading.shuffle_buffer)


def _from_rows(
    array: Tensor, known: dict[str, Any], held_out: float | int, limit: int | None, seed: int, reading: Reading
) -> HiddenStates:
    array = array[:limit]
    last = count_held_out(held_out, len(array))
    train, kept_out = array[: len(array) - last], array[len(array) - last :]
    norms = norms_of(train)
    question = known | {
        "held_out": held_out,
        "max_tokens": limit,
        "calibration": reading.calibration,
        "seed": seed,
    }
    counts = {"train": len(train), "held_out": last, "median_norm": norms.median().item()}
    sample = drawn(train, reading.calibration, seed)
    return HiddenStates(train, sample, kept_out.float(), question, counts, buffer=reading.shuffle_buffer)
