"""GroupMax: of each of k groups of latents the largest pre-activation, where positive (sparsify's ``groupmax``)."""

import torch
from torch import Tensor

from rsae.activations.ratio import RationalActivation
from rsae.training.active import Active

__all__ = ["active_groupmax", "group_maxima"]


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


def active_groupmax(h: Tensor, k: int, activation: RationalActivation | None, size: Tensor | None) -> Active:
    """The codes of a training batch as entries, as `rsae.training.active.active_topk` gives them for TopK."""
    largest, tau, columns = group_maxima(h, k)
    kept = largest.clamp_min(0.0)
    codes = kept
    if activation is not None:
        share = None
        if "norm" in activation.inputs:
            assert size is not None
            share = size / (size + kept.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()).clamp_min(1e-12)
        codes = activation.values(kept, tau, share)
    rows = torch.arange(len(h), device=h.device)[:, None].expand_as(codes)
    return Active(codes.reshape(-1), columns.reshape(-1), rows.reshape(-1), len(h), (kept > 0).sum() / len(h))
