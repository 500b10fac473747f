"""dictionary_learning: ``ae.pt`` + ``config.json`` (ReLU, April ReLU, TopK, BatchTopK, Matryoshka, JumpReLU, gated)."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rsae.formats.checked import check_size, float_tensor, gated_as_jumprelu, integer, known_keys
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["looks_like_dictionary", "read_dictionary", "unwrapped"]

_LINEAR = {"encoder.weight", "encoder.bias", "decoder.weight"}
_PREFIXES = re.compile(r"^(?:(?:_orig_mod|module|ae)\.)+")


def unwrapped(state: Mapping[str, Any], source: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The state dictionary itself, and what is kept beside it.

    Backups keep it under a name, with the trainer's configuration; compiled and distributed modules prefix its names.
    """
    beside: Mapping[str, Any] = {}
    if not looks_like_dictionary(state):
        inner = [v for v in state.values() if isinstance(v, Mapping) and looks_like_dictionary(v)]
        if len(inner) != 1:
            found = ", ".join(map(str, list(state)[:8])) or "nothing"
            raise ValueError(f"{source} holds no weights of an SAE that are understood (found: {found})")
        state, beside = inner[0], state
    named = {_bare(name): value for name, value in state.items()}
    if len(named) != len(state):
        raise ValueError(f"{source} holds the same weights twice, under several prefixes")
    return named, beside


def looks_like_dictionary(state: Mapping[str, Any]) -> bool:
    """Whether a mapping holds encoder weights under this library's names."""
    names = {_bare(name) for name in state}
    return "encoder.weight" in names or "W_enc" in names


def _bare(name: object) -> str:
    """A name without the prefixes of compiled, distributed and wrapped modules, in whatever order they were wrapped."""
    return _PREFIXES.sub("", str(name))


def read_dictionary(config: Mapping[str, Any] | None, state: Mapping[str, Any], source: str) -> SparseAutoencoder:
    """The SAE of a state dictionary; which one is told by the names of its weights.

    Only TopK and BatchTopK have the same names, and differ by ``trainer.dict_class`` of the configuration. ReLU
    decoders are normalised as ``load_dictionary`` does; BatchTopK and Matryoshka encode with their threshold, TopK with
    k; gated SAEs become the JumpReLU SAE that they are. A backup of a training on scaled inputs (``norm_factor``) is
    brought to the units of the hidden states, as the library does with the final file. Raises ValueError.
    """
    state, beside = unwrapped(state, source)
    trainer = (config or {}).get("trainer", beside.get("config"))
    trainer = trainer if isinstance(trainer, Mapping) else {}
    options = _options(state, trainer, source)
    factor = _factor(beside.get("norm_factor"), source)
    options |= {name: factor * options[name] for name in ("b_enc", "b_dec", "threshold") if name in options}
    d_in, d_sae = options["W_enc"].shape
    check_size(trainer.get("activation_dim"), d_in, "activation_dim", source)
    check_size(trainer.get("dict_size"), d_sae, "dict_size", source)
    layer = trainer.get("layer")
    metadata = {
        "format": "dictionary_learning",
        "source": source,
        "model": trainer.get("lm_name"),
        "hook": f"blocks.{layer}.hook_resid_post" if isinstance(layer, int) else None,
    }
    found = {key: value for key, value in metadata.items() if value is not None}
    return SparseAutoencoder(**options, metadata=found | {"config": dict(config or {})})


