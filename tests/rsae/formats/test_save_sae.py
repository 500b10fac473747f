"""Saving: what is written reads back equal, and half-written or overwritten directories never happen."""

import json
import os
import re
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from huggingface_hub import constants

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.paper import PaperActivation
from rsae.activations.polynomial import PolynomialActivation
from rsae.activations.ratio import IDENTITIES, IDENTITY, RationalActivation
from rsae.formats import export_torch, load_sae, save_sae, standalone_module, writing
from rsae.sae.refinement import REFINEMENTS
from rsae.storage.writing import write_text
from tests.rsae.material.layouts import CASES, X
from tests.rsae.material.saes import random_sae


def bent(gate):
    """A gate whose coefficients have all 24 bits in use."""
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos().reshape(parameter.shape))
    return gate


def gates():
    curve = Rational((Fraction(1, 4), Fraction(1, 2)), (Fraction(1), Fraction(1, 3)), Domain.of((-1, 1)))
    return {
        "own": None,
        "ratio": bent(RationalActivation(IDENTITY)),
        "ratio and norm": bent(RationalActivation(IDENTITY, ("ratio", "norm"))),
        "trainable denominator": bent(RationalActivation(IDENTITIES["trainable"])),
        "trainable denominator and norm": bent(RationalActivation(IDENTITIES["trainable"], ("ratio", "norm"))),
        "paper": bent(PaperActivation(curve, input_scale=3.0, output_scale=2.0, tolerance=0.01)),
    }


@pytest.mark.parametrize("gate", gates())
@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk", "groupmax"])
@pytest.mark.parametrize("refine", REFINEMENTS)
def test_round_trip_is_bit_exact(tmp_path, family, gate, refine):
    sae = random_sae(family, activation=gates()[gate], refine=refine)
    if sae.residual_step is not None:
        sae.residual_step.data.add_(0.037 + 0.01 * torch.arange(sae.residual_step.numel()).squeeze())
    again = load_sae(save_sae(sae, tmp_path / "sae"))
    assert all(torch.equal(a, b) for a, b in zip(again(X), sae(X)))
    state = sae.state_dict()
    assert state.keys() == again.state_dict().keys()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in state.items())
    architecture = json.loads((tmp_path / "sae/cfg.json").read_text())["architecture"]
    assert (architecture == "rational") == (gate != "own" or refine != "none" or family == "groupmax")


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("topk", {"rescale_by_decoder_norm": True}),
        ("relu", {"apply_b_dec_to_input": False}),
        ("jumprelu", {"normalise": "layer_norm"}),
        ("topk", {"normalise": "constant_norm_rescale"}),
    ],
)
def test_options_survive(tmp_path, family, options):
    sae = random_sae(family, activation=bent(RationalActivation(IDENTITY)), **options)
    again = load_sae(save_sae(sae, tmp_path / "sae"))
    assert {name: getattr(again.conventions, name) for name in options} == options
    assert torch.equal(again(X).reconstruction, sae(X).reconstruction)


@pytest.mark.parametrize("name", CASES)
def test_every_format_saves_and_reloads(tmp_path, name):
    (tmp_path / "in").mkdir()
    CASES[name][0](tmp_path / "in")
    first = load_sae(tmp_path / "in")
    second = load_sae(save_sae(first, tmp_path / "out"))
    assert torch.equal(first(X).reconstruction, second(X).reconstruction)


def test_metadata_is_kept(tmp_path):
    sae = random_sae("relu", metadata={"hook": "model.layers.2", "model": "m", "note": {"a": (1, object)}})
    save_sae(sae, tmp_path / "sae")
    config = json.loads((tmp_path / "sae/cfg.json").read_text())
    assert config["metadata"]["hook_name"] == "model.layers.2"
    again = load_sae(tmp_path / "sae")
    assert again.metadata["hook"] == "model.layers.2"
    twice = load_sae(save_sae(again, tmp_path / "twice"))
    assert twice.metadata["hook"] == "model.layers.2"
    assert twice.metadata["model"] == "m"


def test_directories_are_not_overwritten_by_accident(tmp_path):
    one, two = random_sae("relu"), random_sae("topk")
    save_sae(one, tmp_path / "sae")
    with pytest.raises(FileExistsError, match="not empty"):
        save_sae(two, tmp_path / "sae")
    assert load_sae(tmp_path / "sae").family == "relu"
    save_sae(two, tmp_path / "sae", overwrite=True)
    assert load_sae(tmp_path / "sae").family == "topk"
    (tmp_path / "sae/thesis.tex").write_text("all of it")
    with pytest.raises(FileExistsError, match="more than an SAE"):
        save_sae(one, tmp_path / "sae", overwrite=True)
    (tmp_path / "empty").mkdir()
    assert save_sae(one, tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        save_sae(one, tmp_path / "file", overwrite=True)
    with pytest.raises(FileNotFoundError, match="no directory"):
        save_sae(one, tmp_path / "missing/sae")
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "sae"], "nothing temporary stays"


