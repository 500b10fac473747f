"""Nested (Matryoshka) SAEs: training minimises the error of every prefix, and reports have each of them."""

import copy
import json
from typing import Any

import pytest
import torch

from rsae.activations.ratio import RationalActivation
from rsae.evaluation.errors import prefix_errors, trained_error
from rsae.evaluation.metrics import evaluate
from rsae.formats import load_sae, save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import REFINEMENTS
from rsae.training.finetuning import finetune
from rsae.training.passes import choose_pass
from rsae.training.recipe import recipe_for
from rsae.training.units import working_copy
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.layouts import COUNTS, SIX, B, C, D, E, W, dictionary, sae_lens
from tests.rsae.material.sparse_data import D_SAE, sparse_states, teacher

STATES = sparse_states(3000)
WIDTHS = (8, 24, D_SAE)


def nested(family: str = "jumprelu", prefixes: tuple[int, ...] = WIDTHS) -> SparseAutoencoder:
    """An SAE that was trained a little as a nested one."""
    start = teacher(family)
    start.prefixes = prefixes
    return start


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("refine", [name for name in REFINEMENTS if not name.endswith("twice")])
def test_the_loss_is_the_mean_over_the_prefixes_of_what_they_decode_to(family: str, refine: str) -> None:
    sae = working_copy(nested(family), 1.0)
    sae.activation = RationalActivation()
    sae = SparseAutoencoder(
        **{name: getattr(sae, name) for name in ("W_enc", "b_enc", "W_dec", "b_dec", "family", "k", "threshold")},
        activation=sae.activation,
        refine=refine,
        prefixes=WIDTHS,
    )
    if sae.residual_step is not None:
        sae.residual_step.data.fill_(0.05)
    x = STATES.train[:64]
    outcome = choose_pass(sae, "l1", 1e-3, 6.0)(sae, x)
    codes = sae.encode(x)
    shares = [(x - sae.b_dec - codes[:, :width] @ sae.W_dec[:width]).square().sum(1).mean() for width in WIDTHS]
    torch.testing.assert_close(outcome.error, torch.stack(shares).mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(outcome.left, x - sae(x).reconstruction, rtol=1e-5, atol=1e-5)
    found = prefix_errors(sae, x)
    torch.testing.assert_close(torch.tensor(list(found.values())), torch.stack(shares), rtol=1e-5, atol=1e-6)
    outcome.error.backward()
    assert sae.W_dec.grad is not None
    dense = torch.autograd.grad(torch.stack(shares).mean(), sae.W_dec)[0] if refine == "none" else None
    if dense is not None:
        torch.testing.assert_close(sae.W_dec.grad, dense, rtol=1e-4, atol=1e-5)


def test_training_keeps_the_nesting_that_it_destroyed() -> None:
    """Prefixes 32, 128 and 512 had MSE 11.3, 4.4 and 2.8 and came out at 15.0, 6.2 and 2.0: "29.9% lower"."""
    recipe = recipe_for(teacher("jumprelu"))
    start = finetune(nested(), STATES, steps=80, recipe=recipe, seed=5)
    assert start.prefixes == WIDTHS
    flat = copy.deepcopy(start)
    flat.prefixes = ()
    kept, lost = (finetune(sae, STATES, steps=80, recipe=recipe) for sae in (start, flat))
    lost.prefixes = WIDTHS
    before, after, without = (prefix_errors(sae, STATES.held_out) for sae in (start, kept, lost))
    for width in WIDTHS[:-1]:
        assert after[width] < 1.02 * before[width]
        assert after[width] < without[width]
    assert trained_error(kept, STATES.held_out) < trained_error(lost, STATES.held_out)


def test_an_upgrade_trains_both_arms_so_and_reports_every_prefix() -> None:
    done = upgrade(nested(), STATES, steps=30, settings=Settings(rate_factor=1.0))
    assert all(arm.prefixes == WIDTHS for arm in (*done.arms.values(), done.sae))
    for name in ("teacher", "initialised", "upgraded", "control"):
        assert {"mse_first_8", "mse_first_24"} <= set(done.report.columns[name])
        assert "mse_first_48" not in done.report.columns[name], "that is the MSE"
    metrics = evaluate(done.arms["upgraded"], STATES.held_out)
    expected = prefix_errors(done.arms["upgraded"], STATES.held_out)
    assert [metrics[name].value for name in ("mse_first_8", "mse_first_24")] == list(expected.values())[:2]
    assert metrics["mse_first_8"].definition.endswith("held-out tokens, of the first 8 latents alone")
    assert "Of its first 8 latents alone the MSE is" in done.report.verdict
    assert "mse_first_8" not in upgrade(teacher("jumprelu"), STATES, steps=1).report.columns["control"]


def test_the_papers_dense_codes_are_nested_too() -> None:
    done = upgrade(nested("topk"), STATES, steps=3, settings=Settings(support="paper", rate_factor=1.0))
    assert {"mse_first_8", "mse_first_24"} <= set(done.report.columns["upgraded"])


WRITERS: dict[str, Any] = {
    "SAELens, for inference": sae_lens(
        SIX
        | {
            "architecture": "jumprelu",
            "metadata": {
                "training_architecture": "matryoshka_batchtopk",
                "training_architecture_details": {"matryoshka_widths": [4, 12, 24]},
            },
        },
        W | {"threshold": torch.ones(24)},
    ),
    "SAELens, a checkpoint": sae_lens(
        SIX | {"architecture": "matryoshka_batchtopk", "k": 4, "matryoshka_widths": [4, 12]},
        W | {"topk_threshold": torch.tensor(0.5)},
    ),
    "dictionary_learning": dictionary(
        {"W_enc": E, "W_dec": D, "b_enc": B, "b_dec": C, "group_sizes": torch.tensor([4, 8, 12]), **COUNTS},
        "MatryoshkaBatchTopKSAE",
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_widths_are_read_and_written(tmp_path: Any, name: str) -> None:
    WRITERS[name](tmp_path)
    sae = load_sae(tmp_path)
    assert sae.prefixes == (4, 12, 24)
    save_sae(sae, tmp_path / "again")
    assert load_sae(tmp_path / "again").prefixes == (4, 12, 24)
    sae.activation = RationalActivation()
    save_sae(sae, tmp_path / "rational")
    assert load_sae(tmp_path / "rational").prefixes == (4, 12, 24)


def test_one_that_does_not_say_its_widths_is_refused_by_name(tmp_path: Any) -> None:
    WRITERS["SAELens, for inference"](tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    del config["metadata"]["training_architecture_details"]
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"nested \(Matryoshka\), but nothing says how wide its prefixes are"):
        upgrade(load_sae(tmp_path), torch.randn(2000, 8))


@pytest.mark.parametrize("widths", [[4, 4, 24], [12, 4], [0, 24], [25], [4, 12.5], ["a"], [True]])
def test_widths_that_make_no_sense_are_refused(widths: list[Any]) -> None:
    with pytest.raises(ValueError, match="prefixes must be ascending widths of at most d_sae = 24"):
        SparseAutoencoder(W_enc=E, b_enc=B, W_dec=D, b_dec=C, family="relu", prefixes=widths)
