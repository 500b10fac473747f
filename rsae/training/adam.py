"""Adam on parameters as they lie in memory, with moments that can be read and given back."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Adam", "flat"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """torch's fused Adam (0.9, 0.999) without weight decay, of groups (parameters, rate).

    Parameters are dense in memory, in any order of dimensions, and autograd lays gradients out as their parameters; the
    optimiser sees both as vectors, as torch's fused Adam copies anything else.

    >>> weights = torch.nn.Parameter(torch.ones(2, 3))
    >>> adam = Adam([([weights], 0.5)])
    >>> weights.sum().backward()
    >>> adam.step(1.0)
    >>> round(float(weights.detach().mean()), 3)
    0.5
    """

    def __init__(self, groups: Sequence[tuple[Sequence[Tensor], float]]) -> None:
        self._flat = {p: flat(p) for parameters, _ in groups for p in parameters if p.numel()}
        held = [
            {"params": [self._flat[p] for p in parameters if p.numel()], "rate": rate} for parameters, rate in groups
        ]
        self._adam = torch.optim.Adam([group for group in held if group["params"]], lr=1.0, fused=True)

    def step(self, factor: float) -> None:
        """Move the parameters against their gradients, which are freed, at their rates times ``factor``."""
        for group in self._adam.param_groups:
            group["lr"] = group["rate"] * factor
        for parameter, vector in self._flat.items():
            vector.grad = None if parameter.grad is None else flat(parameter.grad)
            parameter.grad = None
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def forget(self) -> None:
        """Drop all moments: the next step is a first one."""
        self._adam.state.clear()

    def moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """Its ``exp_avg`` and ``exp_avg_sq``, of its shape; none before the first step."""
        state = self._adam.state.get(self._flat[parameter])
        if not state:
            return {}
        return {name: state[name].as_strided(parameter.shape, parameter.stride()) for name in _MOMENTS}

    def restore(self, parameter: Tensor, moments: Mapping[str, Tensor], done: int) -> None:
        """Take the moments, which lie in memory as the parameter does, after ``done`` steps."""
        count = torch.tensor(float(done), device=parameter.device)
        kept = {name: flat(moments[name]).clone() for name in _MOMENTS}
        self._adam.state[self._flat[parameter]] = {"step": count, **kept}


def flat(tensor: Tensor) -> Tensor:
    """A tensor that is dense in memory as a vector [n] in the order of memory: a view."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
