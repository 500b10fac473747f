"""Where an SAE's codes lie: histograms of pre-activations, and of their ratio to the threshold that the gate uses."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["histograms", "ratios"]

BINS = 50


@torch.no_grad()
def ratios(sae: SparseAutoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of every code that is not 0 on hidden states [n, d_in]: its pre-activation ``h``, and ``u = tau / h`` in [0, 1].

    ``tau`` is the threshold that the gate uses; it is 0 for a ReLU without one.

    >>> eye = torch.eye(2)
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=[0, 0], W_dec=eye, b_dec=[0, 0], family="topk", k=1)
    >>> [part.tolist() for part in ratios(sae, torch.tensor([[4.0, 1.0]]))]
    [[4.0], [0.25]]
    """
    heights, shares = [], []
    for chunk in sae.chunks(x):
        codes, _, h = sae(chunk)
        kept, tau, places = sae.select(h)
        fires = ((codes if places is None else codes.gather(-1, places)) != 0) & (kept > 0)
        heights.append(kept[fires])
        shares.append((tau.expand_as(kept)[fires] / kept[fires]).clamp(0, 1))
    return sae.latents.joined(torch.cat(heights)), sae.latents.joined(torch.cat(shares))


def histograms(before: SparseAutoencoder, after: SparseAutoencoder, x: Tensor) -> dict[str, Any]:
    """Shares of the codes a bin, before and after, over ``ratio`` and over ``pre_activation``; a tree of plain values.

    Empty where the codes are dense (`PaperActivation`) or there are none.
    """
    if before.dense or after.dense:
        return {}
    found = [ratios(sae, x) for sae in (before, after)]
    if not all(len(h) for h, _ in found):
        return {}
    highest = max(float(h[:: max(1, len(h) // 10**5)].quantile(0.999)) for h, _ in found)
    return {
        "tokens": len(x),
        "ratio": _shares([u for _, u in found], 1.0),
        "pre_activation": _shares([h for h, _ in found], highest),
    }


def _shares(values: Sequence[Tensor], highest: float) -> dict[str, list[float]]:
    edges = torch.linspace(0, highest, BINS + 1, dtype=torch.float64)
    counts = [part.double().cpu().clamp_max(highest).histogram(edges).hist / len(part) for part in values]
    before, after = ([round(share, 6) for share in count.tolist()] for count in counts)
    return {"edges": [round(edge, 6) for edge in edges.tolist()], "before": before, "after": after}
