"""Coefficients in shorter formats than that of the operations, one for all or one by coefficient."""

import json
from fractions import Fraction
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import export, implement, load, save, verify
from rational_approx.arithmetic.floats import in_format, round_to
from rational_approx.kernels.coefficient_formats import coefficient_formats
from rational_approx.kernels.coefficient_order import polynomials_of
from rational_approx.kernels.coefficients import in_short_format
from rational_approx.kernels.forms import Form, form_piece
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import Constant
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.kernel_documents import _code
from rational_approx.verifier import verify as check
from rational_approx.verifier.coefficients import stated_formats
from rational_approx.verifier.enclosed import Enclosed
from rational_approx.verifier.kernel import normal
from rational_approx.verifier.reading import Refuted, number
from tests.rational_approx.command_line import run, sentence


def constants(found) -> list[Fraction]:
    steps = [step for piece in found.kernel.pieces for step in piece.steps]
    return [name.value for step in steps for name in step.operands if isinstance(name, Constant)]


def as_read(piece):
    """The steps and the result of a piece as the verifier reads them from a file."""

    def operand(name):
        return name if name == "x" else int(name[1:]) if name[0] == "v" else float(number(name))

    code = _code(piece)
    return [(op, list(map(operand, names))) for op, *names in code["steps"]], operand(code["result"])


@pytest.fixture(scope="module")
def short():
    return implement("tanh", format="bfloat16", coefficients="bfloat16")


@pytest.fixture(scope="module")
def mixed():
    return implement("tanh", format="float32", coefficients=("float64", "float32"))


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


@pytest.mark.slow
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
    [
        ("gelu", "bfloat16", "bfloat16"),
        ("silu", "float16", "float16"),
        ("tanh", "float32", "float32"),
        ("tanh", "bfloat16", ["float32", "bfloat16"]),
        ("gelu", "bfloat16", {"P": ["float32", "bfloat16"], "Q": "bfloat16"}),
        ("tanh", "float32", ["float64", "float32", "float32", "bfloat16"]),
    ],
)
def test_other_functions_and_formats(name, format, coefficients):
    found = implement(name, format=format, coefficients=coefficients)
    assert found.facts.ulp <= 1
    assert verify(found, seconds=600).outcome == "verified"


def test_what_cannot_be_is_refused():
    assert "shorter than that of the operations" in sentence(run("implement", "tanh", "--coefficients", "float32"))
    assert "shorter" in sentence(run("implement", "tanh", "--coefficients", "float64,bfloat16"))
    assert "'P' and 'Q'" in sentence(run("implement", "tanh", "--coefficients", "P=bfloat16"))
    with pytest.raises(ValueError, match="none here"):
        implement("tanh", format="fixed4.12", coefficients="bfloat16")
    for given_ in ([], ["bfloat16", 16], {"P": "bfloat16"}, 8, {"P": [], "Q": "bfloat16"}):
        with pytest.raises(ValueError, match=r"coefficient"):
            implement("tanh", coefficients=given_)


# -- by coefficient --------------------------------------------------------------------------------------------------


def test_the_first_has_a_longer_format_than_the_others(mixed):
    (_, top), (_, bottom) = polynomials_of(mixed.kernel.pieces[1].steps, mixed.kernel.pieces[1].result)
    assert len(top) > 3
    assert len(bottom) > 3
    assert all(in_format(c, "float32") for c in (*top[1:], *bottom[1:]))
    assert not all(in_format(c, "float32") for c in (top[0], bottom[0]))
    assert mixed.facts.ulp <= 1


def test_the_file_states_formats_by_coefficient(mixed, tmp_path):
    sides = ["float64", "float32"]
    assert document(mixed)["scheme"]["coefficients"] == {"P": sides, "Q": sides}
    assert load(save(mixed, tmp_path / "tanh.json")) == mixed
    code = export(mixed, "c")
    assert "numbers of float64 and then float32 (lowest power first), found together" in code
    assert "--coefficients float64,float32" in code


