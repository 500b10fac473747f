"""A training step at GPT-2 small's size: ours, the bare ReLU step, and the peers' where they are installed.

FLOP are those of the dense products of a step, counted by torch; ours has one such product where the bare step has
five. The share is of what square products of the same precision reach on the same card. Memory is the peak beyond what
lay there before the SAE was made: weights, gradients, moments, and what the step itself needs.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rsae.activations.ratio import IDENTITY
from tests.benchmarks.gpu.part import Row, Run
from tests.benchmarks.gpu.timing import seconds_of
from tests.benchmarks.upgrade.peer_steps import NAMES, peer
from tests.benchmarks.upgrade.training import bare, batches, decoder, of_type, ours

__all__ = ["measure"]

_SIZE = (768, 24_576, 4096, 32)  # d_in, d_sae, batch, codes a token
_DRY = (16, 64, 32, 4)
_OURS = {
    "rsae topk, own gate": ("topk", None, ("ratio",)),
    "rsae topk, (3, 2)": ("topk", IDENTITY, ("ratio",)),
    "rsae topk, (3, 2) with norm": ("topk", IDENTITY, ("ratio", "norm")),
    "rsae topk, (9, 8)": ("topk", of_type(9, 8), ("ratio",)),
    "rsae jumprelu, own gate": ("jumprelu", None, ("ratio",)),
    "rsae jumprelu, (9, 8)": ("jumprelu", of_type(9, 8), ("ratio",)),
    "rsae relu, own gate": ("relu", None, ("ratio",)),
    "rsae relu, (9, 8)": ("relu", of_type(9, 8), ("ratio",)),
}
Step = Callable[[Tensor], Any]


def measure(run: Run) -> None:
    """Products, the bare step, ours in both precisions, the peers, and the bare step again."""
    d_in, d_sae, size, l0 = _DRY if run.dry else _SIZE
    rows = decoder(d_in, d_sae).to(run.device)
    x = batches(rows, size, l0)
    products = {name: _products(run, dtype) for name, dtype in _PRODUCTS.items()}
    steps: dict[str, Callable[[], Step]] = {"bare": lambda: bare(rows)}
    for precision in ("float32", "bfloat16"):
        for name in _OURS if precision == "float32" else list(_OURS)[:2]:
            steps[f"{name}, {precision}"] = lambda n=name, p=precision: _ours(n, rows, x[0], l0, p)  # type: ignore[misc]
    steps |= {name: lambda name=name: peer(name, d_in, d_sae, l0, run.device) for name in NAMES}  # type: ignore[misc]
    steps["bare, again"] = steps["bare"]
    base = None
    for name, make in steps.items():
        row: Row = {"step": name}
        try:
            row |= _measured(run, make, x, products["bfloat16" if "bfloat16" in name else "float32"])
        except (ImportError, RuntimeError, ValueError) as error:  # a peer that is absent, or not for this device
            run.tell(row | {"said": f"skipped: {str(error)[:120]}"})
            continue
        base = base or row["ms"]
        run.tell(row | {"of the bare step": row["ms"] / base})  # type: ignore[operator]


_PRODUCTS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _products(run: Run, dtype: torch.dtype) -> float:
    """FLOP/s of square products, which are told, too."""
    n = 64 if run.dry else 8192
    left, right = (torch.randn(n, n, device=run.device).to(dtype) for _ in range(2))
    seconds = seconds_of(lambda: left @ right, run.device, 1 if run.dry else 5)
    name = f"a product of {n} x {n}, {str(dtype).removeprefix('torch.')}"
    run.tell({"step": name, "ms": 1e3 * seconds, "TFLOP/s": 2 * n**3 / seconds / 1e12})
    return 2 * n**3 / seconds


def _ours(name: str, rows: Tensor, x: Tensor, l0: int, precision: str) -> Step:
    family, rational, inputs = _OURS[name]
    return ours(family, rows, x, l0, rational, inputs, precision=precision).step


def _measured(run: Run, make: Callable[[], Step], x: list[Tensor], reached: float) -> Row:
    """Time, FLOP and memory of a step."""
    from torch.utils.flop_counter import FlopCounterMode  # it imports Triton, for which a dry run is prepared first

    gc.collect()
    card = run.device == "cuda"
    before = torch.cuda.memory_allocated() if card else 0
    step, turn = make(), 0

    def next_step() -> None:
        nonlocal turn
        turn += 1
        step(x[turn % len(x)])

    next_step()
    with FlopCounterMode(display=False) as counter:
        next_step()
    if card:
        torch.cuda.reset_peak_memory_stats()
    seconds = seconds_of(next_step, run.device, 1 if run.dry else 5, 1 if run.dry else 10)
    rate = counter.get_total_flops() / seconds
    held = (torch.cuda.max_memory_allocated() - before) / 2**20 if card else None
    return {
        "ms": 1e3 * seconds,
        "TFLOP a step": counter.get_total_flops() / 1e12,
        "TFLOP/s": rate / 1e12,
        "of a square product's": rate / reached,
        "peak memory, MiB": held,
    }
