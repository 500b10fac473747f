"""Code for every number of a format: held to mpmath, to the independent verifier, and to itself in every language."""

import json
import pickle
import shutil
import sys
from fractions import Fraction
from itertools import pairwise
from math import inf, isinf, isnan
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

import rational_approx
from rational_approx import export, implement, verify
from rational_approx.expressions.expression import parse
from rational_approx.kernels.facts import Facts, TriedFacts
from rational_approx.kernels.numbers import finite_numbers, rounded
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.gate_library import ALL_GATES
from rational_approx.verifier import verify as check
from tests.rational_approx.command_line import run, sentence
from tests.rational_approx.kernels.compiled import COMPILERS, outputs

ASKED = [
    ("tanh", "bfloat16", 1),
    ("elu", "float16", "0.52 ulp"),
    pytest.param(("exp(x)", "bfloat16", 1), marks=pytest.mark.slow),
    pytest.param(("silu", "float16", 1), marks=pytest.mark.slow),
]
EXACT = {
    "tanh": mpmath.tanh,
    "exp(x)": mpmath.exp,
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
}
FORMATS = {"bfloat16": (8, -133, 128), "float16": (11, -24, 16)}


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(map(str, asked)))
def found(request):
    name, format, error = request.param
    return implement(name, format=format, error=error)


def every(found) -> np.ndarray:
    return np.concatenate([finite_numbers(found.kernel.format), [-inf, inf]]).astype(np.float32)


def codes(values: np.ndarray, format: str) -> np.ndarray:
    wide = np.asarray(values, dtype=np.float32)
    if format == "float16":
        return wide.astype(np.float16).view(np.uint16)
    return (wide.view(np.uint32) >> np.uint32(16)).astype(np.uint16)


def test_the_error_in_ulp_is_that_of_mpmath(found):
    bits, smallest, top = FORMATS[found.kernel.format]
    rng = np.random.default_rng(1)
    numbers = finite_numbers(found.kernel.format)
    x = np.append(rng.choice(numbers, 400), np.float32(found.facts.worst))
    y = found.kernel(x)
    largest = 0.0
    with mpmath.workprec(300):
        for point, got in zip(x.tolist(), y.tolist()):
            true = EXACT[found.name](mpmath.mpf(point))
            if abs(true) >= mpmath.mpf(2) ** top:
                assert got == inf
                continue
            exponent = mpmath.frexp(true)[1] if true else smallest
            unit = mpmath.mpf(2) ** max(exponent - bits, smallest)
            shown = mpmath.mpf(got) if not isinf(got) else mpmath.sign(got) * mpmath.mpf(2) ** top
            largest = max(largest, float(abs(shown - true) / unit))
    assert float(found.facts.ulp) - 1e-5 <= largest <= float(found.facts.ulp) <= float(found.wanted)


def test_every_output_is_a_number_of_the_format_and_in_the_range(found):
    y = found.kernel(finite_numbers(found.kernel.format))
    assert (rounded(y, found.kernel.format) == y).all()
    assert y.min() == found.facts.lowest
    assert y.max() == found.facts.highest
    assert found.facts.turns == 0
    assert (y[1:] >= y[:-1]).all() or found.name == "silu"  # the others rise
    assert isnan(found.kernel(np.array([np.nan]))[0])


@pytest.mark.slow
def test_the_verifier_confirms_every_statement(found):
    outcome = verify(found, seconds=600)
    assert outcome.outcome == "verified", outcome
    assert len(outcome.statements) == 6


@pytest.mark.slow
@pytest.mark.parametrize("format", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ALL_GATES)
def test_every_gate_comes_near_half_an_ulp(name, format):
    found = implement(name, format=format, error=Fraction(33, 64))
    assert found.facts.ulp <= Fraction(1, 2) + Fraction(1, 64)
    assert found.facts.faithful == found.facts.inputs


def test_no_piece_is_there_for_zero_alone():
    # It would be a comparison more for every input; 0 has a place in the polynomial beside it.
    found = implement("selu", format="bfloat16")
    ends = [piece.upper for piece in found.kernel.pieces]
    assert not [lower for lower, upper in pairwise(ends) if lower <= 0 <= upper and upper - lower < 2**-120]


