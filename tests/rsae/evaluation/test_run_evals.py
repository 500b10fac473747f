"""Metrics of SAELens's own `run_evals` against ours, where the definitions agree, and why where they do not."""

import pytest
import torch

from rsae.formats import load_sae

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def states(shared):
    pytest.importorskip("sae_lens", exc_type=ImportError)
    from tests.benchmarks.upgrade.run_evals import stories

    return stories(shared, 6)


@pytest.mark.parametrize("kind", ["teacher", "rational"])
@pytest.mark.parametrize("name", ["topk_16", "jumprelu_0.06", "relu_0.25"])
def test_the_same_numbers_where_the_definitions_agree(shared, states, tmp_path, name, kind):
    from tests.benchmarks.upgrade.run_evals import PAIRS, compare, rational

    sae = load_sae(shared / "data/teachers/stories260K_layer2" / name)
    found = compare(sae if kind == "teacher" else rational(sae, states), states, tmp_path / "sae")
    for metric, (ours, theirs) in found.items():
        if PAIRS[metric][1]:
            assert ours == pytest.approx(theirs, rel=1e-5), metric


@torch.no_grad()
def test_the_losses_differ_by_what_the_table_says(shared, states, tmp_path):
    """SAELens leaves out what the first position predicts, and its zeros replace the first position as well."""
    from tests.benchmarks.upgrade.run_evals import Hooked, compare

    sae = load_sae(shared / "data/teachers/stories260K_layer2/topk_16")
    found = compare(sae, states, tmp_path / "sae")
    model, tokens = Hooked(states), torch.tensor(states.host.contexts)
    clean = model(tokens)[1]
    assert found["ce_clean"] == pytest.approx((clean.mean().item(), clean[:, 1:].mean().item()), rel=1e-5)

    def reconstructed(hidden, hook):
        new = sae(hidden).reconstruction
        new[:, 0] = hidden[:, 0]
        return new

    spliced = model.run_with_hooks(tokens, [("", reconstructed)])[1]
    assert found["ce_spliced"] == pytest.approx((spliced.mean().item(), spliced[:, 1:].mean().item()), rel=1e-5)
    zeros = model.run_with_hooks(tokens, [("", lambda hidden, hook: torch.zeros_like(hidden))])[1]
    assert found["ce_zero"][1] == pytest.approx(zeros[:, 1:].mean().item(), rel=1e-5)
