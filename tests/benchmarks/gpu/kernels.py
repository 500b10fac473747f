"""The rational activations: their Triton kernels beside what `torch.compile` makes of the same formula, and a copy.

Bandwidth counts what has to move: each value of an entry read or written once. A copy of as many entries says what
the card reaches, and its properties, where they tell it, what it could. A dry run has Triton's interpreter, and
compiles nothing.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from tests.benchmarks.gpu.part import Run
from tests.benchmarks.gpu.timing import seconds_of

__all__ = ["measure"]


class _Case(NamedTuple):
    """A function of the formula, what it is called, and how many values of an entry it reads and writes."""

    label: str
    name: str
    values: int
    coefficients: tuple[int, ...]


_NINE = (10, 5, 4)  # type (9, 8) of one input
_CASES = (
    _Case("dense, (9, 8)", "dense", 2, _NINE),
    _Case("dense, (9, 8), backward", "dense_gradients", 3, _NINE),
    _Case("curve, (9, 8)", "curve", 3, _NINE),
    _Case("curve, (9, 8), backward", "curve_gradients", 5, _NINE),
    _Case("curve of two inputs, (3, 2)", "curve", 4, (10, 3, 0)),
    _Case("curve of two inputs, (3, 2), backward", "curve_gradients", 7, (10, 3, 0)),
)
_SIZES = (4096 * 24_576, 4096 * 32)  # every pre-activation of a batch; its codes alone, as exact supports need
_DRY = (300, 40)


def measure(run: Run) -> None:
    """Three rows for each function and size: Triton, compiled, a copy."""
    if run.dry:
        os.environ["TRITON_INTERPRET"] = "1"
    try:
        from rsae.activations.kernels import formula, gpu
    except ImportError as error:
        raise RuntimeError(f"the kernels need Triton, which is not installed ({error})") from error
    compiled: dict[str, Callable[..., Any]] = {}
    rounds, in_a_row = (1, 1) if run.dry else (10, 10)
    for case in _CASES:  # a case with all sizes, since a size costs no compilation of its own
        for entries in _DRY if run.dry else _SIZES:
            arguments, copy = _arguments(case, entries, run.device)
            if case.label not in compiled:
                options = {"backend": "eager"} if run.dry else {}
                compiled[case.label] = torch.compile(getattr(formula, case.name), dynamic=True, **options)
            ways = {
                "Triton": lambda: getattr(gpu, case.name)(*arguments),  # noqa: B023 - called before the next one
                "compiled": lambda: compiled[case.label](*arguments),  # noqa: B023
                "a copy": lambda: copy[0].copy_(copy[1]),  # noqa: B023
            }
            seconds = {name: seconds_of(way, run.device, rounds, in_a_row) for name, way in ways.items()}
            rates = {name: 4 * entries * case.values / found for name, found in seconds.items()}
            rates["a copy"] = 4 * entries * 2 / seconds["a copy"]
            peak = _peak(run.device)
            for name, rate in rates.items():
                run.tell(
                    {
                        "activation": case.label,
                        "entries": entries,
                        "way": name,
                        "ms": 1e3 * seconds[name],
                        "TB/s": rate / 1e12,
                        "of a copy": rate / rates["a copy"],
                        "of the card's": rate / peak if peak else None,
                    }
                )


def _arguments(case: _Case, entries: int, device: str) -> tuple[list[Any], list[torch.Tensor]]:
    """What the function of a case takes; and two tensors to copy."""
    draw = torch.Generator(device).manual_seed(0)
    given = [torch.rand(entries, generator=draw, device=device) + 0.1 for _ in range(4)]
    coefficients = [torch.rand(n, generator=draw, device=device) for n in case.coefficients]
    h, grad, tau, share = given
    if case.name.startswith("dense"):
        inputs = [h, *torch.full((2,), 1.5, device=device).unbind(), *coefficients]
    else:
        inputs = [h, tau, share if "two" in case.label else None, *coefficients]
    return [grad, *inputs] if case.name.endswith("gradients") else inputs, [tau, h]


def _peak(device: str) -> float:
    """Bytes a second that the card's memory could move, or 0 where it does not say."""
    if device != "cuda":
        return 0.0
    card = torch.cuda.get_device_properties(device)
    clock, width = getattr(card, "memory_clock_rate", 0), getattr(card, "memory_bus_width", 0)  # kHz, two a tick; bits
    return 2e3 * clock * width / 8
