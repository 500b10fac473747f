"""Feature continuity: did each latent keep its meaning through the fine-tuning?"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rsae.data.harvest import up_to
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["Continuity", "Places", "continuity", "places"]

COSINE, OVERLAP = 0.7, 0.3


class Continuity(NamedTuple):
    """For every latent, before against after: tensors [d_sae], and [d_sae, top] for the strongest tokens.

    cosine: of its decoder rows. overlap: the share of its ``top`` strongest tokens before that are still among its
    ``top`` strongest after; NaN for a latent that fires on none before. rate_before and rate_after: the share of tokens
    on which it fires. strongest_before and strongest_after: indices of those tokens, -1 where fewer fire.
    """

    cosine: Tensor
    overlap: Tensor
    rate_before: Tensor
    rate_after: Tensor
    strongest_before: Tensor
    strongest_after: Tensor

    def changed(self, cosine: float = COSINE, overlap: float = OVERLAP) -> Tensor:
        """Latents whose decoder row turned below ``cosine`` or whose strongest tokens overlap less than ``overlap``."""
        return ((self.cosine < cosine) | (self.overlap < overlap)).nonzero().flatten()

    def order(self) -> Tensor:
        """All latents, those first that changed most: by the mean of cosine and overlap (the cosine alone if NaN)."""
        return torch.where(self.overlap.isnan(), self.cosine, (self.cosine + self.overlap) / 2).argsort(stable=True)

    def to_json(self, contexts: dict[str, list[Any]], tokens: int) -> dict[str, Any]:
        """A tree of plain values for a report, with what `latents.contexts_of` found among ``tokens`` tokens."""
        values = {name: [_short(v) for v in getattr(self, name).tolist()] for name in self._fields[:4]}
        return {
            "tokens": tokens,
            "top": self.strongest_before.shape[1],
            "thresholds": {"cosine": COSINE, "overlap": OVERLAP},
            "changed": self.changed().tolist(),
            "order": self.order().tolist(),
            "latents": values,
            "contexts": contexts,
        }


class Places(NamedTuple):
    """Hidden states [n, d_in] of a host's held-out contexts, and for each its context and position."""

    states: Tensor
    context: Tensor
    position: Tensor


def places(host: Host, limit: int = 16_384) -> Places:
    """The host's held-out hidden states, at most ``limit`` (one context at least), as the harvest keeps them."""
    states, numbers, positions = [], [], []
    for i, hidden in host.held_out_states(len(up_to(host.contexts, limit))):
        kept = host.kept(hidden)
        states.append(hidden[kept].float().cpu())
        positions.append(kept.nonzero().flatten().cpu())
        numbers.append(torch.full_like(positions[-1], i))
    return Places(torch.cat(states), torch.cat(numbers), torch.cat(positions))


@torch.no_grad()
def continuity(before: SparseAutoencoder, after: SparseAutoencoder, x: Tensor, top: int = 20) -> Continuity:
    """Compare two SAEs latent by latent on hidden states [n, d_in].

    Raises
    ------
    ValueError
        if their shapes differ, or there are fewer vectors than ``top``.

    >>> from rsae.sae.autoencoder import SparseAutoencoder
    >>> eye, zero = torch.eye(3), torch.zeros(3)
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=zero, W_dec=eye, b_dec=zero, family="relu")
    >>> continuity(sae, sae, torch.rand(50, 3), top=5).overlap.tolist()
    [1.0, 1.0, 1.0]
    """
    if before.W_dec.shape != after.W_dec.shape:
        raise ValueError(f"the SAEs differ in shape: {list(before.W_dec.shape)} and {list(after.W_dec.shape)}")
    if not 1 <= top <= len(x):
        raise ValueError(f"top must be between 1 and the number of vectors, {len(x)}, not {top}")
    cosine = torch.nn.functional.cosine_similarity(before.W_dec, after.W_dec, dim=1)
    (first, first_rate), (second, second_rate) = (_strongest(sae, x, top) for sae in (before, after))
    fires = first >= 0
    kept = (first[:, :, None] == second[:, None, :]).any(2) & fires
    overlap = kept.sum(1) / fires.sum(1)  # 0 / 0 is NaN, as documented
    found = (cosine, overlap, first_rate, second_rate, first, second)
    return Continuity(*(before.latents.all(values) for values in found))


def _strongest(sae: SparseAutoencoder, x: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Indices [held, top] of the tokens with the largest codes (-1 where fewer fire), and firing rates [held]."""
    held, device = sae.latents.held, sae.W_enc.device
    values = torch.zeros(held, 0, device=device)
    indices = torch.zeros(held, 0, dtype=torch.int64, device=device)
    count, start = torch.zeros(held, device=device), 0
    for chunk in sae.chunks(x):
        codes = sae.encode(chunk).T
        count += (codes.abs() > sae.tolerance).sum(1)
        here = torch.arange(start, start + len(chunk), device=codes.device).expand_as(codes)
        values, order = torch.cat([values, codes], 1).topk(min(top, values.shape[1] + codes.shape[1]), dim=1)
        indices = torch.cat([indices, here], 1).gather(1, order)
        start += len(chunk)
    return torch.where(values > sae.tolerance, indices, -1), count / len(x)


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
