"""Gemma Scope 1 (``params.npz``) and 2 (``params.safetensors`` + ``config.json``), SAEs and transcoders."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from rsae.formats.checked import check_size, described, weights
from rsae.formats.parts import check_whole
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.sae.transcoder import Transcoder

__all__ = ["read_gemma_scope"]

_NAMES = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")


def read_gemma_scope(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> SparseAutoencoder:
    """A JumpReLU SAE of Gemma Scope: b_dec is not subtracted from the input.

    A transcoder may have an affine skip connection [d_in, d_out]. Raises ValueError, by name, for crosscoders and
    cross-layer transcoders (`formats.parts`).
    """
    places = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    check_whole(source, config)
    transcodes = config.get("type") == "transcoder" or (places[1] is not None and places[0] != places[1])
    # Gemma Scope 1 has no configuration: its transcoders have the weights of an SAE, and only the release's name tells.
    transcodes |= not config and "transcoder" in str(Path(source).resolve()).lower()
    skip = {"W_skip": "affine_skip_connection"} if transcodes and "affine_skip_connection" in tensors else {}
    architecture = config.get("architecture")
    if architecture not in (None, "jump_relu", "jumprelu"):
        raise ValueError(f"{source} is of the architecture {architecture!r}; Gemma Scope SAEs are jump_relu")
    named = {("W_" + name[2:] if name.startswith("w_") else name): value for name, value in tensors.items()}
    if len(named) != len(tensors):
        raise ValueError(f"{source} holds the same weights twice, in upper and lower case")
    found = weights(named, source, **{name: name for name in _NAMES}, **skip)
    check_size(config.get("width"), found["W_enc"].shape[1], "width", source)
    found["threshold"] = found["threshold"].clamp_min(0.0)
    about = described("gemma-scope", source, config, **_origin(config, str(Path(source).resolve()), transcodes))
    conventions = Conventions(apply_b_dec_to_input=False)
    kind = Transcoder if transcodes else SparseAutoencoder
    return kind(**found, family="jumprelu", conventions=conventions, metadata=about)


def _origin(config: Mapping[str, Any], path: str, transcodes: bool) -> dict[str, Any]:
    """What the configuration says, or else the path: ``gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82``."""
    layer, l0 = re.search(r"layer_(\d+)", path), re.search(r"average_l0_(\d+)", path)
    release = re.search(r"gemma-scope-(\d+b)-(pt|it)-(res|mlp|att|transcoders)", path)
    kind = {"mlp": "hook_mlp_out", "att": "attn.hook_z"}.get(release[3] if release else "res", "hook_resid_post")
    found = {"hook": f"blocks.{layer[1]}.{kind}" if layer else None, "l0": float(l0[1]) if l0 else None}
    if transcodes and layer:
        found["hook"] = f"blocks.{layer[1]}.ln2.hook_normalized -> blocks.{layer[1]}.hook_mlp_out"
    if release:
        found["model"] = f"google/gemma-2-{release[1]}" + ("-it" if release[2] == "it" else "")
    places, model = (config.get("hf_hook_point_in"), config.get("hf_hook_point_out")), config.get("model_name")
    if isinstance(places[0], str):
        ends = [str(place).removesuffix(".output") for place in places]
        found["hook"] = " -> ".join(ends) if transcodes else ends[0]
    return found | ({"model": model} if isinstance(model, str) else {})
