"""The KL stage on a tiny host: its gradients, its order, its resume to the bit, and what it refuses."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import compare_runs
from rsae.evaluation.metrics import evaluate
from rsae.hosts.host import Host
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.storage.checkpoint import Checkpoint
from rsae.training.finetuning import finetune, started, stepping
from rsae.training.recipe import Recipe, recipe_for
from rsae.upgrading.arms import Arm, arms_for
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.pace import seconds_a_step
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

HOOK = "model.layers.1"


def host() -> tuple[Any, Any]:
    """A tiny model that predicts something: as it comes, its predictions hardly depend on what it reads."""
    model = tiny_model("llama")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    return model, tiny_tokenizer()


@pytest.fixture(scope="module")
def states() -> HiddenStates:
    """Hidden states of a tiny host, which stays beside them."""
    return hidden_states(host(), tiny_text(80), HOOK, context_length=32)


def teacher(states: HiddenStates, family: str) -> SparseAutoencoder:
    """An SAE that knows the hidden states roughly."""
    mean = states.train.mean(0)
    _, _, directions = torch.linalg.svd(states.train - mean, full_matrices=False)
    rows = torch.cat([directions, -directions])
    level = float(((states.train - mean) @ rows.T).flatten().quantile(0.85))
    rest: dict[str, Any] = {"topk": {"k": 8}, "jumprelu": {"threshold": level}}.get(family, {})
    bias = torch.full((2 * WIDTH,), -level if family == "relu" else 0.0)
    return SparseAutoencoder(W_enc=rows.T, b_enc=bias, W_dec=rows, b_dec=mean, family=family, **rest)  # type: ignore[arg-type]


def recipe(sae: SparseAutoencoder, **changes: Any) -> Recipe:
    """A short one, with a stage of half the steps."""
    return recipe_for(sae, batch_size=64, **({"kl_share": 0.5, "kl_contexts": 3} | changes))


def divergence_alone(states: HiddenStates, sae: SparseAutoencoder, contexts: list[Any]) -> Tensor:
    """KL(clean || spliced) with an SAE's own forward pass at the hook, and all of autograd."""
    assert states.host is not None
    model = states.host.model
    tokens = torch.tensor([list(context) for context in contexts])
    clean = model(input_ids=tokens).logits.detach()

    def splice(_module: nn.Module, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        new = torch.cat([hidden[:, :1], sae(hidden[:, 1:]).reconstruction], 1)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    handle = model.get_submodule(HOOK).register_forward_hook(splice)
    spliced = model(input_ids=tokens).logits
    handle.remove()
    p, q = clean.log_softmax(-1), spliced.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean()


@pytest.mark.parametrize("normalise", ["none", "layer_norm"])
def test_a_step_has_the_gradients_of_its_loss_and_the_host_gets_none(states: HiddenStates, normalise: str) -> None:
    original = teacher(states, "topk")
    if normalise != "none":
        original.conventions = Conventions(normalise=normalise)
    sae = calibrate(original, states)
    chosen = recipe(sae, kl_share=1.0, kl_weight=0.7)
    training, scale = started(sae, chosen, states.calibration, 8.0, steps=4)
    model = states.host.model if states.host is not None else None
    assert model is not None
    contexts = next(states.passages(3, 0, 1))
    seen: dict[str, Tensor] = {}

    def note(_factor: float) -> None:
        seen.update({str(i): p.grad.clone() for i, p in enumerate(training.parameters) if p.grad is not None})

    # The same SAE in the units of the host, differentiated there: z and x_hat scale with the inputs.
    work = training.sae
    training._optimiser.step = note  # type: ignore[method-assign]
    next(stepping(training, scale, states, chosen.batch_size, 0, 1))
    x = torch.cat([states.host.hidden_states([c]).__next__()[1][1:] for c in contexts])  # type: ignore[union-attr]
    inputs = work.conventions.normalised(x)[0] / scale
    codes = work._codes(work.pre_activations(inputs), inputs)
    error = (inputs - work.decode(codes)).square().sum(1).mean()

    class InUnits(nn.Module):
        def forward(self, hidden: Tensor) -> Any:
            y, shift, unit = original.conventions.normalised(hidden)
            found = work.decode(work._codes(work.pre_activations(y / scale), y / scale))

            class Found:
                reconstruction = found * scale * unit + shift

            return Found

    divergence = divergence_alone(states, InUnits(), contexts)  # type: ignore[arg-type]
    loss = error + 0.7 * (error / divergence).detach() * divergence
    wanted = torch.autograd.grad(loss, training.parameters, allow_unused=True)
    for i, slope in enumerate(wanted):
        if slope is not None:
            torch.testing.assert_close(seen[str(i)], slope, rtol=1e-3, atol=1e-5 * float(slope.abs().max()))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
def test_training_goes_on_with_the_same_bits_in_either_stage(states: HiddenStates, family: str, tmp_path: Path) -> None:
    start = calibrate(teacher(states, family), states)
    whole = finetune(start, states, steps=20, recipe=recipe(start))
    work = Checkpoint(tmp_path, every=4)

    class Killed(Exception):
        pass

    for last in (6, 10, 15):  # before the turn at 10, at it, and after it

        def dies(event: Progress, last: int = last) -> None:
            if event.step == last:
                raise Killed

        with pytest.raises(Killed):
            finetune(start, states, steps=20, recipe=recipe(start), checkpoint=work, progress=dies)
    resumed = finetune(start, states, steps=20, recipe=recipe(start), checkpoint=work)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_the_stage_lowers_the_divergence(states: HiddenStates) -> None:
    assert states.host is not None
    host = Host(states.host.model, states.host.tokenizer, HOOK, states.contexts, outlier_norm=states.host.outlier_norm)
    start = teacher(states, "topk")
    plain, ours = (
        evaluate(finetune(start, states, steps=150, recipe=recipe(start, **changes)), states.held_out, host)["kl"]
        for changes in ({"kl_share": 0.0}, {"kl_weight": 3.0})
    )
    assert ours.by_context is not None
    assert plain.by_context is not None
    assert compare_runs("kl", "plain", ours.by_context, plain.by_context).high < -0.05 * plain.value


def test_steps_before_the_turn_are_those_of_a_shorter_training(states: HiddenStates) -> None:
    """The first stage is the training on the squared error alone, of as many steps as it has."""
    start = teacher(states, "topk")
    both, _ = started(start, recipe(start), states.calibration, 8.0, steps=20)
    alone, scale = started(start, recipe(start, kl_share=0.0), states.calibration, 8.0, steps=10)
    for training in (both, alone):
        for _ in stepping(training, scale, states, 64, 0, 10):
            pass
    assert all(torch.equal(a, b) for a, b in zip(both.parameters, alone.parameters, strict=True))


def test_the_stage_begins_with_moments_of_its_own(states: HiddenStates) -> None:
    """Adam's first step moves every number by its rate, whatever the size of its gradient; a later one does not."""
    start = teacher(states, "topk")
    chosen = recipe(start, kl_rate=0.5)
    training, scale = started(start, chosen, states.calibration, 8.0, steps=200)
    before: dict[int, Tensor] = {}
    for _ in stepping(training, scale, states, 64, 0, 101):
        if training.done >= 99:
            before[training.done] = training.sae.W_enc.detach().clone()
    rate = chosen.learning_rate * 0.5 / (chosen.warmup // 2)
    moved = (before[101] - before[100]).abs()
    assert float(moved.max()) <= rate * 1.001
    assert float(moved[moved > 0].median()) >= rate * 0.9


def test_contexts_come_in_an_order_that_the_seed_decides(states: HiddenStates) -> None:
    count = len(states.contexts)
    whole = [tuple(c) for batch in states.passages(4, 3, count) for c in batch]
    late = [tuple(c) for batch in states.passages(4, 3, count, first=2) for c in batch]
    assert whole[8:] == late
    assert sorted(whole[:count]) == sorted(tuple(c) for c in states.contexts)
    assert whole != [tuple(c) for batch in states.passages(4, 4, count) for c in batch]


def test_hidden_states_without_a_model_are_refused_in_words(states: HiddenStates, tmp_path: Path) -> None:
    sae = teacher(states, "topk")
    kl = Settings(objective="mse+kl", batch_size=64)
    with pytest.raises(ValueError, match=r"came without a language model: make them by hidden_states"):
        upgrade(sae, states.train, steps=4, settings=kl)
    hidden_states(host(), tiny_text(80), HOOK, context_length=32, store=tmp_path / "kept")
    with pytest.raises(ValueError, match=r"came without a language model"):
        upgrade(sae, hidden_states(str(tmp_path / "kept")), steps=4, settings=kl)
    with pytest.raises(ValueError, match=r"objective must be"):
        Settings(objective="kl")  # type: ignore[arg-type]
    for changes in ({"kl_share": 1.5}, {"kl_weight": 0.0}, {"kl_rate": math.inf}, {"kl_contexts": 0}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            Recipe(1e-3, **changes)  # type: ignore[arg-type]


def test_an_arm_without_the_stage_needs_arms_that_have_it(states: HiddenStates) -> None:
    sae = teacher(states, "topk")
    with pytest.raises(ValueError, match=r"without its KL stage, and needs objective='mse\+kl'"):
        arms_for(sae, calibrate(sae, states), ablations=("upgraded_mse",))


def test_a_time_budget_counts_both_kinds_of_steps(states: HiddenStates) -> None:
    start = teacher(states, "topk")
    before = start.W_enc.clone()
    cost = seconds_a_step(Arm(start, recipe(start)), states, states.calibration, 8.0)
    assert 1e-5 < cost < 60
    assert torch.equal(before, start.W_enc)


def test_a_stored_harvest_trains_as_one_in_memory(states: HiddenStates, tmp_path: Path) -> None:
    stored = hidden_states(host(), tiny_text(80), HOOK, context_length=32, store=tmp_path / "kept")
    start = teacher(states, "topk")
    here, there = (finetune(start, each, steps=6, recipe=recipe(start)) for each in (states, stored))
    assert torch.equal(here.W_enc, there.W_enc)


def test_the_report_of_an_upgrade_with_the_stage(states: HiddenStates) -> None:
    """A control without the stage stands beside it, and one seed has intervals over contexts."""
    settings = Settings(objective="mse+kl", batch_size=64, ablations=["upgraded_mse"])
    done = upgrade(teacher(states, "topk"), states, steps=40, settings=settings)
    columns = done.report.columns
    assert list(columns) == ["teacher", "initialised", "upgraded", "control", "control_mse", "upgraded_mse"]
    assert columns["control_mse"]["kl"].value != columns["control"]["kl"].value
    for metric in ("delta_ce", "kl"):
        column = columns["upgraded"][metric]
        assert column.by_context is not None
        assert sum(column.by_context) / len(column.by_context) == pytest.approx(column.value, abs=1e-9)
        found = [c for c in done.comparisons if (c.metric, c.other) == (metric, "control")]
        assert [c.over for c in found] == ["contexts"]
        assert found[0].difference == pytest.approx(column.value - columns["control"][metric].value, abs=1e-9)
        assert found[0].low < found[0].difference < found[0].high
    assert "than that of the control without the KL stage (95% interval over contexts" in done.report.verdict
    assert "; the control's own, with the stage, is " in done.report.verdict
    recipes = done.report.asked.recipes
    assert (recipes["upgraded"].kl_share, recipes["control"].kl_share) == (0.2, 0.2)
    assert (recipes["control_mse"].kl_share, recipes["upgraded_mse"].kl_share) == (0.0, 0.0)


@pytest.mark.slow
def test_a_lower_divergence_is_kept_at_the_price_of_squared_error(states: HiddenStates) -> None:
    assert states.host is not None
    host = Host(states.host.model, states.host.tokenizer, HOOK, states.contexts, outlier_norm=states.host.outlier_norm)
    settings = Settings(objective="mse+kl", batch_size=64, kl_share=1.0, kl_weight=1e3)
    done = upgrade(teacher(states, "topk"), states, host=host, steps=60, settings=settings)
    columns = done.report.columns
    assert columns["upgraded"]["mse"].value > columns["teacher"]["mse"].value
    assert columns["upgraded"]["kl"].value < columns["teacher"]["kl"].value
    assert done.sae is done.arms["upgraded"]
    assert "it is returned for its lower divergence" in done.report.verdict


def test_without_the_stage_there_is_no_further_column(states: HiddenStates) -> None:
    done = upgrade(teacher(states, "topk"), states, steps=4, settings=Settings(batch_size=64))
    assert list(done.report.columns) == ["teacher", "initialised", "upgraded", "control"]
    assert "KL stage" not in done.report.verdict
