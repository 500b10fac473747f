"""The forward pass of training for each kind of support, with the penalty that holds L0 there."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import corrected, least_squares_gain
from rsae.training.active import (
    Active,
    active_above,
    active_jump,
    active_kept,
    active_largest,
    batch_level,
    sparse_topk,
)
from rsae.training.entries import Places, broadcast, decode, dots, encode
from rsae.training.l0 import L0Controller
from rsae.training.revival import Revival

__all__ = ["Outcome", "Pass", "choose_pass"]


class Outcome(NamedTuple):
    """What a pass over inputs [batch, d_in] gives: the squared error (sum over d_in, mean over the batch, and over the
    prefixes of a nested SAE), mean L0, the penalty, if any, and what is left, ``x - x_hat`` [batch, d_in]; of a
    transcoder's rows, of the target [batch, d_out]."""

    error: Tensor
    l0: Tensor
    penalty: Tensor | None
    left: Tensor


class Pass(ABC):
    """A kind of training pass, and what it remembers from one batch to the next."""

    def __init__(self, target_l0: float = 0.0) -> None:
        self.target = target_l0
        self.controller: L0Controller | None = None
        self.level: Tensor | None = None
        self.revival = Revival()

    @abstractmethod
    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        """The outcome of inputs [batch, d_in]."""

    def parameters(self) -> list[Tensor]:
        """What is trained besides the weights: one number a latent."""
        return []

    def finish(self, sae: SparseAutoencoder) -> None:
        """Write what was learned into the SAE."""
        return None

    def state(self) -> dict[str, Tensor]:
        """What it remembers, parameters apart."""
        parts = {"level": self.level, "silent": self.revival.silent}
        if self.controller is not None:
            parts |= {"weight": self.controller.weight, "average": self.controller.average}
        return {name: value for name, value in parts.items() if value is not None}

    def restore(self, kept: dict[str, Tensor]) -> None:
        """Remember what `state` gave."""
        if "weight" in kept:
            self.controller = L0Controller(0.0, self.target)
            self.controller.weight, self.controller.average = kept["weight"], kept["average"]
        self.level, self.revival.silent = kept.get("level"), kept.get("silent")


def choose_pass(sae: SparseAutoencoder, sparsity: str, bandwidth: float, target_l0: float) -> Pass:
    """The pass for an SAE in training units."""
    if sae.dense:
        return DensePass(target_l0)
    if sae.k is not None:
        return TopKPass()
    if sae.family == "jumprelu":
        return JumpPass(sae, bandwidth, target_l0)
    return ThresholdPass(target_l0) if sparsity == "threshold" else L1Pass(target_l0)


class TopKPass(Pass):
    """No penalty: L0 is at most k, of the whole row (topk) or one a group (groupmax)."""

    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        h, size = _encoded(sae, x), sae.size(x)
        if sae.latents.shared and sae.family == "topk":
            assert sae.k is not None
            active = active_largest(h, sae.k, sae.latents, sae.activation, size)
        else:
            active = active_kept(sae.select(h, sparse_topk), sae.latents, sae.activation, size)
        error, left = _error(sae, active, x)
        return Outcome(error, active.l0, self.revival.pull(sae, active, error), left)


class JumpPass(Pass):
    """A penalty on L0 with a straight-through gradient for log theta; bandwidth relative to the median threshold."""

    def __init__(self, sae: SparseAutoencoder, bandwidth: float, target_l0: float) -> None:
        assert sae.threshold is not None
        super().__init__(target_l0)
        self.log_threshold = nn.Parameter(sae.threshold.detach().clamp_min(1e-6).log())
        self.bandwidth = bandwidth * float(sae.latents.all(sae.threshold.detach()).median().clamp_min(1e-6))

    def parameters(self) -> list[Tensor]:
        """The logarithms of the thresholds."""
        return [self.log_threshold]

    def finish(self, sae: SparseAutoencoder) -> None:
        """Write the thresholds."""
        sae.threshold = nn.Parameter(self.log_threshold.detach().exp())

    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        h = _encoded(sae, x)
        theta = self.log_threshold.exp()
        active = active_jump(h, theta, self.bandwidth, sae.latents, sae.activation, sae.size(x))
        error, left = _error(sae, active, x)
        if self.controller is None:
            self.controller = L0Controller(self._price(sae, x, h.detach(), theta.detach(), error.detach()), self.target)
        self.controller.update(active.l0)
        penalty = self.controller.weight * active.l0 + self.revival.pull(sae, active, error)
        return Outcome(error, active.l0, penalty, left)

    @torch.no_grad()
    def _price(self, sae: SparseAutoencoder, x: Tensor, h: Tensor, theta: Tensor, error: Tensor) -> float:
        """What one more code buys in squared error: the weight at which the teacher's L0 is its own optimum."""
        lower, upper = (
            active_jump(h, theta * factor, self.bandwidth, sae.latents, sae.activation, sae.size(x))
            for factor in (0.97, 1.03)
        )
        drop = _error(sae, upper, x)[0] - _error(sae, lower, x)[0]
        drop, codes, error = ranks.data().mean(torch.stack([drop, lower.l0 - upper.l0, error]))
        return float((drop / codes.clamp_min(1e-3)).clamp_min(1e-4 * error / self.target))


