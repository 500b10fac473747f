"""Every published format, read: outputs against the libraries' own, or against their equations."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rsae.formats import load_sae, save_sae
from tests.rsae.material.layouts import CASES, THRESHOLD, B, E, W, X, llama_scope, relu


@pytest.mark.parametrize("name", CASES)
def test_the_equations_of_each_library(tmp_path, name):
    write, encode, decode = CASES[name]
    write(tmp_path)
    with torch.no_grad():
        found, codes = load_sae(tmp_path)(X), encode(X)
    assert 0 < (codes > 0).float().mean() < 1
    torch.testing.assert_close(found.codes, codes, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(found.reconstruction, decode(X, codes), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("version", [1, 2])
def test_gemma_scope(tmp_path, version):
    folder = tmp_path / "layer_3"
    folder.mkdir()
    arrays = W | {"threshold": THRESHOLD}
    if version == 1:
        np.savez(folder / "params.npz", **{name: value.numpy() for name, value in arrays.items()})
    else:
        save_file({name.lower(): value.contiguous() for name, value in arrays.items()}, folder / "params.safetensors")
        config = {"architecture": "jump_relu", "hf_hook_point_in": "model.layers.3.output", "width": 24}
        (folder / "config.json").write_text(json.dumps(config))
    sae = load_sae(folder)
    h = X @ E + B
    torch.testing.assert_close(sae.encode(X), relu(h) * (h > THRESHOLD), rtol=1e-5, atol=2e-6)
    assert sae.metadata["hook"] in {"blocks.3.hook_resid_post", "model.layers.3"}


def at(folder, name, write=None):
    """What an SAE in the folder of this name says of its origin, but for its source and configuration."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (write or (lambda _: None))(place)
    metadata = load_sae(place).metadata
    return {key: value for key, value in metadata.items() if key not in ("format", "source", "config")}


def test_gemma_scope_1_is_described_by_its_path(tmp_path):
    def write(folder):
        np.savez(
            folder / "params.npz", **{name: value.numpy() for name, value in (W | {"threshold": THRESHOLD}).items()}
        )

    release = "models--google--gemma-scope-2b-pt-{}/snapshots/1/layer_12/width_16k/average_l0_82"
    residual = {"hook": "blocks.12.hook_resid_post", "l0": 82.0, "model": "google/gemma-2-2b"}
    assert at(tmp_path, release.format("res"), write) == residual
    assert at(tmp_path, release.format("mlp"), write) == residual | {"hook": "blocks.12.hook_mlp_out"}
    assert at(tmp_path, release.format("att"), write) == residual | {"hook": "blocks.12.attn.hook_z"}
    other = at(tmp_path, "gemma-scope-9b-it-res/layer_20/width_16k/canonical", write)
    assert other == {"hook": "blocks.20.hook_resid_post", "model": "google/gemma-2-9b-it"}


def test_sparsify_is_described_by_its_folder_and_the_run_above(tmp_path):
    write = CASES["sparsify"][0]
    for name, hook in (("layers.5", "layers.5"), ("layers.5.mlp", "layers.5.mlp"), ("h_7", "h.7"), ("mine", None)):
        assert at(tmp_path, name, write).get("hook") == hook
    (tmp_path / "config.json").write_text(json.dumps({"model": "EleutherAI/pythia-160m", "ctx_len": 2048}))
    found = {"hook": "layers.5", "model": "EleutherAI/pythia-160m", "context_length": 2048}
    assert at(tmp_path, "layers.5", write) == found


@pytest.mark.parametrize(
    ("trainer", "buffer", "hook"),
    [
        ({"submodule_name": "resid_post_layer_8"}, {"io": "out"}, "blocks.8.hook_resid_post"),
        ({}, {}, "blocks.8.hook_resid_post"),
        ({"submodule_name": "mlp_out_layer8"}, {"io": "out"}, "blocks.8.hook_mlp_out"),
        ({"submodule_name": "attn_out_layer8"}, {}, "blocks.8.hook_attn_out"),
        ({"submodule_name": "resid_post_layer_8"}, {"io": "in"}, "blocks.8.hook_resid_pre"),
    ],
)
def test_dictionary_learning_is_described_by_its_configuration(tmp_path, trainer, buffer, hook):
    state = {"encoder.weight": E.T, "encoder.bias": B, "decoder.weight": W["W_dec"].T, "bias": W["b_dec"]}
    torch.save(state, tmp_path / "ae.pt")
    config = {"trainer": {"layer": 8, "lm_name": "pythia", **trainer}, "buffer": {"ctx_len": 128, **buffer}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "eval_results.json").write_text(json.dumps({"frac_variance_explained": 0.81, "l0": 20.5, "other": 1}))
    found = {"model": "pythia", "hook": hook, "context_length": 128, "explained_variance": 0.81, "l0": 20.5}
    assert at(tmp_path, ".") == found


