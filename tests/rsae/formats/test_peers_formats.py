"""Files written by the libraries themselves, read here: their own `encode` and `decode` against ours.

And the way out: whatever was read, saved, computes the same inside SAELens.
"""

import importlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from rsae.formats import load_sae, save_sae

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
D_IN, D_SAE, K = 16, 48, 6
X = torch.randn(64, D_IN, generator=torch.Generator().manual_seed(7))


def shaken(module):
    """The module with all floating-point parameters moved away from their symmetric start."""
    torch.manual_seed(3)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module


def lens(architecture, training=False, **options):
    def write(folder):
        registry = importlib.import_module("sae_lens.registry")
        get = registry.get_sae_training_class if training else registry.get_sae_class
        cls, config = get(architecture)
        theirs = shaken(cls(config(d_in=D_IN, d_sae=D_SAE, **options)))
        if hasattr(theirs, "threshold"):
            theirs.threshold.data = 0.5 * theirs.threshold.data.abs() + 0.1
        if hasattr(theirs, "topk_threshold"):
            theirs.topk_threshold.fill_(0.6)
        theirs.save_model(folder)
        if hasattr(theirs, "topk_threshold"):  # during training the whole batch decides; what is published, a threshold
            theirs.save_inference_model(folder / "inference")
            sae_lens = importlib.import_module("sae_lens")
            theirs = sae_lens.SAE.load_from_disk(folder / "inference")
        return theirs.encode, theirs.decode

    return write


def flat(version, **options):
    """A configuration of SAELens 3 or 5: flat, without what those versions did not know; SAELens 6 reads it."""

    def write(folder):
        lens("standard")(folder)
        config = {"d_in": D_IN, "d_sae": D_SAE, "dtype": "float32", "device": "cpu", "hook_point_head_index": None}
        config |= {"model_name": "gpt2", "hook_layer": 1, "context_size": 128, "finetuning_scaling_factor": False}
        config |= {"hook_point" if version == 3 else "hook_name": "blocks.1.hook_resid_pre"} | options
        (folder / "cfg.json").write_text(json.dumps(config))
        theirs = importlib.import_module("sae_lens").SAE.load_from_disk(folder)
        return theirs.encode, theirs.decode

    return write


def dictionary(name, **trainer):
    def write(folder):
        library = importlib.import_module("dictionary_learning")
        from dictionary_learning import utils

        cls = getattr(utils, name)
        arguments = {"AutoEncoderTopK": {"k": K}, "BatchTopKSAE": {"k": K}}
        arguments["MatryoshkaBatchTopKSAE"] = {"k": K, "group_sizes": [16, 32]}
        assert library is not None
        theirs = shaken(cls(D_IN, D_SAE, **arguments.get(name, {})))
        if hasattr(theirs, "threshold"):
            theirs.threshold.data = theirs.threshold.data.abs() + 0.3
        torch.save(theirs.state_dict(), folder / "ae.pt")
        about = {"dict_class": name, "activation_dim": D_IN, "dict_size": D_SAE, "layer": 3, "lm_name": "m", **trainer}
        (folder / "config.json").write_text(json.dumps({"trainer": about | arguments.get(name, {})}))
        theirs, _ = utils.load_dictionary(str(folder), "cpu")
        return theirs.encode, theirs.decode

    return write


def sparsify(**options):
    def write(folder):
        library = importlib.import_module("sparsify")
        config = importlib.import_module("sparsify.config").SparseCoderConfig(k=K, **options)
        theirs = shaken(library.SparseCoder(D_IN, config))
        theirs.save_to_disk(folder)
        theirs = library.SparseCoder.load_from_disk(folder)

        def encode(x):
            found = theirs.encode(x)
            return torch.zeros(len(x), theirs.num_latents).scatter(-1, found.top_indices, found.top_acts)

        def decode(codes):
            found = theirs.encode(X)
            return theirs.decode(found.top_acts, found.top_indices)

        return encode, decode

    return write


