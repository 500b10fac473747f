"""EleutherAI sparsify: ``cfg.json`` + ``sae.safetensors``, SAEs and transcoders."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from rsae.formats.checked import check_size, described, integer, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.transcoder import Transcoder

__all__ = ["read_sparsify"]


def read_sparsify(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str, run: Mapping[str, Any] | None = None
) -> SparseAutoencoder:
    """A TopK or GroupMax SAE of sparsify; W_dec is stored [d_sae, d_in], ``num_latents = 0`` means a multiple of d_in.

    Its folder has the name of the hook point; ``run`` is the configuration of the training, in the folder above. A
    transcoder reads the input of the module whose output it gives, and subtracts no bias from it. Raises ValueError, by
    name, for skip connections of SAEs and signed codes.
    """
    transcodes = bool(config.get("transcode"))
    skips = bool(config.get("skip_connection")) or "W_skip" in tensors
    if skips and not transcodes:
        raise ValueError(f"{source} is an SAE with a skip connection, which cannot be upgraded; transcoders can")
    if config.get("signed"):
        raise ValueError(f"{source} keeps signed codes (AbsTopK), which cannot be upgraded; topk can")
    activation = config.get("activation", "topk")
    if activation not in ("topk", "groupmax"):
        raise ValueError(f"{source} has the activation {activation!r}, which cannot be upgraded; topk and groupmax can")
    names = {"W_enc": "encoder.weight.T", "b_enc": "encoder.bias", "W_dec": "W_dec", "b_dec": "b_dec"}
    names |= {"W_skip": "W_skip.T"} if skips else {}
    found = weights(tensors, source, **names)
    d_in, d_sae = found["W_enc"].shape
    check_size(config.get("d_in"), d_in, "d_in", source)
    if config.get("num_latents"):
        check_size(config["num_latents"], d_sae, "num_latents", source)
    elif config.get("expansion_factor") is not None:
        factor = integer(config["expansion_factor"], "expansion_factor", source)
        check_size(factor * d_in, d_sae, "expansion_factor * d_in", source)
    place = re.fullmatch(r"(?:[\w.]+\.)?(?:layers|h)[._]\d+(?:\.[\w.]+)?", Path(source).name)
    hook = place and re.sub(r"_(?=\d)", ".", place[0])
    if hook and transcodes:
        hook = f"{hook}.input -> {hook}"
    training = {"model": (run or {}).get("model"), "context_length": (run or {}).get("ctx_len")}
    about = described("sparsify", source, config, hook=hook, **training)
    kind = Transcoder if transcodes else SparseAutoencoder
    return kind(**found, family=activation, k=integer(config.get("k"), "k", source), metadata=about)
