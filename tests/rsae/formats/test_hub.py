"""The hub, with its client replaced by a local folder; and what it says without a connection."""

import shutil

import huggingface_hub
import pytest
import torch

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.formats import load_sae, push_sae
from tests.rsae.material.layouts import X
from tests.rsae.material.saes import random_sae


@pytest.fixture
def local_hub(tmp_path, monkeypatch):
    """`HfApi` and `snapshot_download` on a folder."""

    class Api:
        def create_repo(self, repository, private, exist_ok):
            assert private
            (tmp_path / repository).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(self, repo_id, folder_path, path_in_repo):
            shutil.copytree(folder_path, tmp_path / repo_id / path_in_repo)

    def snapshot_download(repository, allow_patterns):
        if not (tmp_path / repository).is_dir():
            raise OSError("404 Client Error.\nRepository Not Found")
        return str(tmp_path / repository)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)


def test_push_and_pull(local_hub):
    sae = random_sae("topk", activation=RationalActivation(IDENTITY))
    assert push_sae(sae, "me/saes", "layer_1") == "https://huggingface.co/me/saes/tree/main/layer_1"
    assert torch.equal(load_sae("me/saes", "layer_1")(X).reconstruction, sae(X).reconstruction)
    with pytest.raises(ValueError, match="the repository has no 'layer_2'"):
        load_sae("me/saes", "layer_2")
    with pytest.raises(ValueError, match=r"404 Client Error\.; offline"):
        load_sae("you/saes", "layer_1")
    with pytest.raises(ValueError, match="did not take the SAE"):
        push_sae(sae, "me/saes", "layer_1")
    with pytest.raises(ValueError, match="not the path of a folder"):
        push_sae(sae, "me/saes", "../layer_1")
