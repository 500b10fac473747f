"""Feature continuity: did each latent keep its meaning through the fine-tuning?"""

from typing import NamedTuple

import torch
from torch import Tensor

from rsae.sae import SparseAutoencoder

__all__ = ["Continuity", "continuity"]


class Continuity(NamedTuple):
    """For every latent, before against after: tensors [d_sae].

    cosine: of its decoder rows. overlap: the share of its ``top`` strongest tokens before that are still among its
    ``top`` strongest after; NaN for a latent that fires on none before. rate_before and rate_after: the share of tokens
    on which it fires.
    """

    cosine: Tensor
    overlap: Tensor
    rate_before: Tensor
    rate_after: Tensor

    def changed(self, cosine: float = 0.7, overlap: float = 0.3) -> Tensor:
        """Latents whose decoder row turned below ``cosine`` or whose strongest tokens overlap less than ``overlap``."""
        return ((self.cosine < cosine) | (self.overlap < overlap)).nonzero().flatten()


@torch.no_grad()
def continuity(before: SparseAutoencoder, after: SparseAutoencoder, x: Tensor, top: int = 20) -> Continuity:
    """Compare two SAEs latent by latent on hidden states [n, d_in].

    Raises
    ------
    ValueError
        if their shapes differ, or there are fewer vectors than ``top``.

    >>> from rsae.sae import SparseAutoencoder
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
    return Continuity(cosine, overlap, first_rate, second_rate)


def _strongest(sae: SparseAutoencoder, x: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Indices [d_sae, top] of the tokens with the largest codes (-1 where fewer fire), and firing rates [d_sae]."""
    values = torch.zeros(sae.d_sae, 0, device=sae.W_enc.device)
    places = torch.zeros(sae.d_sae, 0, dtype=torch.int64, device=sae.W_enc.device)
    count, start = torch.zeros(sae.d_sae, device=sae.W_enc.device), 0
    for chunk in x.split(4096):
        codes = sae.encode(chunk.to(sae.W_enc.device, torch.float32)).T
        count += (codes != 0).sum(1)
        here = torch.arange(start, start + len(chunk), device=codes.device).expand_as(codes)
        values, order = torch.cat([values, codes], 1).topk(min(top, values.shape[1] + codes.shape[1]), dim=1)
        places = torch.cat([places, here], 1).gather(1, order)
        start += len(chunk)
    return torch.where(values > 0, places, -1), count / len(x)
