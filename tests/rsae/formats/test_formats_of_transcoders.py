"""Transcoders and crosscoders of every published format: read, against their equations; written, and read back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.formats import export_torch, load_sae, save_sae
from tests.rsae.material.transcoders import transcoder

G = torch.Generator().manual_seed(0)
X = torch.randn(40, 6, generator=G)
E, B = torch.randn(6, 20, generator=G), 0.3 * torch.randn(20, generator=G)
D, C = torch.randn(20, 5, generator=G), torch.randn(5, generator=G)
S, THRESHOLD = torch.randn(6, 5, generator=G), torch.rand(20, generator=G)
SQUARE = torch.randn(20, 6, generator=G), torch.randn(6, generator=G), torch.randn(6, 6, generator=G)
PLACE = "blocks.3.mlp.hook_in -> blocks.3.hook_mlp_out"


def relu(h):
    return h.clamp_min(0.0)


def jump(h):
    return relu(h) * (h > THRESHOLD)


def top(h, k):
    values, places = h.topk(k, dim=-1)
    return torch.zeros_like(h).scatter(-1, places, relu(values))


def safetensors(name, tensors, **config):
    def write(folder: Path):
        folder.mkdir(parents=True)
        save_file({n: v.contiguous() for n, v in tensors.items()}, folder / name)
        for file, value in config.items():
            (folder / file.replace("_json", ".json").replace("_yaml", ".yaml")).write_text(
                value if isinstance(value, str) else json.dumps(value)
            )

    return write


def lens(architecture, **tensors):
    about = {"hook_name": "blocks.3.mlp.hook_in", "hook_name_out": "blocks.3.hook_mlp_out", "model_name": "m"}
    config = {"architecture": architecture, "d_in": 6, "d_out": 5, "d_sae": 20, "apply_b_dec_to_input": False}
    weights = {"W_enc": E, "b_enc": B, "W_dec": D, "b_dec": C} | tensors
    return safetensors("sae_weights.safetensors", weights, cfg_json=config | {"metadata": about})


def gemma_1(folder):
    folder.mkdir(parents=True)
    arrays = {"W_enc": E, "b_enc": B, "W_dec": SQUARE[0], "b_dec": SQUARE[1], "threshold": THRESHOLD}
    np.savez(folder / "params.npz", **{name: value.numpy() for name, value in arrays.items()})


def gemma_2(**tensors):
    places = [f"model.layers.3.{end}_feedforward_layernorm.output" for end in ("pre", "post")]
    config = {"architecture": "jump_relu", "type": "transcoder", "width": 20, "affine_connection": bool(tensors)}
    config |= {"hf_hook_point_in": places[0], "hf_hook_point_out": places[1]}
    arrays = {"w_enc": E, "b_enc": B, "w_dec": D, "b_dec": C, "threshold": THRESHOLD} | tensors
    return safetensors("params.safetensors", arrays, config_json=config)


def sparsify(skip):
    config = {"transcode": True, "skip_connection": skip, "k": 4, "num_latents": 20, "d_in": 6, "activation": "topk"}
    arrays = {"encoder.weight": E.T, "encoder.bias": B, "W_dec": SQUARE[0], "b_dec": SQUARE[1]}
    return safetensors("sae.safetensors", arrays | ({"W_skip": SQUARE[2].T} if skip else {}), cfg_json=config)


def llama_scope(folder):
    config = {"hook_point_in": "blocks.3.ln2.hook_normalized", "hook_point_out": "blocks.3.hook_mlp_out", "d_model": 6}
    config |= {"act_fn": "jumprelu", "jump_relu_threshold": 0.35, "apply_decoder_bias_to_pre_encoder": False}
    config |= {"norm_activation": "dataset-wise", "dataset_average_activation_norm": {"in": 2.0, "out": 0.5}}
    arrays = {"encoder.weight": E.T, "encoder.bias": B, "decoder.weight": SQUARE[0].T, "decoder.bias": SQUARE[1]}
    safetensors("final.safetensors", arrays)(folder / "checkpoints")
    (folder / "hyperparams.json").write_text(json.dumps(config))


def scaled(x):
    """Llama Scope in its own units: what is read and what is given have factors of their own."""
    read, given = 6**0.5 / 2, 6**0.5 / 0.5
    norms = (SQUARE[0] * read / given).norm(dim=1)
    h = read * x @ E + B
    codes = h * (h > 0.35 * read / norms) * (h > 0)
    return (codes @ SQUARE[0] + SQUARE[1]) / given


def circuit_tracer(yaml="", **tensors):
    text = f'model_name: "owner/m"\nfeature_input_hook: "mlp.hook_in"\nfeature_output_hook: hook_mlp_out\n{yaml}'
    arrays = {"W_enc": E.T, "b_enc": B, "W_dec": D, "b_dec": C} | tensors
    return safetensors("layer_3.safetensors", arrays, config_yaml=text)


# name: (writer, what is given for x, hook); the folder's name is part of some formats
CASES = {
    "lens/transcoder": (lens("transcoder"), lambda x: relu(x @ E + B) @ D + C, PLACE),
    "lens/skip": (lens("skip_transcoder", W_skip=S.T), lambda x: relu(x @ E + B) @ D + C + x @ S, PLACE),
    "lens/jumprelu": (lens("jumprelu_transcoder", threshold=THRESHOLD), lambda x: jump(x @ E + B) @ D + C, PLACE),
    "lens/both": (
        lens("jumprelu_skip_transcoder", threshold=THRESHOLD, W_skip=S.T),
        lambda x: jump(x @ E + B) @ D + C + x @ S,
        PLACE,
    ),
    "gemma-scope-2b-pt-transcoders/layer_3": (
        gemma_1,
        lambda x: jump(x @ E + B) @ SQUARE[0] + SQUARE[1],
        "blocks.3.ln2.hook_normalized -> blocks.3.hook_mlp_out",
    ),
    "gemma-scope-2/transcoder_all/layer_3": (
        gemma_2(affine_skip_connection=S),
        lambda x: jump(x @ E + B) @ D + C + x @ S,
        "model.layers.3.pre_feedforward_layernorm -> model.layers.3.post_feedforward_layernorm",
    ),
    "sparsify/layers.3.mlp": (
        sparsify(False),
        lambda x: top(x @ E + B, 4) @ SQUARE[0] + SQUARE[1],
        "layers.3.mlp.input -> layers.3.mlp",
    ),
    "skip/layers.3.mlp": (
        sparsify(True),
        lambda x: top(x @ E + B, 4) @ SQUARE[0] + SQUARE[1] + x @ SQUARE[2],
        "layers.3.mlp.input -> layers.3.mlp",
    ),
    "llama": (llama_scope, scaled, "blocks.3.ln2.hook_normalized -> blocks.3.hook_mlp_out"),
    "tracer/relu/layer_3.safetensors": (circuit_tracer(), lambda x: relu(x @ E + B) @ D + C, PLACE),
    "tracer/jump/layer_3.safetensors": (
        circuit_tracer(W_skip=S.T, **{"activation_function.threshold": THRESHOLD}),
        lambda x: jump(x @ E + B) @ D + C + x @ S,
        PLACE,
    ),
    "tracer/topk/layer_3.safetensors": (
        circuit_tracer("activation: topk\nk: 4\n"),
        lambda x: top(x @ E + B, 4) @ D + C,
        PLACE,
    ),
}


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_the_equations_of_each_library(tmp_path, name):
    write, expected, hook = CASES[name]
    write(tmp_path / name.removesuffix("/layer_3.safetensors"))
    sae = load_sae(tmp_path / name)
    assert sae.transcodes
    assert sae.metadata["hook"] == hook
    torch.testing.assert_close(sae(X).reconstruction, expected(X), rtol=1e-4, atol=1e-5)
    save_sae(sae, tmp_path / "out")
    again = load_sae(tmp_path / "out")
    torch.testing.assert_close(again(X), sae(X))
    assert again.metadata["hook"] == hook


def test_a_skip_connection_of_an_sae_and_a_topk_without_k_are_refused(tmp_path):
    sparsify(True)(tmp_path / "layers.3")
    config = json.loads((tmp_path / "layers.3/cfg.json").read_text())
    (tmp_path / "layers.3/cfg.json").write_text(json.dumps(config | {"transcode": False}))
    with pytest.raises(ValueError, match="an SAE with a skip connection"):
        load_sae(tmp_path / "layers.3")
    circuit_tracer("activation: topk\n")(tmp_path / "t")
    with pytest.raises(ValueError, match=r"neither it nor layer_3\.safetensors says k"):
        load_sae(tmp_path / "t/layer_3.safetensors")
    lens("transcoder", W_dec=D[:, :4], b_dec=C[:4])(tmp_path / "wrong")
    with pytest.raises(ValueError, match="says d_out = 5, but its weights have 4"):
        load_sae(tmp_path / "wrong")


@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
@torch.no_grad()
def test_rational_transcoders_come_back_and_stand_alone(tmp_path, family, monkeypatch):
    sae = transcoder(family, skip=True)
    sae.activation = RationalActivation(IDENTITY, ("ratio",))
    for parameter in sae.activation.parameters():
        parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos())
    x = torch.randn(20, sae.d_in, generator=torch.Generator().manual_seed(1))
    again = load_sae(save_sae(sae, tmp_path / "sae"))
    torch.testing.assert_close(again(x), sae(x))
    monkeypatch.syspath_prepend(str(export_torch(sae, tmp_path / "alone")))
    source = (tmp_path / "alone/rational_sae.py").read_text(encoding="utf-8")
    space: dict = {"__name__": "alone", "__file__": str(tmp_path / "alone/rational_sae.py")}
    exec(compile(source, "rational_sae.py", "exec"), space)
    alone = space["load"]()
    torch.testing.assert_close(alone(x), sae(x).reconstruction, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
@torch.no_grad()
def test_a_crosscoder_is_an_sae_of_all_its_places_at_once(tmp_path, first):
    """Of two models, or of two layers: the encoder sums over places, and the decoder gives each."""
    encoder, decoder = torch.randn(2, 6, 20, generator=G), torch.randn(2, 20, 6, generator=G)
    bias = torch.randn(2, 6, generator=G)
    if first:  # dictionary_learning's branch
        state = {"encoder.weight": encoder, "encoder.bias": B, "decoder.weight": decoder, "decoder.bias": bias}
    else:  # the replication of Kissane and others
        state = {"W_enc": encoder, "b_enc": B, "W_dec": decoder.transpose(0, 1), "b_dec": bias}
    torch.save(state, tmp_path / "cc_weights.pt")
    (tmp_path / "cfg.json").write_text(json.dumps({"d_in": 6, "dict_size": 20}))
    sae = load_sae(tmp_path)
    both = torch.randn(9, 2, 6, generator=G)
    codes = relu(torch.einsum("bld,ldf->bf", both, encoder) + B)
    expected = torch.einsum("bf,lfd->bld", codes, decoder) + bias
    found = sae(both.flatten(1))
    torch.testing.assert_close(found.codes, codes, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.reconstruction.view(9, 2, 6), expected, rtol=1e-4, atol=1e-4)
    assert (sae.metadata["places"], sae.d_in, sae.transcodes) == (2, 12, False)
    torch.save(state | {"threshold": torch.zeros(20)}, tmp_path / "cc_weights.pt")
    with pytest.raises(ValueError, match="weights that are not understood: threshold"):
        load_sae(tmp_path)
