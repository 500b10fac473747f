"""Coefficients in a shorter format than that of the operations."""

import json
from fractions import Fraction

import pytest

from rational_approx import export, implement, load, save, verify
from rational_approx.arithmetic.floats import in_format
from rational_approx.programs.program import Constant
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from tests.rational_approx.command_line import run, sentence


def constants(found) -> list[Fraction]:
    steps = [step for piece in found.kernel.pieces for step in piece.steps]
    return [name.value for step in steps for name in step.operands if isinstance(name, Constant)]


@pytest.fixture(scope="module")
def short():
    return implement("tanh", format="bfloat16", coefficients="bfloat16")


def test_they_are_numbers_of_the_format(short):
    assert short.facts.ulp <= 1
    assert len(constants(short)) >= 4
    assert all(in_format(c, "bfloat16") for c in constants(short))
    assert not all(in_format(c, "bfloat16") for c in constants(implement("tanh", format="bfloat16")))


def test_found_together_they_cost_no_more_than_rounded_to_float32(short):
    assert short.operations <= implement("tanh", format="bfloat16").operations + 4


def test_the_file_says_so_and_gives_the_same_again(short, tmp_path):
    assert load(save(short, tmp_path / "tanh.json")) == short
    code = export(short, "c")
    assert "coefficients are numbers of bfloat16, found together" in code
    assert "--coefficients bfloat16" in code
    assert "coefficients" not in document(implement("relu"))["scheme"]


def test_the_verifier_holds_code_to_it(short):
    found = verify(short, seconds=100)
    assert found.outcome == "verified"
    assert any("coefficients are numbers of bfloat16" in each.text for each in found.statements)
    content = json.loads(json.dumps(document(implement("tanh", format="bfloat16"))))
    content["scheme"]["coefficients"] = "bfloat16"
    content["hash"] = canonical_hash(content)
    assert check(content, 100).outcome == "refuted"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "format", "coefficients"),
    [("gelu", "bfloat16", "bfloat16"), ("silu", "float16", "float16"), ("tanh", "float32", "float32")],
)
def test_other_functions_and_formats(name, format, coefficients):
    found = implement(name, format=format, coefficients=coefficients)
    assert found.facts.ulp <= 1
    assert verify(found, seconds=600).outcome == "verified"


def test_what_cannot_be_is_refused():
    assert "shorter than that of the operations" in sentence(run("implement", "tanh", "--coefficients", "float32"))
    with pytest.raises(ValueError, match="none here"):
        implement("tanh", format="fixed4.12", coefficients="bfloat16")