def _options(state: dict[str, Any], trainer: Mapping[str, Any], source: str) -> dict[str, Any]:
    names = set(state)
    if {"r_mag", "gate_bias", "mag_bias"} <= names:
        known_keys(
            state, {"encoder.weight", "decoder.weight", "decoder_bias", "r_mag", "gate_bias", "mag_bias"}, source
        )
        gates = [float_tensor(state, name, source, 1) for name in ("gate_bias", "mag_bias", "r_mag")]
        W_enc = float_tensor(state, "encoder.weight", source, 2).T
        if any(len(gate) != W_enc.shape[1] for gate in gates):
            raise ValueError(f"the gates of {source} have {[len(g) for g in gates]} entries, not {W_enc.shape[1]}")
        return {
            "W_dec": float_tensor(state, "decoder.weight", source, 2).T,
            "b_dec": float_tensor(state, "decoder_bias", source, 1),
        } | gated_as_jumprelu(W_enc, *gates)
    if "W_enc" in names:
        return _matrices(state, source)
    weights = {
        "W_enc": float_tensor(state, "encoder.weight", source, 2).T,
        "b_enc": float_tensor(state, "encoder.bias", source, 1),
        "W_dec": float_tensor(state, "decoder.weight", source, 2).T,
    }
    if "bias" in names:
        known_keys(state, _LINEAR | {"bias"}, source)
        return _unit_rows(weights) | {"b_dec": float_tensor(state, "bias", source, 1), "family": "relu"}
    if "decoder.bias" in names:
        known_keys(state, _LINEAR | {"decoder.bias"}, source)
        b_dec = float_tensor(state, "decoder.bias", source, 1)
        return weights | {"b_dec": b_dec, "family": "relu", "conventions": Conventions(apply_b_dec_to_input=False)}
    known_keys(state, _LINEAR | {"b_dec", "k", "threshold"}, source)
    weights["b_dec"] = float_tensor(state, "b_dec", source, 1)
    kind = trainer.get("dict_class")
    if kind == "AutoEncoderTopK" or (kind is None and "threshold" not in names):
        k = integer(state.get("k", trainer.get("k")), "k", source)
        if trainer.get("k") is not None:
            check_size(trainer["k"], k, "k", source)
        return weights | {"family": "topk", "k": k}
    if kind == "BatchTopKSAE":
        return weights | {"family": "jumprelu", "threshold": _threshold(state, source)}
    raise ValueError(
        f"{source} is TopK or BatchTopK, and only config.json beside it can tell (trainer.dict_class is {kind!r}, "
        "not AutoEncoderTopK or BatchTopKSAE)"
    )


def _matrices(state: dict[str, Any], source: str) -> dict[str, Any]:
    """Matryoshka BatchTopK (a scalar threshold, b_dec subtracted) and JumpReLU (one a latent, not subtracted)."""
    names = {"W_enc", "W_dec", "b_enc", "b_dec"}
    matryoshka = "group_sizes" in state
    known_keys(state, names | {"threshold"} | ({"k", "group_sizes"} if matryoshka else set()), source)
    dimensions = {"W_enc": 2, "W_dec": 2, "b_enc": 1, "b_dec": 1}
    weights: dict[str, Any] = {name: float_tensor(state, name, source, dimensions[name]) for name in sorted(names)}
    threshold = _threshold(state, source)
    if not matryoshka and threshold.dim() == 0:
        raise ValueError(f"{source} is neither JumpReLU (a threshold a latent) nor Matryoshka (group_sizes)")
    return weights | {
        "family": "jumprelu",
        "threshold": threshold,
        "conventions": Conventions(apply_b_dec_to_input=matryoshka),
    }


def _factor(value: Any, source: str) -> float:
    """By how much the inputs of a training were divided; 1 where nothing is said."""
    if value is None:
        return 1.0
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"norm_factor of {source} is {str(value)[:40]}, not a positive number")
    return float(value)


def _threshold(state: dict[str, Any], source: str) -> Tensor:
    """A threshold; -1 means that none was set, and as codes are never negative it equals 0."""
    return float_tensor(state, "threshold", source).clamp_min(0.0)


def _unit_rows(weights: dict[str, Tensor]) -> dict[str, Any]:
    norms = weights["W_dec"].norm(dim=1)
    if torch.allclose(norms, torch.ones_like(norms)) or bool((norms == 0).any()):
        return dict(weights)
    return {
        "W_enc": weights["W_enc"] * norms if weights["W_enc"].shape[1:] == norms.shape else weights["W_enc"],
        "b_enc": weights["b_enc"] * norms if weights["b_enc"].shape == norms.shape else weights["b_enc"],
        "W_dec": weights["W_dec"] / norms[:, None],
    }
