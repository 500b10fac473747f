"""The lists of releases: SAELens's as it writes it, our own record, and what a release says of its SAEs."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rsae.formats import load_sae, releases, save_sae
from rsae.formats.releases import Release, find_release, read_list
from rsae.upgrading.own_states import said_by
from tests.rsae.material.hub import offline, repository
from tests.rsae.material.layouts import X
from tests.rsae.material.saes import random_sae

LIST = """
a-topk-release:
  conversion_func: dictionary_learning_1
  model: gemma-2-2b
  repo_id: owner/topk
  saes:
  - {id: blocks.5.hook_resid_post__trainer_0, path: resid_post_layer_5/trainer_0, l0: 20}
a-transcoder:
  conversion_func: gemma_2_transcoder
  model: gemma-2-2b
  repo_id: google/gemma-scope-2b-pt-transcoders
  saes:
  - {id: x, path: x}
a-temporal-one:
  conversion_func: temporal
  model: gemma-2-2b
  repo_id: owner/temporal
  saes:
  - {id: x, path: x}
attention:
  conversion_func: connor_rob_hook_z
  model: gpt2-small
  repo_id: ckkissane/attn-saes-gpt2-small-all-layers
  saes:
  - {id: x, path: x.pt}
an-old-one:
  conversion_func: null
  config_overrides: {normalize_activations: constant_norm_rescale}
  model: mistral-7b
  repo_id: owner/old
  saes:
  - {id: 8, path: folder/8}
  - {id: 9, path: folder/9}
qwen:
  conversion_func: qwen_scope
  model: qwen3-1.7b
  repo_id: owner/qwen
  saes:
  - {id: layer0, path: layer0.sae.pt}
"""


def test_a_list_as_saelens_writes_it(tmp_path):
    (tmp_path / "list.yaml").write_text(LIST)
    found = read_list(tmp_path / "list.yaml")
    topk = found["a-topk-release"]
    assert (topk.family, topk.host, topk.refused) == ("topk", "google/gemma-2-2b", "")
    assert topk.folder("blocks.5.hook_resid_post__trainer_0") == topk.folder(None) == "resid_post_layer_5/trainer_0"
    assert found["an-old-one"].overrides == {"normalize_activations": "constant_norm_rescale"}
    assert found["an-old-one"].host == "mistralai/Mistral-7B-v0.1"
    with pytest.raises(ValueError, match=r"it has no SAE '7'; it has 8, 9"):
        found["an-old-one"].folder("7")
    assert (found["a-transcoder"].layout, found["a-transcoder"].refused) == ("gemma-scope", "")
    assert "no SAEs" in found["a-temporal-one"].refused
    assert not found["qwen"].through_sae_lens
    assert found["attention"].through_sae_lens
    assert found["qwen"].host == "Qwen/Qwen3-1.7B"


def test_every_recorded_release_can_be_looked_up():
    for release in releases():
        assert find_release(release.name) is release
        assert release.repository.count("/") == 1
        assert release.refused or release.host
        for sae_id, folder in release.saes.items():
            assert release.folder(sae_id) == folder
    names = [release.name for release in releases("gemma-2-2b")]
    assert "gemma-scope-2b-pt-res" in names
    assert not any(name.startswith("gpt2") for name in names)


def test_overrides_stand_in_the_place_of_the_configuration(tmp_path, monkeypatch):
    """Mistral's SAEs scale every token, and only the list says so: read without it they reconstruct nothing."""
    sae = random_sae("relu", normalise="constant_norm_rescale")
    save_sae(sae, tmp_path / "mistral_7b_layer_8")
    config = json.loads((tmp_path / "mistral_7b_layer_8" / "cfg.json").read_text())
    (tmp_path / "mistral_7b_layer_8" / "cfg.json").write_text(json.dumps(config | {"normalize_activations": "none"}))
    repository(tmp_path / "hub", "JoshEngels/Mistral-7B-Residual-Stream-SAEs", tmp_path / "mistral_7b_layer_8" / "..")
    offline(tmp_path / "hub", monkeypatch)
    found = load_sae("mistral-7b-res-wg", "blocks.8.hook_resid_pre")
    assert torch.equal(found(X).reconstruction, sae(X).reconstruction)
    assert found.metadata["model"] == "mistralai/Mistral-7B-v0.1"


def test_gemma_scope_is_read_in_contexts_as_it_was_trained_on(tmp_path, monkeypatch):
    """Its files of the first generation hold weights alone."""
    folder = tmp_path / "files" / "layer_12" / "width_16k" / "average_l0_82"
    folder.mkdir(parents=True)
    shapes = {"W_enc": (2, 4), "W_dec": (4, 2), "b_enc": (4,), "b_dec": (2,), "threshold": (4,)}
    np.savez(folder / "params.npz", **{name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    repository(tmp_path / "hub", "google/gemma-scope-2b-pt-res", tmp_path / "files")
    offline(tmp_path / "hub", monkeypatch)
    for name, sae_id in (
        ("gemma-scope-2b-pt-res-canonical", "layer_12/width_16k/canonical"),
        ("gemma-scope-2b-pt-res", "layer_12/width_16k/average_l0_82"),
    ):
        said = said_by(load_sae(name, sae_id))
        assert (said.model, said.hook) == ("google/gemma-2-2b", "blocks.12.hook_resid_post")
        assert (said.context_length, said.prepend_bos) == (1024, True)


@pytest.mark.peers
def test_our_record_says_what_saelens_says():
    listed = read_list(Path(importlib.util.find_spec("sae_lens").origin).with_name("pretrained_saes.yaml"))
    recorded = json.loads(Path(load_sae.__code__.co_filename).with_name("releases.json").read_text())
    for name, entry in recorded.items():
        if "/" in name:  # repositories that SAELens does not list
            continue
        theirs = listed[name]
        assert isinstance(theirs, Release)
        assert (theirs.repository, theirs.layout) == (entry["repository"], entry["layout"])
        folders = entry["saes"] if isinstance(entry["saes"], dict) else {folder: folder for folder in entry["saes"]}
        assert not folders or folders == theirs.saes
        assert entry.get("overrides", {}) == theirs.overrides
