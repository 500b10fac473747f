"""The host: losses against a plain computation, and what stays untouched when an SAE is spliced in."""

import pytest
import torch
from torch import nn

from rsae.data.sources import hidden_states
from rsae.hosts.host import Host
from rsae.hosts.language_model import load_language_model, pick_device
from rsae.sae.autoencoder import SAEOutput
from tests.rsae.material.tiny import LAYER_NAMES, tiny_model, tiny_text, tiny_tokenizer


class Identity(nn.Module):
    """An SAE that reconstructs perfectly."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return SAEOutput(x, x, x)


CONTEXTS = [torch.randint(64, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (24, 9, 24, 17, 2)]


@pytest.mark.parametrize("architecture", LAYER_NAMES)
@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_post", "blocks.2.hook_resid_pre"])
def test_losses_are_those_of_one_context_at_a_time(architecture, hook):
    model = tiny_model(architecture)
    host = Host(model, tiny_tokenizer(), hook, CONTEXTS)
    total = 0.0
    for context in CONTEXTS:
        tokens = torch.tensor([context])
        with torch.no_grad():
            total += model(input_ids=tokens, labels=tokens).loss.item() * (len(context) - 1)
    assert host.predicted_tokens == sum(map(len, CONTEXTS)) - len(CONTEXTS)
    assert host.clean_loss() == pytest.approx(total / host.predicted_tokens, rel=1e-5)
    assert host.spliced_loss(Identity()) == pytest.approx(host.clean_loss(), rel=1e-6)
    loss, divergence = host.spliced(Identity())
    assert float(loss.mean()) == pytest.approx(host.clean_loss(), rel=1e-6)
    assert float(divergence.mean()) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(loss, host.clean(), rtol=1e-5, atol=0)
    assert host.zero_ablated_loss() != pytest.approx(host.clean_loss(), rel=1e-4)


class Rough(Identity):
    """An SAE that reconstructs badly."""

    def forward(self, x):
        return SAEOutput(x, x.roll(1, -1), x)


@pytest.mark.parametrize("architecture", LAYER_NAMES)
@pytest.mark.parametrize("place", ["blocks.1.hook_resid_post", "blocks.2.hook_resid_pre", "mlp"])
def test_layers_before_the_hook_run_once(architecture, place):
    """After the clean pass figures are what they are without it, and no layer before the hook is run again."""
    model = tiny_model(architecture)
    hook = f"{LAYER_NAMES[architecture]}.2.mlp" if place == "mlp" else place
    expected = Host(model, tiny_tokenizer(), hook, CONTEXTS).spliced(Rough())
    host = Host(model, tiny_tokenizer(), hook, CONTEXTS)
    clean, _ = host.clean_loss(), host.d_in
    runs = []
    for number, layer in enumerate(model.get_submodule(LAYER_NAMES[architecture])):
        # A replayed layer's hooks run, but none of those of the modules inside it.
        next(layer.children()).register_forward_hook(lambda *_, number=number: runs.append(number))
    torch.testing.assert_close(host.spliced(Rough()), expected, rtol=1e-5, atol=0)
    assert set(runs) == {2, 3}
    mean = host.mean_ablated_loss()
    assert set(runs) == {2, 3}
    assert mean == pytest.approx(Host(model, tiny_tokenizer(), hook, CONTEXTS).mean_ablated_loss(), rel=1e-5)
    assert host.loss() == pytest.approx(clean, rel=1e-6)
    assert not any("forward" in layer.__dict__ for layer in model.modules())


@pytest.mark.parametrize("left_behind", [[], {}])
def test_a_model_whose_later_layers_read_earlier_ones_is_run_whole(left_behind):
    """Whether the reader fails without a pass of the earlier layer, or finds what another batch left there."""
    model = tiny_model("llama")
    if isinstance(left_behind, list):
        keep, read = left_behind.append, left_behind.pop
    else:
        keep, read = (lambda value: left_behind.update(it=value)), (lambda: left_behind["it"])
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, output: keep(output) and None)
    model.model.layers[3].register_forward_hook(lambda _, __, output: output + read())
    host = Host(model, tiny_tokenizer(), "model.layers.1", CONTEXTS)
    expected = host.spliced(Rough())
    host.clean_loss()
    torch.testing.assert_close(host.spliced(Rough()), expected, rtol=1e-6, atol=0)


def test_the_first_position_outliers_and_padding_are_left_alone():
    model = tiny_model("llama")
    host = Host(model, tiny_tokenizer(), "model.layers.1", CONTEXTS)
    seen = []
    host.loss(lambda x: seen.append(x.clone()) or x)
    assert sum(map(len, seen)) == host.predicted_tokens, "every position but the first of each context"
    norms = torch.cat(seen).norm(dim=1)
    limit = norms.median().item()
    seen.clear()
    Host(model, tiny_tokenizer(), host.hook, CONTEXTS, outlier_norm=limit).loss(lambda x: seen.append(x.clone()) or x)
    assert sum(map(len, seen)) == int((norms <= limit).sum())


def test_a_failing_replacement_leaves_no_hook_behind():
    model = tiny_model("llama")
    host = Host(model.train(), tiny_tokenizer(), "model.layers.1", CONTEXTS)
    with pytest.raises(ZeroDivisionError):
        host.loss(lambda x: x / (1 // 0))
    assert not model.model.layers[1]._forward_hooks
    assert model.training, "the mode of the model is as it was"


def test_no_held_out_contexts_is_an_error():
    found = hidden_states(
        (tiny_model("llama"), tiny_tokenizer()), tiny_text(4), "layers.1", context_length=40, held_out=0
    )
    with pytest.raises(ValueError, match="no held-out contexts"):
        found.host.clean_loss()


def test_stories_cross_entropy(shared):
    """The published figure of this host on stories 928 to 999, first 512 tokens each: 1.4327 nats, zeros cost 8.99."""
    import json

    model, tokenizer = load_language_model(shared / "data/hosts/stories260K")
    stories = json.loads((shared / "data/text/tinystories_1000.json").read_text(encoding="utf-8"))[928:]
    contexts = [tokenizer(story, verbose=False)["input_ids"][:512] for story in stories]
    host = Host(model, tokenizer, "model.layers.2", contexts)
    assert host.clean_loss() == pytest.approx(1.4327, abs=1e-4)
    assert host.zero_ablated_loss() - host.clean_loss() == pytest.approx(8.99, abs=5e-3)


def test_a_model_directory_reloads_with_the_same_states(tmp_path):
    model, tokenizer = tiny_model("gpt_neox"), tiny_tokenizer()
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    text = tiny_text(12)
    there = hidden_states(str(tmp_path / "m"), text, "gpt_neox.layers.1", context_length=40)
    here = hidden_states((model, tokenizer), text, "blocks.1.hook_resid_post", context_length=40)
    assert torch.equal(there.train, here.train)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("/no/such/model", FileNotFoundError, "no model at"),
        ("missing.gguf", FileNotFoundError, "no model at"),
        ("{tmp}/empty", ValueError, "no config.json"),
        ("{tmp}/fake.gguf", ValueError, "not a GGUF file"),
        ("{tmp}/broken", ValueError, "does not load"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, source, error, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "fake.gguf").write_bytes(b"GIF89a")
    with pytest.raises(error, match=words):
        hidden_states(source.format(tmp=tmp_path), ["some text"], "model.layers.0")


def test_devices_that_are_not_there():
    with pytest.raises(ValueError, match="no device 'abacus'"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="not on this machine"):
            pick_device("cuda")
