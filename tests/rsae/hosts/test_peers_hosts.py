"""TransformerLens and nnsight themselves, on tiny random models: their own caches and hooks against ours."""

import importlib

import pytest
import torch
from transformers import AutoTokenizer

from rsae.data.sources import hidden_states
from rsae.hosts.dialects import logits_of
from rsae.hosts.hooks import capture, replacing, resolve_hook
from rsae.hosts.host import Host
from tests.rsae.material.tiny import LAYER_NAMES, tiny_model, tiny_text, tiny_tokenizer

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
TOKENS = torch.arange(24).reshape(2, 12)
KINDS = [
    *("hook_resid_pre", "hook_resid_post", "hook_attn_out", "hook_mlp_out", "attn.hook_z", "mlp.hook_post"),
    *("ln1.hook_normalized", "ln2.hook_normalized"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")  # TransformerLens asks a tokenizer where it was loaded from
    tiny_tokenizer().save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def bridge(architecture, tokenizer):
    module = pytest.importorskip("transformer_lens.model_bridge", exc_type=ImportError)
    return module.TransformerBridge.boot_transformers(
        architecture, hf_model=tiny_model(architecture), tokenizer=tokenizer
    )


def hooked(tokenizer):
    pytest.importorskip("transformer_lens", exc_type=ImportError)
    try:
        cls = importlib.import_module("transformer_lens").HookedTransformer
    except ImportError as error:  # TransformerLens 4 has bridges alone
        pytest.skip(str(error))
    config = importlib.import_module("transformer_lens").HookedTransformerConfig
    sizes = {"n_layers": 4, "d_model": 32, "d_head": 16, "n_heads": 2, "n_ctx": 64, "d_vocab": 64}
    return cls(config(**sizes, act_fn="gelu", device="cpu", seed=0), tokenizer=tokenizer)


def both_ways(model, name):
    """What their cache holds and ours reads; logits with their hook and with ours."""
    place = resolve_hook(model, name)
    _, cache = model.run_with_cache(TOKENS)
    with torch.no_grad():
        with replacing(model, place, lambda x: x.roll(1, -1)):
            ours = logits_of(model, TOKENS)
        theirs = model.run_with_hooks(
            TOKENS, fwd_hooks=[(name, lambda value, hook: value.flatten(2).roll(1, -1).reshape(value.shape))]
        )
    return (capture(model, place, TOKENS), ours), (cache[name].flatten(2), theirs)


@pytest.mark.parametrize("kind", [*KINDS, "hook_resid_mid"])
def test_hook_points_of_a_hooked_transformer(tokenizer, kind):
    found, expected = both_ways(hooked(tokenizer), f"blocks.1.{kind}")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", LAYER_NAMES)
def test_a_bridge_and_the_names_in_the_model_that_it_wraps(tokenizer, architecture):
    model, plain = bridge(architecture, tokenizer), tiny_model(architecture)
    for kind in KINDS:
        name = f"blocks.1.{kind}"
        found, expected = both_ways(model, name)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        place = resolve_hook(plain, name)
        torch.testing.assert_close(capture(plain, place, TOKENS), expected[0], rtol=1e-4, atol=1e-5)
        with torch.no_grad(), replacing(plain, place, lambda x: x.roll(1, -1)):
            torch.testing.assert_close(logits_of(plain, TOKENS), expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2"])
def test_the_middle_of_the_stream_is_written_alike_in_a_bridge_and_without(tokenizer, architecture):
    """TransformerLens's own hook there reaches the MLP alone in a bridge, and the stream in a HookedTransformer."""
    model, plain = bridge(architecture, tokenizer), tiny_model(architecture)
    found = []
    for one in (model, plain):
        place = resolve_hook(one, "blocks.1.hook_resid_mid")
        with torch.no_grad(), replacing(one, place, lambda x: x.roll(1, -1)):
            found.append((capture(one, place, TOKENS), logits_of(one, TOKENS)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
    _, cache = model.run_with_cache(TOKENS)
    torch.testing.assert_close(
        capture(model, resolve_hook(model, "blocks.1.hook_resid_mid"), TOKENS), cache["blocks.1.hook_resid_mid"]
    )


@pytest.mark.parametrize("kind", ["hooked", "gpt2", "llama"])
def test_their_models_as_sources_and_hosts(tokenizer, kind):
    model = hooked(tokenizer) if kind == "hooked" else bridge(kind, tokenizer)
    found = hidden_states(model, tiny_text(12), "blocks.1.hook_resid_post", context_length=40)
    tokens = torch.tensor([found.contexts[0]])
    _, cache = model.run_with_cache(tokens)
    torch.testing.assert_close(found.train[:10], cache["blocks.1.hook_resid_post"][0, 1:11], rtol=1e-5, atol=1e-5)
    host, total = found.host, 0.0
    for context in host.contexts:
        total += float(model(torch.tensor([context]), return_type="loss")) * (len(context) - 1)
    assert host.clean_loss() == pytest.approx(total / host.predicted_tokens, rel=1e-5)
    assert Host(model, None, host.hook, host.contexts).loss(lambda x: x) == pytest.approx(host.clean_loss(), rel=1e-5)


def test_folded_weights_are_read_as_they_are(tokenizer):
    """In compatibility mode a bridge's hidden states are centred, and its predictions stay."""
    model, plain = bridge("gpt2", tokenizer), tiny_model("gpt2")
    model.enable_compatibility_mode()
    hidden = capture(model, resolve_hook(model, "blocks.1.hook_resid_post"), TOKENS)
    assert hidden.mean(-1).abs().max() < 1e-5
    with torch.no_grad():
        ours, theirs = (logits_of(one, TOKENS).log_softmax(-1) for one in (model, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_an_nnsight_language_model(tokenizer):
    nnsight = pytest.importorskip("nnsight", exc_type=ImportError)
    found, expected = (
        hidden_states(source, tiny_text(12), "model.layers.1", context_length=40)
        for source in (
            nnsight.LanguageModel(tiny_model("llama"), tokenizer=tokenizer),
            (tiny_model("llama"), tokenizer),
        )
    )
    assert torch.equal(found.train, expected.train)
    assert found.host.clean_loss() == expected.host.clean_loss()
