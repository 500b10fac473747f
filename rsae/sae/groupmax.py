"""GroupMax: of each of k groups of latents the largest pre-activation, where positive (sparsify's ``groupmax``)."""

import torch
from torch import Tensor

__all__ = ["group_maxima"]


def group_maxima(h: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of pre-activations [..., d_sae]: the maximum of each of k groups of neighbours, the runner-up, and the column.

    All three are [..., k]. The runner-up is the threshold that the gate of the group uses; a group of one has 0.

    >>> [part.tolist() for part in group_maxima(torch.tensor([3.0, 1.0, -2.0, -1.0]), 2)]
    [[3.0, -1.0], [1.0, -2.0], [0, 3]]
    """
    groups = h.unflatten(-1, (k, -1))
    size = groups.shape[-1]
    largest, order = groups.topk(min(2, size), dim=-1)
    tau = largest[..., 1] if size > 1 else torch.zeros_like(largest[..., 0])
    return largest[..., 0], tau, order[..., 0] + size * torch.arange(k, device=h.device)
