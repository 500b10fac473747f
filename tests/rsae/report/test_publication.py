"""What is uploaded, and that it comes back: into a folder, from a hub's cache, and without a token."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml
from click.testing import CliRunner, Result

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.commands.main import main
from rsae.formats import load_sae, save_sae
from rsae.report.publication import FILES, licence_of, publication
from rsae.storage.writing import write_json
from tests.rsae.material.layouts import X
from tests.rsae.material.reports import report
from tests.rsae.material.saes import random_sae

HOST = "owner/host"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished upgrade, whose teacher lay in a folder with a card."""
    teacher = tmp_path / "private" / "teacher"
    teacher.mkdir(parents=True)
    (teacher / "README.md").write_text("---\ntags: [sae]\nlicense: apache-2.0\n---\nlicense: mit is not here\n")
    folder = tmp_path / "run"
    folder.mkdir()
    sae = random_sae("topk", activation=RationalActivation(IDENTITY))
    sae.metadata = {"hook": "model.layers.2", "model": HOST, "source": str(teacher), "config": {"path": [str(teacher)]}}
    save_sae(sae, folder / "sae")
    given = report()
    question: dict[str, Any] = {**given.question, "sae": str(teacher), "returned": "upgraded"}
    question["hidden_states"] = {"source": str(tmp_path / "private" / "host"), "text": str(tmp_path / "private/t.json")}
    write_json(folder / "report.json", replace(given, question=question).to_json())
    return folder


def push(*words: object) -> Result:
    return CliRunner().invoke(main, ["push", *map(str, words)])


def test_a_dry_run_writes_what_would_be_uploaded(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "dry"
    result = push(run, "me/rational", "--dry-run", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert torch.equal(load_sae(out)(X).reconstruction, load_sae(run / "sae")(X).reconstruction)
    text = (out / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["license"] == "apache-2.0"
    assert about["base_model"] == HOST
    assert {"sparse-autoencoder", "saelens"} <= set(about["tags"])
    for wanted in ("# me/rational", report().verdict, "Use the upgraded SAE: ", "| MSE |", "| 1.800 |", "- *control*:"):
        assert wanted in body
    assert 'rsae.load_sae("me/rational")' in body
    assert "whose licence is **apache-2.0**" in body
    assert "is not empty" in push(run, "me/rational", "--dry-run", out).stderr
    assert push(run, "me/rational", "--dry-run", out, "--overwrite").exit_code == 0


def test_no_folder_of_this_machine_is_told(run: Path, tmp_path: Path) -> None:
    publication(run, tmp_path / "dry", "me/rational")
    for name in FILES[:2]:
        text = (tmp_path / "dry" / name).read_text()
        assert "private" not in text
        assert str(tmp_path) not in text
    assert json.loads((tmp_path / "dry" / "cfg.json").read_text())["metadata"]["rsae"]["source"] == "sae"


def test_a_licence_that_is_given_goes_first_and_an_unknown_one_is_said(run: Path, tmp_path: Path) -> None:
    publication(run, tmp_path / "given", "me/rational", licence="mit")
    assert "\nlicense: mit\n" in (tmp_path / "given" / "README.md").read_text()
    (tmp_path / "private" / "teacher" / "README.md").unlink()
    publication(run, tmp_path / "unknown", "me/rational")
    text = (tmp_path / "unknown" / "README.md").read_text()
    assert "\nlicense: unknown\n" in text
    assert "whose licence is not known here" in text
    assert licence_of("") is None
    assert licence_of("owner/name") is None


def in_cache(folder: Path, cache: Path, repository: str) -> None:
    """Files as huggingface_hub keeps a downloaded repository."""
    home = cache / f"models--{repository.replace('/', '--')}"
    shutil.copytree(folder, home / "snapshots" / "0123abc")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0123abc")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a hub that is not there."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_repository_is_read_by_its_name_out_of_the_hubs_cache(run: Path, tmp_path: Path, offline: Path) -> None:
    publication(run, tmp_path / "dry", "me/rational")
    in_cache(tmp_path / "dry", offline, "me/rational")
    found = load_sae("me/rational")
    assert torch.equal(found(X).reconstruction, load_sae(run / "sae")(X).reconstruction)
    assert found.metadata["source"] == "me/rational"
    with pytest.raises(FileNotFoundError, match="neither a directory nor a file here, and the hub did not give it"):
        load_sae("me/absent")
    in_cache(tmp_path / "private", offline, "me/folders")
    with pytest.raises(FileNotFoundError, match="no SAE at its root; name its folder"):
        load_sae("me/folders")


def test_a_path_into_a_folder_here_never_asks_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("runs/absent", "./absent", "a/b/c", "../absent", "absent"):
        with pytest.raises(FileNotFoundError, match="no SAE at"):
            load_sae(name)


def test_an_upload_goes_through_the_hubs_client(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    class Api:
        def create_repo(self, repository: str, private: bool, exist_ok: bool) -> None:
            assert exist_ok
            asked.append((repository, private))

        def upload_folder(self, repo_id: str, folder_path: Path, commit_message: str) -> None:
            shutil.copytree(folder_path, tmp_path / "hub" / repo_id)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "a token")
    result = push(run, "me/rational")
    assert result.exit_code == 0, result.output
    assert "https://huggingface.co/me/rational" in result.output
    assert sorted(path.name for path in (tmp_path / "hub/me/rational").iterdir()) == sorted(FILES)
    assert push(run, "me/open", "--public").exit_code == 0
    assert asked == [("me/rational", True), ("me/open", False)]
    again = push(run, "me/rational")
    assert again.exit_code == 2
    assert "the hub did not take 'me/rational'" in again.stderr


def test_what_cannot_be_uploaded_is_one_sentence(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    for words, wanted in (
        ((run, "me/rational"), "needs a token to upload: `hf auth login` keeps one, or set HF_TOKEN"),
        ((run, "rational"), "named owner/name, not 'rational'"),
        ((tmp_path / "absent", "me/rational", "--dry-run", tmp_path / "dry"), "no report at"),
    ):
        result = push(*words)
        assert result.exit_code == 2, result.output
        assert wanted in result.stderr
        assert len(result.stderr.strip().splitlines()[-1:]) == 1
    assert not (tmp_path / "dry").exists()
