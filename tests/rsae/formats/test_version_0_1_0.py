"""Files that version 0.1.0 wrote are read and mean what they meant: SAEs, reports, stores of hidden states.

They lie in `version_0_1_0/`, written by that version's own code (commit 7fe4749) and never written again.
`reconstructions.json` has what its SAEs made of the vectors `VECTORS`.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rsae

FILES = Path(__file__).with_name("version_0_1_0")
WRITTEN = json.loads((FILES / "reconstructions.json").read_text(encoding="utf-8"))
VECTORS = (torch.arange(24).reshape(6, 4) % 7 - 3) / 2


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_an_sae_reconstructs_what_it_did(name: str) -> None:
    found = rsae.load_sae(FILES / "saes" / name)(VECTORS).reconstruction
    torch.testing.assert_close(found, torch.tensor(WRITTEN[name]), rtol=1e-5, atol=1e-5)


def test_a_read_sae_is_written_as_today_and_stays_the_same(tmp_path: Path) -> None:
    old = rsae.load_sae(FILES / "saes" / "topk-refined")
    rsae.save_sae(old, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "cfg.json").read_text())["rational"]["version"] == 1
    assert torch.equal(rsae.load_sae(tmp_path / "new")(VECTORS).reconstruction, old(VECTORS).reconstruction)


def test_an_sae_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(FILES / "saes" / "topk-rational", tmp_path / "later")
    config = json.loads((folder / "cfg.json").read_text())
    config["rational"]["version"] = 2
    (folder / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="version 2, not 1; try a newer rsae"):
        rsae.load_sae(folder)


def test_a_report_is_read_and_laid_out_again(tmp_path: Path) -> None:
    report = rsae.Report.load(FILES / "report.json")
    assert report.columns["upgraded"]["mse"].value < report.columns["teacher"]["mse"].value
    report.save(tmp_path)
    kept, again = (json.loads((folder / "report.json").read_text()) for folder in (FILES, tmp_path))
    assert again["columns"] == kept["columns"]
    assert again["verdict"] == kept["verdict"]


def test_a_store_of_hidden_states_is_a_source(tmp_path: Path) -> None:
    folder = shutil.copytree(FILES / "states", tmp_path / "states")
    states = rsae.hidden_states(folder)
    for part, found in (("train", states.train), ("held_out", states.held_out)):
        (kept,) = load_file(FILES / "states" / f"{part}.safetensors").values()
        assert torch.equal(found[: len(found)], kept)
