"""Metrics against values worked out by hand, and evaluation against the pure functions."""

import math

import pytest
import torch

from rsae.evaluation.metrics import evaluate
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.calibration import calibrate
from tests.rsae.material import pure_metrics as metrics
from tests.rsae.material.saes import random_sae
from tests.rsae.material.sparse_data import sparse_states, teacher
from tests.rsae.material.tiny import WIDTH, tiny_model

STATES = sparse_states(1200)


def test_pure_functions_by_hand() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    x_hat = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    codes = torch.tensor([[1.0, 0.0, 0.0], [2.0, -3.0, 0.0]])
    assert metrics.mse(x, x_hat) == (16 + 1) / 2
    variance = (1.5**2 + 1) * 2 / 2
    assert metrics.normalised_mse(x, x_hat) == pytest.approx(8.5 / variance)
    assert metrics.explained_variance(x, x_hat) == pytest.approx(1 - 8.5 / variance)
    assert metrics.cosine(x, x_hat) == pytest.approx((3 / 5 + 1) / 2)
    assert metrics.l0(codes) == 1.5
    assert metrics.l0(codes, tolerance=1.5) == 1.0
    assert metrics.l1(codes) == 3.0
    assert metrics.alive_fraction(codes) == pytest.approx(2 / 3)
    assert metrics.dense_fraction(codes, above=0.5) == pytest.approx(1 / 3)
    assert math.isnan(metrics.normalised_mse(torch.ones(2, 2), torch.ones(2, 2)))


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_evaluation_in_chunks_agrees_with_the_pure_functions(family: str) -> None:
    sae, x = teacher(family), STATES.held_out
    found = evaluate(sae, STATES)
    codes, x_hat, _ = sae(x)
    norms = torch.ones(48) if family == "topk" else sae.W_dec.norm(dim=1)
    wanted = {
        "mse": metrics.mse(x, x_hat),
        "normalised_mse": metrics.normalised_mse(x, x_hat),
        "explained_variance": metrics.explained_variance(x, x_hat),
        "cosine": metrics.cosine(x, x_hat),
        "l0": metrics.l0(codes),
        "l1": metrics.l1(codes * norms),
        "alive_fraction": metrics.alive_fraction(codes),
        "dense_fraction": metrics.dense_fraction(codes),
    }
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(wanted, rel=1e-6)
    assert all("{" not in metric.definition and metric.definition for metric in found.values())
    each = (x - x_hat).detach().square().sum(1)
    assert found["mse"].token_error == pytest.approx(float(each.std()) / len(x) ** 0.5, rel=1e-4)
    assert found["mse"].standard_error is None
    assert set(found["alive_fraction"].to_json()) == {"value", "definition"}


def test_the_l0_of_dense_codes_comes_with_its_tolerance() -> None:
    dense = calibrate(teacher("relu"), STATES, support="paper")
    found = evaluate(dense, STATES)["l0"]
    assert found.value < 48
    assert "magnitude above" in found.definition


def test_cross_entropies_with_a_host() -> None:
    host = Host(tiny_model("llama"), None, "model.layers.0", [list(range(2, 12)), list(range(20, 35))])
    states = torch.cat([found for _, found in host.hidden_states(host.contexts)])
    rows = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(0))
    sae = SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(64), W_dec=rows, b_dec=torch.zeros(WIDTH), family="relu")
    found = {name: metric.value for name, metric in evaluate(sae, states, host).items()}
    assert found["ce_clean"] == host.clean_loss()
    assert found["ce_spliced"] == pytest.approx(host.spliced_loss(sae), rel=1e-12)
    assert found["ce_zero"] == host.zero_ablated_loss()
    assert found["delta_ce"] == pytest.approx(found["ce_spliced"] - found["ce_clean"])
    recovered = (found["ce_zero"] - found["ce_spliced"]) / (found["ce_zero"] - found["ce_clean"])
    assert found["loss_recovered"] == pytest.approx(recovered)
    mean = states_kept(host).mean(0)
    assert found["ce_mean"] == pytest.approx(host.loss(lambda hidden: mean.expand_as(hidden)), rel=1e-5)
    assert found["kl"] == pytest.approx(divergence_by_hand(host, sae), rel=1e-4)


def states_kept(host: Host) -> torch.Tensor:
    """Hidden states that a splice replaces: all but the first of each context."""
    return torch.cat([found[1:] for _, found in host.hidden_states(host.contexts)])


def divergence_by_hand(host: Host, sae: SparseAutoencoder) -> float:
    """One context at a time, through torch's own KL divergence."""
    total, tokens = 0.0, 0
    for context in host.contexts:
        logits = []
        for layer in (None, sae):
            with torch.no_grad():
                handle = host.model.model.layers[0].register_forward_hook(
                    lambda _, __, out, layer=layer: out if layer is None else spliced(out, layer)
                )
                logits.append(host.model(input_ids=torch.tensor([context])).logits[0].log_softmax(-1))
                handle.remove()
        total += float(torch.nn.functional.kl_div(logits[1], logits[0], log_target=True, reduction="sum"))
        tokens += len(context)
    return total / tokens


def spliced(out: torch.Tensor, sae: SparseAutoencoder) -> torch.Tensor:
    return torch.cat([out[:, :1], sae(out[:, 1:]).reconstruction], 1)


def test_what_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes vectors \[n, 8\]"):
        evaluate(random_sae("relu"), STATES)
    with pytest.raises(ValueError, match="no held-out vectors"):
        evaluate(random_sae("relu"), torch.zeros(0, 8))
