"""What each family keeps of a token's pre-activations, and the threshold that its gate uses: said here alone."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rsae.sae.latents import Latents, among

__all__ = ["Search", "Support", "above", "group_maxima", "largest"]

Search = Callable[[Tensor, int], tuple[Tensor, Tensor]]


class Support(NamedTuple):
    """What a family keeps: pre-activations (0 off the support), the threshold ``tau`` of each, and their columns.

    ``kept`` is [..., k] for topk and groupmax, else [..., d_sae] and ``places`` None; ``tau`` broadcasts against it.
    """

    kept: Tensor
    tau: Tensor
    places: Tensor | None


def above(h: Tensor, tau: Tensor) -> Support:
    """Of pre-activations [..., d_sae] those above their threshold (relu: 0)."""
    return Support(h * (h > tau), tau, None)


def largest(h: Tensor, k: int, search: Search = torch.topk, latents: Latents | None = None) -> Support:
    """The k largest, where positive; the next one [..., 1] is the threshold, or 0 where there is none.

    ``search(h, count)`` gives the ``count`` largest, in order, and their columns. Of a share of the ``latents`` those
    are kept that are among the k largest of all; the others are 0.

    >>> [part.tolist() for part in largest(torch.tensor([3.0, 1.0, -2.0, 2.0]), 2)]
    [[3.0, 2.0], [1.0], [0, 3]]
    """
    values, order = search(h, min(k + 1, h.shape[-1]))
    if latents is not None and latents.shared:
        kept, following = (mask.view_as(values) for mask in among(values.detach().reshape(-1, values.shape[-1]), k))
        tau = latents.sum((values * following).sum(-1, keepdim=True))
        return Support(torch.where(kept, values, 0.0).clamp_min(0.0), latents.read(tau), order)
    tau = values[..., k:] if values.shape[-1] > k else torch.zeros_like(values[..., :1])
    return Support(values[..., :k].clamp_min(0.0), tau, order[..., :k])


def group_maxima(h: Tensor, k: int) -> Support:
    """The largest of each of k groups of neighbours, where positive (sparsify's ``groupmax``).

    The runner-up is the threshold that the gate of the group uses; a group of one has 0.

    >>> [part.tolist() for part in group_maxima(torch.tensor([3.0, 1.0, -2.0, -1.0]), 2)]
    [[3.0, 0.0], [1.0, -2.0], [0, 3]]
    """
    groups = h.unflatten(-1, (k, -1))
    size = groups.shape[-1]
    values, order = groups.topk(min(2, size), dim=-1)
    tau = values[..., 1] if size > 1 else torch.zeros_like(values[..., 0])
    columns = order[..., 0] + size * torch.arange(k, device=h.device)
    return Support(values[..., 0].clamp_min(0.0), tau, columns)