def test_a_failure_half_way_leaves_what_was_there(tmp_path, monkeypatch):
    save_sae(random_sae("relu"), tmp_path / "sae")
    monkeypatch.setattr(writing, "configuration", lambda sae: {"no": {1, 2}})
    with pytest.raises(TypeError):
        save_sae(random_sae("topk"), tmp_path / "sae", overwrite=True)
    assert os.listdir(tmp_path) == ["sae"]
    assert load_sae(tmp_path / "sae").family == "relu"


def test_objects_and_wrong_objects():
    sae = random_sae("relu")
    assert load_sae(sae) is sae
    with pytest.raises(TypeError, match="Linear is no SAE"):
        load_sae(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="not int"):
        load_sae(3)
    with pytest.raises(FileNotFoundError, match="no SAE at"):
        load_sae("some/where/else")
    with pytest.raises(FileNotFoundError, match=r"no SAE at .*near names: gpt2-small-res-jb"):
        load_sae("gpt2-small-res-bj")
    with pytest.raises(ValueError, match=r"one of its SAEs must be named.*\(13 in all"):
        load_sae("gpt2-small-res-jb")
    with pytest.raises(ValueError, match="sae_id"):
        load_sae("some/repository", "../../etc")


def test_a_release_without_a_connection_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="offline, give a local directory"):
        load_sae("gpt2-small-res-jb", "blocks.8.hook_resid_pre")
    with pytest.raises(FileNotFoundError, match="near names: gpt2-small-res-jb"):
        load_sae("gpt2-small-res-jb-that-is-not-there", "blocks.8.hook_resid_pre")


@pytest.mark.parametrize("gate", gates())
@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk", "groupmax"])
def test_the_export_needs_torch_alone_and_computes_the_same(tmp_path, family, gate):
    options = {"rescale_by_decoder_norm": True} if family == "topk" else {"normalise": "layer_norm"}
    for i, refine in enumerate(REFINEMENTS):
        sae = random_sae(family, activation=gates()[gate], refine=refine, **options)
        if sae.residual_step is not None:
            sae.residual_step.data.add_(0.037 + 0.01 * torch.arange(sae.residual_step.numel()).squeeze())
        folder = export_torch(sae, tmp_path / str(i))
        source = (folder / "rational_sae.py").read_text(encoding="utf-8")
        imported = re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)
        assert set(imported) == {"json", "pathlib", "typing", "torch"}
        found = standalone_module.load(folder)
        torch.testing.assert_close(found.encode(X), sae.encode(X), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found(X), sae(X).reconstruction, rtol=1e-6, atol=1e-5)
        assert torch.equal(found.encode(X) != 0, sae.encode(X) != 0)


def test_the_export_runs_where_rsae_is_not(tmp_path):
    folder = export_torch(random_sae("topk", activation=bent(RationalActivation(IDENTITY))), tmp_path / "sae")
    script = "import sys, torch; sys.modules['rsae'] = None; from rational_sae import load; "
    script += "print(load()(torch.ones(2, 8)).shape)"
    run = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    assert run.stdout.strip() == "torch.Size([2, 8])", run.stderr


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_as_readable_as_the_umask_says(tmp_path, umask, mode):
    """safetensors makes files that only their owner reads, which no colleague could load."""
    before = os.umask(umask)
    try:
        save_sae(random_sae("topk"), tmp_path / "sae")
        export_torch(random_sae("topk"), tmp_path / "module")
        write_text(tmp_path / "text", "")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {mode}


def test_what_no_format_holds_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="no format holds a polynomial in h"):
        save_sae(random_sae("topk", activation=PolynomialActivation()), tmp_path / "sae")
    with pytest.raises(ValueError, match="no format holds a polynomial in h"):
        export_torch(random_sae("topk", activation=PolynomialActivation()), tmp_path / "sae")
    folder = save_sae(random_sae("topk", refine="residual_twice"), tmp_path / "sae")
    config = json.loads((folder / "cfg.json").read_text())
    config["rational"]["residual_step"] = [0.1]
    (folder / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="has 1 steps for the refinement 'residual_twice'"):
        load_sae(folder)
