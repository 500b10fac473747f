"""What each latent is about: its codes against a plain loop, its contexts word for word, its logits in closed form."""

from typing import Any

import pytest
import torch

from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.evaluation.continuity import continuity, places
from rsae.evaluation.latents import BINS, LEVELS, activity, codes_at, contexts_of, promoted
from rsae.hosts.host import Host
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.findings import evidence
from tests.rsae.material.sparse_data import D_SAE, sparse_states, teacher
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

X = sparse_states().held_out
LATENTS = 64


def relu(rows: torch.Tensor, reads: torch.Tensor) -> SparseAutoencoder:
    zeros = torch.zeros(len(rows)), torch.zeros(WIDTH)
    return SparseAutoencoder(W_enc=reads.T, b_enc=zeros[0], W_dec=rows, b_dec=zeros[1], family="relu")


ROWS = torch.randn(LATENTS, WIDTH, generator=torch.Generator().manual_seed(3))


def states_of(architecture: str, hook: str) -> tuple[HiddenStates, Host]:
    states = hidden_states((tiny_model(architecture), tiny_tokenizer()), tiny_text(40), hook, context_length=32)
    assert states.host is not None
    return states, states.host


def test_activity_is_that_of_a_plain_loop() -> None:
    before, after = teacher("jumprelu"), teacher("topk")
    found = activity(before, after, X, continuity(before, after, X))
    old, new = before.encode(X).detach(), after.encode(X).detach()
    torch.testing.assert_close(found.maximum, new.max(0).values)
    torch.testing.assert_close(found.cofiring, ((old > 0) & (new > 0)).sum(0) / ((old > 0) | (new > 0)).sum(0))
    for latent in range(0, D_SAE, 7):
        codes = new[:, latent][new[:, latent] > 0]
        assert int(found.counts[latent].sum()) == len(codes)
        expected = codes.histogram(bins=BINS, range=(0.0, float(codes.max()))).hist
        assert (found.counts[latent] - expected).abs().max() <= 1, "a code on an edge may fall to either side"


def test_a_latent_that_never_fires_has_no_activity() -> None:
    before, after = teacher("relu"), teacher("relu")
    with torch.no_grad():
        for sae in (before, after):
            sae.b_enc[5] = -99.0
        after.b_enc[6] = -99.0
    found = activity(before, after, X, continuity(before, after, X))
    assert float(found.maximum[5]) == float(found.maximum[6]) == 0
    assert int(found.counts[5].sum()) == 0
    assert torch.isnan(found.cofiring[5])
    assert float(found.cofiring[6]) == 0
    assert float(found.cofiring[7]) == 1


def test_codes_of_rows_in_any_order_are_those_of_a_whole_pass() -> None:
    sae = teacher("topk")
    rows, latents = torch.randint(len(X), (500,)), torch.randint(D_SAE, (500,))
    torch.testing.assert_close(codes_at(sae, X, rows, latents), sae.encode(X)[rows, latents].detach())
    assert len(codes_at(sae, X, rows[:0], latents[:0])) == 0


def test_contexts_are_the_words_on_which_a_latent_is_strongest() -> None:
    """A latent that reads one direction: its first token is the one whose hidden state reaches furthest along it."""
    states, host = states_of("llama", "model.layers.1")
    where = places(host)
    torch.testing.assert_close(where.states, states.held_out)
    assert len(places(host, limit=1).states) == 31
    before, after = relu(ROWS, ROWS), relu(ROWS, ROWS.flip(0))
    found = continuity(before, after, where.states)
    maximum = activity(before, after, where.states, found).maximum
    shown = contexts_of(after, found, where, host, range(LATENTS), maximum)
    assert list(shown) == [str(i) for i in range(LATENTS)]
    for latent in (0, 40):
        best = int((where.states @ ROWS[latent]).argmax())
        context = host.contexts[int(where.context[best])]
        left, token, right, first, _ = shown[str(latent)][0]
        assert first == 1
        assert text(token).strip() == host.tokenizer.decode(context[int(where.position[best])])
        assert text(left, token, right).replace(" ", "") in host.tokenizer.decode(context).replace(" ", "")
        # What was strongest after is what latent 63 - i held before.
        swapped = {text(entry[0], entry[1]): entry[4] for entry in shown[str(63 - latent)]}
        assert swapped[text(left, token)] == 1
    assert len(contexts_of(after, found, where, host, [3, 5], maximum)) == 2
    tree = evidence({"teacher": before, "initialised": before, "upgraded": after}, states, host)
    assert tree["continuity"]["contexts"] == shown
    assert tree["continuity"]["latents"]["cosine"] == [pytest.approx(1)] * LATENTS
    assert set(tree["continuity"]["changed"]) == set(found.changed().tolist())
    assert set(tree["latents"]["promoted"]) == set(shown)


