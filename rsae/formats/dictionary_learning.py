"""dictionary_learning: ``ae.pt`` + ``config.json`` (ReLU, April ReLU, TopK, BatchTopK, Matryoshka, JumpReLU, gated)."""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from rsae.formats.checked import check_size, described, float_tensor, gated_as_jumprelu, integer, number, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["looks_like_dictionary", "read_dictionary", "unwrapped"]

_LINEAR = {"W_enc": "encoder.weight.T", "W_dec": "decoder.weight.T"}
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
    divided = beside.get("norm_factor")
    factor = 1.0 if divided is None else number(divided, f"norm_factor of {source}")
    if factor <= 0:
        raise ValueError(f"norm_factor of {source} is {factor:g}, not a positive number")
    options |= {name: factor * options[name] for name in ("b_enc", "b_dec", "threshold") if name in options}
    d_in, d_sae = options["W_enc"].shape
    check_size(trainer.get("activation_dim"), d_in, "activation_dim", source)
    check_size(trainer.get("dict_size"), d_sae, "dict_size", source)
    about = described("dictionary_learning", source, config or {}, **_origin(trainer, config or {}))
    if "k" in state and options["family"] == "jumprelu":  # BatchTopK and Matryoshka, which keep k in the mean
        about["batch_k"] = number(state["k"], f"k of {source}")
    return SparseAutoencoder(**options, metadata=about)


def _origin(trainer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Where the hidden states of the training came from: a layer's output, if nothing says otherwise."""
    buffer = config.get("buffer")
    buffer = buffer if isinstance(buffer, Mapping) else {}
    layer, submodule = trainer.get("layer"), str(trainer.get("submodule_name"))
    hook = None
    if isinstance(layer, int):
        kinds = {"attn": "hook_attn_out", "mlp": "hook_mlp_out", "resid_pre": "hook_resid_pre"}
        kind = next((kinds[part] for part in kinds if submodule.startswith(part)), "hook_resid_post")
        if buffer.get("io") == "in" and kind == "hook_resid_post":
            kind = "hook_resid_pre"
        hook = f"blocks.{layer}.{kind}"
    return {"model": trainer.get("lm_name"), "hook": hook, "context_length": buffer.get("ctx_len")}


def _options(state: dict[str, Any], trainer: Mapping[str, Any], source: str) -> dict[str, Any]:
    if {"r_mag", "gate_bias", "mag_bias"} <= set(state):
        gates = {"b_gate": "gate_bias", "b_mag": "mag_bias", "r_mag": "r_mag"}
        return gated_as_jumprelu(weights(state, source, **_LINEAR, **gates, b_dec="decoder_bias"), source)
    if "W_enc" in state:
        return _matrices(state, source)
    linear = _LINEAR | {"b_enc": "encoder.bias"}
    if "bias" in state:
        return _unit_rows(weights(state, source, **linear, b_dec="bias")) | {"family": "relu"}
    if "decoder.bias" in state:
        found = weights(state, source, **linear, b_dec="decoder.bias")
        return found | {"family": "relu", "conventions": Conventions(apply_b_dec_to_input=False)}
    found = weights(state, source, {"k", "threshold"}, **linear, b_dec="b_dec")
    kind = trainer.get("dict_class")
    if kind == "AutoEncoderTopK" or (kind is None and "threshold" not in state):
        k = integer(state.get("k", trainer.get("k")), "k", source)
        if trainer.get("k") is not None:
            check_size(trainer["k"], k, "k", source)
        return found | {"family": "topk", "k": k}
    if kind == "BatchTopKSAE":
        return found | {"family": "jumprelu", "threshold": _threshold(state, source)}
    raise ValueError(
        f"{source} is TopK or BatchTopK, and only config.json beside it can tell (trainer.dict_class is {kind!r}, "
        "not AutoEncoderTopK or BatchTopKSAE)"
    )


def _matrices(state: dict[str, Any], source: str) -> dict[str, Any]:
    """Matryoshka BatchTopK (a scalar threshold, b_dec subtracted) and JumpReLU (one a latent, not subtracted)."""
    matryoshka = "group_sizes" in state
    names = {name: name for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    found = weights(state, source, {"threshold", "k", "group_sizes"} if matryoshka else {"threshold"}, **names)
    threshold = _threshold(state, source)
    if not matryoshka and threshold.dim() == 0:
        raise ValueError(f"{source} is neither JumpReLU (a threshold a latent) nor Matryoshka (group_sizes)")
    conventions = Conventions(apply_b_dec_to_input=matryoshka)
    prefixes = _prefixes(state["group_sizes"], source) if matryoshka else ()
    return found | {"family": "jumprelu", "threshold": threshold, "conventions": conventions, "prefixes": prefixes}


def _prefixes(groups: Any, source: str) -> list[int]:
    """The widths of nested prefixes: sums of the sizes of groups of latents."""
    sizes = groups.tolist() if isinstance(groups, Tensor) and groups.dim() == 1 else groups
    if not isinstance(sizes, list | tuple):
        raise ValueError(f"group_sizes of {source} is {type(groups).__name__}, not a list of sizes")
    return list(accumulate(integer(size, "an entry of group_sizes", source) for size in sizes))


def _threshold(state: dict[str, Any], source: str) -> Tensor:
    """A threshold; -1 means that none was set, and as codes are never negative it equals 0."""
    return float_tensor(state, "threshold", source).clamp_min(0.0)


def _unit_rows(found: dict[str, Any]) -> dict[str, Any]:
    norms = found["W_dec"].norm(dim=1)
    if torch.allclose(norms, torch.ones_like(norms)) or bool((norms == 0).any()):
        return found
    for name in ("W_enc", "b_enc"):
        if found[name].shape[-1:] == norms.shape:  # the SAE says better what does not fit
            found[name] = found[name] * norms
    return found | {"W_dec": found["W_dec"] / norms[:, None]}
