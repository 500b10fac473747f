"""Adam whose moments are shared out between the ranks (ZeRO, Rajbhandari et al. 2020, arXiv:1910.02054, stage 2).

Adam treats every entry of a parameter alone, so each rank may do so for a part of them: gradients are
reduce-scattered (a rank receives the mean gradient of its part only), the rank updates its part, and the parts are
all-gathered into the parameters. The result is that of one Adam, up to the order in which gradients are added.

Parts are intervals of a parameter's entries in the order of memory, so they are views of it. The few entries at the end
that do not divide by the number of ranks are updated by every rank.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rsae import ranks

__all__ = ["ShardedAdam"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


class ShardedAdam:
    """Fused Adam (0.9, 0.999) without weight decay, of groups (parameters, rate); a single process holds it whole.

    All ranks call ``step`` and ``moments`` together, and for the same parameters; both raise ConnectionError where one
    of them is lost.

    >>> weights = torch.nn.Parameter(torch.ones(2, 3))
    >>> adam = ShardedAdam([([weights], 0.5)])
    >>> weights.sum().backward()
    >>> adam.step(1.0)
    >>> round(float(weights.detach().mean()), 3)
    0.5
    """

    def __init__(self, groups: Sequence[tuple[Sequence[Tensor], float]]) -> None:
        self._held = {p: _held(p) for parameters, _ in groups for p in parameters if p.numel()}
        held = [
            {"params": [part for p in parameters if p.numel() for part in self._held[p]], "rate": rate}
            for parameters, rate in groups
        ]
        self._adam = torch.optim.Adam([group for group in held if group["params"]], lr=1.0, fused=True)

    def step(self, factor: float) -> None:
        """Move the parameters against their mean gradients, at their rates times ``factor``.

        Each gradient is freed as soon as it is shared out.
        """
        for group in self._adam.param_groups:
            group["lr"] = group["rate"] * factor
        for parameter, held in self._held.items():
            if parameter.grad is None and ranks.count() == 1:
                continue
            shared, rest = _divided(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
            parameter.grad = None
            means = [ranks.mean_part(shared)] if len(shared) else []
            means += [ranks.mean(rest)] if len(rest) else []
            for part, mean in zip(held, means, strict=True):
                part.grad = mean
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for parameter in self._held:
            ranks.fill(_divided(parameter)[0])

    def moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """Its ``exp_avg`` and ``exp_avg_sq``, of its shape; none before the first step.

        Of several ranks the first alone receives them, in its main memory.
        """
        held = self._held[parameter]
        if not all(part in self._adam.state for part in held):
            return {}
        if ranks.count() == 1:
            state, shape = self._adam.state[held[0]], (parameter.shape, parameter.stride())
            return {name: state[name].as_strided(*shape) for name in _MOMENTS}
        found = {}
        for name in _MOMENTS:
            whole = torch.empty_like(parameter, device="cpu")
            into, rest = _divided(whole)
            parts = iter([self._adam.state[part][name] for part in held])
            if len(into):
                ranks.collect(next(parts), into)
            if len(rest):
                rest.copy_(next(parts))
            found[name] = whole
        return found if ranks.rank() == 0 else {}

    def restore(self, parameter: Tensor, moments: Mapping[str, Tensor], done: int) -> None:
        """Take this rank's part of the moments, which lie in memory as the parameter does, after ``done`` steps."""
        kept = {name: _held(moments[name]) for name in _MOMENTS}
        for i, part in enumerate(self._held[parameter]):
            count = torch.tensor(float(done), device=parameter.device)
            self._adam.state[part] = {"step": count, **{name: kept[name][i].clone() for name in _MOMENTS}}


def _held(tensor: Tensor) -> list[Tensor]:
    """The parts of a tensor that this rank updates, in the order of memory: torch's fused Adam copies any other."""
    shared, rest = _divided(tensor)
    return [part for part in (shared.chunk(ranks.count())[ranks.rank()], rest) if len(part)]


def _divided(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Views of a tensor's entries in the order of memory: those that divide by the number of ranks, and the rest.

    Parameters are dense in memory, in any order of dimensions, and autograd lays gradients out as their parameters.
    """
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))
    end = len(flat) - len(flat) % ranks.count()
    return flat[:end], flat[end:]