@pytest.fixture(scope="module")
def leaky():
    return json.dumps(document(implement("leaky_relu", format="float16")))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["facts"].update(ulp="1/4"),
        lambda content: content["pieces"][0]["steps"][0].__setitem__(2, "0x1p-3"),
        pytest.param(lambda content: content["facts"]["at"].__setitem__(1, "0"), marks=pytest.mark.slow),
        pytest.param(lambda content: content["facts"].update(highest="7"), marks=pytest.mark.slow),
        pytest.param(lambda content: content["target"].update(expression="0.011*x"), marks=pytest.mark.slow),
        lambda content: content["pieces"][0].update(upper="1/3"),
        lambda content: content.update(more=1),
    ],
)
def test_a_file_that_says_something_false_is_not_verified(leaky, change):
    content = json.loads(leaky)
    change(content)
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def expected(found) -> tuple[np.ndarray, np.ndarray]:
    """What every code gives, and which of the codes are numbers."""
    given = np.arange(1 << 16, dtype=np.uint32)
    if found.kernel.format == "float16":
        x = given.astype(np.uint16).view(np.float16).astype(np.float32)
    else:
        x = (given << np.uint32(16)).astype(np.uint32).view(np.float32)
    return codes(found.kernel(x), found.kernel.format), ~np.isnan(x)


def is_no_number(out: np.ndarray, format: str) -> np.ndarray:
    return (out & 0x7FFF) > (0x7C00 if format == "float16" else 0x7F80)


EVERY_CODE = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)  # NaNs with them


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("compiler", COMPILERS or ["cc"])
@pytest.mark.parametrize("flags", [("-O1", "-Wall", "-Wextra", "-Werror", "-std=c11"), ("-O3", "-march=native")])
def test_compiled_c_gives_the_same_bits_at_every_number(found, tmp_path, compiler, flags):
    out = outputs(found, "c", EVERY_CODE, tmp_path, compiler, *flags)
    wanted, numbers = expected(found)
    assert (out == wanted)[numbers].all()
    assert is_no_number(out, found.kernel.format)[~numbers].all()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
def test_cuda_code_gives_the_same_bits_where_its_operations_are_rounded_one_by_one(found, tmp_path):
    wanted, numbers = expected(found)
    assert (outputs(found, "cuda", EVERY_CODE, tmp_path) == wanted)[numbers].all()


@pytest.mark.skipif(shutil.which("rustc") is None, reason="no Rust compiler is installed")
def test_rust_gives_the_same_bits_at_every_number(found, tmp_path):
    wanted, numbers = expected(found)
    assert (outputs(found, "rust", EVERY_CODE, tmp_path) == wanted)[numbers].all()


def python(source: str):
    space: dict = {}
    exec(source, space)
    return space["gate"]


def test_numpy_and_pytorch_give_the_same_numbers(found):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = every(found)
    wanted = codes(found.kernel(x), found.kernel.format)
    gate = python(export(found, "numpy", name="gate"))
    assert (codes(gate(x), found.kernel.format) == wanted).all()
    assert isnan(gate(np.float32(np.nan)))
    y = python(export(found, "pytorch", name="gate"))(torch.from_numpy(x))
    assert y.dtype == getattr(torch, found.kernel.format)
    assert (codes(y.float().numpy(), found.kernel.format) == wanted).all()


@pytest.mark.parametrize("name", ["abs", "sign", "leaky_relu"])
def test_numpy_keeps_the_sign_of_zero_that_is_stated(name):
    done = implement(name, format="float16")
    y = python(export(done, "numpy", name="gate"))(np.array([-inf, -0.0, 0.0, inf], dtype=np.float32))
    assert list(map(str, y.tolist())) == list(map(str, done.facts.at))


class Lane(np.ndarray):
    """An array with the one method of a Triton tensor that the code uses."""

    def to(self, dtype, bitcast=False):
        return self.view(dtype) if bitcast else self.astype(dtype)


