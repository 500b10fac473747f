"""What reading batches costs beside training steps, and what fetching them ahead gains.

    python -m tests.benchmarks.upgrade.fetching [--threads 2] [--rounds 5] [--steps 60] [--device cpu]

Vectors lie in a memory-mapped file in a random order of access, as a harvest with ``store=`` leaves them. Runs of
``steps`` TopK steps with batches fetched ahead, with batches fetched between steps, and with one batch used again and
again (no reading at all) take turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from rsae.data.states import HiddenStates
from rsae.training.prefetch import ahead
from tests.benchmarks.upgrade.training import PUBLISHED, decoder, ours


def stored(folder: Path, count: int, d_in: int, dtype: torch.dtype) -> HiddenStates:
    """Memory-mapped vectors [count, d_in]."""
    path = folder / "vectors"
    size = count * d_in
    torch.randn(size, generator=torch.Generator().manual_seed(0)).to(dtype).view(torch.uint8).numpy().tofile(path)
    mapped = torch.from_file(str(path), size=size, dtype=dtype).reshape(count, d_in)
    few = mapped[:4096].float()
    return HiddenStates(mapped, few, few)


def main() -> None:
    """Print milliseconds a step of each way, medians over rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| d_in, d_sae, batch, vectors | no reading, ms a step | ahead | between steps | ahead / no reading |")
    print("|---|---|---|---|---|")
    for d_in, d_sae, size, dtype in ((64, 512, 256, torch.float32), (576, 2304, 1024, torch.float32)):
        with tempfile.TemporaryDirectory() as folder:
            states = stored(Path(folder), 200_000, d_in, dtype)
            rows = decoder(d_in, d_sae).to(options.device)
            training = ours("topk", rows, states.calibration[:size].to(options.device), 32, PUBLISHED, ("ratio",))

            def drawn(round_: int, states: HiddenStates = states, size: int = size) -> Iterator[Tensor]:
                return states.batches(size, round_, options.steps, options.device)

            def same(round_: int, states: HiddenStates = states, size: int = size) -> Iterator[Tensor]:
                batch = next(states.batches(size, round_, 1, options.device))
                return iter([batch] * options.steps)

            ways = {"same": same, "ahead": lambda round_, drawn=drawn: ahead(drawn(round_)), "between": drawn}
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(options.rounds + 1):
                for name, way in ways.items():
                    began = time.perf_counter()
                    for x in way(turn):
                        error, _ = training.step(x)
                    float(error)  # waits for the device
                    if turn > 0:
                        seconds[name].append((time.perf_counter() - began) / options.steps)
            ratio = statistics.median(a / b for a, b in zip(seconds["ahead"], seconds["same"], strict=True))
            cells = " | ".join(f"{1e3 * statistics.median(found):.2f}" for found in seconds.values())
            name = f"{d_in}, {d_sae}, {size}, {len(states.train)} {str(dtype).removeprefix('torch.')}"
            print(f"| {name} | {cells} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
