"""Transcoders: the SAE's equations with another target, from one step of training to an upgrade and a spliced host."""

import pytest
import torch

from rsae.data.sources import hidden_states
from rsae.evaluation.comparison import token_errors
from rsae.evaluation.metrics import evaluate
from rsae.formats import load_sae
from rsae.hosts.hooks import capture, replacing, resolve_hook
from rsae.hosts.splicing import Splicing
from rsae.sae.conventions import Conventions
from rsae.sae.fold import fold_decoder_norms
from rsae.sae.transcoder import Transcoder
from rsae.training.finetuning import started
from rsae.training.recipe import recipe_for
from rsae.training.units import input_scale, rescaled, working_copy
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.conversion import convert
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.saes import random_sae
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer
from tests.rsae.material.transcoders import D_GIVEN, D_READ, D_SAE, rows, transcoder

FAMILIES = ["relu", "jumprelu", "topk"]


def split(states):
    return states[:, :D_READ], states[:, D_READ:]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_equations(family, skip):
    sae, (x, y) = transcoder(family, skip), split(rows().held_out)
    found = sae(x)
    h = x @ sae.W_enc + sae.b_enc
    norms = sae.W_dec.norm(dim=1)
    if family == "topk":
        values, places = (h * norms).topk(5)
        codes = torch.zeros_like(h).scatter(1, places, values.relu()) / norms
        torch.testing.assert_close(found.codes / norms, codes, rtol=1e-5, atol=1e-6)
    else:
        codes = h.relu() * (h > (sae.threshold if family == "jumprelu" else 0))
        torch.testing.assert_close(found.codes, codes)
    expected = codes @ sae.W_dec + sae.b_dec + (x @ sae.W_skip if skip else 0)
    torch.testing.assert_close(found.reconstruction, expected, rtol=1e-4, atol=1e-5)
    both = torch.cat([x, y], 1)
    assert (sae.d_in, sae.d_out, sae.width) == (D_READ, D_GIVEN, D_READ + D_GIVEN)
    torch.testing.assert_close(sae(both), found)
    torch.testing.assert_close(token_errors(sae, both), (expected - y).double().square().sum(1), rtol=1e-5, atol=1e-6)
    metrics = evaluate(sae, both)
    variance = (y - y.mean(0)).square().sum(1).mean()
    assert metrics["explained_variance"].value == pytest.approx(1 - float(metrics["mse"].value / variance), rel=1e-5)
    assert metrics["mse"].definition.startswith("squared error |y - y_hat|^2 summed over d_out")


@pytest.mark.parametrize("family", FAMILIES)
def test_units_and_norms_change_nothing(family):
    """What is read and what is given have scales of their own: y is 30 times as large as x here."""
    states = rows(skip=True, scale=30.0)
    sae = transcoder(family, True, 30.0)
    scale = input_scale(sae, states.calibration)
    assert scale[-1] > 10 * scale[0]
    work, inputs = working_copy(sae, scale), states.held_out / scale
    torch.testing.assert_close(
        work(inputs).reconstruction * scale[-1], sae(states.held_out).reconstruction, atol=1e-2, rtol=1e-4
    )
    torch.testing.assert_close(
        rescaled(work, scale)(states.held_out).reconstruction, sae(states.held_out).reconstruction, atol=1e-2, rtol=1e-4
    )
    folded = fold_decoder_norms(sae)
    torch.testing.assert_close(
        folded(states.held_out).reconstruction, sae(states.held_out).reconstruction, atol=1e-2, rtol=1e-4
    )


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_learns_from_the_target_with_the_gradients_of_autograd(family, skip):
    states = rows(skip=skip)
    start = calibrate(transcoder(family, skip), states)
    recipe = recipe_for(start, batch_size=128)
    training, scale = started(start, recipe, states.calibration, 5.0, steps=4)
    sae, x = training.sae, states.train[:128] / scale
    error, _, _, left = training.forward(sae, x)
    names = ["W_enc", "W_dec", "b_dec", *(["W_skip"] if skip else [])]
    if family == "topk":  # the others' support is the batch's, or has a gradient of its own
        plain = sae.target(x) - sae(x).reconstruction
        torch.testing.assert_close(left, plain, atol=1e-4, rtol=1e-4)
        found, expected = (
            torch.autograd.grad(loss, [getattr(sae, name) for name in names])
            for loss in (error, plain.square().sum(1).mean())
        )
        for name, one, other in zip(names, found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()), msg=name)
    before = {name: getattr(sae, name).detach().clone() for name in names}
    training.step(x)
    assert all(not torch.equal(getattr(sae, name), old) for name, old in before.items()), "all of it is trained"