NORMALISATIONS = ["none", "expected_average_only_in", "layer_norm", "constant_norm_rescale", "covariance_whitening"]
RESCALED = {"k": K, "rescale_acts_by_decoder_norm": True}
CASES = {
    **{f"sae-lens standard, {n}": lens("standard", normalize_activations=n) for n in NORMALISATIONS},
    **{f"sae-lens topk, {n}": lens("topk", normalize_activations=n, k=K) for n in NORMALISATIONS},
    **{f"sae-lens jumprelu, {n}": lens("jumprelu", normalize_activations=n) for n in NORMALISATIONS},
    **{f"sae-lens gated, {n}": lens("gated", normalize_activations=n) for n in NORMALISATIONS},
    "sae-lens without b_dec": lens("jumprelu", apply_b_dec_to_input=False),
    "sae-lens gated without b_dec": lens("gated", apply_b_dec_to_input=False),
    "sae-lens topk rescaled": lens("topk", **RESCALED),
    "sae-lens topk rescaled, layer_norm": lens("topk", normalize_activations="layer_norm", **RESCALED),
    "sae-lens training standard": lens("standard", training=True),
    "sae-lens training topk": lens("topk", training=True, k=K),
    "sae-lens training jumprelu": lens("jumprelu", training=True),
    "sae-lens training gated": lens("gated", training=True),
    "sae-lens training batchtopk": lens("batchtopk", training=True, k=K),
    "sae-lens training batchtopk, plain": lens("batchtopk", True, k=K, rescale_acts_by_decoder_norm=False),
    "sae-lens training matryoshka": lens("matryoshka_batchtopk", True, k=K, matryoshka_widths=[16, 48]),
    "sae-lens 5 relu": flat(5, architecture="standard", activation_fn_str="relu", activation_fn_kwargs={}),
    "sae-lens 5 without b_dec": flat(5, architecture="standard", apply_b_dec_to_input=False),
    "sae-lens 5 layer_norm": flat(5, architecture="standard", normalize_activations="layer_norm"),
    "sae-lens 3 topk": flat(3, activation_fn_str="topk", activation_fn_kwargs={"k": K}, normalize_activations=False),
    "sae-lens 5 topk": flat(5, architecture="standard", activation_fn_str="topk", activation_fn_kwargs={"k": K}),
    "sae-lens 3 scaled outside": flat(3, normalize_activations=True),
    "dictionary_learning relu": dictionary("AutoEncoder"),
    "dictionary_learning April relu": dictionary("AutoEncoderNew"),
    "dictionary_learning topk": dictionary("AutoEncoderTopK"),
    "dictionary_learning batchtopk": dictionary("BatchTopKSAE"),
    "dictionary_learning matryoshka": dictionary("MatryoshkaBatchTopKSAE"),
    "dictionary_learning jumprelu": dictionary("JumpReluAutoEncoder"),
    "dictionary_learning gated": dictionary("GatedAutoEncoder"),
    "sparsify topk": sparsify(num_latents=D_SAE),
    "sparsify groupmax": sparsify(num_latents=D_SAE, activation="groupmax"),
    "sparsify num_latents 0": sparsify(num_latents=0, expansion_factor=3),
}


def needed(name):
    """The library of a case; the test is skipped where it is not installed."""
    library = name.split()[0].replace("-", "_").rstrip(",")
    pytest.importorskip(library, exc_type=ImportError)


@pytest.fixture(scope="module")
def sae_lens():
    pytest.importorskip("rsae.saelens", exc_type=ImportError)
    return importlib.import_module("sae_lens")


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_their_files_compute_the_same_here(tmp_path, name):
    needed(name)
    encode, decode = CASES[name](tmp_path)
    codes = encode(X)
    out = decode(codes)
    found = load_sae(tmp_path)(X)
    assert 0 < (codes != 0).float().mean() < 1
    assert (found.codes - codes).abs().max() <= 1e-5 * codes.abs().max()
    assert (found.reconstruction - out).abs().max() <= 1e-5 * out.abs().max()
    assert torch.equal(found.codes != 0, codes != 0)


