"""Files of openai/sparse_autoencoder as its own modules write them: the gate's state is in the file twice."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from rsae.formats import load_sae

X = torch.randn(40, 8, generator=torch.Generator().manual_seed(1))


class TopK(nn.Module):
    """Has no tensors, and adds its two settings to every state dictionary that it takes part in."""

    def __init__(self, k: int, after: nn.Module):
        super().__init__()
        self.k, self.after = k, after

    def forward(self, h):
        values, places = h.topk(self.k, dim=-1)
        return torch.zeros_like(h).scatter(-1, places, self.after(values))

    def state_dict(self, *args, prefix="", **rest):
        found = super().state_dict(*args, prefix=prefix, **rest)
        found[prefix + "k"] = self.k
        found[prefix + "postact_fn"] = type(self.after).__name__
        return found


class Tied(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, z):
        return z @ self.linear.weight


class Autoencoder(nn.Module):
    """The layout of that library's module: what is registered, under which names, and what its state adds."""

    def __init__(self, gate: nn.Module, tied: bool = False, normalise: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.pre_bias = nn.Parameter(torch.randn(8))
        self.latent_bias = nn.Parameter(0.1 * torch.randn(24))
        self.encoder = nn.Linear(8, 24, bias=False)
        self.activation = gate
        self.decoder = Tied(self.encoder) if tied else nn.Linear(24, 8, bias=False)
        self.normalise = normalise
        self.register_buffer("stats_last_nonzero", torch.zeros(24, dtype=torch.long))
        self.register_buffer("latents_activation_frequency", torch.ones(24))
        self.register_buffer("latents_mean_square", torch.zeros(24))

    def codes_and_reconstruction(self, x):
        mean, scale = (x.mean(-1, keepdim=True), x.std(-1, keepdim=True)) if self.normalise else (0.0, 1.0)
        inputs = (x - mean) / (scale + 1e-5) if self.normalise else x
        codes = self.activation(self.encoder(inputs - self.pre_bias) + self.latent_bias)
        return codes, (self.decoder(codes) + self.pre_bias) * scale + mean

    def state_dict(self, *args, prefix="", **rest):
        found = super().state_dict(*args, prefix=prefix, **rest)
        found[prefix + "activation"] = type(self.activation).__name__
        found[prefix + "activation_state_dict"] = self.activation.state_dict()
        return found


MODULES = {
    "ReLU": Autoencoder(nn.ReLU()),
    "tied ReLU": Autoencoder(nn.ReLU(), tied=True),
    "TopK": Autoencoder(TopK(4, nn.ReLU()), normalise=True),
    "tied TopK": Autoencoder(TopK(4, nn.ReLU()), tied=True, normalise=True),
}


@pytest.mark.parametrize("name", MODULES)
def test_what_the_librarys_module_saves_is_read(tmp_path: Path, name: str) -> None:
    """The entries "activation.k" and "activation.postact_fn" were refused as weights that are not understood."""
    torch.save(MODULES[name].state_dict(), tmp_path / "6.pt")
    assert ("activation.k" in MODULES[name].state_dict()) == ("TopK" in name)
    with torch.no_grad():
        found = load_sae(tmp_path / "6.pt")(X)
        codes, reconstruction = MODULES[name].codes_and_reconstruction(X)
    assert 0 < (codes > 0).float().mean() < 1
    torch.testing.assert_close(found.codes, codes, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(found.reconstruction, reconstruction, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation.k": 5}, "says k = 4, and then k = 5"),
        ({"activation.postact_fn": "Identity"}, "says postact_fn = 'ReLU', and then postact_fn = 'Identity'"),
        ({"activation.temperature": 2.0}, "not understood: activation.temperature"),
        ({"activation": "ReLU"}, "not understood: activation.k"),
        ({"activation": "Softmax"}, "'Softmax'"),
        ({"activation": nn.ReLU()}, "the object torch.nn.modules.activation.ReLU"),
        ({"activation": nn.ReLU}, "the object torch.nn.modules.activation.ReLU"),
    ],
)
def test_what_contradicts_itself_or_is_no_plain_value_is_refused(tmp_path: Path, changes: dict, words: str) -> None:
    torch.save({**MODULES["TopK"].state_dict(), **changes}, tmp_path / "6.pt")
    with pytest.raises(ValueError, match=r"6\.pt") as refusal:
        load_sae(tmp_path / "6.pt")
    assert words in str(refusal.value)


def test_the_gate_may_be_described_once(tmp_path: Path) -> None:
    """As in files that were written before the module overrode its state, or that others have cleaned."""
    state = MODULES["TopK"].state_dict()
    for gone in (("activation.k", "activation.postact_fn"), ("activation_state_dict",)):
        torch.save({name: value for name, value in state.items() if name not in gone}, tmp_path / "6.pt")
        assert load_sae(tmp_path / "6.pt").k == 4


@pytest.mark.parametrize(
    ("place", "hook"),
    [
        ("resid_post_mlp_v5_32k", "blocks.6.hook_resid_post"),
        ("resid_delta_mlp", "blocks.6.hook_mlp_out"),
        ("mlp_post_act_v4", "blocks.6.mlp.hook_post"),
        ("elsewhere", None),
    ],
)
def test_the_published_path_names_model_and_hook(tmp_path: Path, place: str, hook: str | None) -> None:
    folder = tmp_path / "gpt2-small" / place / "autoencoders"
    folder.mkdir(parents=True)
    torch.save(MODULES["TopK"].state_dict(), folder / "6.pt")
    metadata = load_sae(folder / "6.pt").metadata
    assert (metadata.get("hook"), metadata.get("model")) == (hook, hook and "gpt2-small")
    json.dumps(metadata)  # goes into reports
