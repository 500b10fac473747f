"""The commands that ship: round and export, from a fit's file to code."""

import re
from pathlib import Path

import numpy as np
import pytest

import rational_approx
from rational_approx import Certificate, Target
from tests.rational_approx.command_line import run, sentence


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipping")
    best = rational_approx.fit("relu", (3, 2))
    rational_approx.save(best, folder / "fit.json")
    rational_approx.save(best.rational.monomial().rounded("float32"), folder / "rational.json")
    short = best.rounded("float32", "monomial")
    rational_approx.save(rational_approx.certify(short, best.target), folder / "short.json")
    return folder


def test_round_proves_what_it_rounded(files: Path) -> None:
    out = files / "bfloat16.json"
    result = run("round", files / "fit.json", "--format", "bfloat16", "--claim", "range -1/10 2", "--out", out)
    assert result.exit_code == 0, result.output
    assert "range -0.1 2: proved" in result.output
    ratio = float(re.search(r"(\S+) times the error before rounding", result.output)[1])  # type: ignore[index]
    assert 1 - 1e-6 <= ratio < 1.1
    certificate = rational_approx.load(out)
    assert isinstance(certificate, Certificate)
    assert certificate.rational.format == "bfloat16"
    assert run("verify", out).exit_code == 0


def test_export_to_a_file_and_to_the_screen(files: Path) -> None:
    out = files / "relu.c"
    words = ("export", files / "short.json", "--language", "c", "--scheme", "estrin", "--fma", "--name", "relu")
    result = run(*words, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_text() in run(*words).stdout
    assert "float relu(float x)" in out.read_text()
    assert "proved: abs(computed - target) <= " in out.read_text()
    printed = run("export", files / "fit.json", "--language", "numpy", "--dtype", "float64").stdout
    space: dict = {}
    exec(printed, space)
    assert abs(space["rational"](0.5) - 0.5) < 0.0219
    assert "computed - target" not in printed  # a fit is no proof
    assert run("export", files / "rational.json", "--language", "pytorch").exit_code == 0


def test_export_goes_on_by_a_line_beyond_the_ends(files: Path) -> None:
    r = rational_approx.load(files / "rational.json")
    for words, left, right in (
        (("--right", "linear"), "constant", "linear"),
        (("--left", f"{r.saturated().values[0]} -2", "--right", "constant"), (r.saturated().values[0], -2), "constant"),
    ):
        result = run("export", files / "rational.json", "--language", "numpy", *words)
        assert result.exit_code == 0, result.output
        space: dict = {}
        exec(result.stdout, space)
        x = np.array([-4, -1, -0.5, 0.25, 1, 3], dtype=np.float32)
        np.testing.assert_allclose(
            space["rational"](x), r.saturated(left, right)(x.astype(float)), rtol=1e-5, atol=1e-6
        )
    for words in (("--left", "linear", "--clamp"), ("--left", "7"), ("--right", "curved")):
        sentence(run("export", files / "rational.json", "--language", "c", *words))


def test_rounding_tells_how_far_it_is() -> None:
    steps: list = []
    best = rational_approx.fit("relu", (3, 2))
    assert best.rounded("bfloat16", progress=steps.append) == best.rounded("bfloat16")
    assert {step.stage for step in steps} == {"rounding"}


def test_exhaustive_says_what_was_reached_and_what_is_proved(files: Path) -> None:
    result = run("export", files / "short.json", "--language", "numpy", "--exhaustive", "bfloat16")
    assert result.exit_code == 0, result.output
    seen = float(re.search(r"at all 32514 inputs in bfloat16: error <= (\S+),", result.output)[1])  # type: ignore[index]
    proved = float(re.search(r"proved at every number of float32.*: error <= (\S+)", result.output)[1])  # type: ignore[index]
    assert 0.0218 < seen <= proved < 0.0219


def test_certificates_of_samples_are_certified_again(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 40)
    certificate = rational_approx.certify(rational_approx.fit(Target((x, np.exp(x)), weight=1 + x), (2, 2)))
    path = rational_approx.save(certificate, tmp_path / "samples.json")
    result = run("certify", path, "--claim", "monotone increasing", "--out", tmp_path / "again.json")
    assert result.exit_code == 0, result.output
    assert rational_approx.load(tmp_path / "again.json").samples == certificate.samples
    assert run("verify", tmp_path / "again.json").exit_code == 0


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["round", "fit.json", "--format", "int8"], "format must be one of"),
        (["round", "fit.json", "--format", "float32", "--basis", "legendre"], "basis must be"),
        (["round", "short.json", "--format", "float32"], "starts from a fit"),
        (["round", "fit.json", "--format", "float32", "--claim", "ranges 1 2"], "is no claim"),
        (["round", "fit.json", "--format", "float32", "--claim", " "], "claim is empty"),
        (["round", "fit.json", "--format", "float32", "--out", "no/folder/x.json"], "does not exist"),
        (["round", "absent.json", "--format", "float32"], "no file"),
        (["export", "short.json", "--language", "fortran"], "language must be one of"),
        (["export", "short.json", "--language", "numpy", "--fma"], "no fused multiply-add"),
        (["export", "short.json", "--language", "c", "--scheme", "clenshaw"], "basis"),
        (["export", "short.json", "--language", "c", "--scheme", "pade"], "scheme must be"),
        (["export", "short.json", "--language", "c", "--dtype", "float16"], "float32"),
        (["export", "short.json", "--language", "c", "--name", "a b"], "identifier"),
        (["export", "short.json", "--language", "c", "--out", "no/folder/x.c"], "does not exist"),
        (["export", "rational.json", "--language", "c", "--exhaustive", "float16"], "needs a certificate"),
        (["export", "short.json", "--language", "numpy", "--exhaustive", "float64"], "too many"),
        (["export", "short.json", "--language", "c", "--fma", "--exhaustive", "float16"], "no fused"),
    ],
)
def test_mistakes_are_one_sentence(files: Path, words: list[str], wanted: str) -> None:
    placed = [str(files / word) if word.endswith(".json") and "/" not in word else word for word in words]
    assert wanted in sentence(run(*placed))


def test_code_without_a_bound_is_refused(files: Path) -> None:
    best = rational_approx.fit("relu", (9, 8))
    rational_approx.save(best.rational.chebyshev().rounded("float32"), files / "vanishing.json")
    assert "no bound was found" in sentence(run("export", files / "vanishing.json", "--language", "c"))


def test_prescribed_coefficients_and_formats_by_side(tmp_path: Path) -> None:
    out = tmp_path / "fit.json"
    words = ("--domain", -1, 1, "--degree", "0,1,0,*", "1,0,*", "--weight", "relative", "--certify", "--out", out)
    result = run("fit", "sin(x)", *words)
    assert result.exit_code == 0, result.output
    assert "P = x + p3 x^3, Q = 1 + q2 x^2" in result.output
    assert run("fit", "sin(x)", *words[:-3], "--out", out).exit_code == 0
    assert run("round", out, "--format", "P=float32,Q=bfloat16").exit_code == 0
    assert "is no degree" in sentence(run("fit", "sin(x)", "--domain", -1, 1, "--degree", "a", 1))
    assert "must be one of" in sentence(run("round", out, "--format", "P=float32,Q=int8"))
