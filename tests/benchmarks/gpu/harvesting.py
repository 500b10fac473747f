"""Tokens a second of a harvest from SmolLM2-135M in bfloat16, beside the plain forward pass up to the same layer.

With the weights of the demo's host, where it is installed; else the same architecture with random weights, which costs
the same.
"""

from typing import Any

import torch

from rsae.demo.host import HOOK, gguf_path
from rsae.hosts.host import Host
from rsae.hosts.language_model import load_language_model
from tests.benchmarks.gpu.part import Run

__all__ = ["measure"]

_LAYER = int(HOOK.rpartition(".")[2])


def measure(run: Run) -> None:
    """A row for each number of contexts at once."""
    from tests.benchmarks.upgrade.harvest import rates_of  # it imports Triton, for which a dry run is prepared first

    said, model = _tiny() if run.dry else _host(run.device)
    layer, length = (1, 16) if run.dry else (_LAYER, 512)
    host = Host(model, None, f"model.layers.{layer}")
    for at_once in (2,) if run.dry else (64, 256):
        contexts = at_once * (2 if run.dry else 8)
        rates_of(host, layer, 1, at_once, length=length, batch_size=at_once)  # what is compiled and allocated once
        rates = rates_of(host, layer, 2 if run.dry else 5, contexts, length=length, batch_size=at_once)
        best = {name: max(wall for _, wall in found) for name, found in rates.items()}
        run.tell(
            {
                "host": said,
                "hook": f"model.layers.{layer}",
                "dtype": str(model.dtype).removeprefix("torch."),
                "tokens a context": length,
                "contexts at once": at_once,
                "plain, tokens/s": best["plain"],
                "harvest, tokens/s": best["harvest"],
                "of the plain": best["harvest"] / best["plain"],
            }
        )


def _host(device: str) -> tuple[str, Any]:
    """What the model is, and the model."""
    try:
        return "SmolLM2-135M-Instruct", load_language_model(gguf_path(), dtype="bfloat16", device=device)[0]
    except (FileNotFoundError, ImportError, ValueError) as error:
        print(error)
    model = _random(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    return "SmolLM2-135M's architecture, random weights", model.to(device)


def _tiny() -> tuple[str, Any]:
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    return "a tiny Llama, random weights", _random(**sizes, num_attention_heads=2)


def _random(**configuration: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**configuration)).to(torch.bfloat16).eval()  # type: ignore[arg-type]
