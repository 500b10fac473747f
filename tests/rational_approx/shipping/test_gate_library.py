"""A folder of gates: its files, its table, what a second call keeps; and what other code gives, held to torch."""

import csv
import io
import json
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from rich.console import Console

from rational_approx import export, gates, implement, load
from rational_approx.commands import console
from rational_approx.commands import implement as command
from rational_approx.commands.torch_outputs import torch_outputs
from rational_approx.expressions.expression import parse
from rational_approx.kernels.comparison import compared, compared_numbers
from rational_approx.kernels.numbers import finite_numbers
from rational_approx.kernels.textbook import textbook_outputs
from rational_approx.kernels.truth import Truth
from rational_approx.shipping import gate_library as library
from rational_approx.shipping.gate_library import ALL_GATES, Question, gate_library
from rational_approx.watch import Progress
from tests.rational_approx.command_line import run, sentence

ONE = Question(Fraction(1))
JUMPS = ("hardshrink", "threshold", "heaviside")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates") / "all"
    return folder, list(gate_library(folder, JUMPS, ["float16"], ["c", "numpy"], ONE))


def test_gates_with_jumps_are_had_and_every_file_is_there(made):
    folder, rows = made
    assert [row.gate for row in rows] == list(JUMPS)
    assert all(row.ulp < 1e-5 and row.turns == 0 and row.correct == row.inputs == 63488 for row in rows)
    for name in JUMPS:
        found = load(folder / f"{name}_float16.json")
        assert found.expression == gates.NAMES[name]().expression
        assert (folder / f"{name}_float16.h").read_text() == export(found, "c", name=f"{name}_float16")
        space: dict = {}
        exec((folder / f"{name}_float16_numpy.py").read_text(), space)
        x = np.array([-3, -0.5, 0, 0.25, 0.5, 7], dtype=np.float32)
        assert space[f"{name}_float16"](x).tolist() == np.float16(parse(found.expression)(x)).tolist()
    assert not list(folder.glob(".*"))


def test_the_tables_say_the_same(made):
    folder, rows = made
    entries = json.loads((folder / "gates.json").read_text())
    with (folder / "gates.csv").open() as file:
        lines = list(csv.DictReader(file))
    page = (folder / "README.md").read_text()
    assert [entry["operations"] for entry in entries] == [row.operations for row in rows]
    assert [line["ulp"] for line in lines] == [str(row.ulp) for row in rows]
    for row in rows:
        assert f"| {row.gate} | float16 | {row.ulp:.6f} | 0 | 0 | {row.operations} ({row.longest}) |" in page


def test_a_second_call_keeps_what_there_is_and_another_question_does_not(made, monkeypatch):
    folder, rows = made
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    searched = []

    def none(name, **question):
        searched.append(name)
        raise library.NoKernel("none today")

    monkeypatch.setattr(library, "implement", none)
    assert list(gate_library(folder, JUMPS, ["float16"], ["c"], ONE)) == rows
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert searched == []
    other = next(gate_library(folder, JUMPS[:1], ["float16"], ["c"], Question(Fraction(2))))
    assert (searched, other.reason, other.ulp) == (["hardshrink"], "none today", None)
    assert (folder / "hardshrink_float16.h").read_bytes() == before["hardshrink_float16.h"]
    assert "| hardshrink | float16 | none: none today |" in (folder / "README.md").read_text()


def test_the_command_makes_the_folder_and_names_what_it_has_not(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "ALL_GATES", ("hardtanh", "softsign"))
    monkeypatch.setattr(command, "torch_outputs", lambda: None)
    words = ("implement", "--all-gates", "--format", "bfloat16", "--format", "float16", "--out", tmp_path / "gates")
    result = run(*words, "--time-limit", "1e-9")
    assert result.exit_code == 1
    assert "softsign bfloat16: none: the time was over" in result.output
    assert "0 of 4 gates" in result.output
    monkeypatch.setattr(command, "ALL_GATES", ("relu6",))
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "relu6 float16: 0.000002 ulp, 3 operations (0)" in result.output
    assert len(list((tmp_path / "gates").glob("*_*.h"))) == 2


