"""Hidden states as a training, a calibration and a held-out part, and the batches that are drawn from them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from rsae.hosts.host import Host
from rsae.notebook import facts

__all__ = ["HiddenStates"]


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """Vectors [n, d_in] in three parts, and how they came about.

    ``train`` is what training steps draw from, ``calibration`` a fixed sample of it, ``held_out`` what no step ever
    sees: it comes from documents (or contexts, or rows) of its own, the last ones of the source. ``question`` says how
    the vectors were made, ``statistics`` what was dropped and how large the rest is; ``host`` is the model, where there
    is one, and ``contexts`` the token numbers that it read ``train`` from; ``buffer`` is how many vectors are shuffled
    at a time (None: all). From a host in bfloat16 ``train`` is bfloat16, too; all else is float32.
    """

    train: Tensor
    calibration: Tensor
    held_out: Tensor
    question: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    host: Host | None = None
    buffer: int | None = None
    contexts: Sequence[Sequence[int]] = ()

    @property
    def d_in(self) -> int:
        """Length of a vector."""
        return self.train.shape[1]

    def batches(
        self,
        size: int,
        seed: int,
        steps: int,
        device: str | torch.device = "cpu",
        *,
        first: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> Iterator[Tensor]:
        """Batches [size, d_in] of training vectors in float32, number ``first`` to ``steps`` - 1.

        The order depends on ``size`` and ``seed`` alone: all vectors in a random order, then in another one, and so on.
        With a ``buffer`` 16 runs of neighbours from random places, together so many vectors, are shuffled at a time:
        for vectors on disk that do not fit into memory.
        ``part=(i, n)`` gives the i-th of n parts of each batch, ``size / n`` rows.
        """
        if size < 1 or steps < 0:
            raise ValueError(f"batches need a size of at least 1 and no negative steps, not size={size}, steps={steps}")
        for rows in _cut(self._orders(torch.Generator().manual_seed(seed)), size, first, steps):
            mine = rows[part[0] :: part[1]].to(self.train.device)
            yield self.train[mine].to(device, torch.float32)

    def passages(self, size: int, seed: int, steps: int, *, first: int = 0) -> Iterator[list[Sequence[int]]]:
        """Batches of ``size`` training contexts, number ``first`` to ``steps`` - 1, in an order as of `batches`."""
        generator = torch.Generator().manual_seed(seed)
        orders = (torch.randperm(len(self.contexts), generator=generator) for _ in itertools.count())
        for chosen in _cut(orders, size, first, steps):
            yield [self.contexts[i] for i in chosen.tolist()]

    def on(self, device: str | torch.device) -> "HiddenStates":
        """The same, its training vectors on a CUDA device if they fit into a quarter of the memory that is free there.

        All arms of an upgrade then draw from that one copy, and no batch is read and sent over again for each of them.
        On a CPU there is one copy anyway, in memory or in the pages of a file.
        """
        place = torch.device(device)
        if place.type != "cuda" or self.train.nbytes > torch.cuda.mem_get_info(place)[0] // 4:
            return self
        return replace(self, train=self.train.to(place))

    def _orders(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Row numbers, piece by piece and without end; each pass has every row once."""
        count = len(self.train)
        if self.buffer is None or self.buffer >= count:
            while True:
                yield torch.randperm(count, generator=generator)
        runs = torch.arange(count).split(self.buffer // 16)
        while True:
            for chosen in torch.randperm(len(runs), generator=generator).split(16):
                rows = torch.cat([runs[i] for i in chosen.tolist()])
                yield rows[torch.randperm(len(rows), generator=generator)]

    def __repr__(self) -> str:
        return (
            f"HiddenStates(d_in={self.d_in}, train={len(self.train)}, calibration={len(self.calibration)}, "
            f"held_out={len(self.held_out)}, host={'yes' if self.host else 'no'})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        parts = {"train": self.train, "calibration": self.calibration, "held out": self.held_out}
        sizes = {name: f"{len(part):,} vectors" for name, part in parts.items()}
        made = {name: self.question.get(name) for name in ("source", "hook", "text", "context_length", "dtype")}
        return facts("HiddenStates", {"d_in": self.d_in, **sizes, "host": "yes" if self.host else "no", **made})


def _cut(orders: Iterator[Tensor], size: int, first: int, steps: int) -> Iterator[Tensor]:
    """Numbers, ``size`` at a time, of endless pieces: the batches ``first`` to ``steps`` - 1."""
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        while len(order) < size:
            order = torch.cat([order, next(orders)])
        rows, order = order[:size], order[size:]
        if step >= first:
            yield rows
