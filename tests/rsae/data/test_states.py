"""Harvesting: which tokens are read, where, what is dropped, and that nothing leaks between the parts."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsae.data.reading import Reading
from rsae.data.states import hidden_states
from rsae.data.text import pack, read_documents
from rsae.hosts.hooks import capture, resolve_hook
from tests.rsae.material.tiny import LAYER_NAMES, LAYERS, WIDTH, tiny_model, tiny_text, tiny_tokenizer

PAIR = (tiny_model("llama"), tiny_tokenizer())


@pytest.mark.parametrize("architecture", LAYER_NAMES)
def test_all_spellings_of_a_hook_read_the_same_states(architecture):
    model, prefix = tiny_model(architecture), LAYER_NAMES[architecture]
    tokens = torch.randint(64, (2, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        truth = model(input_ids=tokens, output_hidden_states=True).hidden_states  # entry i: the input of layer i
    for i in range(LAYERS):
        for name in (f"blocks.{i}.hook_resid_pre",) if i == 0 else (f"blocks.{i}.hook_resid_pre", f"{prefix}.{i - 1}"):
            states = capture(model, resolve_hook(model, name), tokens)
            assert states.shape == (2, 24, WIDTH)
            assert torch.equal(states, truth[i]), name
        post = capture(model, resolve_hook(model, f"blocks.{i}.hook_resid_post"), tokens)
        assert torch.equal(post, capture(model, resolve_hook(model, f"{prefix}.{i}"), tokens))


def test_the_forward_pass_stops_at_the_hook():
    model = tiny_model("llama")
    model.model.layers[2].register_forward_pre_hook(lambda *_: pytest.fail("the pass went on"))
    states = capture(model, resolve_hook(model, "layers.1"), torch.zeros(1, 4, dtype=torch.int64))
    assert states.shape == (1, 4, WIDTH)
    assert not model.model.layers[1]._forward_hooks, "the hook is taken away again"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("model.layer.2", "model.layers.2"),
        ("transformer.h.2", "model.layers"),
        ("blocks.4.hook_resid_post", "blocks.0 to blocks.3"),
        ("mlp", "model.layers.0.mlp"),
        ("", "near names"),
    ],
)
def test_a_missing_hook_names_its_neighbours(name, near):
    with pytest.raises(ValueError, match="the model has no") as caught:
        resolve_hook(PAIR[0], name)
    assert near in str(caught.value)
    names = str(caught.value).partition("near names: ")[2].split(", ")
    assert len(names) == len(set(names))


def test_contexts_stay_inside_documents():
    documents = tiny_text(3, 40) + tiny_text(1, 12) + tiny_text(1, 3)
    contexts = pack(documents, PAIR[1], 16)
    assert list(map(len, contexts.tokens)) == [16] * 6 + [12]
    assert contexts.document == [0, 0, 1, 1, 2, 2, 3]
    assert contexts.dropped_tokens == 3 * 8 + 3
    with_start = pack(documents, PAIR[1], 16, prepend_bos=True)
    assert list(map(len, with_start.tokens)) == [16] * 6 + [13]
    assert all(tokens[0] == 0 for tokens in with_start.tokens)
    assert with_start.tokens[1][1:] == pack(documents, PAIR[1], 30).tokens[0][15:]


def test_special_tokens_in_a_text_are_plain_text():
    assert 0 not in pack(["<s> w1 w2 w3 w4 w5 w6 w7 w8"], PAIR[1], 16).tokens[0]


def test_states_are_those_of_a_plain_forward_pass_in_order():
    documents = tiny_text(12, 30) + tiny_text(12, 20, seed=1)
    found = hidden_states(
        PAIR, documents, "model.layers.1", context_length=24, held_out=6, reading=Reading(batch_size=5)
    )
    rows = []
    for document in documents:
        tokens = torch.tensor([PAIR[1](document)["input_ids"][:24]])
        with torch.no_grad():
            rows.append(PAIR[0](input_ids=tokens, output_hidden_states=True).hidden_states[2][0, 1:])
    # Another batch composition adds up in another order: equal to rounding, not bit for bit.
    torch.testing.assert_close(found.train, torch.cat(rows[:18]), atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(found.held_out, torch.cat(rows[18:]), atol=2e-6, rtol=1e-5)
    assert found.statistics["dropped_first_positions"] == 24
    assert found.statistics["tokens_read"] == 12 * 24 + 12 * 20
    assert found.question["hook"] == "model.layers.1"
    json.dumps([found.question, found.statistics])


def test_the_held_out_part_is_of_documents_of_its_own():
    documents = tiny_text(20, 40)
    found = hidden_states(PAIR, documents, "layers.0", context_length=16)
    assert len(found.train) == 18 * 2 * 15
    assert len(found.held_out) == 2 * 2 * 15
    assert found.host.contexts == pack(documents[18:], PAIR[1], 16).tokens
    few = hidden_states(PAIR, documents[:2], "layers.0", context_length=10, held_out=0.25)
    assert len(few.train) == 6 * 9
    assert len(few.held_out) == 2 * 9


def test_a_limit_is_shared_between_the_parts():
    found = hidden_states(PAIR, tiny_text(50, 16), "layers.0", context_length=16, max_tokens=300, held_out=0.2)
    assert (len(found.train), len(found.held_out)) == (240, 60)
    everything = hidden_states(PAIR, tiny_text(50, 16), "layers.0", context_length=16, held_out=0.2)
    torch.testing.assert_close(found.held_out, everything.held_out[:60], atol=2e-6, rtol=1e-5)


def test_vectors_above_the_limit_are_dropped_and_counted():
    everything = hidden_states(
        PAIR, tiny_text(20), "layers.2", context_length=40, reading=Reading(outlier_medians=None)
    )
    limit = 1.02
    found = hidden_states(PAIR, tiny_text(20), "layers.2", context_length=40, reading=Reading(outlier_medians=limit))
    bound = limit * everything.train.norm(dim=1).median()
    kept = everything.train[everything.train.norm(dim=1) <= bound]
    assert 0 < len(kept) < len(everything.train)
    assert torch.equal(found.train, kept)
    assert found.statistics["dropped_outliers"]["train"] == len(everything.train) - len(kept)
    assert found.held_out.norm(dim=1).max() <= bound
    assert found.host.outlier_norm == pytest.approx(bound.item())


def test_batches_are_deterministic_and_cover_every_vector():
    found = hidden_states(torch.arange(60.0).reshape(30, 2), held_out=0.1)
    one, two = ([b.clone() for b in found.batches(10, seed=3, steps=27)] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    seen = torch.cat(one)[:, 0]
    assert torch.equal(seen.sort().values, found.train[:, 0].repeat_interleave(10))
    assert not torch.equal(one[0], next(iter(found.batches(10, seed=4, steps=1))))
    assert len(list(found.batches(100, seed=0, steps=2))[1]) == 100
    with pytest.raises(ValueError, match="size=0"):
        next(found.batches(0, 0, 1))


def test_arrays_and_files_give_the_same_states(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    save_file({"x": torch.from_numpy(values)}, tmp_path / "a.safetensors")
    for source in (
        values,
        values.tolist(),
        torch.from_numpy(values),
        tmp_path / "a.npy",
        str(tmp_path / "a.safetensors"),
    ):
        found = hidden_states(source, held_out=10)
        assert torch.equal(found.train, torch.from_numpy(values[:40]))
        assert torch.equal(found.held_out, torch.from_numpy(values[40:]))
        assert found.host is None


def test_text_files_of_all_kinds(tmp_path):
    (tmp_path / "a.txt").write_text("One day.\n\nTwo days.", encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(["One day.", {"text": "Two days."}]), encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "One day."}\n\n"Two\\u2028days."\n', encoding="utf-8")
    assert read_documents(tmp_path / "a.txt") == ["One day.\n\nTwo days."]
    assert read_documents(tmp_path / "a.json") == ["One day.", "Two days."]
    assert read_documents(str(tmp_path / "a.jsonl")) == ["One day.", "Two\u2028days."]


def test_a_shuffling_buffer_gives_every_vector_once_a_pass_and_the_same_again():
    vectors = torch.arange(1000.0)[:, None].expand(-1, 2)
    states = hidden_states(vectors, held_out=0, reading=Reading(shuffle_buffer=160))
    rows = torch.cat([batch[:, 0] for batch in states.batches(50, 3, 40)]).long()
    for whole in (rows[:1000], rows[1000:]):
        assert torch.equal(whole.sort().values, torch.arange(1000))
    first = rows[:160]
    assert len((first // 10).unique()) == 16, "16 runs of ten neighbours"
    assert (first.diff().abs() > 1).float().mean() > 0.8, "shuffled"
    again = torch.cat([batch[:, 0] for batch in states.batches(50, 3, 40)]).long()
    assert torch.equal(rows, again)
    assert not torch.equal(rows, torch.cat([batch[:, 0] for batch in states.batches(50, 4, 40)]).long())
    tail = torch.cat([batch[:, 0] for batch in states.batches(50, 3, 40, first=20)]).long()
    assert torch.equal(tail, rows[1000:]), "a run that goes on sees what it would have seen"
    whole = hidden_states(vectors, held_out=0, reading=Reading(shuffle_buffer=1000))
    plain = hidden_states(vectors, held_out=0)
    assert all(torch.equal(a, b) for a, b in zip(whole.batches(50, 3, 40), plain.batches(50, 3, 40)))
    with pytest.raises(ValueError, match="at least 16"):
        hidden_states(vectors, reading=Reading(shuffle_buffer=3))


def test_a_host_in_bfloat16_keeps_its_vectors_exactly(tmp_path):
    model = tiny_model("llama").to(torch.bfloat16)
    documents = tiny_text(30, 24)
    here = hidden_states((model, PAIR[1]), documents, "layers.1", context_length=24)
    there = hidden_states((model, PAIR[1]), documents, "layers.1", context_length=24, store=tmp_path / "store")
    assert here.train.dtype == there.train.dtype == torch.bfloat16
    assert here.question["dtype"] == "bfloat16"
    for part in ("train", "calibration", "held_out"):
        assert torch.equal(getattr(here, part), getattr(there, part))
        assert part == "train" or getattr(there, part).dtype == torch.float32
    truth = capture(model, resolve_hook(model, "layers.1"), torch.tensor([here.host.contexts[-1]]))[0, 1:]
    assert torch.equal(there.held_out[-23:], truth.float())
    assert next(iter(there.batches(8, 0, 1))).dtype == torch.float32
    size = (tmp_path / "store/train.safetensors").stat().st_size
    assert size < 2.1 * there.train.numel(), "two bytes a number"


def test_what_is_dropped_is_counted_with_its_norms():
    model = tiny_model("llama")
    documents = tiny_text(30, 24)
    plain = hidden_states(
        (model, PAIR[1]), documents, "layers.1", context_length=24, reading=Reading(outlier_medians=None)
    )
    limit = 1.05
    found = hidden_states(
        (model, PAIR[1]), documents, "layers.1", context_length=24, reading=Reading(outlier_medians=limit)
    )
    norms = torch.cat([plain.train.norm(dim=1), plain.held_out.norm(dim=1)])
    above = norms[norms > limit * plain.train.norm(dim=1).median()]
    counts = found.statistics
    assert sum(counts["dropped_outliers"].values()) == len(above) > 0
    assert counts["dropped_first_positions"] == 30
    assert counts["dropped_share"] == (30 + len(above)) / (30 * 24)
    assert counts["median_dropped_outlier_norm"] == pytest.approx(above.median().item(), rel=1e-6)
    assert counts["largest_first_norm"] >= counts["median_first_norm"] > 0
    assert plain.statistics["median_dropped_outlier_norm"] is None
