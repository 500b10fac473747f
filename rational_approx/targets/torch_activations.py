"""Activations of torch, by module, function or name, as the expressions that they compute. Torch is not imported here.

A module whose class is known becomes a :class:`~targets.gates.Gate` with the module's own parameters, so that a
fit of it can be proved, and so does a function such as ``torch.tanh`` or ``torch.nn.functional.gelu``; anything else of
torch is called on float64 tensors, as an opaque function.
"""

import copy
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from math import exp
from typing import Any

import numpy as np

from rational_approx.arithmetic.precision import fraction
from rational_approx.targets import gates
from rational_approx.targets.gates import Gate

__all__ = ["NAMES", "as_function", "find"]

NEGLIGIBLE = 1e-8
"""``Softplus`` returns its argument beyond a threshold, which makes a jump of ``log(1 + exp(-threshold)) / beta``: with
torch's threshold of 20 that is 2e-9 / beta, meant for speed and not as part of the function, and left out."""


def _softplus(beta: Any = 1, threshold: Any = 20) -> Gate:
    b, limit = fraction(beta), fraction(threshold)
    if b <= 0:
        raise ValueError(f"beta of Softplus must be positive, not {beta}")
    smooth = gates.softplus() if b == 1 else gates.made("softplus", f"softplus(({b}) * x) / ({b})", (-8, 8))
    if exp(-float(limit)) < NEGLIGIBLE:
        return smooth
    where = gates.around(limit / b, Fraction(1, 20), "Softplus")
    return gates.made("softplus", f"where(x > ({limit / b}), x, {smooth.expression})", *where)


def _gelu(approximate: str = "none") -> Gate:
    return gates.gelu_tanh() if approximate == "tanh" else gates.gelu()


def _prelu(module: Any) -> Gate | None:
    return gates.leaky_relu(module.weight.item()) if module.weight.numel() == 1 else None


def _rrelu(lower: Any = 1.0 / 8, upper: Any = 1.0 / 3) -> Gate:
    # Out of training the slope is the middle one.
    return gates.leaky_relu((fraction(lower) + fraction(upper)) / 2)


_MADE: dict[str, tuple[Callable[..., Gate], tuple[str, ...]]] = {
    "CELU": (gates.celu, ("alpha",)),
    "ELU": (gates.elu, ("alpha",)),
    "GELU": (_gelu, ("approximate",)),
    "Hardshrink": (gates.hardshrink, ("lambd",)),
    "Hardsigmoid": (gates.hardsigmoid, ()),
    "Hardswish": (gates.hardswish, ()),
    "Hardtanh": (gates.hardtanh, ("min_val", "max_val")),
    "LeakyReLU": (gates.leaky_relu, ("negative_slope",)),
    "LogSigmoid": (gates.logsigmoid, ()),
    "Mish": (gates.mish, ()),
    "RReLU": (_rrelu, ("lower", "upper")),
    "ReLU": (gates.relu, ()),
    "ReLU6": (gates.relu6, ()),
    "SELU": (gates.selu, ()),
    "SiLU": (gates.silu, ()),
    "Sigmoid": (gates.sigmoid, ()),
    "Softplus": (_softplus, ("beta", "threshold")),
    "Softshrink": (gates.softshrink, ("lambd",)),
    "Softsign": (gates.softsign, ()),
    "Tanh": (gates.tanh, ()),
    "Tanhshrink": (gates.tanhshrink, ()),
    "Threshold": (gates.threshold, ("threshold", "value")),
}
_DEFAULTS: dict[str, Callable[[], Gate]] = {
    **{name: make for name, (make, _) in _MADE.items() if name != "Threshold"},
    "PReLU": partial(gates.leaky_relu, Fraction(1, 4)),
}
"""By the name of the class, with torch's default parameters; ``Threshold`` has none."""
NAMES = tuple(f"torch.nn.{name}" for name in _DEFAULTS)
"""The names that are understood as text; ``nn.GELU``, ``GELU`` and ``torch.nn.functional.gelu`` are other words."""
_FUNCTIONS = {name.lower(): name for name in _MADE if name != "Threshold"}
_PLACES = ("torch", "nn", "torch.nn", "torch.nn.functional", "nn.functional", "F")


def _named(text: str) -> Gate | None:
    """The gate of a name of torch, None where the text is none; ValueError for a name of torch that is not known."""
    place, _, name = text.rpartition(".")
    if text in _DEFAULTS:
        return _DEFAULTS[text]()
    if place not in _PLACES:
        return None
    known = name if place.endswith("nn") and name in _DEFAULTS else None
    if not place.endswith("nn") and name == name.lower():
        known = _FUNCTIONS.get(name.replace("_", ""))
    if known is None:
        raise ValueError(f"{text!r} is not known by name: give the module itself, or one of {', '.join(NAMES)}")
    return _DEFAULTS[known]()


def _module(value: object) -> bool:
    torch = sys.modules.get("torch")  # whoever holds a module has imported torch
    return torch is not None and isinstance(value, torch.nn.Module)


def _function(value: object) -> str | None:
    """The name of a function of torch, such as ``torch.tanh``; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not callable(value) or isinstance(value, type):
        return None
    places = torch.nn.functional, torch.special, torch
    return next((name for place in places for name, known in vars(place).items() if known is value), None)


def find(value: object) -> Gate | None:
    """The gate behind a module of a known class, a function of torch with its default parameters, or a name such as
    ``"torch.nn.SiLU"``, ``"nn.SiLU"``, ``"SiLU"`` or ``"torch.nn.functional.silu"``; None for anything else.

    Raises
    ------
    ValueError
        for a name of torch that is not known.

    >>> find("torch.nn.ReLU6").expression, find("tanh(x)")
    ('min(max(x, 0), 6)', None)
    """
    if isinstance(value, str):
        return _named(value)
    if name := _function(value):
        known = _FUNCTIONS.get(name.replace("_", "").lower())
        return None if known is None else _MADE[known][0]()
    if not _module(value) or type(value).__module__ != "torch.nn.modules.activation":
        return None
    name = type(value).__name__
    if name == "PReLU":
        return _prelu(value)
    make, parameters = _MADE.get(name, (None, ()))
    return None if make is None else make(*(getattr(value, parameter) for parameter in parameters))


def as_function(value: Any) -> Any:
    """A function of float64 arrays from a module of any other class (a copy of it, in float64, out of training), or
    from another function of torch; what is not torch's is returned as it is.

    Raises
    ------
    ValueError
        for one that does not act on each number by itself, such as ``Softmax``.
    """
    function = _function(value)
    if not (_module(value) or function):
        return value
    call = partial(_on_tensors, value if function else copy.deepcopy(value).double().eval())
    call.__name__ = function or type(value).__name__  # type: ignore[attr-defined]
    x = np.array([-0.75, -0.25, 0.25, 0.75])
    try:
        together, apart = call(x), np.concatenate([call(x[k : k + 1]) for k in range(4)])
        alone = together.shape == x.shape and np.allclose(together, apart, rtol=1e-12, atol=1e-12, equal_nan=True)
    except (RuntimeError, ValueError, IndexError, TypeError):
        alone = False
    if not alone:
        raise ValueError(
            f"{call.__name__} of torch does not act on each number by itself: give an elementwise activation"  # type: ignore[attr-defined]
        )
    return call


def _on_tensors(activation: Any, x: Any) -> np.ndarray:
    torch = sys.modules["torch"]
    with torch.no_grad():
        return np.asarray(activation(torch.from_numpy(np.atleast_1d(np.asarray(x, dtype=np.float64)))))
