"""The training loop: the same for a rational SAE and for its control."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rsae import ranks
from rsae.activations.ratio import RationalActivation
from rsae.data.hidden_states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint
from rsae.training.l0 import match_l0, mean_l0
from rsae.training.passes import choose_pass
from rsae.training.prefetch import fetched
from rsae.training.step import Training
from rsae.training.units import input_scale, rescaled, working_copy

__all__ = ["Progress", "Recipe", "finetune", "recipe_for"]


@dataclass(frozen=True)
class Progress:
    """One event of a training run: what is being trained, how far it is, and its loss (squared error) and L0."""

    arm: str
    step: int
    steps: int
    loss: float
    l0: float
    seconds_left: float


@dataclass(frozen=True)
class Recipe:
    """How to train: everything that decides the result besides the data and the seed.

    Rates are for weights and for the rational's coefficients; ``bandwidth`` is that of the straight-through gradient
    of JumpReLU thresholds, relative to their median; ``sparsity`` says how a ReLU's L0 is held:
    ``"l1"``, or ``"threshold"``: the support is the batch's largest pre-activations, and one threshold for all
    replaces it afterwards. ``precision``: ``"float32"``, or ``"bfloat16"`` for the dense products of the forward pass.
    """

    learning_rate: float
    coefficient_rate: float = 3e-3
    steps: int = 2000
    batch_size: int = 256
    warmup: int = 50
    bandwidth: float = 0.3
    sparsity: str = "l1"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("learning_rate", "coefficient_rate", "bandwidth"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"{name} must be a positive number, not {value!r}")
        for name, least in (("steps", 1), ("batch_size", 1), ("warmup", 0)):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {count!r}")
        if self.sparsity not in ("l1", "threshold"):
            raise ValueError(f"sparsity must be 'l1' or 'threshold', not {self.sparsity!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be 'float32' or 'bfloat16', not {self.precision!r}")


def recipe_for(sae: SparseAutoencoder, *, sparsity: str | None = None, **changes: Any) -> Recipe:
    """The measured defaults for an SAE's family and size, with changes by keyword.

    Weights learn at 6e-3 (topk, jumprelu), 2e-2 (relu with L1), 1.2e-2 (relu with a threshold), in 2000 batches of 256,
    from d_in = 256 on of 1024: the best of several rates for the control at d_in = 64 and at d_in = 576. Inputs are
    trained on in units of their own spread (`rsae.training.units`), so that rates do not depend on the width; relu's,
    which are higher, are at most 2e-2 sqrt(64 / d_in). Curves learn at 3e-3, of jumprelu at 3e-4; from d_in = 256 on at
    a third of that. Groupmax takes topk's rates, unmeasured.
    """
    if sparsity is None:
        sparsity = "threshold" if sae.family == "relu" and sae.activation is not None else "l1"
    rate = 6e-3 if sae.family != "relu" else 2e-2 if sparsity == "l1" else 1.2e-2
    if sae.family == "relu":
        rate = min(rate, 2e-2 * (64 / sae.d_in) ** 0.5)
    # A JumpReLU's thresholds move with its curve, and one that moves fast leaves them behind.
    base = Recipe(learning_rate=rate, sparsity=sparsity, coefficient_rate=3e-4 if sae.family == "jumprelu" else 3e-3)
    if sae.d_in >= 256:
        base = replace(base, batch_size=1024, coefficient_rate=base.coefficient_rate / 3)
    return replace(base, **{name: value for name, value in changes.items() if value is not None})


def finetune(
    sae: SparseAutoencoder,
    hidden_states: HiddenStates,
    *,
    steps: int | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    target_l0: float | None = None,
    device: str | torch.device = "cpu",
    arm: str = "sae",
    progress: Callable[[Progress], None] | None = None,
    curve: list[dict[str, float]] | None = None,
    checkpoint: Checkpoint | None = None,
) -> SparseAutoencoder:
    """A fine-tuned copy of an SAE, at an L0 of ``target_l0`` (default: its own) on the calibration vectors.

    Adam (0.9, 0.999) without weight decay; linear warm-up, then a cosine to zero; decoder rows back to their norm after
    each step. The loss is the squared error summed over d_in, plus a penalty that holds L0: none for topk, L0 with a
    straight-through gradient for jumprelu, L1 or the batch's largest entries for relu. Batches depend on their size and
    ``seed`` alone, so two arms with the same two see the same data. Deterministic on one machine.

    ``progress`` is called about fifty times; ``curve`` collects (step, loss, l0) at the same moments. With a
    ``checkpoint`` the training of ``arm`` goes on where it was, and ends with the same bits.

    Raises
    ------
    ValueError
        for a width that does not fit, fewer vectors than a batch, steps below 1, or an L0 target out of range.
    """
    recipe = recipe or recipe_for(sae)
    steps = recipe.steps if steps is None else steps
    check_trainable(sae, hidden_states, steps, recipe)
    device = torch.device(device)
    calibration = hidden_states.calibration.to(device, torch.float32)
    if target_l0 is None:
        target_l0 = mean_l0(sae.to(device), calibration)
    if not 0 < target_l0 < sae.d_sae:
        raise ValueError(f"the L0 target must lie between 0 and d_sae = {sae.d_sae}, not {target_l0!r}")
    training, scale = started(sae.to(device), recipe, calibration, target_l0, steps)
    work = training.sae
    history: list[dict[str, float]] = []
    if checkpoint is not None and (kept := checkpoint.load(arm)) is not None:
        training.restore(kept.tensors, kept.values["step"])
        history = kept.values["history"]
    began, first = time.monotonic(), training.done
    for error, l0 in stepping(training, scale, hidden_states, recipe.batch_size, seed, steps):
        done = training.done
        if done % max(1, steps // 50) == 0 or done == steps:
            found = ranks.mean(torch.stack([error, l0])).tolist()
            if not math.isfinite(found[0]):
                raise ValueError(
                    f"training diverged at step {done} of {steps}: the loss is {found[0]}; "
                    f"try a learning rate below {recipe.learning_rate:g}"
                )
            left = (time.monotonic() - began) / (done - first) * (steps - done)
            event = Progress(arm, done, steps, found[0] * scale**2, found[1], left)
            history.append({"step": event.step, "loss": event.loss, "l0": event.l0})
            if progress is not None:
                progress(event)
        if checkpoint is not None and (done % checkpoint.every == 0 or done == steps):
            checkpoint.save(arm, training.state(), step=done, history=history)
    if curve is not None:
        curve.extend(history)
    training.forward.finish(work)
    return match_l0(rescaled(work, scale), calibration, target_l0)


def started(
    sae: SparseAutoencoder, recipe: Recipe, calibration: Tensor, target_l0: float, steps: int
) -> tuple[Training, float]:
    """The training of a copy of an SAE, before its first step, and the scale of its inputs."""
    scale = input_scale(sae, calibration)
    work = working_copy(sae, scale)
    training = Training(
        work,
        choose_pass(work, recipe.sparsity, recipe.bandwidth, target_l0),
        steps=steps,
        warmup=recipe.warmup,
        rate=recipe.learning_rate,
        coefficient_rate=recipe.coefficient_rate,
        half=recipe.precision == "bfloat16",
    )
    return training, scale


def stepping(
    training: Training, scale: float, hidden_states: HiddenStates, batch_size: int, seed: int, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Take the steps that are left, of this rank's parts of the batches; the squared error and L0 of each."""
    place = training.sae.W_enc.device  # with its number, which a thread that fetches does not know
    part = (ranks.rank(), ranks.count())
    for x in fetched(hidden_states.batches(batch_size, seed, steps, place, first=training.done, part=part), place):
        yield training.step(training.sae.normalised(x)[0] / scale)


def check_trainable(sae: SparseAutoencoder, hidden_states: HiddenStates, steps: int, recipe: Recipe) -> None:
    """Refuse, before any work, what no training could use."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a positive integer, not {steps!r}")
    if hidden_states.d_in != sae.d_in:
        raise ValueError(
            f"the hidden states have width {hidden_states.d_in}, but the SAE takes d_in = {sae.d_in}: "
            "is it another layer or another model?"
        )
    if len(hidden_states.train) < recipe.batch_size:
        raise ValueError(
            f"{len(hidden_states.train)} training vectors are fewer than one batch of {recipe.batch_size}: "
            "give more text, or a smaller batch_size"
        )
    if recipe.batch_size % ranks.count():
        raise ValueError(f"a batch of {recipe.batch_size} cannot be shared evenly between {ranks.count()} processes")
    if isinstance(sae.activation, RationalActivation) and sae.threshold is not None and bool((sae.threshold < 0).any()):
        raise ValueError("some JumpReLU thresholds are negative, where the ratio tau / h has no meaning")