def test_a_bar_shows_how_many_are_done_and_how_far_the_next_is(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(console, "Console", partial(Console, force_terminal=True, width=100, file=stream))
    with console.shown_steps(["gelu bfloat16", "silu bfloat16"]) as (listener, done):
        listener(Progress("piece 1 of 2 is fitted", (0, 0)))
        assert "gelu bfloat16: piece 1 of 2 is fitted" in stream.getvalue()
        assert "0/2" in stream.getvalue()
        done("gelu: 0.92 ulp")
        assert "1/2" in stream.getvalue()
        listener(Progress("the target is enclosed", (0, 0)))
    assert "silu bfloat16: the target is enclosed" in stream.getvalue()


def test_what_does_not_belong_together_is_refused(tmp_path):
    assert "either a FUNCTION" in sentence(run("implement"))
    assert "either a FUNCTION" in sentence(run("implement", "gelu", "--all-gates", "--out", tmp_path / "gates"))
    assert "--out FOLDER" in sentence(run("implement", "--all-gates"))
    assert "takes one --format" in sentence(run("implement", "gelu", "--format", "float16", "--format", "bfloat16"))
    assert "identifier" in sentence(run("implement", "gelu", "--name", "1x"))
    words = ("implement", "--all-gates", "--out", tmp_path / "gates")
    assert "bfloat16, float16" in sentence(run(*words, "--format", "float16", "--format", "float64"))
    assert "above 0.5" in sentence(run(*words, "--ulp", "0.1"))
    assert not list(tmp_path.iterdir())


def test_the_names_of_torch_and_of_functions_are_understood():
    assert {name: implement(name).name for name in ("Hardtanh", "F.relu6", "abs")} == {
        "Hardtanh": "hardtanh",
        "F.relu6": "relu6",
        "abs": "abs",
    }
    with pytest.raises(ValueError, match=r"torch\.nn\.SiLU"):
        implement("torch.nn.Softmax")


def test_the_command_in_the_code_makes_the_same_function_again():
    usual, other = (export(implement(gates.leaky_relu(slope)), "c", name="gate") for slope in (0.01, 0.25))
    assert "made by: rational-approx implement leaky_relu --format" in usual
    assert "made by: rational-approx implement 'where(x > 0, x, 0.25 * x)' --format" in other


# -- what other code gives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["bfloat16", "float16", "float32"])
def test_the_textbook_is_what_torch_gives_operation_by_operation(format):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = finite_numbers("float16" if format == "float16" else "bfloat16")
    t = torch.from_numpy(x).to(getattr(torch, format))

    def rounded(function):  # torch's own in the format depends on the processor, by an ulp and more
        return function(t.double()).to(t.dtype)

    exp = rounded(torch.exp)
    own = {
        "x * sigmoid(x)": t * (1 / (1 + rounded(lambda t: torch.exp(-t)))),
        "softplus(x)": torch.log((1 + exp).double()).to(t.dtype),
        "where(x > 0, x, expm1(x))": torch.where(t > 0, t, exp - 1),
    }
    for formula, theirs in own.items():
        ours, wanted = textbook_outputs(parse(formula), format, x), theirs.float().numpy()
        same = (ours == wanted) | (np.isnan(ours) & np.isnan(wanted))
        assert same.mean() > 0.999, formula  # a float64 that lies on a tie is rounded twice


def test_torch_has_the_function_of_every_gate_but_two():
    pytest.importorskip("torch", reason="torch is not installed")
    others, x = torch_outputs(), np.linspace(-7, 7, 1001).astype(np.float32)
    without = []
    for name in ALL_GATES:
        formula = library._formula(name)
        y = others(formula, "float32", x)
        if y is None:
            without.append(name)
        else:
            np.testing.assert_allclose(y, parse(formula)(x), rtol=1e-4, atol=1e-5)
    assert without == ["jumprelu", "topk"]


def test_errors_are_counted_in_places_of_the_format():
    x = np.array([1.0, 2.5, 3.0], dtype=np.float32)
    known = Truth(parse("x"), "bfloat16", x, x.astype(np.float64))
    found = compared(np.array([1.0, 2.5 + 2 * 2.0**-6, np.nan], dtype=np.float32), known)
    assert (found.ulp, found.at, found.beyond) == (np.inf, 3, pytest.approx(2 / 3))
    found = compared(np.array([1.0, 2.5 + 2 * 2.0**-6, 3.0], dtype=np.float32), known)
    assert (found.ulp, found.at) == (pytest.approx(2), 2.5)
    numbers = compared_numbers("float32")
    assert (np.diff(numbers.astype(np.float64)) >= 0).all()
    assert np.isin(finite_numbers("bfloat16"), numbers).all()