def text(*parts: list[list[Any]]) -> str:
    return "".join(piece for part in parts for piece, _ in part)


def test_every_word_of_a_context_has_the_level_of_its_code() -> None:
    _, host = states_of("llama", "model.layers.1")
    where = places(host)
    sae = relu(ROWS, ROWS)
    found = continuity(sae, sae, where.states)
    maximum = activity(sae, sae, where.states, found).maximum
    (entry, *_) = contexts_of(sae, found, where, host, [7], maximum)["7"]
    best = int(found.strongest_after[7, 0])
    codes = sae.encode(where.states)[:, 7]
    levels = []
    for piece, level in (pair for part in entry[:3] for pair in part):
        levels += [level] * len(piece.split())
    place = int(where.position[best])
    rows = [best + at - place for at in range(max(1, place - 12), min(32, place + 6))]
    expected = (codes[rows] / codes.max() * LEVELS).ceil().int().tolist()
    assert levels[-len(expected) :] == expected, "the first position of a context has no code"
    assert entry[1][0][1] == LEVELS


class Bytes:
    """A tokenizer of one token a byte of UTF-8, as the last resort of many: a character may take several tokens."""

    def decode(self, tokens: list[int]) -> str:
        return bytes(tokens).decode(errors="replace")


def test_half_a_character_is_not_shown_twice() -> None:
    from rsae.evaluation.latents import _pieces

    class Reads:
        tokenizer = Bytes()

    tokens = list("aé b".encode())
    for middle in range(len(tokens)):
        parts = _pieces(tokens, [0, 1, 2, 3, 4], middle, Reads())  # type: ignore[arg-type]
        assert text(*parts).replace("�", "") in ("aé b", "a b", "a bé", "aé b")
        assert text(*parts).count("a") == text(*parts).count("b") == 1


FINAL = {
    "llama": ("model.layers.1", lambda model: model.model.norm),
    "gpt2": ("transformer.h.1", lambda model: model.transformer.ln_f),
    "gpt_neox": ("gpt_neox.layers.1", lambda model: model.gpt_neox.final_layer_norm),
    "gemma2": ("model.layers.1", lambda model: model.model.norm),
}


@pytest.mark.parametrize("architecture", FINAL)
@torch.no_grad()
def test_promoted_tokens_are_those_of_final_norm_and_unembedding(architecture: str) -> None:
    """In closed form: the row over its size as that norm takes it, times its weight, times the unembedding."""
    hook, final = FINAL[architecture]
    states, host = states_of(architecture, hook)
    model: Any = host.model
    norm = final(model)
    for parameter in norm.parameters():  # a random model's are all one, and would hide that they are used
        parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(8)))
    size = float(states.held_out.norm(dim=1).mean())
    found = promoted(relu(ROWS, ROWS), host, [0, 9, 41], size)
    head = model.get_output_embeddings().weight
    for latent in (0, 9, 41):
        row = ROWS[latent] / ROWS[latent].norm() * size
        if architecture in ("llama", "gemma2"):
            weight = norm.weight + (architecture == "gemma2")
            seen = row / (row.square().mean() + 1e-6).sqrt() * weight
        else:  # LayerNorm, whose bias is left out
            seen = (row - row.mean()) / (row.var(unbiased=False) + 1e-5).sqrt() * norm.weight
        logits = head @ seen
        if architecture == "gemma2":
            cap = model.config.final_logit_softcapping
            logits = cap * (logits / cap).tanh()
        values, tokens = logits.topk(8)
        assert [word for word, _ in found[str(latent)]] == [f" {host.tokenizer.decode([i])}" for i in tokens.tolist()]
        expected = (values - logits.mean()).tolist()
        assert [size for _, size in found[str(latent)]] == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_nothing_is_promoted_outside_of_the_residual_stream() -> None:
    _, host = states_of("llama", "model.layers.1.mlp")
    assert promoted(relu(ROWS, ROWS), host, [0], 1.0) == {}