@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith("dictionary") and ", " not in n])
@torch.no_grad()
def test_weights_in_bfloat16(tmp_path, name):
    """The same files with their weights rounded: read here, against the library on the full ones."""
    needed(name)
    encode, decode = CASES[name](tmp_path)
    weights = next(p for p in tmp_path.iterdir() if p.suffix == ".safetensors")
    full = encode(X), decode(encode(X))
    save_file({n: v.bfloat16() if v.is_floating_point() else v for n, v in load_file(weights).items()}, weights)
    found = load_sae(tmp_path)(X)
    assert found.codes.dtype == torch.float32
    same = ((found.codes != 0) == (full[0] != 0)).all(1)
    assert same.float().mean() > 0.75, "rounding moves few latents across their threshold"
    for ours, theirs in zip((found.codes, found.reconstruction), full):
        assert (ours - theirs)[same].norm() <= 1e-2 * theirs[same].norm()


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_the_way_out_computes_the_same_in_sae_lens(sae_lens, tmp_path, name):
    needed(name)
    (tmp_path / "in").mkdir()
    CASES[name](tmp_path / "in")
    ours = load_sae(tmp_path / "in")
    check_in_sae_lens(sae_lens, ours, tmp_path / "out", X)


def check_in_sae_lens(sae_lens, ours, folder, x):
    theirs = sae_lens.SAE.load_from_disk(save_sae(ours, folder))
    wanted, codes = ours(x), theirs.encode(x)
    out = theirs.decode(codes)
    assert (codes - wanted.codes).abs().max() <= 1e-6 * codes.abs().max().clamp_min(1.0)
    assert (out - wanted.reconstruction).abs().max() <= 1e-6 * out.abs().max().clamp_min(1.0)
    assert torch.equal(codes != 0, wanted.codes != 0)


@torch.no_grad()
def test_the_hand_written_layouts_too(sae_lens, tmp_path):
    """openai, Gemma Scope and the rest: no library of theirs is needed for the way out."""
    from tests.rsae.material import layouts

    for i, (write, _, _) in enumerate(layouts.CASES.values()):
        (tmp_path / f"in{i}").mkdir()
        write(tmp_path / f"in{i}")
        check_in_sae_lens(sae_lens, load_sae(tmp_path / f"in{i}"), tmp_path / f"out{i}", layouts.X)


def test_what_sae_lens_has_and_cannot_be_upgraded_is_refused(sae_lens, tmp_path):
    for name in ("abstopk", "temporal", "matching_pursuit"):
        cls, config = sae_lens.registry.get_sae_class(name)
        try:
            theirs = cls(config(d_in=D_IN, d_sae=D_SAE))
        except AssertionError:  # the temporal SAE is never as small as this
            (tmp_path / name).mkdir()
            lens("standard")(tmp_path / name)
            text = (tmp_path / name / "cfg.json").read_text().replace('"standard"', json.dumps(name))
            (tmp_path / name / "cfg.json").write_text(text)
        else:
            theirs.save_model(tmp_path / name)
            with pytest.raises(ValueError, match=r"cannot be upgraded|no SAE"):
                load_sae(theirs)
        with pytest.raises(ValueError, match=r"cannot be upgraded|no SAE"):
            load_sae(tmp_path / name)


