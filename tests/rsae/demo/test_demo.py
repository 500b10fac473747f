"""The demo's parts: its text, its teacher, its synthetic world, and the synthetic demo from nothing to a report."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from rsae.demo import run, synthetic
from rsae.demo.host import gguf_path
from rsae.demo.relu_teacher import relu_teacher, save_halved
from rsae.demo.text import docstrings, documents
from rsae.formats import load_sae
from rsae.training.l0 import mean_l0


def test_the_two_parts_of_the_text_share_no_document_and_no_long_paragraph(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(docstrings("numpy"))
    monkeypatch.setattr("rsae.demo.text.docstrings", lambda package: texts)  # read once: that takes a second
    ours, theirs = documents("demo", ["numpy"]), documents("teacher", ["numpy"])
    assert len(ours) > 100
    assert 0.55 < len(theirs) / (len(ours) + len(theirs)) < 0.85
    paragraphs = [
        {" ".join(p.split()) for text in part for p in text.split("\n\n") if len(" ".join(p.split())) >= 60}
        for part in (ours, theirs)
    ]
    assert not paragraphs[0] & paragraphs[1]
    assert len(set(ours)) == len(ours)
    assert ours == documents("demo", ["numpy"])


def test_docstrings_are_those_of_public_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "A sentence about nothing in particular. " * 6
    for folder in ("pack", "pack/_hidden", "pack/tests", "pack/_core"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f'def shown():\n    """{folder}. {long}"""\n')
    (tmp_path / "pack" / "rest.py").write_text(
        f'def _private():\n    """private. {long}"""\n\nclass Seen:\n    """class. {long}"""\n'
        f'    def method(self):\n        """method. {long}"""\n\ndef short():\n    """short"""\n'
    )
    (tmp_path / "pack" / "broken.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [text.split(".")[0] for text in docstrings("pack")] == ["pack", "pack/_core", "class", "method"]


def test_text_refuses_what_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="not installed"):
        list(docstrings("no_such_package_at_all"))
    with pytest.raises(ValueError, match="'teacher' or 'demo'"):
        documents("both")  # type: ignore[arg-type]


def test_the_shipped_teacher_is_small_and_loads() -> None:
    weights = run.TEACHER / "sae_weights.safetensors"
    assert weights.stat().st_size <= 3_000_000
    teacher = load_sae(run.TEACHER)
    assert (teacher.family, teacher.d_in, teacher.d_sae) == ("relu", 576, 1152)
    assert torch.allclose(teacher.W_dec.norm(dim=1), torch.ones(1152), atol=2e-3)
    assert teacher.metadata["hook"] == "model.layers.10"


def test_a_missing_host_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.demo.host._PACKAGE", "no_such_package_at_all")
    with pytest.raises(FileNotFoundError, match="--synthetic"):
        gguf_path()


@pytest.mark.slow
def test_a_teacher_can_be_made_again_and_is_shrunk_by_its_l1(tmp_path: Path) -> None:
    """Its codes are too small: the best factor for all its reconstructions is above 1, as for no TopK autoencoder."""
    states = synthetic.states(vectors=6000)
    seen: list[int] = []
    made = relu_teacher(
        states, steps=1000, d_sae=96, l0=8.0, rate=5e-3, batch_size=256, progress=lambda event: seen.append(event.step)
    )
    assert seen[-1] == 1000
    assert mean_l0(made, states.calibration) == pytest.approx(8.0, abs=0.05)
    folder = save_halved(made, {"hook_name": "model.layers.10"}, tmp_path / "made")
    again, x = load_sae(folder), states.held_out
    assert (again.family, again.metadata["hook"]) == ("relu", "model.layers.10")
    with torch.no_grad():
        wanted, found = made(x).reconstruction, again(x).reconstruction
        assert (found - wanted).square().sum() < 1e-4 * x.square().sum()
        centred, image = x - made.b_dec, wanted - made.b_dec
        assert (centred - image).square().sum() < 0.6 * (x - x.mean(0)).square().sum()
        assert float((centred * image).sum() / image.square().sum()) > 1.1


def test_the_synthetic_world_has_its_features_and_known_seeds() -> None:
    rows = synthetic.features()
    assert torch.allclose(rows.norm(dim=1), torch.ones(synthetic.D_SAE))
    first, again, other = (synthetic.states(vectors=500, seed=seed).train for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["small", "whole"])
def test_the_synthetic_demo_writes_a_report_that_beats_the_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    if not whole:  # a fifth of the world, and of the steps of its teacher
        monkeypatch.setattr(synthetic, "states", partial(synthetic.states, vectors=8000))
        monkeypatch.setattr(synthetic, "teacher", partial(synthetic.teacher, steps=300))
    arms: set[str] = set()
    said: list[str] = []
    out = tmp_path / "run"
    steps = 300 if whole else 100
    done, note = run.on_synthetic(
        steps=steps, seed=0, threads=None, say=said.append, out=out, progress=lambda event: arms.add(event.arm)
    )
    columns = json.loads((out / "report.json").read_text())["columns"]
    assert list(columns) == ["teacher", "initialised", "upgraded", "control"]
    assert columns["upgraded"]["mse"]["value"] < columns["teacher"]["mse"]["value"]
    assert columns["upgraded"]["l0"]["value"] <= columns["teacher"]["l0"]["value"] * 1.005
    assert {arm.split(" at ")[0] for arm in arms} == {"upgraded", "control"}
    assert "known features" in said[0]
    assert "control" in done.report.verdict
    assert synthetic.recovered(done.sae) > 0.9
    assert f"{synthetic.recovered(done.sae):.4f}" in note
    assert load_sae(out / "sae").d_sae == synthetic.D_SAE