def test_sae_lens_is_described_by_its_metadata(tmp_path):
    config = {"architecture": "standard", "d_in": 8, "d_sae": 24}
    about = {"model_name": "gpt2", "hook_name": "blocks.1.hook_resid_pre", "context_size": 64, "prepend_bos": True}
    about |= {"l0": 12.5, "explained_variance": 0.9, "model_from_pretrained_kwargs": {"torch_dtype": "torch.bfloat16"}}
    found = {"model": "gpt2", "hook": "blocks.1.hook_resid_pre", "context_length": 64, "prepend_bos": True}
    found |= {"l0": 12.5, "explained_variance": 0.9, "model_dtype": "bfloat16"}
    CASES["sae-lens standard"][0](tmp_path)
    for written in (config | {"metadata": about}, config | about):
        (tmp_path / "cfg.json").write_text(json.dumps(written))
        assert at(tmp_path, ".") == found
        save_sae(load_sae(tmp_path), tmp_path / "again", overwrite=True)
        assert at(tmp_path, "again").items() >= found.items()


@pytest.mark.parametrize("said", [{"type": "crosscoder"}, {"type": "clt"}])
def test_crosscoders_of_gemma_scope_are_refused_by_what_their_configuration_says(tmp_path, said):
    arrays = {name.lower(): value.contiguous() for name, value in (W | {"threshold": THRESHOLD}).items()}
    save_file(arrays, tmp_path / "params.safetensors")
    config = {"architecture": "jump_relu", "type": "sae"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_sae(tmp_path).family == "jumprelu"
    (tmp_path / "config.json").write_text(json.dumps({**config, "hf_hook_point_in": "model.y", **said}))
    kind = {"clt": "a cross-layer transcoder", "crosscoder": "a crosscoder"}[said["type"]]
    with pytest.raises(ValueError, match=f"is {kind}: .*take an SAE or a transcoder of one layer"):
        load_sae(tmp_path)


@pytest.mark.parametrize(
    ("folder", "names", "kind"),
    [
        ("clt/width_262k_l0_medium_affine", ["config.json", "params_layer_0.safetensors"], "a cross-layer transcoder"),
        ("crosscoder/layer_7_13_width_65k", ["config.json", "params_layer_0.safetensors"], "a crosscoder"),
        ("clt-gemma-2-2b", ["config.yaml", "W_dec_0.safetensors", "W_enc_0.safetensors"], "a cross-layer transcoder"),
    ],
)
def test_dictionaries_of_several_layers_are_refused_by_name(tmp_path, folder, names, kind):
    """As Gemma Scope 2 and circuit-tracer publish them: the whole folder, and each of its parts."""
    whole = tmp_path / folder
    whole.mkdir(parents=True)
    for name in names:
        (whole / name).write_text("{}")
    for path in (whole, *(whole / name for name in names[1:])):
        with pytest.raises(ValueError, match=f"is {kind}: it joins several layers.*rsae releases"):
            load_sae(path)


def test_qwen_scope(tmp_path):
    """Matrices are stored transposed, and k stands in the folder's name alone, as on the hub and in its cache."""
    wide = {"W_enc": E.T.repeat(128, 1)[:2048], "W_dec": W["W_dec"].T.repeat(1, 128)[:, :2048], "b_dec": W["b_dec"]}
    wide |= {"b_enc": torch.linspace(-1, 1, 2048)}
    folder = tmp_path / "models--Qwen--SAE-Res-Qwen3-8B-Base-W2K-L0_7/snapshots/1"
    folder.mkdir(parents=True)
    torch.save(wide, folder / "layer12.sae.pt")
    sae = load_sae(folder, "layer12.sae.pt")
    h = (X @ wide["W_enc"].T + wide["b_enc"]).relu()
    values, places = h.topk(7)
    codes = torch.zeros_like(h).scatter(1, places, values)
    found = sae(X)
    torch.testing.assert_close(found.codes, codes, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(found.reconstruction, codes @ wide["W_dec"].T + wide["b_dec"], rtol=1e-5, atol=1e-5)
    assert (sae.metadata["model"], sae.metadata["hook"]) == ("Qwen/Qwen3-8B-Base", "model.layers.12")
    (tmp_path / "elsewhere").mkdir()
    torch.save(wide, tmp_path / "elsewhere/layer12.sae.pt")
    with pytest.raises(ValueError, match="keep it in a folder with the release's name"):
        load_sae(tmp_path / "elsewhere/layer12.sae.pt")


def test_where_the_new_readers_say_an_sae_belongs(tmp_path):
    hooks = {
        "llama scope": ("blocks.7.hook_resid_post", None),
        "goodfire relu": ("model.layers.19", "meta-llama/Llama-3.1-8B-Instruct"),
        "attention of Kissane et al.": ("blocks.2.attn.hook_z", "gpt2-small"),
    }
    for name, (hook, model) in hooks.items():
        (tmp_path / name).mkdir()
        CASES[name][0](tmp_path / name)
        found = load_sae(tmp_path / name).metadata
        assert (found["hook"], found.get("model")) == (hook, model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"act_fn": "sigmoid"}, "has the activation 'sigmoid'"),
        ({"use_glu_encoder": True}, "gated encoder"),
        ({"norm_activation": "batch-wise"}, "norm_activation 'batch-wise'"),
        ({"dataset_average_activation_norm": {"in": 0.0, "out": 2.0}}, "not positive"),
        ({"d_sae": 25}, "says d_sae = 25"),
    ],
)
def test_what_llama_scope_cannot_mean_is_refused(tmp_path, changes, words):
    llama_scope(**changes)(tmp_path)
    with pytest.raises(ValueError, match=words):
        load_sae(tmp_path)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "ae._orig_mod.", "_orig_mod.ae.", "module.", "module._orig_mod."])
