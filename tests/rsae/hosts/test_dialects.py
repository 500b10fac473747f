"""Models of other libraries as hosts: stand-ins with the interface of TransformerLens and nnsight, which need neither.

The libraries themselves are in test_peers_hosts.py.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rsae.data.sources import hidden_states
from rsae.hosts.hooks import capture, resolve_hook
from rsae.hosts.host import Host
from rsae.hosts.splicing import Splicing
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.pipeline import upgrade
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer


class HookPoint(nn.Module):
    """As TransformerLens's: it hands on what it is given."""

    def forward(self, x):
        return x


class Attention(nn.Module):
    """Two heads that see their own position alone."""

    def __init__(self):
        super().__init__()
        self.W_V, self.W_O = nn.Parameter(torch.randn(16, 2, 4)), nn.Parameter(0.3 * torch.randn(2, 4, 16))
        self.hook_z = HookPoint()

    def forward(self, x):
        return torch.einsum("bphd,hdm->bpm", self.hook_z(torch.einsum("bpm,mhd->bphd", x, self.W_V)), self.W_O)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = Attention()
        self.hook_resid_pre, self.hook_attn_out, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()
        self.hook_mlp_in = HookPoint()  # never reached, as with use_hook_mlp_in=False

    def forward(self, x):
        x = self.hook_resid_pre(x)
        return self.hook_resid_post(x + self.hook_attn_out(self.attn(x)))


class HookedTransformer(nn.Module):
    """Its forward pass takes token numbers, and no ``input_ids``; it has no ``config`` and no ``dtype``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cfg = SimpleNamespace(d_vocab=64, n_ctx=64, model_name="stand-in")
        self.tokenizer = tiny_tokenizer()
        self.embed, self.unembed = nn.Embedding(64, 16), nn.Linear(16, 64)
        self.blocks = nn.ModuleList([Block(), Block(), Block()])
        self.hook_dict = {n: m for n, m in self.named_modules() if isinstance(m, HookPoint)}

    def forward(self, input, return_type="logits", padding_side=None):
        assert (return_type, padding_side) == ("logits", "right")
        x = self.embed(input)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)


class LanguageModel:
    """As nnsight's: no module, but it holds one."""

    def __init__(self, model, tokenizer):
        self._model, self.tokenizer = model, tokenizer


LanguageModel.__module__ = "nnsight.modeling.language"


@pytest.mark.parametrize(("hook", "width"), [("blocks.1.hook_resid_post", 16), ("blocks.1.attn.hook_z", 8)])
def test_a_transformer_lens_model_is_a_source_and_a_host(hook, width):
    model = HookedTransformer()
    found = hidden_states(model, tiny_text(12), hook, context_length=40)
    assert (found.d_in, found.question["source"], found.question["model_type"]) == (
        width,
        "HookedTransformer",
        "stand-in",
    )
    host = found.host
    assert host.longest == 64
    clean = host.clean_loss()
    assert host.loss(lambda x: x) == pytest.approx(clean, rel=1e-6)
    total, before = 0.0, host.contexts
    for context in before:  # by nothing but torch: zeros behind the first position
        tokens = torch.tensor([context])
        handle = model.hook_dict[hook].register_forward_hook(
            lambda _, __, x: torch.cat([x[:, :1], torch.zeros_like(x[:, 1:])], 1)
        )
        with torch.no_grad():
            logits = model(tokens, padding_side="right")
        handle.remove()
        total += float(nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="sum"))
    host = Host(model, None, hook, before)
    assert host.zero_ablated_loss() == pytest.approx(total / host.predicted_tokens, rel=1e-5)
    assert host.tokenizer is model.tokenizer


def test_its_divergence_has_the_slope_of_plain_autograd():
    model = HookedTransformer()
    contexts = torch.randint(64, (3, 9), generator=torch.Generator().manual_seed(1)).tolist()
    for hook in ("blocks.1.hook_resid_post", "blocks.1.attn.hook_z"):
        splicing = Splicing(Host(model, None, hook), contexts)
        assert splicing.last is not None, "the head is told from the blocks"
        passage = splicing.passage(contexts)
        x = (passage.vectors * 0.5).requires_grad_()
        tokens = torch.tensor(contexts)

        def write(_, __, output, x=x):
            return torch.cat([output[:, :1], x.view(3, 8, *output.shape[2:])], 1)

        with torch.no_grad():
            clean = model(tokens, padding_side="right")
        handle = model.hook_dict[hook].register_forward_hook(write)
        spliced = model(tokens, padding_side="right")
        handle.remove()
        wanted = nn.functional.kl_div(
            spliced.log_softmax(-1), clean.log_softmax(-1), log_target=True, reduction="sum"
        ) / len(tokens.flatten())
        (slope,) = torch.autograd.grad(wanted, x)
        value, gradient = passage.divergence(x.detach())
        torch.testing.assert_close(value, wanted.detach(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-6)


def test_the_name_of_a_layer_in_a_hugging_face_model_is_its_stream():
    model = HookedTransformer()
    for name, other in (("model.layers.1", "post"), ("layers.1.input", "pre"), ("transformer.h.1.output", "post")):
        assert resolve_hook(model, name).module == f"blocks.1.hook_resid_{other}"
    with pytest.raises(ValueError, match="has no hook"):
        resolve_hook(model, "model.layers.9")


def test_hook_points_that_are_off_or_not_there_are_refused():
    model = HookedTransformer()
    with pytest.raises(ValueError, match=r"never reaches 'blocks\.1\.hook_mlp_in'; its configuration"):
        capture(model, resolve_hook(model, "blocks.1.hook_mlp_in"), torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"near names: blocks\.0\.hook_resid_pre"):
        resolve_hook(model, "blocks.0.hook_resid_pro")
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"HookedTransformer has no tokenizer; give the pair \(model, tokenizer\)"):
        hidden_states(model, tiny_text(3), "blocks.1.hook_resid_pre")


def test_an_nnsight_model_is_the_model_that_it_holds():
    pair = tiny_model("llama"), tiny_tokenizer()
    found, expected = (
        hidden_states(source, tiny_text(12), "blocks.1.hook_resid_post", context_length=40)
        for source in (LanguageModel(*pair), pair)
    )
    assert torch.equal(found.train, expected.train)
    assert found.question == expected.question
    assert found.host.clean_loss() == expected.host.clean_loss()
    with torch.device("meta"):
        empty = LanguageModel(nn.Linear(2, 2), pair[1])
    with pytest.raises(ValueError, match="no weights yet: make it with dispatch=True"):
        hidden_states(empty, tiny_text(3), "layers.1")


def test_a_model_as_the_host_of_an_upgrade():
    """It takes hook and held-out text from the hidden states; without any it is refused, and what to do is said."""
    model = HookedTransformer()
    found = hidden_states(model, tiny_text(40), "blocks.1.hook_resid_post", context_length=40)
    W = torch.cat([torch.eye(16), -torch.eye(16)])
    options = {"b_enc": torch.zeros(32), "b_dec": found.train.mean(0), "family": "topk", "k": 12}
    sae = SparseAutoencoder(W_enc=W.T, W_dec=W, **options)
    result = upgrade(sae, found, host=model, steps=2, device="cpu")
    assert result.report.columns["teacher"]["ce_clean"].value > 0
    with pytest.raises(ValueError, match=r"no held-out text .*hidden_states\(model, text, hook\)"):
        upgrade(sae, found.train, host=model, steps=2, device="cpu")