def test_the_operations_of_triton_code_without_triton(found, monkeypatch):
    language = SimpleNamespace(
        float32=np.float32,
        int32=np.int32,
        bfloat16=np.float32,  # rounded below
        float16=np.float16,
        full=lambda shape, value, kind: np.full(shape, value, kind)[()],
        where=lambda *parts: np.where(*parts).view(Lane),
        div_rn=np.divide,
    )
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(jit=lambda function: function, language=language))
    monkeypatch.setitem(sys.modules, "triton.language", language)
    x = finite_numbers(found.kernel.format)
    with np.errstate(all="ignore"):
        y = np.asarray(python(export(found, "triton", name="gate"))(x.view(Lane)))
    if found.kernel.format == "bfloat16":
        y = rounded(y, "bfloat16")
    assert (codes(y, found.kernel.format) == codes(found.kernel(x), found.kernel.format)).all()


def test_a_file_gives_the_same_code_again(found, tmp_path):
    again = rational_approx.load(rational_approx.save(found, tmp_path / "gate.json"))
    assert again == found
    source = export(again, "c", name="gate")
    assert source == export(found, "c", name="gate")
    assert document(found)["hash"] in source
    assert f"<= {float(found.facts.ulp):.6f} ulp" in source


def test_facts_are_equal_where_they_say_the_same():
    # NaN is not NaN, and -0 is 0: a file of a sine, which has no value at infinity, gave another value than it was of.
    said = (5, Fraction(1, 2), 0.5, -1.0, 1.0)
    facts = Facts(*said, (float("nan"), -0.0, 0.0, inf))
    for other in (Facts(*said, (float("nan"), -0.0, 0.0, inf)), pickle.loads(pickle.dumps(facts))):
        assert facts == other
        assert hash(facts) == hash(other)
    for other in (
        Facts(*said, (1.0, -0.0, 0.0, inf)),
        Facts(*said, (float("nan"), 0.0, 0.0, inf)),
        Facts(6, *said[1:], facts.at),
        TriedFacts(*said, facts.at, 5, 5, 0),
        said,
    ):
        assert facts != other


def test_jumps_flat_pieces_and_zeros_of_higher_order():
    for name, most in (("hardshrink", 4), ("sign", 4), ("tanhshrink", 20)):
        done = implement(name)
        assert done.facts.ulp <= 1
        assert done.facts.turns == 0
        assert done.operations <= most
        if name == "sign":
            assert done.facts.at[1:3] == (0.0, 0.0)


def test_the_command_writes_code_and_certificate(tmp_path):
    words = ("implement", "hardtanh", "--format", "bfloat16", "--ulp", "1", "--out", tmp_path / "gate.h")
    result = run(*words, "--certificate", tmp_path / "gate.json")
    assert result.exit_code == 0, result.output
    source = (tmp_path / "gate.h").read_text()
    assert "static inline uint16_t hardtanh_bfloat16(uint16_t x)" in source
    assert "made by: rational-approx implement hardtanh --format bfloat16 --ulp 1 --language c" in source
    assert run("show", tmp_path / "gate.json").exit_code == 0
    again = run("export", tmp_path / "gate.json", "--language", "c", "--name", "hardtanh_bfloat16")
    assert again.output == source
    assert run("verify", tmp_path / "gate.json", "--seconds", "600").exit_code == 0


def test_questions_without_sense_are_refused():
    assert "above 0.5" in sentence(run("implement", "tanh", "--ulp", "0.5"))
    assert "no real value at x = " in sentence(run("implement", "loggamma(x) + log(sin(x))"))
    assert "no gate named" in sentence(run("implement", "tanhh"))
    with pytest.raises(TypeError, match="formula as text"):
        implement(np.tanh)
    done = implement("relu", error=Fraction(3, 4))
    assert done.wanted == Fraction(3, 4)
    with pytest.raises(ValueError, match="language must be one of c, cuda"):
        export(done, "fortran")
    with pytest.raises(ValueError, match="its own proof"):
        export(done, "c", fma=True)


@pytest.mark.parametrize(
    ("gate", "formulas"),
    [
        ("sigmoid", ["exp(x) / (1 + exp(x))"]),
        pytest.param("softplus", ["log(exp(x) + 1)", "log1p(exp(x))"], marks=pytest.mark.slow),
    ],
)
def test_formulas_whose_parts_overflow_are_the_gates_that_they_are(gate, formulas):
    found, x = implement(gate), np.array([-800.0, -1.5, 0.0, 2.0, 800.0])
    for formula in formulas:
        assert implement(formula).kernel == found.kernel
        assert parse(formula)(x) == pytest.approx(parse(f"{gate}(x)")(x), rel=1e-15)
