"""TransformerLens's names in Hugging Face models: what is read adds up to the residual stream, and so does a change."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GPTNeoConfig, Olmo2Config, PhiConfig, Qwen3Config

from rsae.data.sources import hidden_states
from rsae.hosts.dialects import logits_of
from rsae.hosts.hooks import capture, replacing, resolve_hook
from rsae.hosts.host import Host
from tests.rsae.material.tiny import CONFIGS, tiny_text, tiny_tokenizer

SMALL = {
    "vocab_size": 64,
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
ROTARY = SMALL | {"num_key_value_heads": 1, "head_dim": 16}
FAMILIES = CONFIGS | {
    "gemma3": Gemma3TextConfig(**ROTARY, sliding_window=16),
    "qwen3": Qwen3Config(**ROTARY),
    "olmo2": Olmo2Config(**SMALL, pad_token_id=None),
    "phi": PhiConfig(**SMALL, pad_token_id=None),
    "gpt_neo": GPTNeoConfig(
        vocab_size=64,
        num_layers=2,
        hidden_size=32,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        max_position_embeddings=64,
    ),
}
PARALLEL = {"gpt_neox", "phi"}
TOKENS = torch.arange(24).reshape(2, 12)


def model_of(family):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(FAMILIES[family]).eval()
    for parameter in model.parameters():  # norms begin with weights of 1, and would hide which of them was read
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def read(model, kind, layer=1):
    return capture(model, resolve_hook(model, f"blocks.{layer}.{kind}"), TOKENS)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_read_adds_up_to_the_residual_stream(family):
    model = model_of(family)
    with torch.no_grad():
        streams = model(input_ids=TOKENS, output_hidden_states=True).hidden_states
    pre, post = read(model, "hook_resid_pre"), read(model, "hook_resid_post")
    close(pre, streams[1])
    attention, mlp = read(model, "hook_attn_out"), read(model, "hook_mlp_out")
    close(pre + attention + mlp, post)
    if family in PARALLEL:
        with pytest.raises(ValueError, match=r"no place 'blocks\.1\.hook_resid_mid'.*blocks\.1\.hook_resid_pre"):
            read(model, "hook_resid_mid")
    else:
        close(pre + attention, read(model, "hook_resid_mid"))


@pytest.mark.parametrize("family", FAMILIES)
def test_inputs_of_projections_and_outputs_of_norms(family):
    """The projection of what is read gives what the module gives, the norm of what is read its input."""
    model = model_of(family)
    places = {k: resolve_hook(model, f"blocks.1.{k}") for k in ("attn.hook_z", "mlp.hook_post", "mlp.hook_in")}
    modules = {kind: model.get_submodule(place.module) for kind, place in places.items()}
    assert all(place.reads_input for place in places.values())
    with torch.no_grad():
        for kind, whole in (("attn.hook_z", "self_attn attn attention"), ("mlp.hook_post", "mlp")):
            layer = places[kind].module.split(".1.")[0] + ".1"
            name = next(n for n in whole.split() if hasattr(model.get_submodule(layer), n))
            close(modules[kind](read(model, kind)), capture(model, resolve_hook(model, f"{layer}.{name}"), TOKENS))
        if family not in ("phi", "olmo2"):
            norm = model.get_submodule(resolve_hook(model, "blocks.1.ln2.hook_normalized").module)
            close(norm(read(model, "hook_mlp_in")), read(model, "ln2.hook_normalized"))
            close(read(model, "ln2.hook_normalized"), read(model, "mlp.hook_in"))
            middle = "hook_resid_pre" if family in PARALLEL else "hook_resid_mid"
            close(read(model, "hook_mlp_in"), read(model, middle))
    assert torch.equal(read(model, "hook_z"), read(model, "attn.hook_z"))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_what_is_written_goes_on(family):
    """A stream replaced in the middle passes the MLP by as well; what is added, and its parts, are replaced alone."""
    model = model_of(family)

    def after(kind, function, then="hook_resid_post"):
        with replacing(model, resolve_hook(model, f"blocks.1.{kind}"), function):
            return read(model, then)

    pre, attention, mlp = (read(model, kind) for kind in ("hook_resid_pre", "hook_attn_out", "hook_mlp_out"))
    close(after("hook_mlp_out", torch.zeros_like), pre + attention)
    if family not in PARALLEL:
        close(after("hook_attn_out", lambda x: x + 1, "hook_resid_mid"), pre + attention + 1)
        new = pre.roll(1, -1)
        written = after("hook_resid_mid", lambda _: new)
        close(written, new + after("hook_resid_mid", lambda _: new, "hook_mlp_out"))
        close(after("hook_resid_mid", lambda x: x), pre + attention + mlp)
    assert not torch.allclose(after("attn.hook_z", torch.zeros_like), read(model, "hook_resid_post"))
    clean = logits_of(model, TOKENS)
    with replacing(model, resolve_hook(model, "blocks.1.attn.hook_z"), lambda x: x):
        assert torch.equal(logits_of(model, TOKENS), clean)


def test_both_naming_schemes_mean_the_same():
    model = model_of("gpt2")
    for name, other in {
        "blocks.1.attn.hook_z": "transformer.h.1.attn.c_proj.input",
        "blocks.1.hook_mlp_out": "h.1.mlp",
        "blocks.1.hook_attn_out": "transformer.h.1.attn.output",
        "blocks.1.ln2.hook_normalized": "h.1.ln_2",
        "blocks.1.hook_resid_post": "h.1",
        "blocks.1.hook_resid_pre": "transformer.h.1.input",
    }.items():
        one, two = resolve_hook(model, name), resolve_hook(model, other)
        assert (one.module, one.reads_input, one.onto) == (two.module, two.reads_input, two.onto)
    for name in ("blocks.1.hook_mlp_uot", "h.1.mlp.inptu", ".input", "blocks.9.hook_mlp_out"):
        with pytest.raises(ValueError, match=r"near names|its layers are"):
            resolve_hook(model, name)


class Layer(nn.Module):
    """Its MLP adds its own residual, so that only input and output are what they seem."""

    def __init__(self):
        super().__init__()
        self.self_attention, self.mlp = nn.Linear(4, 4), nn.Linear(4, 4)


def test_of_layers_that_are_not_understood_only_the_ends_are_known():
    model = nn.Module()
    model.layers = nn.ModuleList([Layer()])
    assert resolve_hook(model, "blocks.0.hook_resid_pre").reads_input
    with pytest.raises(ValueError, match=r"no place 'blocks\.0\.hook_mlp_out' is known in Layer.*hook_resid_post"):
        resolve_hook(model, "blocks.0.hook_mlp_out")


@pytest.mark.parametrize("hook", ["blocks.1.attn.hook_z", "blocks.1.hook_resid_mid", "blocks.1.mlp.hook_post"])
def test_a_host_at_such_a_place(hook):
    """Harvest and losses: nothing changes with an identity, and zeros cost what they cost one context at a time."""
    model = model_of("gpt2")
    found = hidden_states((model, tiny_tokenizer()), tiny_text(12), hook, context_length=40)
    host = found.host
    assert host.loss(lambda x: x) == pytest.approx(host.clean_loss(), rel=1e-6)
    total = 0.0
    for context in host.contexts:
        tokens = torch.tensor([context])
        with torch.no_grad(), replacing(model, host.hook, lambda x: torch.cat([x[:, :1], 0 * x[:, 1:]], 1)):
            total += model(input_ids=tokens, labels=tokens).loss.item() * (len(context) - 1)
    host = Host(model, host.tokenizer, host.hook, host.contexts)
    assert host.zero_ablated_loss() == pytest.approx(total / host.predicted_tokens, rel=1e-5)
