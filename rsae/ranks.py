"""Several processes as one training run: each takes its part of every batch, and what they find is averaged.

Started by ``torchrun --nproc-per-node N -m rsae upgrade ...``. Everything here is the identity in a single process, so
the training code says once what it means. The gradient of a batch's mean loss is the mean over ranks of the gradients
of their parts' mean losses, as every rank has equally many rows.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["average_gradients", "count", "gathered", "joined", "mean", "meet", "rank"]

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
def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace each parameter's gradient by its mean over ranks; one message for all of them."""
    if count() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([grad.reshape(-1) for grad in grads])
    with _together():
        dist.all_reduce(flat)
    flat /= count()
    for grad, part in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
        grad.copy_(part.view_as(grad))  # in place: fused Adam takes it that a gradient lies in memory as its parameter


def _home() -> torch.device:
    """Where messages lie: NCCL sends from CUDA memory only."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
