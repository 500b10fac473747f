"""EleutherAI sparsify: ``cfg.json`` + ``sae.safetensors``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from rsae.formats.checked import check_size, float_tensor, integer, known_keys
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["read_sparsify"]


def read_sparsify(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> SparseAutoencoder:
    """A TopK or GroupMax SAE of sparsify; W_dec is stored [d_sae, d_in], ``num_latents = 0`` means a multiple of d_in.

    Raises ValueError, by name, for transcoders, skip connections and signed codes.
    """
    if config.get("transcode") or config.get("skip_connection") or "W_skip" in tensors:
        raise ValueError(f"{source} is a transcoder or has a skip connection: it is no SAE and cannot be upgraded")
    if config.get("signed"):
        raise ValueError(f"{source} keeps signed codes (AbsTopK), which cannot be upgraded; topk can")
    activation = config.get("activation", "topk")
    if activation not in ("topk", "groupmax"):
        raise ValueError(f"{source} has the activation {activation!r}, which cannot be upgraded; topk and groupmax can")
    known_keys(tensors, {"encoder.weight", "encoder.bias", "W_dec", "b_dec"}, source)
    weight = float_tensor(tensors, "encoder.weight", source, 2)
    d_sae, d_in = weight.shape
    check_size(config.get("d_in"), d_in, "d_in", source)
    if config.get("num_latents"):
        check_size(config["num_latents"], d_sae, "num_latents", source)
    elif config.get("expansion_factor") is not None:
        factor = integer(config["expansion_factor"], "expansion_factor", source)
        check_size(factor * d_in, d_sae, "expansion_factor * d_in", source)
    layer = re.search(r"layers[._](\d+)", Path(source).name)
    return SparseAutoencoder(
        W_enc=weight.T,
        b_enc=float_tensor(tensors, "encoder.bias", source, 1),
        W_dec=float_tensor(tensors, "W_dec", source, 2),
        b_dec=float_tensor(tensors, "b_dec", source, 1),
        family=activation,
        k=integer(config.get("k"), "k", source),
        metadata={"format": "sparsify", "source": source, "config": dict(config)}
        | ({"hook": f"blocks.{layer[1]}.hook_resid_post"} if layer else {}),
    )
