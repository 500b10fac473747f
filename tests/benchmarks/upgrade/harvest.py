"""Harvest speed against a plain transformers forward pass up to the same layer, and memory against the text's length.

    python -m tests.benchmarks.upgrade.harvest [--model DIR_OR_GGUF] [--layer 6] [--threads 1] [--rounds 7]
                                               [--contexts 16]

Without ``--model`` the model is GPT-2 small's architecture with random weights. Plain and harvest alternate on the same
tokens; ``plain`` is the transformers forward pass with the layers above the hook taken away, without logits. Time
is CPU time of this process, which other work on the machine hardly moves, and the wall clock's beside it. The figure is
the median of the rounds' ratios, with the least and the largest.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config

from rsae.data.harvest import harvest
from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.hosts.host import Host
from rsae.hosts.language_model import load_language_model


def rates_of(
    host: Host, layer: int, rounds: int, count: int, *, length: int = 256, batch_size: int = 16
) -> dict[str, list[tuple[float, float]]]:
    """Tokens a second of both, by the processor's and by the wall clock, in alternating rounds of ``count`` contexts.

    The host's hook is the output of ``layer``.
    """
    model = host.model
    vocabulary = model.get_input_embeddings().weight.shape[0]
    contexts = torch.randint(vocabulary, (count, length), generator=torch.Generator().manual_seed(0)).tolist()
    layers = model.get_submodule(host.hook.module.rpartition(".")[0])
    rates: dict[str, list[tuple[float, float]]] = {"plain": [], "harvest": []}
    for _ in range(rounds):
        start = _clocks()
        kept = list(layers)
        del layers[layer + 1 :]
        with torch.no_grad():
            for first in range(0, count, batch_size):
                tokens = torch.tensor(contexts[first : first + batch_size], device=host.device)
                found = model.base_model(input_ids=tokens, use_cache=False)
            found.last_hidden_state[0, 0, 0].item()  # waits for the device
        layers.extend(kept[layer + 1 :])
        rates["plain"].append(_rates(count * length, start))
        start = _clocks()
        harvest(host, contexts, batch_size=batch_size)
        rates["harvest"].append(_rates(count * length, start))
    return rates


def speed(source: str | None, layer: int, rounds: int, count: int) -> None:
    """Print both, on contexts of 256 tokens, 16 at a time."""
    torch.manual_seed(0)
    model = load_language_model(source)[0] if source else AutoModelForCausalLM.from_config(GPT2Config()).eval()
    rates = rates_of(Host(model, None, f"blocks.{layer}.hook_resid_post"), layer, rounds, count)
    print(f"{source or 'GPT-2 small, random'}, layer {layer}, {rounds} rounds")
    for clock, name in enumerate(("CPU time", "wall clock")):
        plain, ours = ([round_[clock] for round_ in rates[kind]] for kind in ("plain", "harvest"))
        ratios = sorted(b / a for a, b in zip(plain, ours))
        print(f"{name}: plain {statistics.median(plain):.0f}, harvest {statistics.median(ours):.0f} tokens/s, ", end="")
        print(f"median ratio {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


def _clocks() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _rates(tokens: int, start: tuple[float, float]) -> tuple[float, float]:
    now = _clocks()
    return tokens / (now[0] - start[0]), tokens / (now[1] - start[1])


def memory(tokens: int, folder: str) -> None:
    """Peak of this process after harvesting into a folder, vectors of width 1024."""

    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = type("Config", (), {"num_hidden_layers": 1, "max_position_embeddings": 256})()
            self.table = nn.Embedding(64, 1024)
            self.layers = nn.ModuleList([nn.Identity()])
            self.dtype = torch.float32

        def forward(self, input_ids: torch.Tensor, use_cache: bool) -> torch.Tensor:
            return self.layers[0](self.table(input_ids))

    class Words:
        bos_token_id = None

        def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
            return {"input_ids": [[hash(i) % 64 for i in range(len(text))] for text in texts]}

    text = ["x" * 256] * (tokens // 256)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    hidden_states(
        (Embedding(), Words()), text, "blocks.0.hook_resid_post", store=folder, reading=Reading(calibration=1000)
    )
    print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contexts", type=int, default=16)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--speed-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        with tempfile.TemporaryDirectory() as folder:
            memory(arguments.memory, folder)
    else:
        speed(arguments.model, arguments.layer, arguments.rounds, arguments.contexts)
        for tokens in () if arguments.speed_only else (50_000, 200_000, 800_000):
            command = [sys.executable, "-m", "tests.benchmarks.upgrade.harvest", "--memory", str(tokens)]
            run = subprocess.run(command, capture_output=True, check=True)
            start, peak = run.stdout.decode().split()
            print(f"{tokens} vectors of width 1024 ({tokens * 4 // 1024} MiB): {start} MiB before, peak {peak} MiB")
