"""A synthetic world whose features are known: sparse sums of directions, and a teacher trained on them."""

from __future__ import annotations

import torch
from torch import Tensor

from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for

__all__ = ["D_IN", "D_SAE", "K", "features", "recovered", "states", "teacher"]

D_IN, D_SAE, K = 32, 96, 6


def features() -> Tensor:
    """The true directions [d_sae, d_in], of norm 1; three times as many as dimensions, so that they overlap."""
    return torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=torch.Generator().manual_seed(11)), dim=1)


def states(vectors: int = 40_000, seed: int = 0) -> HiddenStates:
    """Hidden states with known features: about five a vector, some twenty times as frequent as others, plus noise.

    A feature's strength is 0.4 plus an exponential variable; the noise has a standard deviation of 0.05 a dimension,
    and the whole is shifted by a constant vector. The last tenth is held out.
    """
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.logspace(0, -1.3, D_SAE)
    frequency = 5 * frequency / frequency.sum()
    active = torch.rand(vectors, D_SAE, generator=generator) < frequency
    strength = 0.4 - torch.rand(vectors, D_SAE, generator=generator).clamp_min(1e-6).log()
    noise = 0.05 * torch.randn(vectors, D_IN, generator=generator)
    return hidden_states((active * strength) @ features() + 0.3 + noise, held_out=0.1)


def teacher(vectors: HiddenStates, steps: int = 1500, k: int = K) -> SparseAutoencoder:
    """A TopK teacher with ``k`` codes a token: starts at blurred true features and is trained on ``vectors``."""
    blur = 0.1 * torch.randn(D_SAE, D_IN, generator=torch.Generator().manual_seed(12))
    rows = torch.nn.functional.normalize(features() + blur, dim=1)
    start = SparseAutoencoder(
        W_enc=rows.T, b_enc=torch.zeros(D_SAE), W_dec=rows, b_dec=vectors.train.mean(0), family="topk", k=k
    )
    return finetune(start, vectors, steps=steps, seed=1, recipe=recipe_for(start))


@torch.no_grad()
def recovered(sae: SparseAutoencoder) -> float:
    """Mean over the true features of the largest cosine with a decoder row: 1 if every feature has its latent."""
    rows = torch.nn.functional.normalize(sae.W_dec.detach().cpu(), dim=1)
    return float((features() @ rows.T).max(dim=1).values.mean())
