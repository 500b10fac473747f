"""The training loop: the same for a rational SAE and for its control."""

import math
import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from rsae import ranks
from rsae.data.states import HiddenStates
from rsae.hosts.splicing import Passage, Splicing
from rsae.progress import Progress, Whom, asked, told
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import divided
from rsae.storage.checkpoint import Checkpoint
from rsae.training.l0 import match_l0, mean_l0
from rsae.training.passes import choose_pass
from rsae.training.prefetch import fetched
from rsae.training.recipe import Recipe, check_trainable, recipe_for
from rsae.training.step import Training
from rsae.training.units import input_scale, of_target, rescaled, working_copy

__all__ = ["finetune", "started", "stepping"]


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
    progress: Whom = True,
    curve: list[dict[str, float]] | None = None,
    checkpoint: Checkpoint | None = None,
) -> SparseAutoencoder:
    """A fine-tuned copy of an SAE, at an L0 of ``target_l0`` (default: its own) on the calibration vectors.

    Adam (0.9, 0.999) without weight decay; linear warm-up, then a cosine to zero; decoder rows back to their norm after
    each step. The loss is the squared error summed over d_in, plus a penalty that holds L0: none for topk, L0 with a
    straight-through gradient for jumprelu, L1 or the batch's largest entries for relu. Batches depend on their size and
    ``seed`` alone, so two arms with the same two see the same data. Deterministic on one machine. A recipe with a
    ``kl_share`` ends with a stage whose loss also holds the divergence of the host's predictions (`Recipe`).

    ``progress`` (as in `upgrade`) is told about fifty times; ``curve`` collects (step, loss, l0) at the same moments.
    With a ``checkpoint`` the training of ``arm`` goes on where it was, and ends with the same bits.

    Several processes (`rsae.ranks.joined`) share the SAE out by its latents: each returns the share that it trained,
    which `rsae.sae.division.whole` gathers and `save_sae` writes.

    Raises
    ------
    ValueError
        for a width that does not fit, fewer vectors than a batch, steps below 1, an L0 target out of range, or a KL
        stage on hidden states without a language model.
    """
    asked(progress)
    recipe = recipe or recipe_for(sae)
    steps = recipe.steps if steps is None else steps
    sae = divided(sae)
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
    if checkpoint is not None and (kept := checkpoint.load(arm, training.shares)) is not None:
        training.restore(kept.tensors, kept.values["step"])
        history = kept.values["history"]
    began, first = time.monotonic(), training.done
    with told(progress, lambda bars: bars.training) as tell:
        for error, l0 in stepping(training, scale, hidden_states, recipe.batch_size, seed, steps):
            done = training.done
            if done % max(1, steps // 50) == 0 or done == steps:
                found = ranks.data().mean(torch.stack([error, l0.to(error.device)])).tolist()
                if not math.isfinite(found[0]):
                    raise ValueError(
                        f"training diverged at step {done} of {steps}: the loss is {found[0]}; "
                        f"try a learning rate below {recipe.learning_rate:g}"
                    )
                left = (time.monotonic() - began) / (done - first) * (steps - done)
                event = Progress(
                    arm, done, steps, found[0] * of_target(scale) ** 2, found[1], left, torch.get_num_threads()
                )
                history.append({"step": event.step, "loss": event.loss, "l0": event.l0})
                if tell is not None:
                    tell(event)
            if checkpoint is not None and (done % checkpoint.every == 0 or done == steps):
                checkpoint.save(arm, training.state(), training.shares, step=done, history=history)
    if curve is not None:
        curve.extend(history)
    training.forward.finish(work)
    return match_l0(rescaled(work, scale), calibration, target_l0)


def started(
    sae: SparseAutoencoder, recipe: Recipe, calibration: Tensor, target_l0: float, steps: int
) -> tuple[Training, float | Tensor]:
    """The training of a copy of an SAE, before its first step, and the scale of its inputs."""
    scale = input_scale(sae, calibration)
    work = working_copy(sae, scale)
    forward = choose_pass(work, recipe.sparsity, recipe.bandwidth, target_l0)
    return Training(work, forward, recipe, steps), scale


def stepping(
    training: Training, scale: float | Tensor, hidden_states: HiddenStates, batch_size: int, seed: int, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Take the steps that are left, of this rank's parts of the batches; the squared error and L0 of each."""
    place = training.sae.W_enc.device  # with its number, which a thread that fetches does not know
    part = (ranks.data().rank, ranks.data().count)
    turn = min(training.turn, steps)
    first = min(training.done, turn)
    for x in fetched(hidden_states.batches(batch_size, seed, turn, place, first=first, part=part), place):
        yield training.step(training.sae.conventions.normalised(x)[0] / scale)
    if training.done < steps:
        yield from _with_divergence(training, scale, hidden_states, seed, steps)


def _with_divergence(
    training: Training, scale: float | Tensor, hidden_states: HiddenStates, seed: int, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The steps of the KL stage: on whole contexts, which the model reads clean once, and once with the arm's SAE."""
    assert hidden_states.host is not None
    splicing, place = Splicing(hidden_states.host, hidden_states.contexts), training.sae.W_enc.device
    first, size = training.done - training.turn, training.recipe.kl_contexts
    for contexts in hidden_states.passages(size, seed, steps - training.turn, first=first):
        passage = splicing.passage(contexts)
        inputs, shift, unit = training.sae.conventions.normalised(passage.vectors.to(place))
        inputs = inputs / scale
        target = training.sae.target(inputs)
        yield training.step(inputs, partial(_divergence, passage, target, shift, of_target(scale) * unit))


def _divergence(
    passage: Passage, target: Tensor, shift: Tensor | float, unit: Tensor | float, left: Tensor
) -> tuple[Tensor, Tensor]:
    """The divergence where so much is left of a target [n, d_out] in units of training, and its gradient for that."""
    found, slope = passage.divergence((target - left) * unit + shift)
    return found, -unit * slope
