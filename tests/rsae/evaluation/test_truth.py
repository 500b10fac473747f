"""Measures against known features: dictionaries whose scores are known by hand, and scikit-learn beside the rest."""

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_curve

from rsae.evaluation.truth import (
    Known,
    absorbed,
    firing_matches,
    recovery,
    row_matches,
    single_latent_accuracy,
)
from rsae.sae.autoencoder import SparseAutoencoder
from tests.benchmarks.upgrade.world import World
from tests.rsae.material.saes import random_sae

EYE, ZERO = torch.eye(4), torch.zeros(4)
NONE = torch.full((4,), -1)


def truth(n: int = 280, parents: torch.Tensor = NONE) -> tuple[torch.Tensor, Known]:
    """Four features along the axes; each fires on every fourth token alone, and those with a parent bring it along."""
    strengths = (torch.arange(n)[:, None] % 4 == torch.arange(4)) * (1.0 + torch.arange(n)[:, None] % 7)
    for child in (parents >= 0).nonzero().flatten().tolist():
        parent = int(parents[child])
        strengths[:, parent] = torch.where(strengths[:, child] > 0, 2.0, strengths[:, parent])
    return strengths @ EYE, Known(strengths, EYE, parents)


def perfect(rows: torch.Tensor = EYE) -> SparseAutoencoder:
    """A ReLU whose latents read and write these rows."""
    return SparseAutoencoder(W_enc=rows.T, b_enc=ZERO[: len(rows)], W_dec=rows, b_dec=ZERO, family="relu")


def test_a_perfect_dictionary_scores_one_in_any_order_and_unit() -> None:
    x, known = truth(parents=torch.tensor([-1, 0, -1, -1]))
    for rows in (EYE, EYE[[2, 0, 3, 1]], 3 * EYE):
        found = recovery(perfect(rows), x, known)
        assert {name: found[name].value for name in ("f1", "mcc", "single_latent_accuracy")} == pytest.approx(
            {"f1": 1, "mcc": 1, "single_latent_accuracy": 1}
        )
        assert found["absorption"].value == 0
    assert firing_matches(perfect(EYE[[2, 0, 3, 1]]), x, known.strengths > 0).latent_of(4).tolist() == [1, 3, 0, 2]
    assert "absorption" not in recovery(perfect(), *truth())


def test_a_split_feature_counts_once() -> None:
    """Two latents share feature 0: one fires on the half with strengths above 3.5, the other on the rest."""
    x, known = truth()
    where = known.strengths[:, 0] > 0
    low = float((where & (known.strengths[:, 0] < 3.5)).sum() / where.sum())
    rows = EYE[[0, 0, 2, 3]]  # and nobody is left for feature 1
    sae = SparseAutoencoder(
        W_enc=rows.T, b_enc=ZERO, W_dec=rows, b_dec=ZERO, family="jumprelu", threshold=[3.5, 0.0, 0.0, 0.0]
    )
    found = firing_matches(sae, x, known.strengths > 0)
    agreement = dict(zip(found.features.tolist(), found.agreement.tolist(), strict=True))
    assert agreement == pytest.approx({0: 1, 1: 0, 2: 1, 3: 1})
    # Without the latent that fires on all of it the other one is right, but misses a part: F1 = 2 p / (1 + p).
    half = firing_matches(sae_without(sae, 1), x, known.strengths > 0)
    agreement = dict(zip(half.features.tolist(), half.agreement.tolist(), strict=True))
    assert agreement[0] == pytest.approx(2 * (1 - low) / (2 - low))
    assert row_matches(sae, EYE).agreement.mean() == pytest.approx(3 / 4)


def sae_without(sae: SparseAutoencoder, latent: int) -> SparseAutoencoder:
    with torch.no_grad():
        sae.b_enc[latent] = -99.0
    return sae


@pytest.mark.parametrize(("carried", "share"), [(1.0, 1.0), (0.5, 6 / 7), (0.1, 0.0)])
def test_an_absorbed_child_is_one_whose_latent_writes_its_silent_parent_too(carried: float, share: float) -> None:
    x, known = truth(parents=torch.tensor([-1, 0, -1, -1]))
    encoder, rows = torch.eye(4), torch.eye(4)
    encoder[1, 0] = -9.0  # the parent's latent is silent wherever the child fires
    rows[1, 0] = carried  # and the child's, whose strengths are 1 to 7, writes so much of the parent's 2.0 for each
    sae = SparseAutoencoder(W_enc=encoder, b_enc=ZERO, W_dec=rows, b_dec=ZERO, family="relu")
    found = absorbed(sae, x, known, firing_matches(sae, x, known.strengths > 0).latent_of(4))
    assert found.tolist() == pytest.approx([share])
    assert recovery(sae, x, known)["absorption"].value == pytest.approx(share)
    # A child beside whose latent the parent's fires is not absorbed.
    assert absorbed(perfect(), x, known, torch.arange(4)).tolist() == [0.0]


