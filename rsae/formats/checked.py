"""Shared by the readers: taking tensors and numbers out of what was read, and refusing what does not fit."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_size", "float_tensor", "gated_as_jumprelu", "integer", "known_keys"]

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


def integer(value: Any, name: str, source: str) -> int:
    """``value`` as a positive integer (12.0 and a tensor of one element are fine).  Raises ValueError."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} of {source} is {value!r}, not a positive integer")
    return value


def check_size(claimed: Any, actual: int, name: str, source: str) -> None:
    """Refuse a configuration that claims another size than the weights have; None claims nothing."""
    if claimed is not None and (isinstance(claimed, bool) or claimed != actual):
        raise ValueError(f"the configuration of {source} says {name} = {claimed!r}, but its weights have {actual}")


def known_keys(tensors: Mapping[str, Any], known: set[str], source: str) -> None:
    """Refuse weights that the reader would leave out: they change what the SAE computes."""
    unknown = sorted(set(tensors) - known)
    if unknown:
        raise ValueError(f"{source} has weights that are not understood: {', '.join(map(str, unknown[:6]))}")


def gated_as_jumprelu(W_enc: Tensor, b_gate: Tensor, b_mag: Tensor, r_mag: Tensor) -> dict[str, Any]:
    """A gated SAE as the JumpReLU SAE that it is, exactly.

    With ``pi = x W_enc``, a latent is on where ``pi + b_gate > 0`` and ``m = e^r pi + b_mag > 0``, and its code is m.
    As ``pi = (m - b_mag) e^-r``, the first condition is ``m > b_mag - e^r b_gate``: a threshold on m.
    """
    scale = r_mag.double().exp()
    threshold = (b_mag.double() - scale * b_gate.double()).clamp_min(0.0)
    return {
        "family": "jumprelu",
        "W_enc": (W_enc.double() * scale).float(),
        "b_enc": b_mag,
        "threshold": threshold.to(torch.float32),
    }
