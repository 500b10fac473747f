"""openai/sparse_autoencoder: one ``.pt`` file of weights and strings; TopK SAEs are layer-normalised."""

from collections.abc import Mapping
from typing import Any

from rsae.formats.checked import float_tensor, integer, known_keys
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_openai", "read_openai"]

_BUFFERS = {"stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"}


def is_openai(state: Mapping[str, Any]) -> bool:
    """Whether a mapping holds weights under this library's names."""
    return "pre_bias" in state and "latent_bias" in state


def read_openai(state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The SAE of a state dictionary with ``activation`` ReLU, or TopK (whose inputs are layer-normalised).

    A tied decoder is the encoder's transpose. Raises ValueError for other activations.
    """
    known = {"pre_bias", "latent_bias", "encoder.weight", "decoder.weight", "decoder.linear.weight"}
    known_keys(state, known | _BUFFERS | {"activation", "activation_state_dict"}, source)
    weight = float_tensor(state, "encoder.weight", source, 2)
    if "decoder.weight" in state:
        W_dec = float_tensor(state, "decoder.weight", source, 2).T
    elif "decoder.linear.weight" in state:
        W_dec = weight
    else:
        raise ValueError(f"{source} has no tensor 'decoder.weight', nor a decoder tied to the encoder")
    options: dict[str, Any] = {
        "W_enc": weight.T,
        "b_enc": float_tensor(state, "latent_bias", source, 1),
        "W_dec": W_dec,
        "b_dec": float_tensor(state, "pre_bias", source, 1),
        "metadata": {"format": "openai", "source": source},
    }
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
