"""The attention SAEs of Kissane et al. (2024, arXiv 2406.17759): ``NAME.pt`` + ``NAME_cfg.json``."""

from collections.abc import Mapping
from typing import Any

from rsae.formats.checked import check_size, described, weights
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["read_kissane"]


def read_kissane(config: Mapping[str, Any], state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The ReLU SAE of a state dictionary; most read ``hook_z``, the heads of a layer one after the other."""
    found = weights(state, source, **{name: name for name in ("W_enc", "W_dec", "b_enc", "b_dec")})
    check_size(config.get("act_size"), found["W_enc"].shape[0], "act_size", source)
    check_size(config.get("dict_size"), found["W_enc"].shape[1], "dict_size", source)
    place, model = config.get("act_name"), config.get("model_name")
    hook = place if isinstance(place, str) else None
    about = described("kissane", source, config, hook=hook, model=model if isinstance(model, str) else None)
    return SparseAutoencoder(**found, family="relu", metadata=about)
