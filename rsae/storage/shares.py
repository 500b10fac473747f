"""Tensors of which each rank holds a share: written by all ranks at once, read by any number of them.

`torch.distributed.checkpoint` does both, in safetensors files: each says in its header where its piece lies in the
whole, so that nothing is gathered, nothing is pickled, and a rank reads what it needs of the pieces of others.
"""

import math
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from rsae import ranks

__all__ = ["Shares", "read_shares", "write_shares", "write_whole"]

_WHOLE = "model-00001-of-00001.safetensors"  # torch's name for the only file of its kind


class Shares(NamedTuple):
    """Which tensors are shared out between ranks: by name the axis along which, all into the same ``size`` entries."""

    axes: Mapping[str, int]
    size: int

    def own(self, name: str) -> tuple[slice, ...]:
        """Where this rank's share of a whole tensor lies."""
        group = ranks.latents()
        width = -(-self.size // group.count)
        mine = slice(group.rank * width, min((group.rank + 1) * width, self.size))
        return (*[slice(None)] * self.axes[name], mine)


def write_shares(folder: Path, tensors: Mapping[str, Tensor], shares: Shares) -> None:
    """Write this rank's shares into a new folder, as all ranks do."""
    _write(folder, tensors, shares, whole=False)


def write_whole(file: Path, tensors: Mapping[str, Tensor], shares: Shares) -> None:
    """Write one safetensors file of whole tensors, piece by piece; those without an axis are whole on every rank."""
    folder = file.with_name(f".{file.name}.shares")
    _write(folder, tensors, shares, whole=True)
    if ranks.rank() == 0:
        (folder / _WHOLE).replace(file)
        shutil.rmtree(folder)
    ranks.meet()


def _write(folder: Path, tensors: Mapping[str, Tensor], shares: Shares, whole: bool) -> None:
    import torch.distributed.checkpoint as dcp

    if ranks.rank() == 0:  # what a kill has left, of another number of ranks
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    ranks.meet()
    plain = {name: value.detach().cpu() for name, value in tensors.items()}
    known = {n: ranks.placed(v, shares.axes[n], shares.size) if n in shares.axes else v for n, v in plain.items()}
    writer = dcp.HuggingFaceStorageWriter(str(folder), save_distributed=True, enable_consolidation=whole)
    with ranks.together():
        dcp.save(known, storage_writer=writer)


def read_shares(folder: Path, shares: Shares | None) -> dict[str, Tensor]:
    """What `write_shares` wrote, in main memory: this rank's shares, or whole tensors in a single process.

    Raises ValueError where a piece is missing or damaged.
    """
    import torch.distributed.checkpoint as dcp

    reader = dcp.HuggingFaceStorageReader(str(folder))
    found: dict[str, Any] = {}
    try:
        known: Any
        for name, known in reader.read_metadata().state_dict_metadata.items():
            whole = torch.empty(known.size, device="meta")
            if sum(math.prod(chunk.sizes) for chunk in known.chunks) != whole.numel():
                raise ValueError(f"a piece of {name} is missing")
            if shares is None:
                found[name] = torch.empty_like(whole, device="cpu")
            else:
                share = torch.empty_like(whole[shares.own(name)], device="cpu")
                found[name] = ranks.placed(share, shares.axes[name], shares.size)
        with ranks.together(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)  # a single process knows
            dcp.load(found, storage_reader=reader)
    except ConnectionError:  # a rank was lost meanwhile
        raise
    except (ValueError, KeyError, OSError, SafetensorError) as error:
        raise ValueError(f"{folder} cannot be read ({error}): begin anew without this checkpoint") from error
    return {name: value if shares is None else value.to_local() for name, value in found.items()}