@pytest.mark.parametrize(("family", "skip"), [("relu", True), ("jumprelu", False), ("topk", True)])
def test_an_upgrade_learns_and_keeps_l0(family, skip):
    states, original = rows(skip=skip), transcoder(family, skip)
    settings = Settings(batch_size=128, learning_rate=6e-3)
    result = upgrade(original, states, steps=120, device="cpu", settings=settings)
    columns = result.report.columns
    assert columns["initialised"]["mse"].value == pytest.approx(columns["teacher"]["mse"].value, rel=1e-4)
    for name in ("upgraded", "control"):
        assert columns[name]["mse"].value < 0.9 * columns["teacher"]["mse"].value
        if family == "topk":
            assert columns[name]["l0"].value <= original.k
        else:
            assert columns[name]["l0"].value == pytest.approx(columns["teacher"]["l0"].value, rel=0.08)
    assert result.sae.transcodes
    assert (result.sae.W_skip is not None) == skip
    assert tuple(result.sae.activation.inputs) == ("ratio",)


def test_a_topk_transcoder_as_jumprelu():
    states, original = rows(skip=True), transcoder("topk", True)
    found = convert(original, states)
    assert (type(found.sae), found.sae.family, found.sae.W_skip is not None) == (Transcoder, "jumprelu", True)
    assert found.before["mse"].value == pytest.approx(evaluate(original, states)["mse"].value, rel=1e-4)
    assert found.after["l0"].value == pytest.approx(evaluate(original, states)["l0"].value, rel=0.05)


def mlp_transcoder(model, noise):
    """A ReLU transcoder that is a Llama MLP with another gate, far from exact: what it costs is large."""
    torch.manual_seed(1)
    weight = torch.randn(32, 64)
    return Transcoder(
        W_enc=weight,
        b_enc=torch.zeros(64),
        W_dec=noise * torch.randn(64, 32),
        b_dec=torch.zeros(32),
        family="relu",
    )


HOOK = "blocks.2.mlp.hook_in -> blocks.2.hook_mlp_out"


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2"])
def test_rows_are_what_goes_in_and_out_and_a_splice_replaces_what_comes_out(architecture):
    model = tiny_model(architecture)
    found = hidden_states((model, tiny_tokenizer()), tiny_text(12), HOOK, context_length=40)
    context = torch.tensor([found.contexts[0]])
    ends = [
        capture(model, resolve_hook(model, f"blocks.2.{kind}"), context) for kind in ("mlp.hook_in", "hook_mlp_out")
    ]
    torch.testing.assert_close(found.train[: context.shape[1] - 1], torch.cat(ends, -1)[0, 1:], rtol=1e-4, atol=1e-6)
    host, sae = found.host, mlp_transcoder(model, 0.1)
    spliced, mean = 0.0, sum(h.sum(0) for _, h in host.held_out_states())
    assert len(mean) == host.d_in == 64
    place = resolve_hook(model, "blocks.2.hook_mlp_out")
    for text in host.contexts:  # one at a time, by what the model itself says the MLP reads
        tokens = torch.tensor([text])
        x = capture(model, resolve_hook(model, "blocks.2.mlp.hook_in"), tokens)
        with (
            torch.no_grad(),
            replacing(model, place, lambda y, x=x: torch.cat([y[:, :1], sae(x).reconstruction[:, 1:]], 1)),
        ):
            spliced += model(input_ids=tokens, labels=tokens).loss.item() * (len(text) - 1)
    assert host.spliced_loss(sae) == pytest.approx(spliced / host.predicted_tokens, rel=1e-5)
    clean = host.clean_loss()
    assert host.spliced(sae)[0].mean() == pytest.approx(spliced / host.predicted_tokens, rel=1e-5)
    assert host.loss(host.target) == pytest.approx(clean, rel=1e-6)
    assert host.zero_ablated_loss() != pytest.approx(clean, rel=1e-6)
    assert host.mean_ablated_loss() != pytest.approx(clean, rel=1e-6)


