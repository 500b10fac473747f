"""The command line of rational_approx and its pictures."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import rational_approx
from rational_approx import Certificate, Fit
from rational_approx.fitting.error_curve import sampled_error
from tests.rational_approx.command_line import run, sentence


def test_fit_certify_save_verify_show_and_plot(tmp_path: Path) -> None:
    out, picture = tmp_path / "exp.json", tmp_path / "exp.svg"
    words = ("--domain", -1, 1, "--degree", 4, 4, "--certify", "--out", out, "--plot", picture)
    result = run("fit", "exp(x)", *words)
    assert result.exit_code == 0, result.output
    assert "levelled error 1.538055083e-10 at 10 points" in result.output
    assert "proved" in result.output
    assert picture.read_text().startswith("<?xml")
    assert isinstance(rational_approx.load(out), Certificate)
    told = run("verify", out).output
    assert told.endswith("\nverified\n")
    for part in ("f(x) = exp(x)", "domain    [-1, 1]", "no pole", "de la Vallee-Poussin", "keeps one sign"):
        assert part in told
    as_json = json.loads(run("verify", "--json", out).output)
    assert as_json["outcome"] == "verified"
    assert {each["outcome"] for each in as_json["statements"]} == {"verified"}
    shown = run("show", out)
    assert "Chebyshev polynomials on [-1, 1]" in shown.output
    rational = rational_approx.load(out).rational
    assert f"{float(rational.numerator[0]):.10g}"[:9] in shown.output
    again = run("certify", out, "--out", tmp_path / "again.json", "--gap", "1/1000000")
    assert again.exit_code == 0, again.output
    half_line = ("--domain", 0, "inf", "--degree", 1, 3, "--weight", "1 + x", "--certify")
    undecided = run("fit", "x*exp(-x)", *half_line)
    assert undecided.exit_code == 1
    assert "undecided" in undecided.output
    assert run("plot", tmp_path / "again.json", "--out", tmp_path / "again.png").exit_code == 0
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_union_a_weight_digits_and_exact_ends(tmp_path: Path) -> None:
    out = tmp_path / "sign.json"
    words = (
        "--domain",
        -1,
        -0.1,
        "--domain",
        "1/10",
        1,
        "--degree",
        5,
        4,
        "--digits",
        25,
        "--weight",
        "1",
        "--out",
        out,
    )
    result = run("fit", "sign(x)", *words)
    assert result.exit_code == 0, result.output
    fit = rational_approx.load(out)
    assert isinstance(fit, Fit)
    assert fit.target.domain.intervals == ((-1, Fraction(-1, 10)), (Fraction(1, 10), 1))
    assert fit.digits == 25
    assert "0.004956668246" in result.output


def test_a_gate_brings_its_domain() -> None:
    result = run("fit", "relu", "--degree", 3, 2)
    assert result.exit_code == 0, result.output
    assert "0.02184450635" in result.output


def test_conditions_and_bounds(tmp_path: Path) -> None:
    out, common = tmp_path / "fit.json", ("--domain", -16, 16, "--degree", 5, 4)
    conditions = ("--interpolate", "-16=0", "--interpolate", "16=1", "--bounds", 0, "inf")
    result = run("fit", "sigmoid(x)", *common, *conditions, "--out", out)
    assert result.exit_code == 0, result.output
    fit = rational_approx.load(out)
    assert isinstance(fit, Fit)
    assert fit.interpolate == ((-16, 0), (16, 1))
    assert fit.bounds == (0, math.inf)
    result = run("fit", "sigmoid(x)", *common, *conditions[:4], "--bounds", "-inf", 2)
    assert result.exit_code == 0, result.output
    assert "reversed" in sentence(run("fit", "sigmoid(x)", *common, "--bounds", 0, "-inf"))
    assert "twice" in sentence(run("fit", "sigmoid(x)", *common, "--interpolate", 0, "--interpolate", "0=1"))
    assert "'one' is not a number" in sentence(run("fit", "sigmoid(x)", *common, "--interpolate", "16=one"))


def test_tampering_is_not_verified_and_ends_with_code_1(tmp_path: Path) -> None:
    out = tmp_path / "exp.json"
    run("fit", "exp(x)", "--domain", -1, 1, "--degree", 2, 2, "--certify", "--out", out)
    tree = json.loads(out.read_text())
    tree["upper"] = tree["lower"]
    out.write_text(json.dumps(tree))
    result = run("verify", out)
    assert result.exit_code == 1
    assert result.output.endswith("\nrefuted\n")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["exp(x)", "--domain", "-1", "1"], "either --degree P Q or --tolerance E"),
        (["exp(x)", "--degree", "2", "2"], "domain"),
        (["exp(x", "--domain", "-1", "1", "--degree", "2", "2"], "')'"),
        (["exp(x)", "--domain", "1", "-1", "--degree", "2", "2"], "1"),
        (["exp(x)", "--domain", "0", "zero", "--degree", "2", "2"], "zero"),
        (["exp(x)", "--domain", "0", "nan", "--degree", "2", "2"], "nan"),
        (["exp(x)", "--domain", "0", "1", "--degree", "-2", "2"], "-2"),
        (["sign(x)", "--domain", "-1", "1", "--degree", "2", "2"], "jumps at x = 0"),
        (["1/x", "--domain", "-1", "1", "--degree", "2", "2"], "finite"),
        (["exp(x)", "--domain", "0", "1", "--degree", "2", "2", "--gap", "1"], "--gap belongs to --certify"),
        (
            ["exp(x)", "--domain", "0", "1", "--degree", "2", "2", "--certify", "--gap", "small"],
            "'small' is not a number",
        ),
        (["exp(x)", "--domain", "0", "1", "--degree", "2", "2", "--out", "no/such/folder/x.json"], "does not exist"),
        (["exp(x)", "--domain", "0", "1", "--degree", "2", "2", "--plot", "no/such/folder/x.png"], "does not exist"),
        (["exp(x)", "--domain", "0", "1", "--degree", "2", "2", "--weight", "__import__('os')"], "__import__"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], wanted: str) -> None:
    assert wanted in sentence(run("fit", *words))


@pytest.mark.parametrize("command", [["show"], ["certify"], ["plot", "--out", "picture.png"]])
def test_files_that_are_not_there_or_not_ours_are_refused(tmp_path: Path, command: list[str]) -> None:
    assert "no file" in sentence(run(*command, tmp_path / "absent.json"))
    (tmp_path / "other.json").write_text("{}")
    assert sentence(run(*command, tmp_path / "other.json")).startswith("Error: ")
    assert not Path("picture.png").exists()


def test_a_picture_of_an_unknown_format_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    best = rational_approx.fit("exp(x)", (2, 2), (-1, 1))
    for name in ("picture.docx", "picture"):
        with pytest.raises(ValueError, match=r"\.png, \.svg or \.pdf"):
            best.plot(str(tmp_path / name))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        best.plot(str(tmp_path / "absent" / "picture.png"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("degree", [(2, 2), (7, 6)])
def test_the_curve_alternates_between_the_levels(degree: tuple[int, int]) -> None:
    # (7, 6) has an error below what float64 resolves, so the curve comes from multiprecision.
    best = rational_approx.fit("exp(x)", degree, (-1, 1))
    (piece,) = best.target.pieces
    x, error = sampled_error(piece, best.rational, best.reference, float(best.error))
    assert np.abs(error).max() <= float(best.error) * (1 + 1e-6)
    at = np.interp([float(t) for t in best.reference], x, error)
    assert np.allclose(np.abs(at), float(best.error), rtol=1e-6)
    assert (at[1:] * at[:-1] < 0).all()
    figure = best.plot()
    (axes,) = figure.axes
    assert len(axes.lines[1].get_xdata()) == len(best.reference)


def test_a_union_is_drawn_piece_by_piece_with_every_reference_point() -> None:
    best = rational_approx.fit("sign(x)", (5, 4), [(-1, -0.1), (0.1, 1)])
    (axes,) = best.plot().axes
    drawn = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == ".")
    assert drawn == len(best.reference)


def test_help_and_version() -> None:
    for words in (["--help"], ["fit", "--help"], ["--version"]):
        assert run(*words).exit_code == 0
