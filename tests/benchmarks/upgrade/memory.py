"""Peak memory of a training step, each in a process of its own (Linux).

    python -m tests.benchmarks.upgrade.memory [--threads 2]

By how much the third step, at its peak, exceeds the size of the process before the SAE was made: weights, gradients,
moments, and what the step itself needs. Steps are those of `training.py`, at the same size. A small one of the same
kind comes first, for what libraries keep for themselves. Buffers of 64 KiB and more go back to Linux when freed.
"""

import argparse
import multiprocessing
import os
import warnings
from multiprocessing.queues import Queue
from pathlib import Path

import torch

from tests.benchmarks.upgrade.peer_steps import peers
from tests.benchmarks.upgrade.training import Step, bare, batches, decoder, variants

__all__ = ["resident"]

D_IN, D_SAE, BATCH, L0 = 256, 4096, 1024, 32


def resident(field: str) -> int:
    """Bytes: ``VmRSS`` now, ``VmHWM`` the largest since the last reset."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def made(name: str, d_in: int, d_sae: int, x: torch.Tensor) -> Step:
    """The step of that name."""
    rows = decoder(d_in, d_sae)
    if name == "bare":
        return bare(rows)
    return {**variants(rows, x, L0, name), **peers(d_in, d_sae, L0, name)}[name]


def measure(name: str, threads: int, found: "Queue[int]") -> None:
    """Put the bytes."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    little = batches(decoder(16, 64), 64, L0)
    small = made(name, 16, 64, little[0])
    for batch in little:
        small(batch)
    x = batches(decoder(D_IN, D_SAE), BATCH, L0)
    before = resident("VmRSS")
    step = made(name, D_IN, D_SAE, x[0])
    step(x[0])
    step(x[1])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    step(x[2])
    found.put(resident("VmHWM") - before)


def main() -> None:
    """Print MiB of every step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = decoder(16, 64)
    names = ["bare", *variants(rows, batches(rows, 64, L0)[0], L0), *peers(16, 64, L0)]
    held = 16 * (2 * D_IN * D_SAE + D_SAE + D_IN) / 2**20
    print(f"weights, gradients and two moments of each: {held:.0f} MiB")
    print("| step | peak, MiB |\n|---|---|")
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    context = multiprocessing.get_context("spawn")
    for name in names:
        found = context.Queue()
        process = context.Process(target=measure, args=(name, options.threads, found))
        process.start()
        print(f"| {name} | {found.get(timeout=300) / 2**20:.0f} |", flush=True)
        process.join()


if __name__ == "__main__":
    main()
