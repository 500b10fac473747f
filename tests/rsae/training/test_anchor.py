"""The anchor: decoder rows turn less the heavier it is, in every family and arm, and without it nothing changes."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import Progress, finetune, started
from rsae.training.recipe import Recipe, recipe_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.plan import Plan, Settings, planned
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()


def turned(before: SparseAutoencoder, after: SparseAutoencoder) -> float:
    """The mean over latents of 1 - cosine of the decoder rows."""
    rows = torch.nn.functional.cosine_similarity(fold_decoder_norms(before).W_dec, after.W_dec, dim=1)
    return float(1 - rows.detach().double().mean())


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_rows_turn_less_the_heavier_the_anchor(family: str) -> None:
    start = teacher(family)
    recipe = recipe_for(start)
    done = {
        anchor: finetune(start, STATES, steps=30, recipe=recipe_for(start, anchor=anchor))
        for anchor in (0.0, 10.0, 1e4)
    }
    free, held, fixed = (turned(start, sae) for sae in done.values())
    assert free > held > fixed
    assert fixed < 0.1 * free
    # The rest is trained as ever: encoders move, and norms stay.
    assert not torch.equal(done[1e4].W_enc, done[0.0].W_enc)
    torch.testing.assert_close(done[1e4].W_dec.norm(dim=1), done[0.0].W_dec.norm(dim=1))
    plain = finetune(start, STATES, steps=30, recipe=recipe)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), done[0.0].parameters(), strict=True))


def test_the_penalty_is_what_its_recipe_says() -> None:
    """A step on one vector whose error is known: the gradient at the rows is the anchor's, by hand."""
    eye = torch.eye(2)
    start = SparseAutoencoder(W_enc=eye, b_enc=[0, 0], W_dec=eye, b_dec=[0, 0], family="topk", k=1)
    training, _ = started(start, recipe_for(start, anchor=5.0), torch.randn(8, 2), 1.0, 10)
    with torch.no_grad():
        training.sae.W_dec[0] = torch.tensor([0.6, 0.8])  # turned since it began: 1 - cosine is 0.4
    x = torch.tensor([[2.0, 0.0]])
    taken: list[torch.Tensor] = []
    training._optimiser.step = lambda _: taken.append(training.sae.W_dec.grad.clone())  # type: ignore[method-assign,union-attr]
    error, _ = training.step(x)
    rows = torch.tensor([[0.6, 0.8], [0.0, 1.0]], requires_grad=True)
    loss = (x - 2 * rows[:1]).square().sum()
    penalty = 5.0 * float(error) * (1 - rows[0, 0] / rows[0].norm()) / 2  # the mean of two latents
    (wanted,) = torch.autograd.grad(loss + penalty, rows)
    assert float(error) == pytest.approx(float(loss.detach()))
    torch.testing.assert_close(taken[0], wanted)


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
    plans = [plan(STATES, Settings(anchor=anchor, refine="residual", ablations=("ratio",))) for anchor in (0.0, 2.0)]
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


def test_the_upgraded_sae_starts_from_the_same_rows() -> None:
    """The rational's copy of a teacher has its rows, so both arms are held to the same."""
    start = teacher("jumprelu")
    assert turned(start, calibrate(start, STATES)) < 1e-6
