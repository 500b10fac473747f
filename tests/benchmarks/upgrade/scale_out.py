"""What each of several processes holds in a training step: measured here, and calculated for many GPUs.

    python -m tests.benchmarks.upgrade.scale_out [--ranks 1,2,3,4] [--d-in 256] [--d-sae 16384] [--rows 64]
    python -m tests.benchmarks.upgrade.scale_out --calculate

Measured: TopK 32, ``rows`` inputs, gloo. A process's peak is what Linux reports as its largest resident size
during the third step, less its size before the SAE was made; buffers of 64 KiB and more go back to Linux when freed.
Calculated: the tables of docs/measured/scale-out.md, from the assumptions below.
"""

import argparse
import math
import multiprocessing
import os
import socket
from multiprocessing.queues import Queue
from pathlib import Path
from typing import NamedTuple

import torch

from rsae import ranks
from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import divided
from rsae.training.passes import choose_pass
from rsae.training.recipe import Recipe
from rsae.training.step import Training
from tests.benchmarks.upgrade.memory import resident

# A calculation's assumptions, from data sheets: FLOP/s in bfloat16 at half the peak, bytes/s of a GPU's memory, bytes/s
# that a GPU sends while it receives as many, to GPUs of the same machine (of eight) and to those of others; and what a
# message takes however short, of which a step has so many.
FLOPS, MEMORY, INSIDE, BETWEEN, MACHINE, CARD = 400e12, 3e12, 450e9, 50e9, 8, 80
LATENCY, CALLS = 30e-6, 14
BATCH, STEPS, TOPK = 4096, 22_000, 32
SIZES = ((2304, 2**14), (2304, 2**16), (2304, 2**18), (2304, 2**20), (4096, 2**20), (2304, 2**24), (4096, 2**24))


def training(d_in: int, d_sae: int) -> Training:
    """A `Training` of this rank's share of an SAE with random directions; it keeps no second copy of them."""
    rows = torch.nn.functional.normalize(torch.randn(d_sae, d_in, generator=torch.Generator().manual_seed(0)), dim=1)
    sae = SparseAutoencoder(
        W_enc=rows.T.contiguous(), b_enc=torch.zeros(d_sae), W_dec=rows, b_dec=torch.zeros(d_in), family="topk", k=32
    )
    sae.activation = RationalActivation(IDENTITY, ("ratio",))
    sae = divided(sae)
    return Training(sae, choose_pass(sae, "l1", 0.05, 32.0), Recipe(1e-5, 1e-5, warmup=1), steps=10**6)


