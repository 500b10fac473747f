"""Crosscoders: autoencoders of several places (layers, or models) at once, with weights for each.

What is read is the vectors of all places, one after the other, and so is what is given: with its weights joined a
crosscoder is an SAE of width ``places * d_in``. Read are ``cc_weights.pt`` + ``cfg.json`` (crosscoder-model-diff
replication) and the ReLU crosscoders of dictionary_learning's branch for model diffing.
"""

from collections.abc import Mapping
from typing import Any

from rsae.formats.checked import described, float_tensor
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_crosscoder", "read_crosscoder"]

_NAMES = (  # of W_enc [places, d_in, d_sae], b_enc, W_dec and b_dec [places, d_in]; and whether W_dec has places first
    (("W_enc", "b_enc", "W_dec", "b_dec"), False),
    (("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"), True),
)


def is_crosscoder(state: Mapping[str, Any]) -> bool:
    """Whether a mapping holds an encoder for each of several places."""
    return any(getattr(state.get(names[0]), "ndim", 0) == 3 for names, _ in _NAMES)


def read_crosscoder(config: Mapping[str, Any] | None, state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The SAE of the vectors of all places, one after the other; ``metadata["places"]`` says how many.

    Raises ValueError for weights that do not fit together or are not understood, as of sparser codes than ReLU's.
    """
    names, first = next(pair for pair in _NAMES if pair[0][0] in state)
    if unknown := sorted(map(str, set(state) - set(names))):
        raise ValueError(f"{source} is a crosscoder with weights that are not understood: {', '.join(unknown[:6])}")
    W_enc, b_enc, W_dec, b_dec = (
        float_tensor(state, name, source, dimensions) for name, dimensions in zip(names, (3, 1, 3, 2), strict=True)
    )
    W_dec = W_dec.transpose(0, 1) if first else W_dec
    places, d_in, d_sae = W_enc.shape
    if W_dec.shape != (d_sae, places, d_in) or b_dec.shape != (places, d_in):
        raise ValueError(f"the encoder of {source} is {list(W_enc.shape)}, its decoder {list(W_dec.shape)}")
    about = described("crosscoder", source, config or {}, places=places)
    return SparseAutoencoder(
        W_enc=W_enc.flatten(0, 1),
        b_enc=b_enc,
        W_dec=W_dec.flatten(1),
        b_dec=b_dec.flatten(),
        family="relu",
        conventions=Conventions(apply_b_dec_to_input=False),
        metadata=about,
    )
