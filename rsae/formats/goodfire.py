"""Goodfire: one file of weights a release, ReLU (Llama 3.1 8B, Llama 3.3 70B) or TopK (gpt-oss)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rsae.formats.checked import described, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_goodfire", "read_goodfire"]

_MODELS = {"Llama": "meta-llama/", "gpt-oss": "openai/"}


def is_goodfire(state: Mapping[str, Any]) -> bool:
    """Whether a mapping holds weights under this lab's names."""
    return "encoder_linear.weight" in state


def read_goodfire(state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The SAE of a state dictionary.

    ReLU SAEs have two linear layers and subtract nothing from the input. TopK SAEs have an encoder without a bias, a
    table of decoder rows, and a bias that is subtracted; k is in the file's name (``topk_sae_l15_exp16_k32.pt``).
    Raises ValueError where it is not.
    """
    found = re.search(r"([\w.-]+?)-SAE-l(\d+)", source)
    layer = re.search(r"(?:SAE-|sae_)l(\d+)", source)
    model = found and re.sub(r"^Hackathon-", "", found[1])
    owner = next((owner for prefix, owner in _MODELS.items() if model and model.startswith(prefix)), "")
    about = described(
        "goodfire",
        source,
        {},
        model=owner + model if model else None,
        hook=f"model.layers.{layer[1]}" if layer else None,
    )
    if "decoder_linear.weight" in state:
        encoder = {"W_enc": "encoder_linear.weight.T", "b_enc": "encoder_linear.bias"}
        options = weights(state, source, **encoder, W_dec="decoder_linear.weight.T", b_dec="decoder_linear.bias")
        conventions = Conventions(apply_b_dec_to_input=False)
        return SparseAutoencoder(**options, family="relu", conventions=conventions, metadata=about)
    k = re.search(r"topk\w*_k(\d+)", Path(source).name)
    if k is None:
        raise ValueError(
            f"{source} is TopK, and its name does not say how many codes a token keeps: topk_sae_l15_exp16_k32.pt does"
        )
    options = weights(state, source, W_enc="encoder_linear.weight.T", W_dec="decoder.weight", b_dec="decoder_bias")
    b_enc = torch.zeros(options["W_enc"].shape[1])
    return SparseAutoencoder(**options, b_enc=b_enc, family="topk", k=int(k[1]), metadata=about)
