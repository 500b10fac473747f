"""Harvest speed against a plain transformers forward pass up to the same layer, and memory against the text's length.

    python tests/benchmarks/harvest.py [--model DIR_OR_GGUF] [--layer 6] [--threads 1]

Without ``--model`` the model is GPT-2 small's architecture with random weights. Plain and harvest alternate on the same
tokens, so that other work on the machine hits both alike.
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

from rsae.harvest import harvest
from rsae.hidden_states import hidden_states
from rsae.host import Host
from rsae.language_model import load_language_model


def speed(source: str | None, layer: int, rounds: int = 7) -> None:
    """Tokens a second of both, in alternating rounds of 16 contexts of 256."""
    torch.manual_seed(0)
    model = load_language_model(source)[0] if source else AutoModelForCausalLM.from_config(GPT2Config()).eval()
    host = Host(model, None, f"blocks.{layer}.hook_resid_post")
    vocabulary = model.get_input_embeddings().weight.shape[0]
    contexts = torch.randint(vocabulary, (16, 256)).tolist()
    layers = model.get_submodule(host.hook.module.rpartition(".")[0])
    rates: dict[str, list[float]] = {"plain": [], "harvest": []}
    for _ in range(rounds):
        start = time.perf_counter()
        kept = list(layers)
        del layers[layer + 1 :]
        with torch.no_grad():
            model.base_model(input_ids=torch.tensor(contexts), use_cache=False)
        layers.extend(kept[layer + 1 :])
        rates["plain"].append(16 * 256 / (time.perf_counter() - start))
        start = time.perf_counter()
        harvest(host, contexts, batch_size=16)
        rates["harvest"].append(16 * 256 / (time.perf_counter() - start))
    ratio = statistics.median(b / a for a, b in zip(rates["plain"], rates["harvest"]))
    print(f"{source or 'GPT-2 small, random'}, layer {layer}: plain {statistics.median(rates['plain']):.0f} tokens/s,")
    print(f"harvest {statistics.median(rates['harvest']):.0f} tokens/s, median ratio {ratio:.3f}")


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
    hidden_states((Embedding(), Words()), text, "blocks.0.hook_resid_post", store=folder, calibration=1000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        with tempfile.TemporaryDirectory() as folder:
            memory(arguments.memory, folder)
    else:
        speed(arguments.model, arguments.layer)
        for tokens in (50_000, 200_000, 800_000):
            run = subprocess.run([sys.executable, __file__, "--memory", str(tokens)], capture_output=True, check=True)
            print(f"{tokens} vectors of width 1024 ({tokens * 4 // 1024} MiB): peak {run.stdout.decode().strip()} MiB")
