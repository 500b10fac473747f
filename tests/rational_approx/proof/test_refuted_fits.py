"""A fit whose proved error exceeds its own: the certificate says so, loudly."""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rational_approx import Fit, Target, certify, fit, load, save, verify
from rational_approx.commands import console
from tests.rational_approx.command_line import run, sentence

BUMPED = "tanh(x) + 0.01 * exp(-((x - 0.7312345) / 0.003)^2)"


@pytest.fixture(scope="module")
def missed() -> Fit:
    """What `fit` called best before it ended with a proof's own search."""
    return replace(fit("tanh(x)", (5, 4), (-3, 3)), target=Target(BUMPED, (-3, 3)))


def test_the_certificate_says_it_in_words_and_stays_true(missed):
    found = certify(missed)
    assert found.exceeds
    text = str(found)
    assert text.startswith("proved, AND THE FIT IS REFUTED")
    assert "the proved error 0.00999905515" in text
    assert "exceeds the levelled error 1.3918032" in text
    assert "x = 0.7312344" in text
    assert verify(found).outcome == "verified"  # what it states of the rational is true


def test_no_other_certificate_does(missed):
    best = fit("tanh(x)", (5, 4), (-3, 3))
    short = best.rounded("float32")
    for found in (certify(best), certify(short, best.target, against=best), certify(missed.rational, missed.target)):
        assert not found.exceeds
        assert "REFUTED" not in str(found)
    assert not certify(fit("relu", (3, 2), bounds=(0, None))).exceeds
    assert not certify(fit("exp(x)", (3, 3), (-1, 1), digits=40)).exceeds
    assert not certify(fit(np.tanh, (5, 4), (-3, 3))).exceeds
    assert not certify(fit((np.arange(9.0), np.sin(np.arange(9.0))), (2, 1))).exceeds


def test_the_command_line_ends_with_a_code_of_its_own(missed, tmp_path: Path):
    path, out = save(missed, tmp_path / "fit.json"), tmp_path / "proof.json"
    found = run("certify", path, "--out", out)
    assert found.exit_code == 4
    assert "ATTENTION" in found.output
    assert not load(out).exceeds  # the file holds what is true of the rational; of the fit it says nothing
    assert run("certify", save(fit("tanh(x)", (5, 4), (-3, 3)), tmp_path / "best.json")).exit_code == 0
    assert run("certify", out).exit_code == 0
    for command in ("fit", "certify"):
        assert "4: " in run(command, "--help").output


def test_fit_with_certify_ends_with_it_too(missed, monkeypatch):
    monkeypatch.setattr("rational_approx.fit", lambda *arguments, **keywords: missed)
    assert run("fit", BUMPED, "--domain", -3, 3, "--degree", 5, 4, "--certify").exit_code == 4


def test_a_time_limit_and_a_bar(monkeypatch):
    words = ("fit", "exp(x)", "--domain", -1, 1, "--degree", 12, 12, "--time-limit", 5)
    assert "time_limit must be a positive number" in sentence(run(*words[:-1], -1))
    monkeypatch.setattr("rational_approx.watch.monotonic", itertools.count().__next__)
    found = run(*words)
    assert found.exit_code == 1
    assert "the time was over" in found.stderr
    assert found.stdout == ""  # no bar away from a terminal


def test_a_bar_on_a_terminal(monkeypatch):
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=120)
    monkeypatch.setattr(console, "Console", lambda stderr: terminal)
    assert run("fit", "exp(x)", "--domain", -1, 1, "--degree", 4, 4).exit_code == 0
    assert "type (4, 4)" in drawn.getvalue()
