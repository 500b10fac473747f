"""The command `composite`."""

import pytest

from rational_approx import load
from tests.rational_approx.command_line import run, sentence


def test_sign_with_its_certificate(tmp_path):
    out, certificate = tmp_path / "sign.go", tmp_path / "sign.json"
    words = ("--gap", "2^-6", "--depth", 9, "--language", "lattigo", "--name", "signs")
    done = run("composite", "sign", *words, "--out", out, "--certificate", certificate)
    assert done.exit_code == 0, done.output
    assert "9 levels" in done.output
    assert "var signs = [][]string{" in out.read_text()
    assert load(certificate).gap == 2**-6
    assert run("verify", certificate).exit_code == 0
    assert run("show", certificate).output in done.output
    # The same text from the file.
    again = run("export", certificate, "--language", "lattigo", "--name", "signs")
    assert again.output == out.read_text()


def test_relu_and_degrees_are_printed():
    done = run("composite", "relu", "--error", "0.02", "--noise", "1e-6")
    assert done.exit_code == 0
    assert "relu(x) on [-1, 1]: error <= 0.0" in done.stderr
    assert done.stdout.startswith("# relu by ")
    done = run("composite", "sign", "--gap", "1/16", "--degrees", "7,9", "--bits", 30, "--language", "powers")
    assert done.exit_code == 0
    assert "stages = [" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sign", "--depth", 6), "give a --gap"),
        (("sign", "--gap", "2^x", "--depth", 6), "is not a number"),
        (("sign", "--gap", "0.1"), "give a depth="),
        (("sign", "--gap", "0.1", "--degrees", "7,a"), "'a' is no degree"),
        (("relu", "--gap", "0.1", "--depth", 6), "of sign"),
        (("relu", "--depth", 6, "--error", "0.1"), "not both"),
        (("sign", "--gap", "0.1", "--depth", 6, "--name", "3"), "must be an identifier"),
        (("sign", "--gap", "0.1", "--depth", 6, "--out", "missing/x"), "does not exist"),
    ],
)
def test_refusals(words, message):
    assert message in sentence(run("composite", *words))


def test_an_error_that_is_not_reached():
    done = run("composite", "sign", "--gap", "2^-12", "--depth", 6, "--error", "1e-3")
    assert done.exit_code == 1
    assert "levels reach no smaller error" in done.stderr


def test_what_a_file_of_a_composition_is_not_for(tmp_path):
    file = tmp_path / "sign.json"
    assert run("composite", "sign", "--gap", "0.1", "--depth", 5, "--certificate", file).exit_code == 0
    assert "no error curve" in sentence(run("plot", file, "--out", tmp_path / "x.png"))
    assert "certificate" in sentence(run("prove", file, "--coq", tmp_path / "x.v"))
    assert "leave --exhaustive out" in sentence(run("export", file, "--language", "heir", "--exhaustive", "float16"))
    assert "not a fit" in sentence(run("certify", file))
    assert "near-best rounding" in sentence(run("round", file, "--format", "float32"))
