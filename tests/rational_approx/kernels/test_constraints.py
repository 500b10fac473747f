"""The piece about zero with a prescribed form: the lists of `fit`, held to exact arithmetic and by the verifier."""

import json
from fractions import Fraction
from math import inf

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import NoKernel, export, implement, load, save, verify
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.kernels.about_zero import has_form, piece_of_form
from rational_approx.kernels.scheme import Scheme
from rational_approx.problem.prescribed import Prescribed
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from rational_approx.verifier.about_zero import exactly, stated_constraints
from rational_approx.verifier.enclosed import Enclosed
from rational_approx.verifier.kernel import normal
from rational_approx.verifier.reading import Refuted
from tests.rational_approx.command_line import run, sentence
from tests.rational_approx.kernels.test_coefficients import as_read

ODD = ([0, 1, 0, None, 0, None, 0, None, 0, None], [1, 0, None, 0, None, 0, None, 0, None])


@pytest.fixture(scope="module")
def found():
    return implement("tanh", format="float32", constraints=ODD)


def about_zero(found):
    return next(piece for piece in found.kernel.pieces if piece.upper >= 0)


def test_c1_is_1_and_the_piece_is_odd(found):
    piece = about_zero(found)
    assert has_form(piece, found.kernel.scheme.form)
    top, bottom = exactly(*as_read(piece))
    assert top[1] == bottom[0] != 0
    assert not any(top[::2])
    assert not any(bottom[1::2])
    x = np.float32([1e-3, 0.3, 2.5, 1e-40])
    assert (found.kernel(-x) == -found.kernel(x)).all()
    assert np.signbit(found.kernel(np.float32([-0.0])))[0]
    assert found.facts.ulp <= 1


def test_the_file_and_the_code_say_so(found, tmp_path):
    assert load(save(found, tmp_path / "tanh.json")) == found
    stated = document(found)["scheme"]["constraints"]
    assert stated["P"][:4] == ["0", "1", "0", None]
    code = " ".join(export(found, "c").replace("\n *", " ").split())
    assert "the piece about zero is P / Q with P = x + p3 x^3 + p5 x^5" in code
    assert "--constraints '0,1,0,*,0,*,0,*,0,*' '1,0,*,0,*,0,*,0,*'" in code
    assert "about zero P = x + p3 x^3" in str(found)


def test_the_verifier_multiplies_it_out(found):
    outcome = verify(found, seconds=100)
    assert outcome.outcome == "verified"
    assert any("P = 1 x + p3 x^3 + p5 x^5" in each.text for each in outcome.statements)


def stated(content, p=None, q=None):
    sides = content["scheme"]["constraints"]
    content["scheme"]["constraints"] = {"P": p or sides["P"], "Q": q or sides["Q"]}


def constant(content, value):
    """Another number in the place of the first 1 of the piece about zero."""
    steps = next(piece for piece in content["pieces"] if piece["upper"][0] not in "-")["steps"]
    step = next(step for step in steps if step[0] == "add" and "1" in step)
    step[step.index("1")] = value


def cut(content):
    """A piece that ends at zero."""
    at = next(k for k, piece in enumerate(content["pieces"]) if piece["upper"][0] != "-")
    content["pieces"].insert(at, {**content["pieces"][at], "upper": "0"})


FALSE = [
    lambda content: stated(content, p=["0", "3/2", "0", *[None] * 7]),
    lambda content: stated(content, p=["1", *[None] * 9]),
    lambda content: stated(content, p=["0", "1", "1", *[None] * 7]),
    lambda content: stated(content, p=["0", "1", "0", "0", *[None] * 6]),
    lambda content: stated(content, p=["0", "1", "0", None, "0", None, "0", None]),
    lambda content: stated(content, q=["1", None, "1", *[None] * 6]),
    lambda content: stated(content, q=["1"]),
    lambda content: stated(content, q=[None, *["0", None] * 4]),
    lambda content: stated(content, q=["2", *["0", None] * 4]),
    lambda content: constant(content, "0x1.000001p0"),
    cut,
    lambda content: content["scheme"].update(constraints=None),
    lambda content: content["scheme"].update(constraints={"P": ["0", "1", None]}),
    lambda content: content["scheme"].update(constraints=[["0", "1", None], ["1"]]),
    lambda content: content["scheme"].update(constraints={"P": [], "Q": ["1"]}),
    lambda content: content["scheme"].update(constraints={"P": ["0", True], "Q": ["1"]}),
]


@pytest.mark.parametrize("change", FALSE)
def test_false_constraints_are_refuted(found, change):
    content = json.loads(json.dumps(document(found)))
    change(content)
    with pytest.raises(Refuted):
        Enclosed(normal(content), inf).about_zero()


