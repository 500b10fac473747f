"""Latents that fall silent in training, brought back: the bias of each rises until it fires again.

A hard support gives no gradient to a latent that fires nowhere, so it would stay silent for ever. Here its encoder bias
is given a small constant pull upwards. Adam divides a gradient by its own size, so a latent with no other gradient
rises by about one learning rate a step whatever the pull's size, and from the first token on which it fires the loss
itself decides. After the penalty on pre-activations of dead latents in *Circuits Updates, January 2025* (Anthropic);
restricted to the bias, so that the direction a latent reads stays its own.
"""

import torch
from torch import Tensor

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.active import Active

__all__ = ["Revival"]

HORIZON = 16_384


class Revival:
    """Counts, for each latent, the training tokens since it last fired; more than `HORIZON` make it silent."""

    def __init__(self) -> None:
        self.silent: Tensor | None = None

    def pull(self, sae: SparseAutoencoder, active: Active, error: Tensor) -> Tensor:
        """The penalty of one batch: minus the biases of the silent latents, on the scale of the error [scalar]."""
        with torch.no_grad():
            fired = torch.zeros(sae.latents.held, device=error.device)
            fired.index_put_((active.places.columns,), (active.codes > 0).float(), accumulate=True)
            fired = ranks.data().mean(fired)
            if self.silent is None:
                self.silent = torch.zeros_like(fired)
            self.silent = torch.where(fired > 0, 0.0, self.silent + active.places.size * ranks.data().count)
            weight = (self.silent > HORIZON) * error / sae.d_sae
        return -(weight * sae.b_enc).sum()