def test_the_divergence_and_its_gradient_are_for_what_comes_out():
    model = tiny_model("llama")
    found = hidden_states((model, tiny_tokenizer()), tiny_text(12), HOOK, context_length=40)
    passage = Splicing(found.host, found.contexts).passage(found.contexts[:3])
    y = passage.vectors[:, 32:] + 0.5
    way = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    value, gradient = passage.divergence(y)
    rise = passage.divergence(y + 1e-2 * way)[0] - passage.divergence(y - 1e-2 * way)[0]
    assert float((gradient * way).sum()) == pytest.approx(float(rise) / 2e-2, rel=2e-2)
    assert float(passage.divergence(passage.vectors[:, 32:])[0]) == pytest.approx(0, abs=1e-6)
    assert value > 0


@pytest.mark.slow
def test_an_upgrade_with_its_host(tmp_path):
    """A nearly linear MLP, and a transcoder that is its linear part: figures, evidence and files, with a KL stage."""
    pair = tiny_model("llama"), tiny_tokenizer()
    states = hidden_states(pair, tiny_text(60), HOOK, context_length=40)
    x, y = states.train[:, :32], states.train[:, 32:]
    centred = y - y.mean(0)
    linear = torch.linalg.lstsq(torch.cat([x, x.relu()], 1), centred).solution
    sae = Transcoder(
        W_enc=torch.cat([torch.eye(32), -torch.eye(32)], 1),
        b_enc=torch.zeros(64),
        W_dec=torch.cat([linear[:32] + linear[32:], -linear[:32]]),
        b_dec=y.mean(0),
        family="topk",
        k=28,
        conventions=Conventions(False, rescale_by_decoder_norm=True),
        metadata={"hook": HOOK},
    )
    settings = Settings(objective="mse+kl", batch_size=64)
    result = upgrade(sae, states, steps=10, device="cpu", out=tmp_path / "run", settings=settings)
    columns = result.report.columns
    assert columns["teacher"]["explained_variance"].value > 0.05
    assert columns["teacher"]["delta_ce"].value == pytest.approx(
        columns["teacher"]["ce_spliced"].value - columns["teacher"]["ce_clean"].value
    )
    assert columns["upgraded"]["mse"].value < columns["teacher"]["mse"].value
    assert "-> blocks.2.hook_mlp_out" in columns["teacher"]["ce_clean"].definition
    again = load_sae(tmp_path / "run/sae")
    assert (again.transcodes, again.metadata["hook"]) == (True, HOOK)
    assert "y - y_hat" in (tmp_path / "run/report.json").read_text(encoding="utf-8")


def test_places_the_wrong_way_round_are_refused():
    pair = tiny_model("llama"), tiny_tokenizer()
    with pytest.raises(ValueError, match=r"'blocks\.2\.hook_mlp_out' comes before 'blocks\.3"):
        hidden_states(pair, tiny_text(12), "blocks.3.hook_mlp_out -> blocks.2.hook_mlp_out", context_length=40)


def test_what_a_transcoder_cannot_have():
    states = rows()
    for options, words in (
        ({"refine": "residual"}, "not refined"),
        ({"conventions": Conventions()}, "subtracts no b_dec"),
        ({"conventions": Conventions(False, normalise="layer_norm")}, "normalises nothing"),
    ):
        with pytest.raises(ValueError, match=words):
            transcoder("relu", **options)
    with pytest.raises(ValueError, match=r"W_skip must be finite, of shape \[2, 2\]"):
        Transcoder(
            W_enc=torch.eye(2), b_enc=[0, 0], W_dec=torch.eye(2), b_dec=[0, 0], family="relu", W_skip=torch.eye(3)
        )
    for settings in (
        Settings(refine="residual"),
        Settings(ablations=["fixed_denominator_norm"]),
        Settings(inputs=["ratio", "norm"]),
    ):
        with pytest.raises(ValueError, match="transcoder"):
            upgrade(transcoder("topk"), states, steps=1, device="cpu", settings=settings)
    with pytest.raises(ValueError, match=r"takes d_in = 12, or rows of 12 \+ 8"):
        upgrade(transcoder("topk"), states.held_out[:, :D_READ], steps=1, device="cpu")
    with pytest.raises(ValueError, match=r"d_in = 12, or rows of 12 \+ 8"):
        transcoder("topk")(torch.zeros(3, D_SAE))


def test_a_notebook_shows_what_it_is():
    """A merge had put the method behind a function's return."""
    assert "SparseAutoencoder" in random_sae("relu")._repr_html_()
    assert "Transcoder" in transcoder("topk")._repr_html_()
