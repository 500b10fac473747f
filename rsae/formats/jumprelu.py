"""The layouts that hold a JumpReLU SAE with its own gate: SAELens's, Gemma Scope's and dictionary_learning's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsae.formats.writing import save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.writing import new_directory, plain

__all__ = ["LAYOUTS", "save_jumprelu"]

LAYOUTS = ("sae-lens", "gemma-scope", "dictionary_learning")
_FILES = {"params.npz", "ae.pt", "config.json"}


def save_jumprelu(
    sae: SparseAutoencoder, path: str | Path, layout: str = "sae-lens", *, overwrite: bool = False
) -> Path:
    """Write a JumpReLU SAE in a layout of `LAYOUTS` into the new directory ``path``; returns it.

    ``"gemma-scope"`` writes ``params.npz``, ``"dictionary_learning"`` ``ae.pt`` and ``config.json``, neither of which
    subtracts b_dec from the input: the encoder's bias takes it up. Raises ValueError for another family, a rational
    activation, a refinement, or a normalisation that the layout does not have; and as `save_sae` does.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r} for a JumpReLU SAE; there are {', '.join(LAYOUTS)}")
    if layout == LAYOUTS[0]:
        return save_sae(sae, path, overwrite=overwrite)
    if sae.family != "jumprelu" or sae.activation is not None or sae.refine != "none":
        raise ValueError(f"{layout} holds JumpReLU SAEs with their own gate; this is {sae.family!r}, or has more")
    if sae.conventions.normalise != "none":
        raise ValueError(f"{layout} has no normalisation {sae.conventions.normalise!r} of inputs; sae-lens has it")
    tensors = _unshifted(sae)

    def fill(folder: Path) -> None:
        if layout == "gemma-scope":
            arrays: dict[str, Any] = {name: value.numpy() for name, value in tensors.items()}
            np.savez(folder / "params.npz", **arrays)
            return
        torch.save(tensors, folder / "ae.pt")
        (folder / "config.json").write_text(json.dumps(plain(_configuration(sae)), indent=1), encoding="utf-8")

    return new_directory(Path(path), fill, _FILES, overwrite)


@torch.no_grad()
def _unshifted(sae: SparseAutoencoder) -> dict[str, Tensor]:
    """The weights, with ``b_enc - W_enc^T b_dec`` for b_enc where the input is shifted by b_dec."""
    assert sae.threshold is not None
    b_enc: Tensor = sae.b_enc
    if sae.conventions.apply_b_dec_to_input:
        b_enc = (b_enc.double() - sae.b_dec.double() @ sae.W_enc.double()).float()
    found = {"W_enc": sae.W_enc, "W_dec": sae.W_dec, "b_enc": b_enc, "b_dec": sae.b_dec, "threshold": sae.threshold}
    return {name: value.detach().cpu().float().contiguous().clone() for name, value in found.items()}


def _configuration(sae: SparseAutoencoder) -> dict[str, Any]:
    trainer = {
        "trainer_class": "JumpReluTrainer",
        "dict_class": "JumpReluAutoEncoder",
        "activation_dim": sae.d_in,
        "dict_size": sae.d_sae,
        "lm_name": sae.metadata.get("model"),
    }
    return {"trainer": trainer, "buffer": {"ctx_len": sae.metadata.get("context_length")}, "rsae": sae.metadata}
