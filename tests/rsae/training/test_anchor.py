"""The anchor: latents turn less the heavier it is, in every family and arm, and without it nothing changes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rsae.data.states import HiddenStates
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import finetune, started
from rsae.training.recipe import Recipe, recipe_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.plan import Plan, Settings, planned
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()


def turned(before: SparseAutoencoder, after: SparseAutoencoder) -> tuple[float, float]:
    """The mean over latents of 1 - cosine, of decoder rows and of encoder columns."""
    first, cosine = fold_decoder_norms(before), torch.nn.functional.cosine_similarity
    rows, columns = cosine(first.W_dec, after.W_dec, dim=1), cosine(first.W_enc, after.W_enc, dim=0)
    return float(1 - rows.detach().double().mean()), float(1 - columns.detach().double().mean())


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_latents_turn_less_the_heavier_the_anchor(family: str) -> None:
    start = teacher(family)
    done = {
        anchor: finetune(start, STATES, steps=30, recipe=recipe_for(start, anchor=anchor))
        for anchor in (0.0, 10.0, 1e4)
    }
    for free, held, fixed in zip(*(turned(start, sae) for sae in done.values()), strict=True):
        assert free > held > fixed
        assert fixed < 0.1 * free
    # The rest is trained as ever: biases move, and norms stay.
    assert not torch.equal(done[1e4].b_enc, done[0.0].b_enc)
    torch.testing.assert_close(done[1e4].W_dec.norm(dim=1), done[0.0].W_dec.norm(dim=1))
    plain = finetune(start, STATES, steps=30, recipe=recipe_for(start))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), done[0.0].parameters(), strict=True))


def test_the_penalty_is_what_its_recipe_says() -> None:
    """A step on one vector whose error is known: the gradients are those of the anchor, by hand."""
    eye = torch.eye(2)
    start = SparseAutoencoder(W_enc=eye, b_enc=[0, 0], W_dec=eye, b_dec=[0, 0], family="topk", k=1)
    training, _ = started(start, recipe_for(start, anchor=5.0), torch.randn(8, 2), 1.0, 10)
    x, turned_row = torch.tensor([[2.0, 0.0]]), torch.tensor([0.6, 0.8])  # 1 - cosine is 0.4
    with torch.no_grad():
        training.sae.W_dec[0] = turned_row
        training.sae.W_enc[:, 0] = turned_row
    taken: list[tuple[torch.Tensor, ...]] = []

    def take(_: float) -> None:
        weights = training.sae.W_dec, training.sae.W_enc
        taken.append(tuple(weight.grad.clone() for weight in weights if weight.grad is not None))

    training._optimiser.step = take  # type: ignore[method-assign]
    error, _ = training.step(x)
    row, column = turned_row.clone().requires_grad_(), turned_row.clone().requires_grad_()
    loss = (x[0] - (x[0] @ column) * row).square().sum()
    held = 2 - row[0] / row.norm() - column[0] / column.norm()
    wanted = torch.autograd.grad(loss + 5.0 * loss.detach() * held / 2, (row, column))  # the mean of two latents
    assert float(error) == pytest.approx(float(loss.detach()))
    torch.testing.assert_close(taken[0][0][0], wanted[0])
    torch.testing.assert_close(taken[0][1][:, 0], wanted[1])


def test_a_resumed_training_is_held_to_the_teacher_not_to_where_it_was(tmp_path: Path) -> None:
    start = teacher("topk")
    recipe = recipe_for(start, anchor=3.0)
    whole = finetune(start, STATES, steps=30, recipe=recipe)
    work = Checkpoint(tmp_path, every=7)

    def killed(event: Progress) -> None:
        if event.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(start, STATES, steps=30, recipe=recipe, checkpoint=work, progress=killed)
    resumed = finetune(start, STATES, steps=30, recipe=recipe, checkpoint=work)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_every_arm_has_the_anchor_and_a_checkpoint_agrees_on_it() -> None:
    asked = Settings(refine="residual", ablations=("scale",))
    plans = [plan(STATES, replace(asked, anchor=anchor)) for anchor in (0.0, 2.0)]
    assert {arm.recipe.anchor for arm in plans[1].arms.values()} == {2.0}
    assert {arm.recipe.anchor for arm in plans[0].arms.values()} == {0.0}
    assert plans[0].agreed() != plans[1].agreed()


def plan(states: HiddenStates, settings: Settings) -> Plan:
    rest: dict[str, Any] = {"host": None, "steps": 5, "time_budget": None, "seed": 0, "seeds": 1, "device": "cpu"}
    return planned(teacher("relu"), states, settings=settings, **rest)


@pytest.mark.parametrize("anchor", [-1.0, math.nan, math.inf, "2"])
def test_a_weight_that_is_none_is_refused(anchor: float) -> None:
    with pytest.raises(ValueError, match="anchor is the weight of a penalty"):
        Recipe(learning_rate=1e-3, anchor=anchor)


def test_the_upgraded_sae_starts_from_the_same_latents() -> None:
    """The rational's copy of a teacher has its latents, so both arms are held to the same."""
    start = teacher("jumprelu")
    assert max(turned(start, calibrate(start, STATES))) < 1e-6
