"""The rational activations on a CUDA device: their Triton kernels beside the compiled formula.

    python -m tests.benchmarks.upgrade.bandwidth [--entries 100663296] [--rounds 20] [--device cuda]

With ``TRITON_INTERPRET=1`` and ``--device cpu --entries 20000 --rounds 1`` it runs without a card, which shows that it
runs, and nothing else.
"""

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.benchmarks.upgrade.training import Step, measure


def activations(entries: int, rounds: int, device: str) -> None:
    """The Triton kernels beside what `torch.compile` makes of the formula, (9, 8), float32: time and bandwidth.

    Bandwidth counts what has to move: each value of an entry read or written once. A copy of as many entries says what
    the card reaches, and its properties, where they tell it, what it could.
    """
    from rsae.activations.kernels import formula, gpu  # needs Triton, which a machine without a card may lack

    in_a_row = 10 if device == "cuda" else 1  # so that what a launch costs on the CPU is hidden, as in a step

    def step(function: Callable[..., Any], arguments: list[Any]) -> Step:
        def calls(x: Tensor) -> None:
            for _ in range(in_a_row):
                function(*arguments)

        return calls

    h, grad, tau, other = (torch.rand(entries, device=device) + 0.1 for _ in range(4))
    scales = torch.full((2, 1), 1.5, device=device).unbind()
    coefficients = [torch.rand(n, device=device) for n in (10, 5, 4)]
    calls: dict[str, tuple[str, list[Any], int]] = {
        "dense": ("dense", [h, scales[0][0], scales[1][0], *coefficients], 2),
        "dense, backward": ("dense_gradients", [grad, h, scales[0][0], scales[1][0], *coefficients], 3),
        "curve": ("curve", [h, tau, None, *coefficients], 3),
        "curve, backward": ("curve_gradients", [grad, h, tau, None, *coefficients], 5),
    }
    steps = {"copy": step(other.copy_, [h])}
    moved = {"copy": 2}
    for label, (name, arguments, values) in calls.items():
        compiled = torch.compile(getattr(formula, name), dynamic=True)
        for way, function in (("Triton", getattr(gpu, name)), ("compiled", compiled)):
            steps[f"{label}: {way}"] = step(function, arguments)
            moved[f"{label}: {way}"] = values
    found = {name: min(seconds) / in_a_row for name, seconds in measure(steps, [h], rounds).items()}
    speed = {name: 4 * entries * moved[name] / seconds for name, seconds in found.items()}
    card = torch.cuda.get_device_properties(device) if h.is_cuda else None
    clock, width = getattr(card, "memory_clock_rate", 0), getattr(card, "memory_bus_width", 0)  # kHz, two a tick; bits
    peak = 2e3 * clock * width / 8
    print("| activation | fastest, ms | TB/s | of a copy | of the peak |")
    print("|---|---|---|---|---|")
    for name, rate in speed.items():
        share = f"{rate / peak:.0%}" if peak else "unknown"
        print(f"| {name} | {1e3 * found[name]:.3f} | {rate / 1e12:.3f} | {rate / speed['copy']:.0%} | {share} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=4096 * 24_576)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.device == "cuda" and not torch.cuda.is_available():
        print("skipped: no CUDA device, so nothing was measured on one")
        return
    print(torch.cuda.get_device_name() if options.device == "cuda" else "no card", f"torch {torch.__version__}")
    activations(options.entries, options.rounds, options.device)


if __name__ == "__main__":
    main()
