"""Names of places and of models, in the spellings of several libraries."""

import pytest

from rsae.hosts.names import hub_name, same_model
from rsae.hosts.places import same_place


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("blocks.2.hook_resid_post", "model.layers.2", True),
        ("blocks.3.hook_resid_pre", "model.layers.2", True),
        ("blocks.3.hook_resid_pre", "gpt_neox.layers.3", False),
        ("blocks.8.hook_resid_pre", "transformer.h.7", True),
        ("blocks.8.hook_resid_pre", "transformer.h.8", False),
        ("blocks.8.hook_resid_post", "blocks.9.hook_resid_pre", True),
        ("resid_post_layer_8", "gpt_neox.layers.8", True),
        ("layers.5", "model.language_model.layers.5", True),
        ("layers.5.mlp", "model.layers.5", False),
        ("layers.5.mlp", "blocks.5.hook_mlp_out", True),
        ("h.5.attn", "blocks.5.hook_attn_out", True),
        ("blocks.5.attn.hook_z", "model.layers.5", False),
        ("blocks.5.hook_resid_mid", "blocks.5.hook_resid_post", False),
        ("blocks.5.ln2.hook_normalized", "model.layers.5.post_attention_layernorm", True),
        ("blocks.5.ln2.hook_normalized", "model.layers.6.post_attention_layernorm", False),
        ("blocks.5.ln2.hook_normalized", "model.layers.5", False),
        ("somewhere", "model.layers.5", True),
    ],
)
def test_names_of_places_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert same_place(one, other) is same_place(other, one) is same


@pytest.mark.parametrize(
    ("said", "read", "local", "same"),
    [
        ("gpt2-small", "gpt2", False, True),
        ("gpt2-small", "openai-community/gpt2", False, True),
        ("gpt2-small", "gpt2-medium", False, False),
        ("mistral-7b", "mistralai/Mistral-7B-v0.1", False, True),
        ("mistral-7b", "mistralai/Mistral-7B-v0.3", False, False),
        ("gemma-2-2b", "google/gemma-2-2b", False, True),
        ("gemma-2-2b", "google/gemma-2-2b-it", False, False),
        ("gemma-2-2b", "google/gemma-2b", False, False),
        ("meta-llama/Llama-3.1-8B", "unsloth/Meta-Llama-3.1-8B", False, True),
        ("tiny-stories-1M", "roneneldan/TinyStories-1M", False, True),
        ("gpt2-small", "/cache/models--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e", False, True),
        ("gpt2-small", "/cache/models--EleutherAI--pythia-70m/snapshots/607a30d783df", False, False),
        ("gpt2-small", "/models/gpt2", True, True),
        ("gpt2-small", "/models/gpt2-xl", True, False),
        ("gpt2-small", "/models/pythia-160m", True, False),
        ("EleutherAI/pythia-160m-deduped", "/models/pythia-70m-deduped", True, False),
        ("gpt2-small", "/models/mine", True, True),
        ("SmolLM2-135M-Instruct (Q4_1 GGUF)", "SmolLM2-135M-Instruct.Q4_1.gguf", True, True),
    ],
)
def test_names_of_models_are_compared_by_what_they_mean(said: str, read: str, local: bool, same: bool) -> None:
    assert same_model(said, read, local=local) is same


@pytest.mark.parametrize("name", ["gpt2-small", "mistral-7b", "pythia-70m-deduped", "gemma-2-2b", "qwen3-0.6b"])
def test_the_name_on_the_hub_means_the_same_model(name: str) -> None:
    assert hub_name(name) != name
    assert same_model(name, hub_name(name))
