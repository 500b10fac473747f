"""Continuity of latents: a permutation, a death and a turn are seen, and nothing else."""

import pytest
import torch

from rsae.evaluation.continuity import continuity
from rsae.sae.fold import fold_decoder_norms
from rsae.upgrading.findings import evidence
from tests.rsae.material.sparse_data import D_SAE, sparse_states, teacher

X = sparse_states().held_out


def test_the_same_sae_in_other_units_has_not_changed() -> None:
    found = continuity(teacher("jumprelu"), fold_decoder_norms(teacher("jumprelu")), X)
    torch.testing.assert_close(found.cosine, torch.ones(D_SAE))
    assert (found.overlap > 0.9).all()
    torch.testing.assert_close(found.rate_before, found.rate_after, atol=2e-3, rtol=0)
    codes = teacher("jumprelu").encode(X)
    torch.testing.assert_close(found.rate_before, (codes != 0).float().mean(0))
    assert len(found.changed()) == 0


def test_what_was_swapped_silenced_or_turned_is_named() -> None:
    before, after = teacher("relu"), teacher("relu")
    with torch.no_grad():
        for parameter in (after.W_enc, after.b_enc):
            parameter[..., [0, 1]] = parameter[..., [1, 0]].clone()
        after.b_enc[2] = -99.0
        after.W_dec[3] *= -1
    found = continuity(before, after, X)
    assert {0, 1, 2, 3} == set(found.changed().tolist())
    assert float(found.rate_after[2]) == 0
    assert float(found.overlap[2]) == 0
    assert float(found.cosine[3]) == pytest.approx(-1)
    # A latent that never fired has nothing to overlap with.
    assert torch.isnan(continuity(after, before, X).overlap[2])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="top must be"):
        continuity(teacher("relu"), teacher("relu"), X[:5])
    other = teacher("relu")
    other.W_dec = torch.nn.Parameter(other.W_dec[:5])
    with pytest.raises(ValueError, match="differ in shape"):
        continuity(teacher("relu"), other, X)


def test_histograms_are_shares_of_the_codes_and_ratios_lie_below_one() -> None:
    states = sparse_states()
    for family in ("topk", "jumprelu", "relu"):
        sae = teacher(family)
        parts = evidence({"teacher": sae, "initialised": sae, "upgraded": sae}, states)["histograms"]
        for name in ("ratio", "pre_activation"):
            assert sum(parts[name]["before"]) == pytest.approx(1, abs=1e-4)
            assert parts[name]["before"] == parts[name]["after"]
        assert parts["ratio"]["edges"][-1] == 1
    assert parts["ratio"]["before"][0] == 1, "a ReLU has no threshold, so every ratio is 0"
