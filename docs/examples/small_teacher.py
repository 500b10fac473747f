"""A small sparse autoencoder for the two examples, trained on the vectors that it is for."""

from typing import Literal

import torch

import rsae
from rsae.training.recipe import recipe_for


def small_teacher(
    states: rsae.HiddenStates, family: Literal["topk", "relu"], d_sae: int, codes: int, steps: int, seed: int = 0
) -> rsae.SparseAutoencoder:
    """A TopK autoencoder, or a ReLU one with so much L1 that as many codes are left, on the mean over vectors.

    Its decoder rows start as random training vectors, about their mean, at norm 1.
    """
    generator = torch.Generator().manual_seed(seed)
    mean = states.train.mean(0)
    rows = states.train[torch.randint(len(states.train), (d_sae,), generator=generator)] - mean
    rows = rows + 0.1 * rows.std() * torch.randn(rows.shape, generator=generator)
    rows = rows / rows.norm(dim=1, keepdim=True)
    k = codes if family == "topk" else None
    start = rsae.SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(d_sae), W_dec=rows, b_dec=mean, family=family, k=k)
    # Batches of 256, and not of 1024 as by default for wide vectors: there are thousands of them, not millions.
    recipe = recipe_for(start, batch_size=256)
    return rsae.finetune(start, states, steps=steps, seed=seed, recipe=recipe, target_l0=codes)
