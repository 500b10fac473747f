"""Transcoders of circuit-tracer: ``layer_12.safetensors``, with ``config.yaml`` beside it for all layers."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from rsae.formats.checked import described, integer, weights
from rsae.sae.transcoder import Transcoder

__all__ = ["is_circuit_tracer", "read_circuit_tracer"]

_FILE = re.compile(r"layer_(\d+)\.safetensors")
_THRESHOLD = "activation_function.threshold"
_LIMIT = 2**16


def is_circuit_tracer(file: Path) -> bool:
    """Whether a file has the name of one of these transcoders."""
    return _FILE.fullmatch(file.name) is not None


def read_circuit_tracer(tensors: Mapping[str, Tensor], file: Path) -> Transcoder:
    """The transcoder of a layer, from what the MLP reads to what it gives: JumpReLU, TopK or ReLU, as its weights tell.

    W_enc is stored [d_sae, d_in], W_skip [d_out, d_in]. Raises ValueError for weights that are not understood.
    """
    source, about = str(file), _settings(file.with_name("config.yaml"))
    names = {"W_enc": "W_enc.T", "b_enc": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"}
    names |= {"W_skip": "W_skip.T"} if "W_skip" in tensors else {}
    names |= {"threshold": _THRESHOLD} if _THRESHOLD in tensors else {}
    found = weights(tensors, source, {"k"}, **names)
    k = tensors["k"] if "k" in tensors else about.get("k") and int(about["k"])
    family = "jumprelu" if "threshold" in found else "topk" if k is not None else "relu"
    if about.get("activation") == "topk" and k is None:
        raise ValueError(f"{file.with_name('config.yaml')} says topk, but neither it nor {file.name} says k")
    if family == "jumprelu":
        found["threshold"] = found["threshold"].clamp_min(0.0)
    if family == "topk":
        found["k"] = integer(k, "k", source)
    layer = _FILE.fullmatch(file.name)
    ends = [about.get(f"feature_{end}_hook") for end in ("input", "output")]
    hook = f"blocks.{layer[1]}.{ends[0]} -> blocks.{layer[1]}.{ends[1]}" if layer and all(ends) else None
    metadata = described("circuit-tracer", source, {}, hook=hook, model=about.get("model_name"))
    return Transcoder(**found, family=family, metadata=metadata)


def _settings(file: Path) -> dict[str, str]:
    """The plain entries ``name: value`` of a YAML file, those alone that stand on a line of their own."""
    if not file.is_file() or file.stat().st_size > _LIMIT:
        return {}
    text = file.read_text(encoding="utf-8", errors="replace")
    return dict(re.findall(r"(?m)^(\w+):\s*[\"']?([\w./-]+)[\"']?\s*$", text))
