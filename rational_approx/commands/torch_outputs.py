"""PyTorch's own functions, for the tables that compare: the one place of this package that imports torch, if asked."""

from importlib.util import find_spec

import numpy as np

from rational_approx.shipping.gate_library import Outputs
from rational_approx.targets import torch_activations

__all__ = ["torch_outputs"]


def torch_outputs() -> Outputs | None:
    """The values of the function of torch for a formula, on a CPU in the format itself; None without torch."""
    if find_spec("torch") is None:
        return None
    import torch

    known = {f"{name}(x)": getattr(torch, name) for name in ("abs", "erf", "exp", "sign")}
    known["heaviside(x)"] = lambda x: torch.heaviside(x, torch.tensor(0.5, dtype=x.dtype))
    modules = [getattr(torch.nn, name.rpartition(".")[2])() for name in torch_activations.NAMES]
    for module in [*modules, torch.nn.GELU(approximate="tanh"), torch.nn.Threshold(0.1, 20)]:
        gate = torch_activations.find(module)
        if gate is not None:
            known[gate.expression] = module

    def outputs(formula: str, format: str, x: np.ndarray) -> np.ndarray | None:
        function = known.get(formula)
        if function is None:
            return None
        with torch.no_grad():
            return np.asarray(function(torch.from_numpy(x).to(getattr(torch, format))).float())

    return outputs
