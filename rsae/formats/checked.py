"""Shared by the readers: taking tensors and numbers out of what was read, and refusing what does not fit."""

import sys
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_size", "described", "float_tensor", "gated_as_jumprelu", "integer", "number", "weights"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def float_tensor(tensors: Mapping[str, Any], name: str, source: str, dimensions: int | None = None) -> Tensor:
    """The floating-point tensor ``name``, in float32.  Raises ValueError."""
    value = tensors.get(name)
    if not isinstance(value, Tensor):
        raise ValueError(f"{source} has no tensor {name!r}; it has {', '.join(map(str, list(tensors)[:12])) or 'none'}")
    if value.dtype not in _FLOATS:
        names = ", ".join(str(dtype)[6:] for dtype in _FLOATS)
        raise ValueError(f"tensor {name!r} of {source} has dtype {str(value.dtype)[6:]}; weights are {names}")
    if dimensions is not None and value.dim() != dimensions:
        raise ValueError(f"tensor {name!r} of {source} has shape {list(value.shape)}, not {dimensions} dimensions")
    return value.detach().float()


def number(value: Any, name: str) -> float:
    """``value`` as a finite number (a tensor of one element is fine).  Raises ValueError."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a finite number")
    return float(value)


def integer(value: Any, name: str, source: str) -> int:
    """``value`` as a positive integer (12.0 is fine, too).  Raises ValueError."""
    found = number(value, f"{name} of {source}")
    if found < 1 or not found.is_integer():
        raise ValueError(f"{name} of {source} is {found:g}, not a positive integer")
    return int(found)


def check_size(claimed: Any, actual: int, name: str, source: str) -> None:
    """Refuse a configuration that claims another size than the weights have; None claims nothing."""
    if claimed is not None and (isinstance(claimed, bool) or claimed != actual):
        raise ValueError(f"the configuration of {source} says {name} = {claimed!r}, but its weights have {actual}")


def weights(tensors: Mapping[str, Any], source: str, others: Collection[str] = (), **names: str) -> dict[str, Any]:
    """The weights of an SAE in float32, by our names; ``W_enc="encoder.weight.T"`` says what they are called in a file.

    What is called W_... is a matrix, and anything else a vector; ``.T`` stands for a transpose. Raises ValueError, also
    for tensors that are neither named nor among ``others``: left out, they would change what the SAE computes.
    """
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        name = theirs.removesuffix(".T")
        value = float_tensor(tensors, name, source, 2 if ours.startswith("W_") else 1)
        found[ours] = value if name == theirs else value.T
    known = {name.removesuffix(".T") for name in names.values()} | set(others)
    if unknown := sorted(map(str, set(tensors) - known)):
        raise ValueError(f"{source} has weights that are not understood: {', '.join(unknown[:6])}")
    return found


def described(name: str, source: str, config: Mapping[str, Any], **about: Any) -> dict[str, Any]:
    """The metadata of an SAE: its format, source and configuration, and what else is known (not None) of it."""
    known = {key: value for key, value in about.items() if value is not None}
    return {"format": name, "source": source, **known, "config": dict(config)}


def gated_as_jumprelu(found: dict[str, Any], source: str) -> dict[str, Any]:
    """The weights of a gated SAE (``W_enc``, ``b_gate``, ``b_mag``, ``r_mag``) as the JumpReLU SAE that it is, exactly.

    With ``pi = x W_enc``, a latent is on where ``pi + b_gate > 0`` and ``m = e^r pi + b_mag > 0``, and its code is m.
    As ``pi = (m - b_mag) e^-r``, the first condition is ``m > b_mag - e^r b_gate``: a threshold on m.
    """
    W_enc, b_gate, b_mag, r_mag = (found.pop(name) for name in ("W_enc", "b_gate", "b_mag", "r_mag"))
    if any(len(gate) != W_enc.shape[1] for gate in (b_gate, b_mag, r_mag)):
        lengths = [len(gate) for gate in (b_gate, b_mag, r_mag)]
        raise ValueError(f"the gates of {source} have {lengths} entries, not {W_enc.shape[1]}")
    scale = r_mag.double().exp()
    threshold = (b_mag.double() - scale * b_gate.double()).clamp_min(0.0)
    return found | {
        "family": "jumprelu",
        "W_enc": (W_enc.double() * scale).float(),
        "b_enc": b_mag,
        "threshold": threshold.to(torch.float32),
    }
