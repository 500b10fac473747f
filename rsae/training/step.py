"""`Training`: an SAE, its optimiser and its pass between two batches, and all of it as tensors that can be kept."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import AXES
from rsae.storage.shares import Shares
from rsae.training.adam import Adam, flat
from rsae.training.passes import Pass
from rsae.training.recipe import Recipe

__all__ = ["Training", "schedule"]

_STEP_RATE = 3e-3  # of refinements, at least: each of 2000 updates with a cosine moves a step by that at most


class Training:
    """One arm in training: ``step`` takes a batch; ``state`` and ``restore`` carry it over a kill, to the bit.

    Adam (0.9, 0.999) without weight decay, fused; decoder rows return to their norms after each step. Of several ranks
    each holds a share of the latents, with its gradients and moments; data groups average their gradients.
    In half precision only dense products of the forward pass are; parameters, gradients and moments are float32.
    From step ``turn`` on a step takes a divergence besides its batch: the recipe's KL stage, with moments of its own.
    An anchor holds what latents read and write where it was when training began, which a restored state does not move.
    """

    def __init__(self, sae: SparseAutoencoder, forward: Pass, recipe: Recipe, steps: int) -> None:
        self.sae, self.forward, self.recipe, self.steps = sae, forward, recipe, steps
        self.done = 0
        self.turn = steps - recipe.kl_steps(steps)
        self.balance: Tensor | None = None
        skip = [] if sae.W_skip is None else [sae.W_skip]
        weights = [sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec, *skip, *forward.parameters()]
        coefficients = [] if sae.activation is None else list(sae.activation.parameters())
        lengths: list[Tensor] = [] if sae.residual_step is None else [sae.residual_step]
        self.parameters: list[Tensor] = [p for p in [*weights, *coefficients, *lengths] if p.numel()]
        groups: list[tuple[Sequence[Tensor], float]] = [
            (weights, recipe.learning_rate),
            (coefficients, recipe.coefficient_rate),
        ]
        if lengths:  # a curve may have to be slow, but a refinement starts at 0 and has a way to go
            groups.append((lengths, max(recipe.coefficient_rate, _STEP_RATE)))
        self._optimiser = Adam(groups)
        self._coefficients = coefficients
        self._norms = sae.W_dec.detach().norm(dim=1, keepdim=True)
        self._held = [p.detach().clone() for p in (sae.W_dec, sae.W_enc)] if recipe.anchor else []

    def step(
        self, x: Tensor, divergence: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Learn from inputs [batch, d_in]; returns the squared error and L0 of this rank's part, unsynchronised.

        ``divergence`` gives, for what the reconstruction leaves of them, a number and its gradient [batch, d_in].
        """
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            error, l0, penalty, left = self.forward(self.sae, x)
        if divergence is not None:
            if self.done == self.turn:
                # Another loss: its gradients are larger, and a thousand steps would pass before Adam knew their size.
                self._optimiser.forget()
            found, slope = divergence(left.detach())
            if self.balance is None:
                self.balance = error.detach() / found.clamp_min(1e-12)
            # Of this product only the gradient counts, and that is the divergence's, by the chain rule.
            pull = self.recipe.kl_weight * self.balance * (left * slope).sum()
            penalty = pull if penalty is None else penalty + pull
        if self._held:
            # Adam divides by a gradient's size, so that the penalty counts by its size beside the error's: in its unit.
            hold = self.recipe.anchor * error.detach() * self._turned()
            penalty = hold if penalty is None else penalty + hold
        for parameter in self.parameters:
            parameter.grad = None
        (error if penalty is None else error + penalty).backward()
        self._average()
        self._optimiser.step(self._factor())
        with torch.no_grad():
            rows = self.sae.W_dec
            rows.mul_(self._norms / rows.norm(dim=1, keepdim=True).clamp_min(1e-12))
        self.done += 1
        return error.detach(), l0.detach()

    def _average(self) -> None:
        """Give every rank the gradients of all latents and of the whole batch: of a curve's coefficients each has found
        what its own latents add."""
        for coefficient in self._coefficients:
            if coefficient.grad is not None:
                coefficient.grad = self.sae.latents.group.sum(coefficient.grad)
        for parameter in self.parameters:
            if parameter.grad is not None:
                ranks.data().average(flat(parameter.grad))

    def _turned(self) -> Tensor:
        """The mean over latents of 1 - cosine to where they were, of decoder rows and of encoder columns, added."""
        (rows, columns), mean = self._held, self.sae.latents.mean
        cosine = torch.nn.functional.cosine_similarity
        return 2 - mean(cosine(self.sae.W_dec, rows, dim=1)) - mean(cosine(self.sae.W_enc, columns, dim=0))

    def _factor(self) -> float:
        """Of the learning rates at the next step; each stage has a schedule of its own."""
        if self.done < self.turn:
            return schedule(self.done, self.turn, self.recipe.warmup)
        return self.recipe.kl_rate * schedule(self.done - self.turn, self.steps - self.turn, self.recipe.warmup // 2)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, but for its batch; after the last step, without the optimiser.

        Of several ranks each has its `shares` of it; what a checkpoint keeps of them fits any number of ranks.
        """
        kept = {f"pass.{name}": value for name, value in self.forward.state().items()}
        if self.balance is not None:
            kept["balance"] = self.balance
        for i, parameter in enumerate(self.parameters):
            kept[f"parameter.{i}"] = parameter.detach()
            moments = self._optimiser.moments(parameter) if self.done < self.steps else {}
            kept |= {f"{name}.{i}": value for name, value in moments.items()}
        return kept

    @property
    def shares(self) -> Shares | None:
        """What of a `state` is shared out between ranks."""
        if not self.sae.latents.shared:
            return None
        lying: dict[Tensor, int] = dict.fromkeys(self.forward.parameters(), 0)
        lying.update((getattr(self.sae, name), axis) for name, axis in AXES.items())
        known = {i: lying[parameter] for i, parameter in enumerate(self.parameters) if parameter in lying}
        names = ("parameter", "exp_avg", "exp_avg_sq")
        axes = {f"{name}.{i}": axis for i, axis in known.items() for name in names}
        return Shares({**axes, "pass.silent": 0}, self.sae.d_sae)

    @torch.no_grad()
    def restore(self, kept: dict[str, Tensor], done: int) -> None:
        """Go back to a `state` after ``done`` steps.  Raises ValueError for one of another shape."""
        self.done = done
        if "balance" in kept:
            self.balance = kept["balance"].to(self.sae.W_enc.device)
        for i, parameter in enumerate(self.parameters):
            _copy(parameter, kept, f"parameter.{i}")
            if f"exp_avg.{i}" in kept:
                moments = {name: torch.empty_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                for name, value in moments.items():
                    _copy(value, kept, f"{name}.{i}")
                self._optimiser.restore(parameter, moments, done - self.turn if done > self.turn else done)
        self.forward.restore(
            {n.removeprefix("pass."): v.to(self.sae.W_enc.device) for n, v in kept.items() if n.startswith("pass.")}
        )


def _copy(into: Tensor, kept: dict[str, Tensor], name: str) -> None:
    value = kept.get(name)
    if value is None or value.shape != into.shape:
        raise ValueError(f"the checkpoint's {name} does not fit this training; start again without it")
    into.copy_(value)


def schedule(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: linear over the warm-up, then half a cosine to zero.

    >>> [round(schedule(step, 100, 10), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