@pytest.mark.parametrize("name", ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"])
@torch.no_grad()
def test_transcoders_of_sae_lens(sae_lens, tmp_path, name):
    """Read from their file and from a live one, and written so that SAELens computes the same."""
    cls, config = sae_lens.registry.get_sae_class(name)
    theirs = shaken(cls(config(d_in=D_IN, d_sae=D_SAE, d_out=10, apply_b_dec_to_input=False)))
    if "jumprelu" in name:
        theirs.threshold.data = theirs.threshold.data.abs() + 0.2
    theirs.save_model(tmp_path / "in")
    codes, out = theirs.encode(X), theirs(X)
    for ours in (load_sae(tmp_path / "in"), load_sae(theirs)):
        assert torch.equal(ours.encode(X) != 0, codes != 0)
        torch.testing.assert_close(ours(X).reconstruction, out, rtol=1e-5, atol=1e-5)
    again = sae_lens.SAE.load_from_disk(save_sae(ours, tmp_path / "out"))
    assert again.cfg.architecture() == name
    torch.testing.assert_close(again(X), out, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("skip", [False, True])
@torch.no_grad()
def test_transcoders_of_sparsify(tmp_path, skip):
    library = pytest.importorskip("sparsify", exc_type=ImportError)
    config = importlib.import_module("sparsify.config").SparseCoderConfig(
        k=K, num_latents=D_SAE, transcode=True, skip_connection=skip
    )
    theirs = shaken(library.SparseCoder(D_IN, config))
    theirs.save_to_disk(tmp_path / "layers.3.mlp")
    sae = load_sae(tmp_path / "layers.3.mlp")
    torch.testing.assert_close(sae(X).reconstruction, theirs(X).sae_out, rtol=1e-5, atol=1e-5)
    assert sae.metadata["hook"] == "layers.3.mlp.input -> layers.3.mlp"


LAYOUTS = {
    "goodfire relu": ("get_goodfire_huggingface_loader", "Goodfire/Llama-3.1-8B-Instruct-SAE-l19", "{name}"),
    "attention of Kissane et al.": ("connor_rob_hook_z_huggingface_loader", "ckkissane/attn-saes-gpt2", "{name}"),
    "llama scope": ("llama_scope_sae_huggingface_loader", "fnlp/Llama3_1-8B-Base-LXR-8x", "."),
}


@pytest.mark.parametrize("name", LAYOUTS)
@torch.no_grad()
def test_layouts_without_a_library_are_those_that_sae_lens_reads(sae_lens, tmp_path, monkeypatch, name):
    """Their loaders, given local files in the place of downloads, and their SAE of what these return."""
    from tests.rsae.material import layouts

    module = importlib.import_module("sae_lens.loading.pretrained_sae_loaders")
    monkeypatch.setattr(
        module, "hf_hub_download", lambda repo_id, filename, subfolder=".", **_: str(tmp_path / subfolder / filename)
    )
    layouts.CASES[name][0](tmp_path)
    loader, repository, folder = LAYOUTS[name]
    file = next((p.name for p in tmp_path.iterdir() if p.suffix in (".pt", ".pth")), "")
    sizes = {"d_in": 8, "d_sae": 24, "dtype": "float32"}
    config, state, _ = getattr(module, loader)(repository, folder.format(name=file), "cpu", False, sizes)
    cls, config_class = sae_lens.registry.get_sae_class(config["architecture"])
    theirs = cls(config_class.from_dict(module.handle_config_defaulting(config)))
    theirs.load_state_dict({n: v.contiguous() for n, v in state.items()})
    ours = load_sae(tmp_path)
    if name == "llama scope":  # they scale the inputs outside, and weigh no threshold with the norms of decoder rows
        theirs.threshold /= layouts.NORMS
        theirs.fold_activation_norm_scaling_factor(8**0.5 / 2)
    by_head = theirs.cfg.reshape_activations == "hook_z"
    codes = theirs.encode(layouts.X.reshape(-1, 2, 4) if by_head else layouts.X)
    torch.testing.assert_close(
        theirs.decode(codes).reshape(-1, 8), ours(layouts.X).reconstruction, rtol=1e-4, atol=1e-4
    )
    assert torch.equal(codes != 0, ours.encode(layouts.X) != 0)