class L1Pass(Pass):
    """A plain ReLU with a penalty on the sum of its codes."""

    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        h = _encoded(sae, x)
        active = active_above(h, h.new_zeros(()), sae.latents, sae.activation, sae.size(x))
        image = _image(sae, active.codes, active.places)
        target = sae.wanted(x)
        total = sae.latents.sum(active.codes.sum() / len(x))
        if self.controller is None:
            # At the optimum of a teacher trained with L1, scaling all codes changes the loss by nothing.
            price, floor = 2 * ((target - image) * image).sum(1).mean(), 1e-3 * (target - image).square().sum(1).mean()
            price, floor, size = ranks.data().mean(torch.stack([price, floor, total]))
            self.controller = L0Controller(float(torch.maximum(price, floor) / size), self.target)
        self.controller.update(active.l0)
        error, left = _error(sae, active, x, image)
        return Outcome(error, active.l0, self.controller.weight * total + self.revival.pull(sae, active, error), left)


class ThresholdPass(Pass):
    """No penalty: the support is the ``batch * L0`` largest positive pre-activations of the batch (BatchTopK)."""

    def finish(self, sae: SparseAutoencoder) -> None:
        """One threshold for all latents: a ReLU SAE with a threshold is a JumpReLU SAE."""
        level = torch.tensor(1e-6) if self.level is None else self.level.clamp_min(1e-6)
        sae.family = "jumprelu"
        sae.threshold = nn.Parameter(level.expand(sae.latents.held).clone())

    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        h = _encoded(sae, x)
        with torch.no_grad():
            tau = batch_level(h, self.target, sae.latents, self.level)
            self.level = tau if self.level is None else 0.95 * self.level + 0.05 * tau
        active = active_above(h, tau, sae.latents, sae.activation, sae.size(x))
        error, left = _error(sae, active, x)
        return Outcome(error, active.l0, self.revival.pull(sae, active, error), left)


class DensePass(Pass):
    """The paper's dense codes, with a penalty on their L1; L0 is counted above the activation's tolerance."""

    def __call__(self, sae: SparseAutoencoder, x: Tensor) -> Outcome:
        assert sae.activation is not None
        codes = sae.activation(sae.pre_activations(x))
        total = sae.latents.sum(codes.abs().sum(1).mean())
        left = x - sae.decode(codes)
        error = left.square().sum(1).mean()
        if sae.prefixes:
            rows, target = sae.W_dec, x - sae.b_dec
            widths = [sae.latents.below(width) for width in sae.prefixes[:-1]]
            inner = [target - sae.latents.sum(codes[:, :width] @ rows[:width]) for width in widths]
            error = _mean_over_prefixes(error, inner)
        l0 = sae.latents.sum((codes.detach().abs() > sae.tolerance).sum() / len(x))
        if self.controller is None:
            start, size = ranks.data().mean(torch.stack([0.05 * error, total]))
            self.controller = L0Controller(float(start / size), self.target)
        return Outcome(error, l0, self.controller.weight * total, left)


def _encoded(sae: SparseAutoencoder, x: Tensor) -> Tensor:
    """The pre-activations of an SAE whose norms are folded; their backward pass takes sparse gradients, x gets none."""
    centre = sae.latents.read(sae.b_dec) if sae.conventions.apply_b_dec_to_input else None
    return encode(sae.read(x).contiguous(), sae.W_enc, sae.b_enc, centre)


def _image(sae: SparseAutoencoder, codes: Tensor, places: Places) -> Tensor:
    """What the codes of all latents decode to [batch, d_out], without the bias."""
    return sae.latents.sum(decode(codes, places, sae.W_dec))


def _error(sae: SparseAutoencoder, active: Active, x: Tensor, image: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared error, and what is left, after the SAE's refinement, if it has one.

    Of a nested SAE the error is the mean over its prefixes; what is left is left by all latents.
    """
    target, codes = sae.wanted(x), active.codes
    image = _image(sae, codes, active.places) if image is None else image
    if sae.refine == "gain":
        gain = least_squares_gain(target, image)
        image = image * gain
        if sae.prefixes:
            codes = codes * broadcast(sae.latents.read(gain[:, 0]), active.places)
    elif sae.refine != "none":
        assert sae.residual_step is not None
        codes, image = corrected(
            codes,
            image,
            target,
            steps=sae.latents.read(sae.residual_step),
            searched=sae.refine.startswith("search"),
            decode=lambda z: _image(sae, z, active.places),
            pull=lambda left: dots(active.places, sae.latents.read(left), sae.W_dec),
            spread=lambda each: broadcast(sae.latents.read(each[:, 0]), active.places),
        )
    left = target - image
    error = left.square().sum(1).mean()
    if not sae.prefixes:
        return error, left
    inner = [target - _of_first(width, sae, codes, active.places) for width in sae.prefixes[:-1]]
    return _mean_over_prefixes(error, inner), left


def _of_first(width: int, sae: SparseAutoencoder, codes: Tensor, places: Places) -> Tensor:
    """What the first ``width`` latents alone decode to [batch, d_in]."""
    inside = places.columns < (mine := sae.latents.below(width))
    mine = max(mine, 1)  # a share with none of them has no entries inside either
    kept = Places(places.rows[inside], places.columns[inside], places.size, mine)
    return sae.latents.sum(decode(codes[inside], kept, sae.W_dec[:mine]))


def _mean_over_prefixes(whole: Tensor, inner: Sequence[Tensor]) -> Tensor:
    """The squared error of a nested SAE: that of all latents and those of what each prefix leaves, equally weighted.

    A mean and not a sum: the same minimum, and a loss on the scale of the others.
    """
    return torch.stack([whole, *(left.square().sum(1).mean() for left in inner)]).mean()
