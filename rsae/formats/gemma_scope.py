"""Gemma Scope 1 (``params.npz``) and 2 (``params.safetensors`` + ``config.json``)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from rsae.formats.checked import check_size, described, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["read_gemma_scope"]

_NAMES = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")


def read_gemma_scope(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> SparseAutoencoder:
    """A JumpReLU SAE of Gemma Scope: b_dec is not subtracted from the input.

    Raises ValueError, by name, for transcoders (with an affine connection, from one place to another,
    or of a type or in a release that says so).
    """
    places = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    moves = places[1] is not None and places[0] != places[1]
    other = config.get("type") in ("transcoder", "crosscoder", "clt")
    # Gemma Scope 1 has no configuration: its transcoders have the weights of an SAE, and only the release's name tells.
    other |= not config and "transcoder" in str(Path(source).resolve()).lower()
    if other or config.get("affine_connection") or "affine_skip_connection" in tensors or moves:
        raise ValueError(f"{source} is a transcoder: it is no SAE and cannot be upgraded")
    architecture = config.get("architecture")
    if architecture not in (None, "jump_relu", "jumprelu"):
        raise ValueError(f"{source} is of the architecture {architecture!r}; Gemma Scope SAEs are jump_relu")
    named = {("W_" + name[2:] if name.startswith("w_") else name): value for name, value in tensors.items()}
    if len(named) != len(tensors):
        raise ValueError(f"{source} holds the same weights twice, in upper and lower case")
    found = weights(named, source, **{name: name for name in _NAMES})
    check_size(config.get("width"), found["W_enc"].shape[1], "width", source)
    layer = re.search(r"layer_(\d+)", str(source))
    hook = f"blocks.{layer[1]}.hook_resid_post" if layer else None
    if isinstance(places[0], str):
        hook = places[0].removesuffix(".output")
    found["threshold"] = found["threshold"].clamp_min(0.0)
    about = described("gemma-scope", source, config, hook=hook, model=config.get("model_name"))
    conventions = Conventions(apply_b_dec_to_input=False)
    return SparseAutoencoder(**found, family="jumprelu", conventions=conventions, metadata=about)