def test_a_turned_row_has_its_cosine() -> None:
    rows = EYE.clone()
    rows[0] = torch.tensor([0.6, 0.0, 0.0, 0.8])
    assert row_matches(perfect(rows), EYE).agreement.tolist() == pytest.approx([0.6, 1, 1, 1])
    assert row_matches(perfect(5 * rows[:2]), EYE).agreement.tolist() == pytest.approx([0.8, 1])


def test_random_dictionaries_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.sae.autoencoder._ENTRIES", 24 * 50)  # several chunks
    random = torch.Generator().manual_seed(3)
    sae, x = random_sae("topk"), torch.randn(601, 8, generator=random)
    codes = sae.encode(x)
    fires = (codes[:, [3, 8, 1, 20]] > 0) ^ (torch.rand(601, 4, generator=random) < 0.1)
    found = firing_matches(sae, x, fires)
    each = np.array([[f1_score(f, c > 0) for f in fires.T.numpy()] for c in codes.T.detach().numpy()])
    pairs = zip(found.latents.tolist(), found.features.tolist(), strict=True)
    assert found.agreement.tolist() == pytest.approx([each[pair] for pair in pairs])
    few = np.argsort(-each.max(1))[:7]  # no better pairing can be made of others than these
    best = max(sum(each[few[list(order)], range(4)]) for order in permutations(range(len(few)), 4))
    assert float(found.agreement.sum()) == pytest.approx(best)

    accuracy = single_latent_accuracy(sae, x, fires)
    values, labels = codes.detach().numpy(), fires.numpy()
    for feature in range(4):
        train, test = (values[:300], labels[:300, feature]), (values[300:], labels[300:, feature])
        gaps = train[0][train[1]].mean(0) - train[0][~train[1]].mean(0)
        latent = int(np.abs(gaps).argmax())
        wrong, right, cuts = roc_curve(train[1], np.sign(gaps[latent]) * train[0][:, latent], drop_intermediate=False)
        least = cuts[(right - wrong)[1:].argmax() + 1]
        said = np.sign(gaps[latent]) * test[0][:, latent] >= least
        assert float(accuracy[feature]) == pytest.approx(balanced_accuracy_score(test[1], said), abs=0.02)


def test_a_feature_without_two_sides_is_not_probed() -> None:
    x, known = truth()
    fires = known.strengths > 0
    fires[:, 2] = False
    assert single_latent_accuracy(perfect(), x, fires).isnan().tolist() == [False, False, True, False]


def test_a_truth_of_another_shape_is_refused() -> None:
    x, known = truth()
    with pytest.raises(ValueError, match="a row of the truth for each hidden state"):
        firing_matches(perfect(), x[1:], known.strengths > 0)
    with pytest.raises(ValueError, match="directions must have shape"):
        recovery(perfect(), x, known._replace(directions=EYE[:3]))


def test_the_world_of_the_study_is_what_it_says() -> None:
    world = World(seed=2)
    x, known = world.draw(20_000)
    fires, above = known.strengths > 0, known.parents
    children = (above >= 0).nonzero().flatten()
    assert len(children) == 2 * world.parents
    assert not (fires[:, children] & ~fires[:, above[children]]).any()
    given = fires[:, children].sum() / fires[:, above[children]].sum()
    assert float(given) == pytest.approx(0.4, abs=0.02)
    assert float(fires.sum(1).float().mean()) == pytest.approx(world.active, rel=0.03)
    free = (above < 0).nonzero().flatten()
    torch.testing.assert_close(fires.float().mean(0)[free], world.rates()[free], rtol=0.35, atol=1e-3)
    torch.testing.assert_close(known.directions.norm(dim=1), torch.ones(world.features))
    assert float(known.strengths[fires].min()) >= 0.5
    assert float(known.strengths[fires].mean()) == pytest.approx(1.0, abs=0.02)
    # Features of one group fire together more often than others do.
    together, group = torch.corrcoef(fires[:, free].float().T), world.groups()[free]
    same = (group[:, None] == group) & ~torch.eye(len(free), dtype=torch.bool)
    assert float(together[same].mean()) > 0.05
    assert abs(float(together[group[:, None] != group].mean())) < 0.002
    left = x - known.strengths @ known.directions
    assert float((left - left.mean(0)).std()) == pytest.approx(0.05, abs=0.002)
    again, other = world.draw(10)[0], world.draw(10, draw=1)[0]
    assert torch.equal(again, World(seed=2).draw(10)[0])
    assert not torch.equal(again, other)