@pytest.mark.slow
def test_a_file_with_false_constraints_is_refuted(found):
    content = json.loads(json.dumps(document(found)))
    stated(content, p=["0", "1", "0", "0", *[None] * 6])
    content["hash"] = canonical_hash(content)
    assert check(content, 100).outcome == "refuted"


NUMBERS = st.one_of(st.just(Fraction(0)), st.integers(-(2**20), 2**20).map(lambda n: Fraction(n, 2**10)))


@settings(max_examples=30)
@given(st.lists(NUMBERS, min_size=1, max_size=9), st.lists(NUMBERS, max_size=6), st.data())
def test_code_is_the_quotient_of_its_coefficients(top, below, data):
    scheme = Scheme(data.draw(st.sampled_from(["horner", "estrin"])), data.draw(st.booleans()))
    bottom = [Fraction(1), *below]
    while len(bottom) > 1 and not bottom[-1]:
        bottom.pop()
    piece = piece_of_form((tuple(top), tuple(bottom)), inf, scheme)
    form = Prescribed(tuple(top), tuple(bottom))
    assert has_form(piece, form)
    texts = {name: [str(c) for c in side] for name, side in zip("PQ", form)}
    assert stated_constraints(texts).held(*as_read(piece))
    p, q = (flint.fmpq_poly([fmpq(c) for c in side]) for side in exactly(*as_read(piece)))
    assert p * flint.fmpq_poly([fmpq(c) for c in bottom]) == q * flint.fmpq_poly([fmpq(c) for c in top])
    at = data.draw(st.integers(0, len(top) - 1))
    changed = (*top[:at], top[at] + Fraction(1, 2**30), *top[at + 1 :])
    assert not has_form(piece, Prescribed(changed, form.q))
    assert not stated_constraints({**texts, "P": [str(c) for c in changed]}).held(*as_read(piece))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "format", "constraints", "how"),
    [
        ("sin(x)", "float32", ([0, 1, 0, None, 0, None, 0, None, 0, None, 0, None], 0), {}),
        ("sin(x)", "bfloat16", ([0, 1, 0, None, 0, None, 0, None], 0), {}),
        ("exp(x)", "float16", ([1, 1, None, None, None], 0), {"fma": True}),
        ("cos(x)", "float32", ([1, 0, Fraction(-1, 2), 0, None, 0, None], 0), {}),
        ("gelu", "bfloat16", ([0, 0.5, None, None, None, None], 0), {"scheme": "estrin"}),
        ("tanh", "bfloat16", ([0, 1, 0, None, 0, None], [1, 0, None]), {"coefficients": ("float32", "bfloat16")}),
        ("tanh", "bfloat16", ([0, 1, 0, None, 0, None], 2), {"flush": True}),
    ],
)
def test_other_functions_formats_and_forms(name, format, constraints, how):
    found = implement(name, format=format, constraints=constraints, **how)
    assert found.facts.ulp <= 1
    assert has_form(about_zero(found), found.kernel.scheme.form)
    assert verify(found, seconds=600).outcome == "verified"


def test_what_cannot_be_had_is_refused_with_its_reason():
    with pytest.raises(NoKernel, match=r"fixed at 0 there, and f\(0\) is 1"):
        implement("exp(x)", format="float16", constraints=([0, 1, None, None], 0))
    with pytest.raises(NoKernel, match="the target switches, or ends, there"):
        implement("relu", constraints=([0, 1, None], 0))
    with pytest.raises(ValueError, match="1/3 is no number of float32"):
        implement("tanh", constraints=([0, 1, 0, Fraction(-1, 3), 0, None], 0))
    with pytest.raises(ValueError, match="in place of a degree"):
        implement("tanh", constraints=(5, 4))
    with pytest.raises(ValueError, match="nothing is free"):
        implement("tanh", constraints=([0, 1], 0))
    with pytest.raises(ValueError, match="constraints= out"):
        implement("tanh", format="fixed2.6", constraints=([0, 1, None], 0))
    with pytest.raises(ValueError, match="constraints= out"):
        implement("tanh", scheme="barycentric", constraints=([0, 1, None], 0))
    assert "no degree" in sentence(run("implement", "tanh", "--constraints", "odd", "0"))


def test_the_command_takes_stars(tmp_path):
    words = ("--constraints", "0,1,0,*,0,*", "1,0,*", "--certificate", tmp_path / "tanh.json")
    result = run("implement", "tanh", *words)
    assert result.exit_code == 0, result.output
    assert load(tmp_path / "tanh.json").kernel.scheme.form == Prescribed(
        (Fraction(0), Fraction(1), Fraction(0), None, Fraction(0), None), (Fraction(1), Fraction(0), None)
    )
