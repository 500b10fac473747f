"""openai/sparse_autoencoder: one ``.pt`` file of weights and strings; TopK SAEs are layer-normalised."""

from collections.abc import Mapping
from typing import Any

from rsae.formats.checked import integer, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_openai", "read_openai"]

_OTHERS = {"stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"}
_OTHERS |= {"activation", "activation_state_dict", "decoder.weight", "decoder.linear.weight"}


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
    options = weights(state, source, _OTHERS, **names) | {"metadata": {"format": "openai", "source": source}}
    activation = state.get("activation", "ReLU")
    if activation == "ReLU":
        return SparseAutoencoder(**options, family="relu")
    details = state.get("activation_state_dict")
    details = details if isinstance(details, Mapping) else {}
    if activation == "TopK" and details.get("postact_fn", "ReLU") == "ReLU":
        k = integer(details.get("k"), "k", source)
        return SparseAutoencoder(**options, family="topk", k=k, conventions=Conventions(normalise="layer_norm"))
    after = f" with {details['postact_fn']!r} after it" if "postact_fn" in details else ""
    raise ValueError(f"{source} has the activation {activation!r}{after}, which cannot be upgraded; ReLU and TopK can")
