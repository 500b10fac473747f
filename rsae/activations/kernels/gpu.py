"""The formula's four functions on a GPU: one pass over memory for each direction, float32, no atomics.

A call's entries are cut into tiles of [rows, columns], worked on by the programs of `kernels.gpu_programs`. Those
of a backward pass leave one row each of a [programs, coefficients] buffer, and torch adds the rows up. Every sum has an
order that only shapes and the device decide, so the same call gives the same bits; nothing is tuned by timing.

This module needs Triton; `rsae.activations.kernels` imports it on first use.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
from torch import Tensor

from rsae.activations.kernels import gpu_programs
from rsae.activations.kernels.formula import exponents

__all__ = ["curve", "curve_gradients", "dense", "dense_gradients", "takes"]

LANES = 128  # of a program, four warps: Triton's default
FORWARD = 8  # entries of a lane in a forward pass
BACKWARD = (
    (4, 84),
    (2, 42),
    (1, 96),
)  # entries of a lane, for so many coefficients: each entry has its sums in registers
PROGRAMS = 8  # of a backward pass, on each multiprocessor: a few rounds of those that run at a time


def takes(arguments: Sequence[Tensor | None], entries: int) -> bool:
    """Whether these kernels compute it: float32, on one device, not empty, not to be differentiated, few coefficients.

    The first ``entries`` arguments broadcast against the very first, which holds one value an entry; together they have
    strides of rows and columns, as all do but some of three and more dimensions. The others are shared by all entries.
    """
    given = [x for x in arguments if x is not None]
    local = [x for x in arguments[:entries] if x is not None]
    first = local[0]
    return (
        all(x.dtype == torch.float32 and x.device == first.device for x in given)
        and not (torch.is_grad_enabled() and any(x.requires_grad for x in given))
        and first.numel() > 0
        and all(torch.broadcast_shapes(x.shape, first.shape) == first.shape for x in local)
        and sum(x.numel() for x in given[len(local) :]) <= BACKWARD[-1][1]
        and len(_merged([*local, torch.empty(first.shape, device="meta")])) <= 2
    )


def _merged(entries: Sequence[Tensor]) -> list[tuple[int, list[int]]]:
    """As few dimensions as describe all the tensors: their sizes, and the stride of each tensor there."""
    shape = entries[0].shape
    strides = [x.expand(shape).stride() for x in entries]
    found: list[tuple[int, list[int]]] = []
    for n, size in enumerate(shape):
        steps = [stride[n] for stride in strides]
        if size > 1 and found and found[-1][1] == [size * step for step in steps]:
            found[-1] = (size * found[-1][0], steps)
        elif size > 1:
            found.append((size, steps))
    return found


class _Call:
    """How the entries of one call are read and cut into tiles."""

    def __init__(
        self, entries: Sequence[Tensor | None], scales: Sequence[Tensor], coefficients: Sequence[Tensor], both: bool
    ) -> None:
        given = [x for x in entries if x is not None]
        one = (1, [0] * len(given))
        (self.rows, down), (self.columns, across) = [one, one, *_merged(given)][-2:]
        steps = iter(zip(given, down, across, strict=True))
        self.entries = [None if x is None else next(steps) for x in entries]
        self.shared = [x.contiguous() for x in (*scales, *coefficients)]
        self.scales, self.counts = len(scales), [len(x) for x in coefficients]
        degrees = [sum(exponents(n, both)[-1]) if n else -1 for n in self.counts]
        self.degrees = (max(degrees), *degrees)
        self.device = given[0].device

    def _tiles(self, size: int) -> tuple[int, tuple[int, int]]:
        """How many tiles of a size there are, and their height and width."""
        width = size if self.rows == 1 else min(size, triton.next_power_of_2(self.columns))
        return triton.cdiv(self.rows, size // width) * triton.cdiv(self.columns, width), (size // width, width)

    def forward(self, kernel: Any) -> None:
        """A program for each tile."""
        tiles, shape = self._tiles(FORWARD * LANES)
        with torch.cuda.device_of(self.shared[0]):
            kernel[(tiles,)](
                *self.entries, *self.shared, self.rows, self.columns, *self.degrees, *shape, enable_fp_fusion=True
            )

    def backward(self, kernel: Any) -> list[Tensor]:
        """The gradients of what entries share, added up over programs: a number for each scale, then coefficients."""
        tiles, shape = self._tiles(LANES * next(each for each, most in BACKWARD if sum(self.counts) <= most))
        programs = PROGRAMS
        if self.device.type == "cuda":
            programs *= torch.cuda.get_device_properties(self.device).multi_processor_count
        programs = min(programs, tiles)
        sums = self.shared[0].new_empty(programs, self.scales + sum(self.counts))
        with torch.cuda.device_of(sums):
            kernel[(programs,)](
                *self.entries, *self.shared, sums, sums.shape[1], self.rows, self.columns, tiles, *self.degrees, *shape,
                enable_fp_fusion=True,
            )  # fmt: skip
        total = sums.sum(0)
        return [*total[: self.scales], *total[self.scales :].split(self.counts)]


def curve(h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """`formula.curve` of arguments that `takes` takes."""
    value = h.new_empty(h.shape)
    _Call((h, tau, share, value), (), (p, b, c), share is not None).forward(gpu_programs.curve)
    return value


def curve_gradients(
    grad: Tensor, h: Tensor, tau: Tensor, share: Tensor | None, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor | None, ...]:
    """`formula.curve_gradients` of arguments that `takes` takes."""
    entries = (h, tau, share)
    found = [None if x is None else h.new_empty(h.shape) for x in entries]
    call = _Call((grad, *entries, *found), (), (p, b, c), share is not None)
    shared = call.backward(gpu_programs.curve_gradients)
    return *(y if x is None or y is None else y.sum_to_size(x.shape) for x, y in zip(entries, found)), *shared


def dense(h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """`formula.dense` of arguments that `takes` takes."""
    value = h.new_empty(h.shape)
    _Call((h, value), (scale_in, scale_out), (p, b, c), False).forward(gpu_programs.dense)
    return value


def dense_gradients(
    grad: Tensor, h: Tensor, scale_in: Tensor, scale_out: Tensor, p: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, ...]:
    """`formula.dense_gradients` of arguments that `takes` takes."""
    of_h = h.new_empty(h.shape)
    call = _Call((grad, h, of_h), (scale_in, scale_out), (p, b, c), False)
    return of_h, *call.backward(gpu_programs.dense_gradients)
