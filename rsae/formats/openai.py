"""openai/sparse_autoencoder: one ``.pt`` file of weights and strings; TopK SAEs are layer-normalised."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsae.formats.checked import integer, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_openai", "read_openai"]

_OTHERS = {"stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"}
_OTHERS |= {"activation", "activation_state_dict", "decoder.weight", "decoder.linear.weight"}
_OF_TOPK = ("k", "postact_fn")  # once in activation_state_dict, and once more as entries "activation.k", ... beside it
_PLACES = {
    "mlp_post_act": "mlp.hook_post",
    "resid_delta_attn": "hook_attn_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_post_mlp": "hook_resid_post",
}


def is_openai(state: Mapping[str, Any]) -> bool:
    """Whether a mapping holds weights under this library's names."""
    return "pre_bias" in state and "latent_bias" in state


def read_openai(state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The SAE of a state dictionary with ``activation`` ReLU, or TopK (whose inputs are layer-normalised).

    A tied decoder is the encoder's transpose. Raises ValueError for other activations.
    """
    if "decoder.weight" in state:
        W_dec = "decoder.weight.T"
    elif "decoder.linear.weight" in state:
        W_dec = "encoder.weight"
    else:
        raise ValueError(f"{source} has no tensor 'decoder.weight', nor a decoder tied to the encoder")
    names = {"W_enc": "encoder.weight.T", "b_enc": "latent_bias", "W_dec": W_dec, "b_dec": "pre_bias"}
    activation, details = state.get("activation", "ReLU"), _details(state, source)
    known = _OTHERS | {f"activation.{name}" for name in details if activation != "ReLU"}
    about = {"format": "openai", "source": source, **_published(source)}
    options = weights(state, source, known, **names) | {"metadata": about}
    if activation == "ReLU":
        return SparseAutoencoder(**options, family="relu")
    if activation == "TopK" and details.get("postact_fn", "ReLU") == "ReLU":
        k = integer(details.get("k"), "k", source)
        return SparseAutoencoder(**options, family="topk", k=k, conventions=Conventions(normalise="layer_norm"))
    after = f" with {details['postact_fn']!r} after it" if "postact_fn" in details else ""
    raise ValueError(f"{source} has the activation {activation!r}{after}, which cannot be upgraded; ReLU and TopK can")


def _details(state: Mapping[str, Any], source: str) -> dict[str, Any]:
    """k and postact_fn, which the library's module writes twice."""
    inner = state.get("activation_state_dict")
    inner = inner if isinstance(inner, Mapping) else {}
    found = {}
    for name in _OF_TOPK:
        given = [part[key] for part, key in ((inner, name), (state, f"activation.{name}")) if key in part]
        if len(given) == 2 and repr(given[0]) != repr(given[1]):
            raise ValueError(
                f"{source} says {name} = {given[0]!r}, and then {name} = {given[1]!r}: it cannot be told which is meant"
            )
        if given:
            found[name] = given[0]
    return found


def _published(source: str) -> dict[str, str]:
    """Model and hook of a published file, whose path names them: ``gpt2-small/resid_post_mlp_v5_32k/.../6.pt``."""
    names = "|".join(_PLACES)
    found = re.search(rf"(?:^|/)({names})(?:_v\d+\w*)?/autoencoders/(\d+)\.pt$", Path(source).as_posix())
    if found is None:
        return {}
    return {"model": "gpt2-small", "hook": f"blocks.{found[2]}.{_PLACES[found[1]]}"}
