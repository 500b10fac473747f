"""TopK and BatchTopK as JumpReLU: L0 as the rules themselves give it, counted by other code."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import stats

import rsae
from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.commands.main import main
from rsae.formats import load_sae, save_sae
from rsae.formats.jumprelu import save_jumprelu
from tests.rsae.material.saes import random_sae, random_weights

X = torch.randn(6000, 8, generator=torch.Generator().manual_seed(3))
STATES = rsae.hidden_states(X, held_out=2000)
K = 4


def batchtopk(folder, threshold):
    """A file of dictionary_learning's BatchTopKSAE, whose threshold is of an earlier day."""
    w = random_weights()
    state = {"encoder.weight": w["W_enc"].T.contiguous(), "encoder.bias": w["b_enc"], "b_dec": w["b_dec"]}
    state |= {"decoder.weight": w["W_dec"].T.contiguous(), "k": torch.tensor(K), "threshold": torch.tensor(threshold)}
    folder.mkdir()
    torch.save(state, folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": "BatchTopKSAE", "k": K}}))
    return folder, w


def by_batch(w, x):
    """The library's rule on one batch: the k n largest of all."""
    acts = torch.relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
    best = acts.flatten().topk(K * len(x))
    codes = torch.zeros_like(acts.flatten()).scatter_(0, best.indices, best.values).reshape(acts.shape)
    return codes, codes @ w["W_dec"] + w["b_dec"]


def test_batchtopk_keeps_the_l0_of_its_rule_and_not_that_of_its_file(tmp_path):
    folder, w = batchtopk(tmp_path / "sae", 1.0)
    found = rsae.convert(folder, STATES)
    held_out = X[4000:]
    codes, reconstruction = by_batch(w, held_out)
    assert found.before["l0"].value == pytest.approx(K, abs=1e-9)
    assert found.before["mse"].value == pytest.approx(
        float((reconstruction - held_out).square().sum(1).mean()), rel=1e-5
    )
    assert float(codes[codes > 0].min()) == pytest.approx(found.sae.threshold[0].item(), rel=0.05)
    assert bool((found.sae.threshold == found.sae.threshold[0]).all())
    # On the vectors that chose the threshold L0 is exactly the rule's, on others as nearly as they are like those.
    assert float((found.sae.encode(STATES.calibration) != 0).sum()) == K * len(STATES.calibration)
    assert abs(found.after["l0"].value - K) < 0.2  # thrice the scatter of 2000 tokens and of 4000
    assert abs(found.as_read["l0"].value - K) > 1
    assert f"With the threshold of its file: L0 {found.as_read['l0'].value:.2f}" in found.sentence
    assert "L0 4.00 before (BatchTopK, k = 4)" in found.sentence


@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
def test_saelens_says_of_a_jumprelu_that_it_was_batchtopk(tmp_path, architecture):
    jump = random_sae("jumprelu", threshold=torch.full((24,), 1.0))
    save_sae(jump, tmp_path / "sae")
    config = json.loads((tmp_path / "sae" / "cfg.json").read_text())
    config["metadata"] |= {"training_architecture": architecture, "training_architecture_details": {"k": 5}}
    (tmp_path / "sae" / "cfg.json").write_text(json.dumps(config))
    found = rsae.convert(tmp_path / "sae", STATES)
    assert found.rule == "BatchTopK, k = 5"
    assert found.after["l0"].value == pytest.approx(5, abs=0.2)
    assert abs(found.as_read["l0"].value - 5) > 0.5


def test_intervals_are_over_runs_of_neighbours(tmp_path):
    folder, _ = batchtopk(tmp_path / "sae", 1.0)
    found = rsae.convert(folder, STATES)
    counts = (found.sae.encode(X[4000:]) != 0).sum(1).double().numpy()
    runs = [run.mean() for run in np.array_split(counts, 32)]
    error = stats.t.ppf(0.975, 31) * np.std(runs, ddof=1) / math.sqrt(32)
    after = found.after["l0"]
    assert (after.low, after.high) == pytest.approx((counts.mean() - error, counts.mean() + error), rel=1e-9)
    change = found.changes["l0"]
    assert change.metric == "l0"
    assert change.difference == pytest.approx(after.value - K)
    assert (change.low, change.high) == pytest.approx((after.low - K, after.high - K))  # the rule's own L0 is exact
    assert json.loads(json.dumps(found.to_json()))["after"]["l0"]["value"] == after.value


@pytest.mark.parametrize(
    "options", [{}, {"rescale_by_decoder_norm": True}, {"normalise": "layer_norm"}, {"apply_b_dec_to_input": False}]
)
def test_topk_keeps_its_l0(options):
    topk = random_sae("topk", k=3, **options)
    found = rsae.convert(topk, STATES)
    wanted = float((topk.encode(STATES.calibration) != 0).sum())
    assert abs(float((found.sae.encode(STATES.calibration) != 0).sum()) - wanted) <= 2
    assert found.sae.family == "jumprelu"
    assert abs(found.changes["l0"].difference) < 0.1
    with torch.no_grad():
        mse = float((topk(X[4000:]).reconstruction - X[4000:]).square().sum(1).mean())
    assert found.before["mse"].value == pytest.approx(mse, rel=1e-5)
    # A code that is kept is the same number as before.
    old, new = topk.encode(X[4000:]), found.sae.encode(X[4000:])
    both = (old != 0) & (new != 0)
    assert both.sum() > 1000
    torch.testing.assert_close(old[both], new[both], rtol=1e-4, atol=1e-5)


def test_a_threshold_for_each_latent_keeps_how_often_it_fires():
    topk = random_sae("topk", k=3)
    with torch.no_grad():
        topk.b_enc[5] = -100.0  # a latent that never fires
    found = rsae.convert(topk, STATES, per_latent=True)
    before, after = ((sae.encode(STATES.calibration) != 0).sum(0) for sae in (topk, found.sae))
    assert (before - after).abs().max() <= 1  # rounding of one matrix product against another
    assert before[5] == after[5] == 0
    assert found.sae.threshold.unique().numel() > 20


def test_a_jumprelu_goes_to_the_l0_that_is_asked_for():
    jump = random_sae("jumprelu", threshold=torch.linspace(0.5, 1.0, 24))
    found = rsae.convert(jump, STATES, l0=5.0)
    assert found.after["l0"].value == pytest.approx(5.0, abs=0.15)
    ratio = found.sae.threshold / jump.threshold
    torch.testing.assert_close(ratio, ratio[:1].expand(24))
    assert found.as_read is None
    assert "JumpReLU as read" in found.sentence


@pytest.mark.parametrize(
    ("sae", "options", "words"),
    [
        (random_sae("relu"), {}, "family 'relu' cannot be converted"),
        (random_sae("groupmax"), {}, "family 'groupmax' cannot be converted"),
        (random_sae("jumprelu"), {}, "family 'jumprelu' is one already"),
        (random_sae("topk", activation=RationalActivation(IDENTITY)), {}, "has a rational activation"),
        (random_sae("topk", refine="gain"), {}, "has the refinement 'gain'"),
        (random_sae("topk"), {"l0": 0.0}, "l0 is a mean number of codes"),
        (random_sae("topk"), {"l0": 2.0, "per_latent": True}, "give one"),
        (random_sae("jumprelu"), {"l0": 2.0, "per_latent": True}, "per_latent is for TopK"),
        (random_sae("topk"), {"l0": 23.0}, "out of reach"),
    ],
)
def test_what_has_no_jumprelu_is_refused_by_name(sae, options, words):
    with pytest.raises(ValueError, match=words):
        rsae.convert(sae, STATES, **options)


def test_hidden_states_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width 5"):
        rsae.convert(random_sae("topk"), X[:, :5])
    with pytest.raises(ValueError, match="no held-out"):
        rsae.convert(random_sae("topk"), rsae.hidden_states(X, held_out=0))


@pytest.mark.parametrize("layout", ["sae-lens", "gemma-scope", "dictionary_learning"])
@pytest.mark.parametrize("shifted", [True, False])
def test_layouts_that_hold_a_jumprelu_read_back_the_same(tmp_path, layout, shifted):
    sae = rsae.convert(random_sae("topk", apply_b_dec_to_input=shifted), STATES).sae
    folder = save_jumprelu(sae, tmp_path / "sae", layout)
    again = load_sae(folder)
    torch.testing.assert_close(again(X).reconstruction, sae(X).reconstruction, rtol=1e-4, atol=1e-4)
    if layout == "gemma-scope":
        w = {name: torch.from_numpy(value) for name, value in np.load(folder / "params.npz").items()}
    elif layout == "dictionary_learning":
        w = torch.load(folder / "ae.pt", weights_only=True)
    else:
        return
    # Both libraries' equations: x W_enc + b_enc, kept where above its threshold.
    h = X @ w["W_enc"] + w["b_enc"]
    codes = torch.relu(h * (h > w["threshold"]))
    torch.testing.assert_close(codes @ w["W_dec"] + w["b_dec"], again(X).reconstruction, rtol=1e-4, atol=1e-4)


def test_a_layout_that_cannot_say_it_is_refused(tmp_path):
    sae = rsae.convert(random_sae("topk", normalise="layer_norm"), STATES).sae
    with pytest.raises(ValueError, match="has no normalisation 'layer_norm'"):
        save_jumprelu(sae, tmp_path / "sae", "gemma-scope")
    with pytest.raises(ValueError, match="this is 'topk'"):
        save_jumprelu(random_sae("topk"), tmp_path / "sae", "dictionary_learning")
    with pytest.raises(ValueError, match="no layout 'zip'"):
        save_jumprelu(sae, tmp_path / "sae", "zip")
    assert not (tmp_path / "sae").exists()


def test_the_command_says_l0_before_and_after(tmp_path):
    folder, _ = batchtopk(tmp_path / "sae", 1.0)
    torch.save(X, tmp_path / "x.pt")
    words = ["convert", str(folder), "--states", str(tmp_path / "x.pt"), "--out", str(tmp_path / "jump")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    for said in ("before: BatchTopK, k = 4", "its file's threshold", "after: JumpReLU", "L0 4.00 before"):
        assert said in result.output
    converted = load_sae(tmp_path / "jump")
    assert converted.family == "jumprelu"
    held_out = X[5400:]
    assert float((converted.encode(held_out) != 0).sum()) / 600 == pytest.approx(K, abs=0.2)
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2
    assert "is not empty" in again.stderr
    assert CliRunner().invoke(main, [*words, "--overwrite", "--l0", "6"]).exit_code == 0
    assert "batch_k" not in load_sae(tmp_path / "jump").metadata
    save_sae(random_sae("relu"), tmp_path / "relu")
    other = ["--out", str(tmp_path / "other")]
    refused = CliRunner().invoke(main, [words[0], str(tmp_path / "relu"), *words[2:4], *other])
    assert refused.exit_code == 2
    assert "family 'relu' cannot be converted" in " ".join(refused.stderr.split())
    assert not (tmp_path / "other").exists()


def test_tokens_that_repeat_do_not_make_a_figure_surer():
    """Ten copies of each token in a row say no more than one of them."""
    topk = random_sae("topk", k=3)
    last = X[4000:4640]
    once = rsae.convert(topk, rsae.hidden_states(torch.cat([X[:4000], last]), held_out=640))
    many = torch.cat([X[:4000], last.repeat_interleave(10, 0)])
    often = rsae.convert(topk, rsae.hidden_states(many, held_out=6400))
    width = [found.after["l0"].high - found.after["l0"].low for found in (once, often)]
    assert width[1] == pytest.approx(width[0], rel=1e-6)
