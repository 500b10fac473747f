"""The three public hosts and their SAEs, from the hub: `python -m pytest -m network`."""

import pytest
import torch

import rsae
from rsae.hosts.hooks import capture, resolve_hook
from rsae.hosts.language_model import load_language_model

pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("ignore")]
TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps under a tree until the evening comes."

CASES = {
    "GPT-2 small": ("gpt2", "gpt2-small-res-jb", "blocks.8.hook_resid_pre", "blocks.8.hook_resid_pre", "relu"),
    "Gemma-2-2B": (
        "google/gemma-2-2b",
        "google/gemma-scope-2b-pt-res",
        "layer_12/width_16k/average_l0_82",
        "blocks.12.hook_resid_post",
        "jumprelu",
    ),
    "Pythia-160m": (
        "EleutherAI/pythia-160m",
        "EleutherAI/sae-pythia-160m-32k",
        "layers.8",
        "gpt_neox.layers.8",
        "topk",
    ),
}


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_a_public_sae_explains_its_host(name):
    model_name, release, sae_id, hook, family = CASES[name]
    if "/" not in release:
        pytest.importorskip("sae_lens", exc_type=ImportError)
    model, tokenizer = load_language_model(model_name)
    sae = rsae.load_sae(release, sae_id)
    assert sae.family == family
    x = capture(model, resolve_hook(model, hook), torch.tensor([tokenizer(TEXT)["input_ids"]]))[0, 1:]
    out = sae(x)
    assert x.shape[1] == sae.d_in
    assert (out.reconstruction - x).square().sum() < 0.5 * (x - x.mean(0)).square().sum()