def test_the_verifier_holds_each_coefficient_to_its_format(mixed):
    found = verify(mixed, seconds=100)
    assert found.outcome == "verified"
    assert any("numbers of float64 and then float32" in each.text for each in found.statements)
    for wrong in (
        "float32",
        {"P": ["float32", "float64"], "Q": ["float64", "float32"]},
        {"P": ["float64", "float32"], "Q": ["float32"]},
        {"P": ["float64"], "Q": ["float64", "bfloat16"]},
        {"P": ["float64", "float32", "float32", "float16"], "Q": ["float64"]},
        {"P": ["float64", "float32"]},
        {"P": [], "Q": ["float64"]},
        {"P": "float64", "Q": "float64"},
        ["float64", "float32"],
        None,
        1,
    ):
        content = json.loads(json.dumps(document(mixed)))
        content["scheme"]["coefficients"] = wrong
        with pytest.raises(Refuted):
            Enclosed(normal(content), inf).in_order()
    content["hash"] = canonical_hash(content)
    assert check(content, 100).outcome == "refuted"


COEFFICIENTS = st.lists(st.integers(-(2**30), 2**30).filter(lambda n: n & (n - 1)), min_size=2, max_size=7)
FORMATS = st.lists(st.sampled_from(["bfloat16", "float16", "float32", "float64"]), min_size=1, max_size=4)


@settings(max_examples=30)
@given(COEFFICIENTS, COEFFICIENTS, FORMATS, FORMATS, st.sampled_from(["x", "x^2", "1/x", "x - c"]), st.data())
def test_both_readings_find_the_coefficients_in_their_order(top, bottom, above, below, variable, data):
    scheme = Scheme(data.draw(st.sampled_from(["horner", "estrin"])), data.draw(st.booleans()))
    times = data.draw(st.integers(0, 3))
    p, q = (tuple(Fraction(n, 2**12) for n in side) for side in (top, bottom))
    q = data.draw(st.sampled_from([q, (Fraction(1),)]))
    form = Form(times, variable, centre=Fraction(3) if variable == "x - c" else Fraction(0))
    piece = form_piece(form, p, q, 8.0, scheme)
    found = polynomials_of(piece.steps, piece.result)
    own = [each for each in found if each[1] not in ((Fraction(1),), (Fraction(3),)) or each[1] in (p, q)]
    assert (False, p) in own
    assert len(q) == 1 or (True, q) in own
    formats = coefficient_formats({"P": above, "Q": below})
    sides = [(p, formats.of(False, len(p)))] + [(q, formats.of(True, len(q)))] * (len(q) > 1)
    others = [c for _, side in found if side not in (p, q) for c in side]
    right = all(in_format(c, name) for side, names in sides for c, name in zip(side, names))
    right = right and all(in_format(c, formats.top[0]) for c in others)
    assert in_short_format(piece, formats) == right
    stated = stated_formats(formats.text)
    assert (stated.misfit(*as_read(piece), {}) is None) == right


@settings(max_examples=30)
@given(COEFFICIENTS, st.sampled_from(["horner", "estrin"]), st.booleans(), st.data())
def test_a_constant_with_more_digits_is_found_wherever_it_stands(top, order, fma, data):
    p = tuple(round_to(Fraction(n, 2**12), "bfloat16") or Fraction(1) for n in top)
    at = data.draw(st.integers(0, len(p) - 1))
    changed = (*p[:at], p[at] * (1 + Fraction(1, 2**12)), *p[at + 1 :])
    stated = stated_formats("bfloat16")
    good, bad = (form_piece(Form(1, "x^2"), each, (Fraction(1),), 8.0, Scheme(order, fma)) for each in (p, changed))
    assert stated.misfit(*as_read(good), {}) is None
    assert stated.misfit(*as_read(bad), {}) == float(changed[at])


@pytest.mark.parametrize(
    "entry", [{"P": ["bfloat16"], "Q": ["bfloat17"]}, {"P": [["bfloat16"]], "Q": ["bfloat16"]}, "", 16, [], {}]
)
def test_formats_without_sense_are_refuted(entry):
    with pytest.raises(Refuted):
        stated_formats(entry)
