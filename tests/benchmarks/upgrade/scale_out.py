"""What each of several processes holds in a training step: measured here, and calculated for many GPUs.

    python -m tests.benchmarks.upgrade.scale_out [--ranks 1,2,3,4] [--d-in 256] [--d-sae 16384] [--rows 64]
    python -m tests.benchmarks.upgrade.scale_out --calculate

Measured: TopK 32, ``rows`` inputs a process, gloo. A process's peak is what Linux reports as its largest resident size
during the third step, less its size before the SAE was made; buffers of 64 KiB and more go back to Linux when freed.
Calculated: the tables of docs/upgrading/scale-out.md, from the assumptions below.
"""

import argparse
import multiprocessing
import os
import socket
from multiprocessing.queues import Queue
from pathlib import Path

import torch

from rsae import ranks
from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.passes import choose_pass
from rsae.training.recipe import Recipe
from rsae.training.step import Training
from tests.benchmarks.upgrade.memory import resident

# A calculation's assumptions, from data sheets: FLOP/s in bfloat16 at half the peak, bytes/s of a GPU's memory, and
# bytes/s that a GPU sends while it receives as many, to GPUs of the same machine and to those of others.
FLOPS, MEMORY, INSIDE, BETWEEN = 400e12, 3e12, 450e9, 50e9
WIDTH, BATCH, STEPS = 2304, 4096, 22_000  # Gemma-2-2B


def training(d_in: int, d_sae: int) -> Training:
    """A `Training` of an SAE with random directions; it keeps no second copy of them."""
    rows = torch.nn.functional.normalize(torch.randn(d_sae, d_in, generator=torch.Generator().manual_seed(0)), dim=1)
    sae = SparseAutoencoder(
        W_enc=rows.T.contiguous(), b_enc=torch.zeros(d_sae), W_dec=rows, b_dec=torch.zeros(d_in), family="topk", k=32
    )
    sae.activation = RationalActivation(IDENTITY, ("ratio",))
    return Training(sae, choose_pass(sae, "l1", 0.05, 32.0), Recipe(1e-5, 1e-5, warmup=1), steps=10**6)


def measure(rank: int, environment: dict[str, str], d_in: int, d_sae: int, rows: int, found: "Queue[float]") -> None:
    """Put the peak bytes a parameter of this process."""
    os.environ |= {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    with ranks.joined("cpu"):
        x = torch.randn(rows, d_in, generator=torch.Generator().manual_seed(1 + rank))
        training(8, 64).step(x[:, :8])  # what torch and gloo keep for themselves
        before = resident("VmRSS")
        run = training(d_in, d_sae)
        for _ in range(2):
            run.step(x)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        run.step(x)
        found.put((resident("VmHWM") - before) / sum(p.numel() for p in run.parameters))


def peak(parameters: int, d_sae: int, count: int) -> float:
    """Bytes of a GPU, one of ``count``, at most.

    A parameter has 4 bytes, its gradient 4, its moments 8 / count. While the encoder's gradient is brought into the
    encoder's layout, it exists twice, 2 bytes a parameter more. Pre-activations are there in the forward pass only; the
    search for the k largest sorts them, at worst, with their places, from one buffer into another: 4 + 24 bytes. Then
    several ranks have no gradients, but a single process still has those of the step before.
    """
    forward = parameters * (4 + 8 / count + (4 if count == 1 else 0)) + 28 * BATCH / count * d_sae
    backward = parameters * (4 + 4 + 2 + 8 / count)
    sharing = parameters * (4 + 4 + 8 / count + 2 / count)
    return max(forward, backward, sharing)


def calculate() -> None:
    """Print memory and time for Gemma-2-2B on 1, 8 (one machine) and 64 GPUs (eight machines)."""
    print("| latents | " + " | ".join(f"memory of each of {n}" for n in (1, 2, 4, 8, 64)) + " |\n" + "|---" * 6 + "|")
    sizes = [2**14, 2**16, 2**18, 2**20]
    for d_sae in sizes:
        held = [peak(2 * WIDTH * d_sae, d_sae, n) / 1e9 for n in (1, 2, 4, 8, 64)]
        print(f"| {d_sae} | " + " | ".join(f"{gb:.3g} GB" for gb in held) + " |")
    print("\n| latents | GPUs | encoder, ms | memory, ms | network, ms | run, minutes |\n" + "|---" * 6 + "|")
    for d_sae in sizes:
        for count, link in ((1, INSIDE), (8, INSIDE), (64, BETWEEN)):
            parameters = 2 * WIDTH * d_sae
            encoder = parameters * BATCH / count / FLOPS
            # Every GPU writes the gradient (4), copies the encoder's (4) and brings decoder rows to their norm (6); of
            # its part of parameter and moments it reads and writes all (24), and reads the gradient (4).
            memory = parameters * (14 + 28 / count) / MEMORY
            network = parameters * 8 * (count - 1) / count / link
            parts = " | ".join(f"{1e3 * seconds:.3g}" for seconds in (encoder, memory, network))
            print(f"| {d_sae} | {count} | {parts} | {STEPS * (encoder + memory + network) / 60:.3g} |")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", default="1,2,3,4")
    parser.add_argument("--d-in", type=int, default=256)
    parser.add_argument("--d-sae", type=int, default=16_384)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--calculate", action="store_true")
    options = parser.parse_args()
    if options.calculate:
        calculate()
        return
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    context = multiprocessing.get_context("spawn")
    print("| processes | peak of the largest, MiB | bytes a parameter |\n|---|---|---|")
    for count in map(int, options.ranks.split(",")):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        found: Queue[float] = context.Queue()
        sizes = (options.d_in, options.d_sae, options.rows)
        processes = [context.Process(target=measure, args=(i, environment, *sizes, found)) for i in range(count)]
        for process in processes:
            process.start()
        bytes_a_parameter = max(found.get(timeout=300) for _ in processes)
        for process in processes:
            process.join()
        size = 2 * options.d_in * options.d_sae
        print(f"| {count} | {bytes_a_parameter * size / 2**20:.0f} | {bytes_a_parameter:.1f} |", flush=True)


if __name__ == "__main__":
    main()
