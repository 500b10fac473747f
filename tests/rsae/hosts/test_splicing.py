"""The divergence of spliced predictions and its slope: against plain autograd, finite differences, and whole logits."""

import pytest
import torch
from torch import nn

from rsae.hosts.host import Host
from rsae.hosts.splicing import Splicing
from tests.rsae.material.tiny import LAYER_NAMES, tiny_model, tiny_tokenizer

CONTEXTS = [torch.randint(64, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (24, 9, 24, 17)]


def divergence_alone(model, hook, replacement):
    """KL(clean || spliced), mean over all positions, one context at a time and by nothing but torch."""
    total, first, count = 0.0, 0, 0
    for context in sorted(CONTEXTS, key=len, reverse=True):
        tokens = torch.tensor([context])
        clean = model(input_ids=tokens).logits.detach()
        mine = replacement[first : first + len(context) - 1]
        handle = hook.register_forward_hook(
            lambda _, __, output, mine=mine: (
                (torch.cat([output[0][:, :1], mine[None]], 1), *output[1:])
                if isinstance(output, tuple)
                else torch.cat([output[:, :1], mine[None]], 1)
            )
        )
        spliced = model(input_ids=tokens).logits
        handle.remove()
        total = total + nn.functional.kl_div(
            spliced.log_softmax(-1), clean.log_softmax(-1), log_target=True, reduction="sum"
        )
        first, count = first + len(context) - 1, count + len(context)
    return total / count


@pytest.mark.parametrize("architecture", LAYER_NAMES)
@pytest.mark.parametrize("place", ["0", "1", "2.mlp", "3"])
def test_value_and_gradient_are_those_of_plain_autograd(architecture, place):
    model = tiny_model(architecture)
    hook = f"{LAYER_NAMES[architecture]}.{place}"
    passage = Splicing(Host(model, tiny_tokenizer(), hook), CONTEXTS).passage(CONTEXTS)
    start = passage.vectors + 0.3 * torch.randn(passage.vectors.shape, generator=torch.Generator().manual_seed(0))
    leaf = start.clone().requires_grad_()
    wanted = divergence_alone(model, model.get_submodule(hook), leaf)
    (slope,) = torch.autograd.grad(wanted, leaf)
    found, gradient = passage.divergence(start)
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-4 * float(slope.abs().max()))
    assert all(p.grad is None and p.requires_grad for p in model.parameters()), "the model is as it was"


def test_the_gradient_is_that_of_finite_differences():
    model = tiny_model("llama").double()
    passage = Splicing(Host(model, tiny_tokenizer(), "layers.1"), CONTEXTS).passage(CONTEXTS)
    start = passage.vectors + 0.5
    way = torch.randn(start.shape, generator=torch.Generator().manual_seed(1))
    _, gradient = passage.divergence(start)
    step = 1e-2
    rise = passage.divergence(start + step * way)[0] - passage.divergence(start - step * way)[0]
    assert float((gradient * way).sum()) == pytest.approx(float(rise) / (2 * step), rel=1e-2)


@pytest.mark.parametrize("architecture", LAYER_NAMES)
def test_pieces_of_the_logits_give_what_all_of_them_give(architecture):
    """And no pass of the head sees more positions than a piece has."""
    model = tiny_model(architecture)
    host = Host(model, tiny_tokenizer(), f"{LAYER_NAMES[architecture]}.1")
    whole, pieces = (Splicing(host, CONTEXTS, entries).passage(CONTEXTS) for entries in (2**24, 5 * 64))
    start = whole.vectors.roll(1, 0)
    expected, slope = whole.divergence(start)
    seen = []
    model.get_output_embeddings().register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:-1].numel()))
    found, gradient = pieces.divergence(start)
    assert max(seen) == 5
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=1e-5 * float(slope.abs().max()))


def test_only_the_layers_behind_the_hook_run_on_the_splice():
    model = tiny_model("llama")
    passage = Splicing(Host(model, tiny_tokenizer(), "layers.1"), CONTEXTS).passage(CONTEXTS)
    runs = []
    for number, layer in enumerate(model.model.layers):
        layer.mlp.register_forward_hook(lambda *_, number=number: runs.append(number))
    passage.divergence(passage.vectors.roll(1, 0))
    assert runs == [2, 3]
    assert not any("forward" in layer.__dict__ for layer in model.modules())


@pytest.mark.parametrize("hook", ["model.layers.1", "model.norm"])
def test_a_model_that_cannot_be_cut_is_run_whole(hook):
    """Where a later layer reads an earlier one, and where the hook lies behind the layers."""
    model = tiny_model("llama")
    left_behind = []
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, output: left_behind.append(output))
    model.model.layers[3].register_forward_hook(lambda _, __, output: output + left_behind.pop())
    passage = Splicing(Host(model, tiny_tokenizer(), hook), CONTEXTS).passage(CONTEXTS)
    start = passage.vectors.roll(1, 0)
    leaf = start.clone().requires_grad_()
    wanted = divergence_alone(model, model.get_submodule(hook), leaf)
    (slope,) = torch.autograd.grad(wanted, leaf)
    found, gradient = passage.divergence(start)
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-4 * float(slope.abs().max()))


def test_what_is_not_replaced_costs_nothing():
    """First positions and outliers stay as they were; hidden states in their own place change nothing."""
    model = tiny_model("gpt2")
    host = Host(model, tiny_tokenizer(), "transformer.h.1")
    passage = Splicing(host, CONTEXTS).passage(CONTEXTS)
    assert len(passage.vectors) == sum(map(len, CONTEXTS)) - len(CONTEXTS)
    found, gradient = passage.divergence(passage.vectors)
    assert float(found) == pytest.approx(0, abs=1e-6)
    assert float(gradient.abs().max()) < 1e-5
    limit = float(passage.vectors.norm(dim=1).median())
    calm = Splicing(Host(model, tiny_tokenizer(), host.hook, outlier_norm=limit), CONTEXTS).passage(CONTEXTS)
    assert 0 < len(calm.vectors) < len(passage.vectors)


def test_a_model_in_half_precision_takes_and_gives_float32():
    model = tiny_model("llama").to(torch.bfloat16)
    passage = Splicing(Host(model, tiny_tokenizer(), "layers.1"), CONTEXTS).passage(CONTEXTS)
    found, gradient = passage.divergence(passage.vectors.roll(1, 0))
    assert found.dtype == gradient.dtype == torch.float32
    assert float(found) > 0
    assert torch.isfinite(gradient).all()
