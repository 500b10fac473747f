"""Llama Scope: ``hyperparams.json`` + ``checkpoints/final.safetensors``, as Language-Model-SAEs wrote them.

The SAE was trained on inputs scaled by ``f = sqrt(d_model) / norm``, with ``norm`` the mean norm of the data set, once
for what it reads and once for what it gives. The library folds both into the weights before it uses them
(``standardize_parameters_of_dataset_norm``), and the threshold on file is one of the folded SAE, in units of decoder
rows of norm 1 (``sparsity_include_decoder_norm``).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rsae.formats.checked import check_size, described, integer, number, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.sae.transcoder import Transcoder

__all__ = ["read_llama_scope"]

_ACTIVATIONS = ("jumprelu", "topk", "relu")
_MODELS = {4096: "meta-llama/Llama-3.1-8B"}


def read_llama_scope(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> SparseAutoencoder:
    """The SAE or transcoder (JumpReLU, TopK or ReLU) of Llama Scope, for hidden states in the model's own units.

    Raises ValueError, by name, for other activations or normalisations, and a gated encoder.
    """
    places = config.get("hook_point_in"), config.get("hook_point_out")
    transcodes = places[1] is not None and places[0] != places[1]
    if config.get("use_glu_encoder"):
        raise ValueError(f"{source} has a gated encoder (use_glu_encoder), which cannot be upgraded")
    activation = config.get("act_fn")
    if activation not in _ACTIVATIONS:
        raise ValueError(f"{source} has the activation {activation!r}; {', '.join(_ACTIVATIONS)} can be upgraded")
    names = {"W_enc": "encoder.weight.T", "b_enc": "encoder.bias", "W_dec": "decoder.weight.T", "b_dec": "decoder.bias"}
    if config.get("use_decoder_bias") is False:
        names.pop("b_dec")
    found = weights(tensors, source, **names)
    check_size(config.get("d_model"), found["W_enc"].shape[0], "d_model", source)
    check_size(config.get("d_sae"), found["W_enc"].shape[1], "d_sae", source)
    found.setdefault("b_dec", torch.zeros(found["W_dec"].shape[1]))
    read, given = _factors(config, found["W_enc"].shape[0], source)
    found["b_enc"] = found["b_enc"] / read
    found["W_dec"] = found["W_dec"] * (read / given)
    found["b_dec"] = found["b_dec"] / given
    by_norm = bool(config.get("sparsity_include_decoder_norm", True))
    if activation == "jumprelu":
        threshold = number(config.get("jump_relu_threshold"), f"jump_relu_threshold of {source}")
        norms = found["W_dec"].norm(dim=1).clamp_min(1e-12) if by_norm else torch.ones(len(found["W_dec"]))
        found["threshold"] = (threshold / norms).clamp_min(0.0)
    if activation == "topk":
        found["k"] = integer(config.get("top_k"), "top_k", source)
    conventions = Conventions(
        apply_b_dec_to_input=bool(config.get("apply_decoder_bias_to_pre_encoder", False)),
        rescale_by_decoder_norm=by_norm and activation == "topk",
    )
    about = described(
        "llama-scope",
        source,
        config,
        hook=f"{places[0]} -> {places[1]}" if transcodes else places[0],
        model=_MODELS.get(found["W_enc"].shape[0]),
        context_length=1024,
        prepend_bos=True,
    )
    kind = Transcoder if transcodes else SparseAutoencoder
    return kind(**found, family=activation, conventions=conventions, metadata=about)


def _factors(config: Mapping[str, Any], d_model: int, source: str) -> tuple[float, float]:
    """By what the inputs of the training were multiplied, and its targets."""
    scaled = config.get("norm_activation", "dataset-wise")
    if scaled == "inference":  # folded before it was saved
        return 1.0, 1.0
    norms = config.get("dataset_average_activation_norm")
    if scaled != "dataset-wise" or not isinstance(norms, Mapping):
        raise ValueError(
            f"{source} has norm_activation {scaled!r}; 'dataset-wise', with the norms of the data set, can be read"
        )
    found = [number(norms.get(end), f"dataset_average_activation_norm[{end!r}] of {source}") for end in ("in", "out")]
    if min(found) <= 0:
        raise ValueError(f"a dataset_average_activation_norm of {source} is not positive: {found}")
    return math.sqrt(d_model) / found[0], math.sqrt(d_model) / found[1]
