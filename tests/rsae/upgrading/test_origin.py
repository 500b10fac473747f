"""An SAE's metadata against how hidden states were made: in Python, before anything is trained."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from rsae.data.reading import Reading
from rsae.data.states import HiddenStates, hidden_states
from rsae.hosts.host import Host
from rsae.progress import Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.layers import elsewhere
from rsae.upgrading.origin import check_origin
from rsae.upgrading.pipeline import Settings, upgrade
from tests.rsae.material.sparse_data import sparse_states, teacher
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

STATES = sparse_states(1800)


QUESTION = {
    "source": "gpt2",
    "hook": "blocks.8.hook_resid_pre",
    "module": "transformer.h.8",
    "context_length": 128,
    "prepend_bos": True,
    "dtype": "float32",
}
METADATA = {"model": "gpt2-small", "hook": "blocks.8.hook_resid_pre", "context_length": 128, "prepend_bos": True}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"hook": "transformer.h.7", "module": "transformer.h.7"}, ""),
        ({"hook": "h.8", "module": "transformer.h.8"}, "they are of 'h.8'"),
        ({"source": "EleutherAI/pythia-70m"}, "on the model 'gpt2-small'"),
        ({"source": "GPT2LMHeadModel"}, ""),
        ({"context_length": 256}, "contexts of 128 tokens, they are of 256"),
        ({"prepend_bos": False}, "with a BOS token, these without one"),
        ({"context_length": 256, "prepend_bos": False}, "256.*; its contexts began"),
    ],
)
def test_upgrade_refuses_every_contradiction_before_any_work(change: dict[str, Any], words: str) -> None:
    def never(event: Progress) -> None:
        raise AssertionError("work had begun")

    subject = teacher("topk")
    subject.metadata = dict(METADATA)
    states = replace(STATES, question=QUESTION | change)
    check_origin(subject, QUESTION | change, accept_mismatch=True)
    if not words:
        check_origin(subject, QUESTION | change)
        return
    with pytest.raises(ValueError, match=words):
        upgrade(subject, states, progress=never)


def test_an_accepted_contradiction_is_in_the_verdict() -> None:
    subject = teacher("topk")
    subject.metadata = dict(METADATA)
    states = replace(STATES, question=QUESTION | {"context_length": 256})
    done = upgrade(subject, states, steps=1, settings=Settings(accept_mismatch=True, rate_factor=1.0))
    assert "Accepted although it was trained on contexts of 128 tokens, they are of 256" in done.report.verdict


def fitted(states: HiddenStates) -> SparseAutoencoder:
    """A TopK SAE on the principal directions of hidden states, which says nothing of where it belongs."""
    mean = states.train.mean(0)
    _, _, directions = torch.linalg.svd(states.train - mean, full_matrices=False)
    rows = torch.cat([directions, -directions])
    return SparseAutoencoder(W_enc=rows.T, b_enc=torch.zeros(len(rows)), W_dec=rows, b_dec=mean, family="topk", k=28)


def test_an_sae_that_names_no_hook_is_measured_at_every_layer() -> None:
    """At the wrong layer it may still explain much: what tells is that it explains another one far better."""
    model, tokenizer, text = tiny_model("gpt2"), tiny_tokenizer(), tiny_text(60)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)  # layers of a fresh model hardly change what they read
    names = [f"transformer.h.{i}" for i in range(3)]
    hooks = [names[0], "blocks.1.hook_resid_post", "blocks.3.hook_resid_pre"]
    at = [hidden_states((model, tokenizer), text, hook, context_length=32) for hook in hooks]
    subject = fitted(at[1])
    there, here = elsewhere(subject, at[1].host)
    assert set(there) == {f"transformer.h.{i}" for i in (0, 2, 3)}
    assert here < 0.5 * min(there.values())
    for wrong in (at[0], at[2]):
        with pytest.raises(ValueError, match=f"% at {names[1]!r}. Likely reasons"):
            upgrade(subject, wrong, steps=1)


def test_a_check_is_asked_before_the_model_reads_anything() -> None:
    asked: list[dict[str, Any]] = []

    def check(question: Any, host: Host) -> None:
        asked.append(dict(question))
        raise ValueError("not these")

    with pytest.raises(ValueError, match="not these"):
        hidden_states(
            (tiny_model("llama"), tiny_tokenizer()),
            tiny_text(20),
            "layers.1",
            context_length=32,
            progress=lambda *_: pytest.fail("it was read"),
            reading=Reading(check=check),
        )
    assert asked[0]["module"] == "model.layers.1"
    assert asked[0]["prepend_bos"] is False
