"""SAELens: versions 6, 5 and 3 (``cfg.json`` + ``sae_weights.safetensors``), and a live ``sae_lens.SAE``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsae.formats.checked import check_size, described, float_tensor, gated_as_jumprelu, integer, weights
from rsae.formats.record import recorded
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import NORMALISATIONS, Conventions
from rsae.sae.transcoder import Transcoder

__all__ = ["from_live", "read_sae_lens"]

_BATCHTOPK = ("batchtopk", "matryoshka_batchtopk")
_TRANSCODERS = {
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
    "rational_transcoder": "rational",
}
_SCALES = ("scaling_factor", "finetuning_scaling_factor")
_THRESHOLDS = {"jumprelu": ("threshold", "log_threshold")} | dict.fromkeys(_BATCHTOPK, ("topk_threshold",))
_EXPLAINED = ("explained_variance", "variance_explained")
_SCALED_OUTSIDE = ("expected_average_only_in", "covariance_whitening")


def read_sae_lens(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str) -> SparseAutoencoder:
    """The SAE of a SAELens configuration (nested or flat) and its weights.

    Gated SAEs become the JumpReLU SAE that they are; training checkpoints of BatchTopK and Matryoshka become JumpReLU,
    as SAELens itself saves them; a fine-tuning scale of codes goes into the decoder. Raises ValueError, by name, for
    architectures that have not one linear encoder (AbsTopK, temporal, matching pursuit).
    """
    architecture = _architecture(config)
    transcodes = architecture in _TRANSCODERS
    skips = "skip" in architecture or (architecture == "rational_transcoder" and config.get("skip") is True)
    architecture = _TRANSCODERS.get(architecture, architecture)
    record = config.get("rational") if architecture == "rational" else {}
    if not isinstance(record, Mapping):
        raise ValueError(f"the configuration of {source} is of a rational SAE but has no entry 'rational'")
    family = {"standard": "relu", "rational": str(record.get("family"))}.get(architecture, architecture)
    names = ("W_enc", "W_dec", "b_dec", *(("b_gate", "b_mag", "r_mag") if architecture == "gated" else ("b_enc",)))
    skip = {"W_skip": "W_skip.T"} if skips else {}
    found = weights(tensors, source, (*_SCALES, *_THRESHOLDS.get(family, ())), **{name: name for name in names}, **skip)
    W_enc, W_dec = found["W_enc"], found["W_dec"]
    check_size(config.get("d_in"), W_enc.shape[0], "d_in", source)
    check_size(config.get("d_sae"), W_enc.shape[1], "d_sae", source)
    if transcodes:
        check_size(config.get("d_out"), W_dec.shape[1], "d_out", source)
    elif W_dec.shape != W_enc.T.shape:
        raise ValueError(f"W_dec of {source} is {list(W_dec.shape)}, but W_enc is {list(W_enc.shape)}")
    rescale = _flag(config, "rescale_acts_by_decoder_norm", False, source)
    options = found | {
        "W_dec": _scaled(config, tensors, W_dec, source),
        "conventions": Conventions(
            apply_b_dec_to_input=_flag(config, "apply_b_dec_to_input", not transcodes, source),
            rescale_by_decoder_norm=rescale and family in {"topk", "groupmax"},
            normalise=_normalisation(config, source),
        ),
        "metadata": _metadata(config, source),
        "prefixes": _prefixes(config, source),
    }
    if architecture == "gated":
        return SparseAutoencoder(**gated_as_jumprelu(options, source))
    if architecture in _BATCHTOPK:
        if rescale:
            norms = W_dec.norm(dim=1).clamp_min(1e-8)
            options |= {"W_enc": W_enc * norms, "b_enc": options["b_enc"] * norms, "W_dec": W_dec / norms[:, None]}
        threshold = float_tensor(tensors, "topk_threshold", source, 0)
        options["metadata"]["batch_k"] = _k(config)
        return SparseAutoencoder(**options, family="jumprelu", threshold=threshold.clamp_min(0.0))
    if family == "jumprelu":
        options["threshold"] = _threshold(tensors, source)
    if family in {"topk", "groupmax"}:
        options["k"] = integer(_k(config), "k", source)
    kind = Transcoder if transcodes else SparseAutoencoder
    return recorded(record, source, kind, **options, family=family)


def from_live(sae: Any) -> SparseAutoencoder:
    """A live ``sae_lens`` object (inference or training), copied."""
    config = sae.cfg.to_dict()
    tensors = {name: value.detach().cpu() for name, value in sae.state_dict().items()}
    return read_sae_lens(config, tensors, f"the {type(sae).__name__} given")


def _architecture(config: Mapping[str, Any]) -> str:
    architecture = config.get("architecture") or "standard"
    activation = config.get("activation_fn", config.get("activation_fn_str", "relu"))
    if architecture == "standard" and activation == "topk":  # versions 3 and 5
        architecture = "topk"
    elif architecture == "standard" and activation not in ("relu", None):
        raise ValueError(f"SAEs with the activation {activation!r} cannot be upgraded; relu, jumprelu and topk can")
    if architecture == "topk" and (config.get("activation_fn_kwargs") or {}).get("signed"):
        raise ValueError("a TopK SAE with signed codes (AbsTopK) cannot be upgraded; relu, jumprelu and topk can")
    known = ("standard", "topk", "jumprelu", "gated", "batchtopk", "matryoshka_batchtopk", "rational")
    if architecture not in (*known, *_TRANSCODERS):
        raise ValueError(f"SAEs of architecture {architecture!r} cannot be upgraded; {', '.join(known[:4])} can")
    return str(architecture)


def _k(config: Mapping[str, Any]) -> Any:
    record = config.get("rational")
    if isinstance(record, Mapping):
        return record.get("k")
    kwargs = config.get("activation_fn_kwargs")
    return config.get("k", kwargs.get("k") if isinstance(kwargs, Mapping) else None)


def _threshold(tensors: Mapping[str, Tensor], source: str) -> Tensor:
    """Thresholds; a negative one lets no negative code through (relu comes first), so it equals 0."""
    if "log_threshold" in tensors and "threshold" not in tensors:
        return float_tensor(tensors, "log_threshold", source, 1).exp()
    return float_tensor(tensors, "threshold", source, 1).clamp_min(0.0)


def _scaled(config: Mapping[str, Any], tensors: Mapping[str, Tensor], W_dec: Tensor, source: str) -> Tensor:
    """Version 3 to 5 could scale codes on their way into the decoder after a fine-tuning; the rows take it up."""
    name = next((n for n in _SCALES if n in tensors), None)
    if name is None:
        return W_dec
    scale = float_tensor(tensors, name, source)
    if torch.allclose(scale, torch.ones_like(scale)):
        return W_dec
    if not config.get("finetuning_scaling_factor") or scale.shape != W_dec.shape[:1]:
        raise ValueError(f"{source} has a {name} that its configuration does not speak of; SAELens refuses it too")
    return W_dec * scale[:, None]


def _normalisation(config: Mapping[str, Any], source: str) -> str:
    value = config.get("normalize_activations")
    if value is None or isinstance(value, bool) or value in _SCALED_OUTSIDE:
        return "none"  # as in SAELens: whoever feeds the SAE scales its inputs; the metadata keep the name
    if value not in NORMALISATIONS:
        raise ValueError(f"normalize_activations of {source} is {value!r}; known are {', '.join(NORMALISATIONS)}")
    return str(value)


def _flag(config: Mapping[str, Any], name: str, default: bool, source: str) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} of {source} is {value!r}, not true or false")
    return value


def _prefixes(config: Mapping[str, Any], source: str) -> list[int]:
    """The widths of a Matryoshka SAE's prefixes; saved for inference it is a JumpReLU, and its metadata have them."""
    about = _part(config, "metadata")
    widths: Any = next(
        (
            part[name]
            for part in (config, about, _part(about, "training_architecture_details"), _part(about, "rsae"))
            for name in ("matryoshka_widths", "prefixes")
            if name in part
        ),
        [],
    )
    if not isinstance(widths, list):
        raise ValueError(f"matryoshka_widths of {source} is {str(widths)[:40]!r}, not a list of widths")
    return [integer(width, "an entry of matryoshka_widths", source) for width in widths]


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _metadata(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    about = _part(config, "metadata") or config
    outside = config.get("normalize_activations")
    outside = "expected_average_only_in" if outside is True else outside
    hook = about.get("hf_hook_name") or about.get("hook_name") or about.get("hook_point")
    to = about.get("hf_hook_name_out") or about.get("hook_name_out")
    loaded, ours = _part(about, "model_from_pretrained_kwargs"), _part(about, "rsae")  # which `save_sae` adds
    trained = _part(about, "training_architecture_details")
    kinds = [config.get("architecture"), about.get("training_architecture"), Path(source).name]
    dtype = loaded.get("dtype") or loaded.get("torch_dtype") or ours.get("model_dtype")
    return described(
        "sae-lens",
        source,
        config,
        hook=f"{hook} -> {to}" if hook and to else hook,
        model=about.get("model_name"),
        context_length=about.get("context_size"),
        prepend_bos=about.get("prepend_bos"),
        centred=True if loaded.get("center_writing_weights") is True else None,
        batch_k=trained.get("k") if about.get("training_architecture") in _BATCHTOPK else None,
        model_dtype=dtype.removeprefix("torch.") if isinstance(dtype, str) else None,
        l0=about.get("l0", ours.get("l0")),
        explained_variance=next((part[name] for name in _EXPLAINED for part in (about, ours) if name in part), None),
        nested=any("matryoshka" in str(kind).lower() for kind in kinds) or ours.get("nested") or None,
        inputs_scaled_outside=outside if outside in _SCALED_OUTSIDE else None,
    )
