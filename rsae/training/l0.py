"""L0 held at a target: a controller of the penalty in training, and one exact shift of the thresholds after it."""

import math

import torch
from torch import Tensor

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.ranked import ranked

__all__ = ["L0Controller", "level", "match_l0", "mean_l0"]


class L0Controller:
    """The penalty's weight, moved each step by how far a moving average of L0 is from its target.

    ``weight <- weight exp(0.04 clip((ema - target) / target, -0.25, 0.25))``: at most 1% a step, so that it follows the
    schedule of the learning rate and does not ring. Of several data groups all take the mean of their L0 into account.
    """

    def __init__(self, weight: float, target: float) -> None:
        self.weight = torch.tensor(float(weight))
        self.target = target
        self.average = torch.tensor(float(target))

    def update(self, l0: Tensor) -> None:
        """Take the L0 of one batch into account; no synchronisation with the device."""
        self.average = 0.95 * self.average.to(l0.device) + 0.05 * ranks.data().mean(l0)
        error = ((self.average - self.target) / self.target).clamp(-0.25, 0.25)
        self.weight = self.weight.to(l0.device) * torch.exp(0.04 * error)


@torch.no_grad()
def mean_l0(sae: SparseAutoencoder, x: Tensor) -> float:
    """Mean count of codes != 0 over hidden states [n, d_in]."""
    total = sum(float(sae.latents.sum((sae.encode(chunk) != 0).sum())) for chunk in sae.chunks(x))
    return total / len(x)


@torch.no_grad()
def match_l0(sae: SparseAutoencoder, x: Tensor, target: float, rounds: int = 5) -> SparseAutoencoder:
    """Move the support of a relu or jumprelu SAE, in place, so that its L0 on [n, d_in] is ``target``; returns it.

    JumpReLU: all thresholds are multiplied by one factor, a quantile of ``h / theta``. ReLU: all encoder biases are
    shifted by one quantile of h, because a ReLU's bias is its threshold. TopK and GroupMax are left as they are. A
    rational may itself reach zero on the support, so the count of codes != 0 is met by up to ``rounds`` secant steps.
    """
    if sae.k is not None:
        return sae
    wanted = target
    for _ in range(rounds):
        if sae.threshold is not None:
            # Not below zero: where fewer entries are positive than wanted, all of them is what can be had.
            sae.threshold.mul_(max(level(sae, x, wanted), 1e-6))
        else:
            sae.b_enc.sub_(level(sae, x, wanted))
        if (sae.activation is None or sae.dense) and sae.refine in ("none", "gain"):
            break
        found = mean_l0(sae, x)
        if abs(found - target) <= 5e-4 * target:
            break
        wanted = min(max(wanted * target / max(found, 1e-9), target / 2), 2 * target)
    return sae


def level(sae: SparseAutoencoder, x: Tensor, target: float) -> float:
    """The level of ``h / theta`` (ReLU: of h) that ``target`` entries a token exceed."""
    margins, keep = [], math.ceil(1.0 + 3.0 * target)
    for chunk in sae.chunks(x):
        h = sae.pre_activations(sae.conventions.normalised(chunk)[0])
        if sae.threshold is not None:
            h = h / sae.threshold.clamp_min(1e-12)
        # Only the largest entries of the chunk can be near the level: three times the target leaves room enough.
        margins.append(h.flatten().topk(min(h.numel(), keep * len(chunk))).values)
    largest = torch.cat(margins)
    known = len(x) * sae.d_sae if sae.latents.shared else len(largest)
    count = min(max(round(target * len(x)), 1), known - 1)
    # Between the last entry that stays and the first that goes.
    kept, dropped = ranked(largest, count, sae.latents.group).tolist()
    return (kept + dropped) / 2
