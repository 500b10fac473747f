"""Several processes as one training run: a grid of torch.distributed, data groups times shares of the latents.

Started by ``torchrun --nproc-per-node N -m rsae upgrade ...``. By default all N processes hold one N-th of the latents
each and see every batch whole; with ``data_groups`` D there are D times N / D, and each data group sees its part of a
batch. Everything here is the identity in a single process, so the code above says once what it means.

Why collectives are called here and not through DTensor: so a lost rank is known by the call that waited for it, in a
backward pass, too. DTensor says what a share is a share of, for files and for gathering (`placed`). Why not FSDP2: it
gathers weights before they are used, which splitting over latents never needs.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

__all__ = [
    "Group",
    "alone",
    "count",
    "data",
    "everyone",
    "in_turn",
    "joined",
    "latents",
    "meet",
    "placed",
    "rank",
    "together",
]

_PATIENCE = timedelta(hours=6)  # one rank may write a checkpoint, or read a text, while the others wait
_AXES = ("data", "latents")
_grids: dict[str, DeviceMesh] = {}  # by device type, while several processes are joined


def rank() -> int:
    """Which of the processes this is; 0 in a single one."""
    return everyone().rank


def count() -> int:
    """How many processes there are."""
    return everyone().count


@contextmanager
def joined(device_type: str, data_groups: int = 1) -> Iterator[None]:
    """While active, the processes that torchrun started are one grid (NCCL on ``"cuda"``, gloo in main memory).

    Raises
    ------
    ValueError
        if the processes are no multiple of ``data_groups``.
    ConnectionError
        in every rank that goes on while another is lost, in one sentence.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if data_groups < 1 or processes % data_groups:
        raise ValueError(f"{processes} processes cannot be {data_groups} data groups of equally many")
    if processes == 1:
        yield
        return
    if device_type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        for place in dict.fromkeys(["cpu", device_type]):
            grid = (data_groups, processes // data_groups)
            _grids[place] = init_device_mesh(place, grid, mesh_dim_names=_AXES)
        yield
    finally:
        _grids.clear()
        dist.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """Around what all ranks do together: a rank that is lost meanwhile is a ConnectionError in the others."""
    from torch.distributed.checkpoint.api import CheckpointException  # no Exception, so that it must be named

    try:
        yield
    except (RuntimeError, CheckpointException) as error:  # torch has no narrower type for a peer that gloo has lost
        causes = [cause for cause, _ in error.failures.values()] if isinstance(error, CheckpointException) else [error]
        if other := next((cause for cause in causes if not isinstance(cause, RuntimeError)), None):
            raise other from error
        raise ConnectionError(
            f"rank {rank()} of {count()} lost contact with another rank, so the run ends here; start the same command "
            "again, with any number of processes: it goes on from the last checkpoint"
        ) from error


class Group:
    """Some of the processes; alone, everything is the identity. All of them call its methods together.

    Each method gives the same bits on every rank, and raises ConnectionError where one of them is lost.
    """

    def __init__(self, *axes: str) -> None:
        self.asked, self.axes = axes, axes if _grids else ()

    def _handle(self, tensor: Tensor) -> Any:
        return _grids[tensor.device.type].get_group(*self.axes) if len(self.axes) == 1 else None

    @property
    def rank(self) -> int:
        """Which of them this is."""
        if len(self.axes) == 1:
            return _grids["cpu"].get_local_rank(*self.axes)
        return dist.get_rank() if self.axes else 0

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(_grids["cpu"].size(_AXES.index(axis)) for axis in self.axes)

    @torch.no_grad()
    def sum(self, value: Tensor) -> Tensor:
        """The sum over ranks, without gradient."""
        if self.count == 1:
            return value.detach()
        total = value.detach().clone(memory_format=torch.contiguous_format)
        with together():
            dist.all_reduce(total, group=self._handle(total))
        return total

    def mean(self, value: Tensor) -> Tensor:
        """The mean over ranks, without gradient."""
        return self.sum(value) if self.count == 1 else self.sum(value) / self.count

    @torch.no_grad()
    def average(self, vector: Tensor) -> None:
        """Put the mean over ranks in the place of a contiguous tensor."""
        if self.count > 1:
            with together():
                dist.all_reduce(vector, group=self._handle(vector))
            vector.div_(self.count)

    @torch.no_grad()
    def exchange(self, parts: Tensor) -> Tensor:
        """Of parts [count, ...], one for each rank, those that every rank has for this one [count, ...]."""
        if self.count == 1:
            return parts
        found = torch.empty_like(parts := parts.contiguous())
        with together():
            dist.all_to_all_single(found, parts, group=self._handle(parts))
        return found

    def summed(self, part: Tensor) -> Tensor:
        """The sum over ranks of what each has a part of: the gradient of every part is that of the sum.

        All ranks go on alike with the sum, so that each already has its whole gradient.
        """
        return part if self.count == 1 else cast(Tensor, _Summed.apply(part, self))

    def shared(self, value: Tensor) -> Tensor:
        """A value that is the same on all ranks, each of which uses it for its own part: gradients are summed."""
        return value if self.count == 1 else cast(Tensor, _Shared.apply(value, self))


def alone() -> Group:
    """This process."""
    return Group()


def everyone() -> Group:
    """All processes."""
    return Group(*_AXES)


def data() -> Group:
    """Those that hold the same latents, and see different parts of a batch."""
    return Group("data")


def latents() -> Group:
    """Those that see the same part of a batch, and hold different latents."""
    return Group("latents")


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group) -> Tensor:
        return group.sum(part)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.group.sum(grad), None


def placed(share: Tensor, axis: int, size: int) -> Any:
    """A rank's share of the latents as a DTensor of all ``size`` of them along an axis, in torch's own layout.

    That is: equal shares, rounded up, so that the last ranks may have fewer.
    """
    from torch.distributed.tensor import DTensor, Replicate, Shard

    shape = torch.Size([*share.shape[:axis], size, *share.shape[axis + 1 :]])
    share = share.detach().contiguous()
    strides = torch.empty(shape, device="meta").stride()
    places = [Replicate(), Shard(axis)]
    grid = _grids[share.device.type]
    return DTensor.from_local(share, grid, places, run_check=False, shape=shape, stride=strides)


def meet() -> None:
    """Wait until every rank is here."""
    everyone().sum(torch.zeros(()))  # a barrier of its own needs a device; a sum does not


@contextmanager
def in_turn() -> Iterator[None]:
    """The processes of one machine do the inside one after another; every rank comes by once."""
    mine, many = (
        int(os.environ.get(name, default)) for name, default in (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))
    )
    for _ in range(mine):
        meet()
    try:
        yield
    finally:
        for _ in range(many - mine):
            meet()