def measure(rank: int, environment: dict[str, str], d_in: int, d_sae: int, rows: int, found: "Queue[float]") -> None:
    """Put the peak bytes of this process for each parameter of the whole."""
    os.environ |= {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    with ranks.joined("cpu"):
        x = torch.randn(rows, d_in, generator=torch.Generator().manual_seed(1))
        training(8, 64).step(x[:, :8])  # what torch and gloo keep for themselves
        before = resident("VmRSS")
        run = training(d_in, d_sae)
        for _ in range(2):
            run.step(x)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        run.step(x)
        found.put((resident("VmHWM") - before) / (2 * d_in * d_sae))


def held(d_in: int, d_sae: int, shares: int) -> int:
    """Bytes of parameters, gradients and moments on each of the ranks that share the latents out."""
    return 16 * (2 * d_in + 1) * math.ceil(d_sae / shares) + 16 * d_in


def peak(d_in: int, d_sae: int, shares: int, rows: int = BATCH) -> float:
    """Bytes of a GPU at most, ``rows`` of a batch with each group of ranks that share the latents out.

    While the encoder's gradient is brought into the encoder's layout, it exists twice: 2 bytes a parameter more. In the
    forward pass there are no gradients, but pre-activations, 4 bytes each; the search for the k largest sorts them, at
    worst, with their places, from one buffer into another: 24 bytes. Ten matrices [rows, d_in] are on every GPU.
    """
    mine = math.ceil(d_sae / shares)
    backward = 18 * 2 * d_in * mine
    forward = 12 * 2 * d_in * mine + 28 * rows * mine
    return max(forward, backward) + 10 * 4 * rows * d_in


class Messages(NamedTuple):
    """Bytes of the messages of one step that go through each kind of collective, on each rank."""

    latents: float  # all-reduced between ranks that share the latents out
    exchanged: float  # all-to-all between them
    data: float  # all-reduced between data groups

    def sent(self, shares: int, data_groups: int) -> float:
        """Bytes that a rank sends, and receives, where an all-reduce is a reduce-scatter and an all-gather."""
        among, between = (shares - 1) / shares, (data_groups - 1) / data_groups
        return 2 * among * self.latents + among * self.exchanged + 2 * between * self.data


def messages(
    d_in: int, d_sae: int, shares: int, data_groups: int = 1, *, rows: int, k: int, coefficients: int = 16
) -> Messages:
    """The messages of a step of TopK k with a curve that reads the norm share, ``rows`` in each data group.

    Forward: reconstructions [rows, d_in]; the norm share, and the threshold of each row. Backward: the gradients of
    these two, of b_dec and of the curve. L0 is a number. The candidates of each row, k + 1, are exchanged, and two
    numbers come back. Data groups average the gradients of their shares, and add up which latents fire.
    """
    mine, padded = math.ceil(d_sae / shares), shares * math.ceil(rows / shares)
    latents = 4 * (rows * d_in + 4 * rows + d_in + coefficients + 1)
    data = 4 * ((2 * d_in + 1) * mine + d_in + coefficients + mine)
    several = shares > 1
    return Messages(several * latents, several * 4 * padded * (k + 3), (data_groups > 1) * data)


def step(d_in: int, d_sae: int, count: int) -> tuple[float, float, float]:
    """Seconds of a step on so many GPUs that share the latents out: encoder, memory, network."""
    mine, rows = math.ceil(d_sae / count), BATCH
    encoder = 2 * d_in * mine * rows / FLOPS
    # The gradient is written (4) and the encoder's copied (4), decoder rows are brought to their norm (6), parameter
    # and moments are read and written (24), the gradient is read (4); pre-activations are written, and read twice (12).
    memory = (42 * 2 * d_in * mine + 12 * rows * mine) / MEMORY
    link = INSIDE if count <= MACHINE else BETWEEN
    found = messages(d_in, d_sae, count, rows=rows, k=TOPK)
    network = 0.0 if count == 1 else found.sent(count, 1) / link + CALLS * LATENCY
    return encoder, memory, network


def calculated() -> tuple[str, str]:
    """Two tables, of memory and of time and network: Gemma-2-2B, and the same and 16M latents in 4096 dimensions."""
    counts = (1, 8, 64, 512)
    rows = ["| d_in | latents | " + " | ".join(f"{n} GPU{'s' * (n > 1)}" for n in counts) + " |", "|---" * 6 + "|"]
    for d_in, d_sae in SIZES:
        gigabytes = [peak(d_in, d_sae, n) / 1e9 for n in counts]
        cells = " | ".join(f"{gb:,.{max(0, 2 - int(math.log10(gb)))}f} GB{'*' * (gb > CARD)}" for gb in gigabytes)
        rows.append(f"| {d_in} | {d_sae:,} | {cells} |")
    names = ("d_in", "latents", "GPUs", "encoder, ms", "memory, ms", "network, ms", "sent, MB", "run, minutes")
    times = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for d_in, d_sae in SIZES:
        for count in (1, 8, 16, 64, 512):
            if peak(d_in, d_sae, count) / 1e9 > CARD:
                continue
            parts = step(d_in, d_sae, count)
            sent = messages(d_in, d_sae, count, rows=BATCH, k=TOPK).sent(count, 1) / 1e6
            cells = " | ".join(f"{1e3 * seconds:.2g}" for seconds in parts)
            times.append(f"| {d_in} | {d_sae:,} | {count} | {cells} | {sent:.0f} | {STEPS * sum(parts) / 60:.2g} |")
    return "\n".join(rows), "\n".join(times)


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
        print("\n\n".join(calculated()))
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
