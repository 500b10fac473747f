"""The rational activations, evaluated the fastest way there is: one meaning (`formula`), several ways to compute it.

On a CUDA device there are Triton kernels for it (`kernels.gpu`), where Triton is installed: one pass over memory
for each direction. With ``TRITON_INTERPRET=1`` they run on a CPU, in Triton's interpreter, slowly: to be tested.
Elsewhere small inputs go through plain torch operations; large ones are compiled into one pass for each direction
where `torch.compile` finds a compiler, and otherwise walked through in pieces that fit into a cache.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor

from rsae.activations.kernels import formula

__all__ = ["curve", "curve_gradients", "curve_measured", "dense", "dense_gradients", "differentiable", "value"]

# Compiling takes ten seconds to half a minute; below this many entries a call is so short that it never pays on a CPU.
# Where no gradient is wanted an SAE is measured: a few calls, each done in a tenth of a second without a compiler.
COMPILED_FROM = 2**19
MEASURED_COMPILED_FROM = 2**21
PIECE = 2**15
TRITON = find_spec("triton") is not None


def value(kernel: "_Kernel", inputs: Sequence[Tensor | None]) -> Tensor:
    """The value of a kernel: half precision comes and goes, the arithmetic is float32."""
    return cast(Tensor, kernel(*_widened(inputs)).to(inputs[0]))


def differentiable(kernel: "_Kernel", gradients: "_Kernel", inputs: Sequence[Tensor | None]) -> Tensor:
    """The same, with the gradients that another kernel computes."""
    return cast(Tensor, _Differentiable.apply(kernel, gradients, *inputs))


class _Differentiable(torch.autograd.Function):
    """Saves its inputs only."""

    @staticmethod
    def forward(ctx: Any, kernel: "_Kernel", gradients: "_Kernel", *inputs: Tensor | None) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.gradients = gradients
        return value(kernel, inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        found = ctx.gradients(*_widened((grad, *inputs)))
        return None, None, *(None if x is None else g.to(x.dtype) for g, x in zip(found, inputs, strict=True))


def _widened(tensors: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    return tuple(t.float() if t is not None and t.dtype in (torch.bfloat16, torch.float16) else t for t in tensors)


class _Kernel:
    """A function of entries: in Triton on a GPU, compiled where that works and pays, else in pieces."""

    def __init__(self, plain: Callable[..., Any], entries: int, compiled_from: int) -> None:
        self.plain, self.entries, self.compiled_from = plain, entries, compiled_from
        self.compiled: Callable[..., Any] | None = None
        self.works = True
        self.triton_works = TRITON

    def __call__(self, *arguments: Tensor | None) -> Any:
        """The function's value; the first ``entries`` arguments hold one value an entry, or broadcast."""
        first = arguments[0]
        assert first is not None
        if self.triton_works and (first.device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"):
            found = self._in_triton(arguments)
            if found is not None:
                return found
        if first.numel() >= self.compiled_from and self.works:
            if self.compiled is None:
                self.compiled = torch.compile(self.plain, dynamic=True)
            try:
                return self.compiled(*arguments)
            except RuntimeError:  # no compiler, or not for this device; an error of ours appears again below
                self.works = False
        if first.device.type != "cpu" or first.numel() <= PIECE or first.ndim == 0:
            return self.plain(*arguments)
        return self._in_pieces(arguments)

    def _in_triton(self, arguments: tuple[Tensor | None, ...]) -> Any:
        """The value, or None where the Triton kernels do not take the arguments, or this machine cannot build them."""
        from triton.errors import TritonError

        from rsae.activations.kernels import gpu

        try:
            if gpu.takes(arguments, self.entries):
                return getattr(gpu, self.plain.__name__)(*arguments)
        except (TritonError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self.triton_works = False  # an old card, no C compiler; an error of ours appears again below
        return None

    def _in_pieces(self, arguments: tuple[Tensor | None, ...]) -> Any:
        first = arguments[0]
        assert first is not None
        rows = max(1, PIECE * len(first) // first.numel())
        goes_along = [
            n < self.entries and a is not None and a.ndim == first.ndim and len(a) == len(first)
            for n, a in enumerate(arguments)
        ]
        found = []
        for begin in range(0, len(first), rows):
            cut = (
                a[begin : begin + rows] if along and a is not None else a
                for a, along in zip(arguments, goes_along, strict=True)
            )
            found.append(self.plain(*cut))
        if isinstance(found[0], Tensor):
            return torch.cat(found)
        # Gradients, of all arguments but the first: those of entries one after another, of what they share added up.
        return tuple(
            None if parts[0] is None else torch.cat(parts) if along else torch.stack(parts).sum(0)
            for parts, along in zip(zip(*found, strict=True), goes_along[1:], strict=True)
        )


curve = _Kernel(formula.curve, 3, COMPILED_FROM)
curve_measured = _Kernel(formula.curve, 3, MEASURED_COMPILED_FROM)
curve_gradients = _Kernel(formula.curve_gradients, 4, COMPILED_FROM)
dense = _Kernel(formula.dense, 1, COMPILED_FROM)
dense_gradients = _Kernel(formula.dense_gradients, 2, COMPILED_FROM)
