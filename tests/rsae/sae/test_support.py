"""GroupMax through the whole pipeline: training entries, folding, fine-tuning, and the report."""

import pytest
import torch

from rsae.activations.ratio import RationalActivation
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms
from rsae.sae.support import group_maxima
from rsae.training.active import active_kept
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pipeline import upgrade
from tests.rsae.material.saes import random_sae, random_weights
from tests.rsae.material.sparse_data import D_IN, features, sparse_states

X = torch.randn(60, 8, generator=torch.Generator().manual_seed(4))
STATES = sparse_states(3000)


def teacher() -> SparseAutoencoder:
    rows = features()
    options = {"W_enc": rows.T, "b_enc": torch.full((48,), -0.1), "W_dec": rows, "b_dec": torch.full((D_IN,), 0.5)}
    return SparseAutoencoder(**options, family="groupmax", k=6)


def test_every_group_gives_its_maximum_and_its_runner_up() -> None:
    h = torch.randn(60, 24, generator=torch.Generator().manual_seed(5))
    largest, tau, columns = group_maxima(h, 4)
    for group in range(4):
        ordered = h[:, 6 * group : 6 * group + 6].sort(descending=True)
        assert torch.equal(largest[:, group], ordered.values[:, 0].clamp_min(0))
        assert torch.equal(tau[:, group], ordered.values[:, 1])
        assert torch.equal(columns[:, group], ordered.indices[:, 0] + 6 * group)
    assert not group_maxima(h, 24)[1].any(), "a group of one has no runner-up"


@pytest.mark.parametrize("inputs", [None, ("ratio",), ("ratio", "norm")])
def test_training_entries_are_the_codes(inputs: tuple[str, ...] | None) -> None:
    sae = random_sae("groupmax")
    if inputs is not None:
        sae.activation = RationalActivation.from_coefficients([0.9, -0.2, 0.1], [0.1, 0.3, 0.2], [], inputs)
    active = active_kept(sae.select(sae.pre_activations(X)), sae.latents, sae.activation, sae.size(X))
    codes = active.places.dense(active.codes)
    torch.testing.assert_close(codes, sae.encode(X), rtol=1e-5, atol=1e-6)
    assert active.l0 == (sae.pre_activations(X).unflatten(1, (3, 8)).amax(2) > 0).sum() / 60


def test_folding_is_refused_where_it_would_change_the_selection() -> None:
    with pytest.raises(ValueError, match="would change which latents"):
        fold_decoder_norms(random_sae("groupmax"))
    weights = random_weights()
    weights["W_dec"] *= 2 / weights["W_dec"].norm(dim=1, keepdim=True)
    sae = SparseAutoencoder(**weights, family="groupmax", k=3)
    folded = fold_decoder_norms(sae)
    torch.testing.assert_close(folded(X).reconstruction, sae(X).reconstruction, rtol=1e-5, atol=1e-5)


def test_unequal_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of k = 7"):
        random_sae("groupmax", k=7)


def test_step_zero_is_the_teacher_and_training_lowers_the_error() -> None:
    original = teacher()
    start = calibrate(original, STATES)
    torch.testing.assert_close(start.encode(STATES.held_out), original.encode(STATES.held_out), rtol=1e-5, atol=1e-6)
    trained = finetune(start, STATES, steps=200, recipe=recipe_for(start, batch_size=128))

    def error(sae: SparseAutoencoder) -> float:
        return (sae(STATES.held_out).reconstruction - STATES.held_out).square().mean().item()

    assert error(trained) < 0.95 * error(original)
    assert trained.family == "groupmax"
    assert (trained.encode(STATES.held_out) != 0).unflatten(1, (6, 8)).sum(2).max() == 1, "one code a group at most"


def test_the_report_of_an_upgrade() -> None:
    report = upgrade(teacher(), STATES, steps=60).report
    assert {"teacher", "initialised", "upgraded", "control"} <= report.columns.keys()
    assert report.columns["control"]["mse"].value < report.columns["teacher"]["mse"].value
