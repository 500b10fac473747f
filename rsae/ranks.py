"""Several processes as one training run: each takes its part of every batch, and what they find is averaged.

Started by ``torchrun --nproc-per-node N -m rsae upgrade ...``. Everything here is the identity in a single process, so
the training code says once what it means. The gradient of a batch's mean loss is the mean over ranks of the gradients
of their parts' mean losses, as every rank has equally many rows.

Why not accelerate: its state is of the process, where a group here ends with its run, and it has no reduce-scatter.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["collect", "count", "fill", "gathered", "joined", "mean", "mean_part", "meet", "rank"]

_PATIENCE = timedelta(hours=6)  # one rank may write a checkpoint, or read a text, while the others wait


def rank() -> int:
    """Which of the processes this is; 0 in a single one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextmanager
def joined(device_type: str) -> Iterator[None]:
    """While active, the processes that torchrun started are one group (NCCL on ``"cuda"``, else gloo).

    Raises
    ------
    ConnectionError
        in every rank that goes on while another is lost, in one sentence.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device_type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch has no narrower type for a peer that gloo has lost
        raise ConnectionError(
            f"rank {rank()} of {count()} lost contact with another rank, so the run ends here; start the same command "
            "again, with any number of processes: it goes on from the last checkpoint"
        ) from error


def meet() -> None:
    """Wait until every rank is here."""
    if count() > 1:
        mean(torch.zeros(()))  # a barrier of its own needs a device; a sum does not


@torch.no_grad()
def mean(value: Tensor) -> Tensor:
    """The mean over ranks of a tensor, without gradient; the same bits on every rank."""
    if count() == 1:
        return value.detach()
    total = value.detach().to(_home()).clone()
    with _together():
        dist.all_reduce(total)
    return (total / count()).to(value.device)


@torch.no_grad()
def gathered(values: Tensor) -> Tensor:
    """The entries [n] of every rank, one after another [ranks * n]."""
    if count() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(count())]
    with _together():
        dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


@torch.no_grad()
def mean_part(values: Tensor) -> Tensor:
    """This rank's part [n] of the mean over ranks of a vector [ranks * n]: a reduce-scatter."""
    if count() == 1:
        return values
    part = values.new_empty(len(values) // count())
    # torch 2.13 renamed it, and warns of the old name.
    reduce_scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
    with _together():
        reduce_scatter(part, values)
    return part.div_(count())


@torch.no_grad()
def fill(values: Tensor) -> None:
    """Replace each rank's part of a vector [ranks * n] by what that rank has there: an all-gather in place."""
    if count() == 1 or not len(values):
        return
    all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    with _together():
        all_gather(values, values.chunk(count())[rank()])


@torch.no_grad()
def collect(part: Tensor, into: Tensor) -> None:
    """Write the parts [n] of all ranks into a vector [ranks * n] of the first rank; the others' stays as it is."""
    if count() == 1:
        into.copy_(part)
        return
    parts = [torch.empty_like(part) for _ in range(count())] if rank() == 0 else None
    with _together():
        dist.gather(part, parts)
    for mine, found in zip(into.chunk(count()), parts or [], strict=parts is not None):
        mine.copy_(found)


def _home() -> torch.device:
    """Where messages lie: NCCL sends from CUDA memory only."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