def test_prefixes_of_wrapped_modules_are_not_part_of_a_name(tmp_path, prefix):
    state = {"encoder.weight": E.T, "encoder.bias": B, "decoder.weight": W["W_dec"].T, "bias": W["b_dec"]}
    torch.save(state, tmp_path / "ae.pt")
    expected = load_sae(tmp_path).encode(X)
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "ae.pt")
    assert torch.equal(load_sae(tmp_path).encode(X), expected)
    torch.save(state | {prefix + "bias": W["b_dec"] + 1}, tmp_path / "ae.pt")
    with pytest.raises(ValueError, match="the same weights twice"):
        load_sae(tmp_path)


def test_bfloat16_weights(tmp_path):
    write, encode, _ = CASES["sae-lens standard"]
    write(tmp_path)
    save_file({name: value.bfloat16() for name, value in W.items()}, tmp_path / "sae_weights.safetensors")
    found = load_sae(tmp_path).encode(X)
    assert found.dtype == torch.float32
    assert (found - encode(X)).norm() / encode(X).norm() < 1e-2


TEACHERS = [
    "dictionary_learning/relu",
    "dictionary_learning/topk",
    "gemma_scope/v1/layer_12/width_16k/average_l0_82",
    "sae_lens/batchtopk",
    "sae_lens/jumprelu",
    "sae_lens/standard",
    "sae_lens/topk",
    "sparsify/topk/layers.8",
]


@pytest.mark.parametrize("name", TEACHERS)
def test_teachers_reproduce_their_library(shared, name):
    folder = shared / "data/teachers" / name
    truth = np.load(folder / "io.npz")
    sae = load_sae(folder)
    with torch.no_grad():
        found = sae(torch.from_numpy(truth["x"]))
        decoded = sae.decode(torch.from_numpy(truth["encode"]))
    for ours, theirs in ((found.codes, "encode"), (found.reconstruction, "decode"), (decoded, "decode")):
        largest = np.abs(truth[theirs]).max()
        assert np.abs(ours.numpy() - truth[theirs]).max() <= 1e-5 * largest
    assert ((found.codes != 0).numpy() == (truth["encode"] != 0)).all()


@pytest.mark.parametrize("name", ["standard", "topk", "batchtopk"])
def test_training_checkpoints_equal_the_inference_files(shared, name):
    """SAELens folds decoder norms when it saves for inference; both compute the same reconstruction."""
    folder = shared / "data/teachers/sae_lens" / name
    x = torch.from_numpy(np.load(folder / "io.npz")["x"])
    with torch.no_grad():
        one, two = load_sae(folder)(x), load_sae(folder / "training_checkpoint")(x)
    torch.testing.assert_close(one.reconstruction, two.reconstruction, rtol=1e-4, atol=1e-4)


def test_a_local_directory_stands_for_a_release(tmp_path):
    (tmp_path / "release/layer_1").mkdir(parents=True)
    CASES["sae-lens standard"][0](tmp_path / "release/layer_1")
    assert load_sae(tmp_path / "release", "layer_1").family == "relu"
    assert load_sae(tmp_path / "release/layer_1/sae_weights.safetensors").family == "relu"


def test_a_hub_cache_with_links_is_read(tmp_path):
    blobs, snapshot = tmp_path / "models--a--b/blobs", tmp_path / "models--a--b/snapshots/1/x"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    CASES["sae-lens standard"][0](blobs)
    for name in ("cfg.json", "sae_weights.safetensors"):
        shutil.move(blobs / name, blobs / f"hash-{name}")
        (snapshot / name).symlink_to(blobs / f"hash-{name}")
    assert load_sae(snapshot).d_sae == 24
