"""Code for every number of float32: held to NumPy in float64, mpmath, the independent verifier, and every language."""

import ctypes
import json
import shutil
import subprocess
from fractions import Fraction
from math import inf, isnan
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.special

import rational_approx
from rational_approx import export, implement, verify
from rational_approx.kernels.reductions import exponential, exponential_error
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from rational_approx.verifier.reading import number
from rational_approx.verifier.reductions import exponential_error as checked_error
from tests.benchmarks.proof.kernels import GATES
from tests.rational_approx.command_line import run, sentence
from tests.rational_approx.kernels.compiled import COMPILERS, outputs

ASKED = [
    ("tanh", 1),
    ("exp(x)", 1),
    ("hardswish", 2),
    *(pytest.param((name, error), marks=pytest.mark.slow) for name in GATES for error in (1, 2)),
]
OLD = Path(__file__).with_name("schema_1.json")
SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def mish(x):
    e = np.exp(np.minimum(x, 40))
    return x * (e * e + 2 * e) / (e * e + 2 * e + 2)


TRUTH = {
    "gelu": lambda x: x * scipy.special.erfc(-x / np.sqrt(2)) / 2,
    "silu": lambda x: x * sigmoid(x),
    "mish": mish,
    "softplus": softplus,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "erf": scipy.special.erf,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "logsigmoid": lambda x: -softplus(-x),
    "exp(x)": np.exp,
}
EXACT = {"tanh": mpmath.tanh, "exp(x)": mpmath.exp, "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6}


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(map(str, asked)))
def found(request):
    name, error = request.param
    return implement(name, format="float32", error=error, accumulate="float64")


def some_numbers(found) -> np.ndarray:
    """Numbers of every exponent, of usual sizes, around the ends of pieces, and where the bound is nearly reached."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 2**32, 60_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    ends = np.array([*(piece.upper for piece in found.kernel.pieces), found.facts.worst, 0.0], dtype=np.float32)
    around = (ends[:, None].view(np.int32) + np.arange(-300, 301, dtype=np.int32)).view(np.float32).ravel()
    usual = [rng.uniform(-size, size, 12_000).astype(np.float32) for size in (1, 4, 20, 110)]
    x = np.concatenate([codes, around, *usual])
    return x[np.isfinite(x)]


def in_ulp(y: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Errors of outputs in units in the last place of float32, for values in float64."""
    top = 2.0**128
    _, exponent = np.frexp(np.abs(value))
    unit = np.ldexp(1.0, np.maximum(np.where(value == 0, -149, exponent - 24), -149))
    error = np.abs(np.clip(y.astype(np.float64), -top, top) - value) / unit
    large = np.abs(value) >= top
    return np.where(large, np.where(np.isinf(y) & (np.sign(y) == np.sign(value)), 0, inf), error)


def test_the_error_is_within_the_bound_at_many_numbers(found):
    x = some_numbers(found)
    with np.errstate(all="ignore"):
        value = TRUTH[found.name](x.astype(np.float64))
    error = in_ulp(found.kernel(x), value)
    assert error.max() <= float(found.facts.ulp) + 1e-5
    # The bound is no more than a binade loose, besides the half place of the last rounding.
    assert error.max() >= 0.5 * (float(found.facts.ulp) - 0.5)
    y = found.kernel(x)
    assert found.facts.lowest <= y.min()
    assert y.max() <= found.facts.highest


def test_the_bound_holds_against_mpmath(found):
    if found.name not in EXACT:
        pytest.skip("NumPy is its truth")
    x = np.random.default_rng(3).choice(some_numbers(found), 500)
    with mpmath.workprec(300):
        for point, got in zip(x.tolist(), found.kernel(x).tolist()):
            true = EXACT[found.name](mpmath.mpf(point))
            if abs(true) >= mpmath.mpf(2) ** 128:
                assert got == inf
                continue
            unit = mpmath.mpf(2) ** max(mpmath.frexp(true)[1] - 24 if true else -149, -149)
            shown = mpmath.mpf(got) if abs(got) < inf else mpmath.sign(got) * mpmath.mpf(2) ** 128
            assert abs(shown - true) / unit <= float(found.facts.ulp)


def test_zeros_infinities_and_nan_are_as_stated(found):
    y = found.kernel(np.array([-inf, -0.0, 0.0, inf, np.nan], dtype=np.float32))
    assert tuple(map(float, y[:4])) == found.facts.at
    assert isnan(y[4])
    assert found.facts.inputs == 2**32 - 2**24
    assert found.facts.ulp <= found.wanted


def test_the_verifier_confirms_every_statement(found):
    outcome = verify(found, seconds=600)
    assert outcome.outcome == "verified", outcome
    assert len(outcome.statements) == 3


CHANGES = {
    "error": lambda content: content["facts"].update(ulp="51/100"),
    "range": lambda content: content["facts"].update(highest="0.99"),
    "zero": lambda content: content["facts"]["at"].__setitem__(1, "0"),
    "target": lambda content: content["target"].update(expression="tanh(1.0000005*x)"),
    "constant": lambda content: content["pieces"][1]["steps"][1].__setitem__(1, "1/1024"),
    "piece": lambda content: content["pieces"][1].update(upper="5"),
    "calculation": lambda content: content.update(inner="float32"),
}


@pytest.fixture(scope="module")
def exponent():
    return implement("exp(x)", format="float32")


@pytest.fixture(scope="module")
def tanh_text():
    content = document(implement("tanh", format="float32"))
    assert check(content, 600).outcome == "verified"
    return json.dumps(content)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_file_that_says_something_false_is_not_verified(tanh_text, change):
    content = json.loads(tanh_text)
    change(content)
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def test_a_coarser_exponential_is_not_verified(exponent):
    content = json.loads(json.dumps(document(exponent)))
    steps = content["functions"][0]["steps"]
    lead = next(step for step in steps[7:] if step[0] == "mul")
    lead[1] = "0"
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome in ("refuted", "not decided")


@pytest.mark.parametrize("inner", ["float32", "float64"])
def test_the_exponential_is_within_its_proved_error(inner):
    function = exponential(5 if inner == "float32" else 8, inner)
    rng, kind = np.random.default_rng(2), np.dtype(inner).type
    u = rng.uniform(-85, 85, 3000).astype(kind)
    y = rational_approx.kernels.kernel.Piece(inf, function.steps, function.result, "")(u)
    with mpmath.workprec(200):
        seen = max(abs(mpmath.mpf(float(b)) / mpmath.exp(mpmath.mpf(float(a))) - 1) for a, b in zip(u, y))
    proved = exponential_error(function, inner)
    assert seen <= float(proved) <= 20 * seen


def test_prover_and_verifier_agree_on_the_exponential(exponent):
    function = exponent.kernel.functions[0]
    text = document(exponent)["functions"][0]

    def operand(name):
        return "x" if name == "x" else int(name[1:]) if name.startswith("v") else float(number(name))

    steps = [(op, [operand(name) for name in names]) for op, *names in text["steps"]]
    mine, other = exponential_error(function, "float64"), checked_error(steps, operand(text["result"]), "float64")
    assert abs(mine - other) <= mine / 4


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))).all())


def with_others(found) -> np.ndarray:
    return np.concatenate([some_numbers(found), [-inf, inf, np.nan, -0.0, 0.0]]).astype(np.float32)


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("compiler", COMPILERS or ["cc"])
@pytest.mark.parametrize("flags", [("-O1", "-Wall", "-Wextra", "-Werror", "-std=c11"), ("-O3", "-march=native")])
def test_compiled_c_gives_the_same_bits(found, tmp_path, compiler, flags):
    x = with_others(found)
    assert same(outputs(found, "c", x, tmp_path, compiler, *flags), found.kernel(x))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
def test_cuda_code_gives_the_same_bits_where_its_operations_are_rounded_one_by_one(found, tmp_path):
    x = with_others(found)
    assert same(outputs(found, "cuda", x, tmp_path), found.kernel(x))


@pytest.mark.skipif(shutil.which("rustc") is None, reason="no Rust compiler is installed")
def test_rust_gives_the_same_bits(found, tmp_path):
    x = with_others(found)
    assert same(outputs(found, "rust", x, tmp_path), found.kernel(x))


def test_numpy_and_pytorch_give_the_same_numbers(found):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, spaces = with_others(found), {}
    for language in ("numpy", "pytorch"):
        exec(export(found, language, name="gate"), spaces.setdefault(language, {}))
    assert same(spaces["numpy"]["gate"](x), found.kernel(x))
    y = spaces["pytorch"]["gate"](torch.from_numpy(x))
    assert y.dtype == torch.float32
    assert same(y.numpy(), found.kernel(x))


LOOP = """
#include <math.h>
static double unit(double v) {
    int e;
    if (v == 0) return 0x1p-149;
    frexp(v, &e);
    return ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
}
/* The largest error in units in the last place over all 2^32 codes, with the function of the C library in double. */
double worst(void) {
    double most = 0;
    for (uint64_t code = 0; code < 0x100000000; code++) {
        const uint32_t bits = (uint32_t)code;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        const double f = TRUTH;
        const float got = gate(x);
        const double y = isinf(got) ? (got > 0 ? 0x1p128 : -0x1p128) : got;
        const double error = fabs(f) >= 0x1p128 ? (isinf(got) ? 0 : 1e9) : fabs(y - f) / unit(f);
        if (!(error <= most)) most = error;
    }
    return most;
}
"""


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize(
    ("name", "truth"),
    [("tanh", "tanh(x)"), ("exp(x)", "exp(x)"), ("gelu", "x * erfc(-x * 0.70710678118654752440) / 2")],
)
def test_every_number_against_the_c_library(tmp_path, name, truth):
    made = implement(name, format="float32")
    source = export(made, "c", name="gate") + LOOP.replace("TRUTH", truth)
    (tmp_path / "gate.c").write_text(source)
    command = (COMPILERS[0], "-O3", "-ffp-contract=off", "-shared", "-fPIC", "gate.c", "-o", "gate.so", "-lm")
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    library = ctypes.CDLL(str(tmp_path / "gate.so"))
    library.worst.restype = ctypes.c_double
    assert library.worst() <= float(made.facts.ulp) + 1e-5


def test_a_file_gives_the_same_code_again(found, tmp_path):
    again = rational_approx.load(rational_approx.save(found, tmp_path / "gate.json"))
    assert again == found
    source = export(again, "c", name="gate")
    assert source == export(found, "c", name="gate")
    assert document(found)["hash"] in source
    assert "for every number of float32: operations in float64" in source


def test_a_file_of_the_first_schema_is_still_read_and_verified():
    old = rational_approx.load(OLD)
    assert old.kernel.inner == "float32"
    assert "scaled" in export(old, "c")
    assert float(old.kernel(np.float32([1]))[0]) == 2.71875
    kept = json.loads(OLD.read_text())
    kept["facts"]["at"][1] = "2"
    kept["hash"] = canonical_hash(kept)
    assert check(kept, 0.01).outcome == "not decided"  # there was no time to refute it, and nothing against its form


@pytest.mark.slow
def test_a_file_of_the_first_schema_says_what_a_new_one_says():
    assert verify(OLD, seconds=600).outcome == "verified"
    assert implement("exp(x)", format="bfloat16").facts == rational_approx.load(OLD).facts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "truth"), [("atan(x)", np.arctan), ("expm1(x)", np.expm1), ("1/(1+x^2)", lambda x: 1 / (1 + x * x))]
)
def test_functions_that_are_no_gates(target, truth):
    made = implement(target, format="float32")
    x = some_numbers(made)
    with np.errstate(all="ignore"):
        assert in_ulp(made.kernel(x), truth(x.astype(np.float64))).max() <= float(made.facts.ulp) + 1e-5
    assert made.facts.ulp <= 1
    assert verify(made, seconds=600).outcome == "verified"


def test_a_gate_with_kinks_is_exact_where_it_is_a_line():
    made = implement("relu", format="float32", error=2)
    assert made.facts.ulp <= Fraction(1, 10**5)
    assert made.operations <= 2
    assert verify(made).outcome == "verified"


@pytest.mark.parametrize("name", ["softshrink", pytest.param("tanhshrink", marks=pytest.mark.slow)])
def test_lines_far_out_are_within_one_ulp(name):
    made = implement(name, format="float32")
    x = np.linspace(0.5, 100, 99_991).astype(np.float32)
    wide = x.astype(np.float64)
    value = wide - (0.5 if name == "softshrink" else np.tanh(wide))
    assert in_ulp(made.kernel(x), value).max() <= float(made.facts.ulp) <= 1
    assert in_ulp(made.kernel(-x), -value).max() <= 1


def test_the_command_writes_code_for_float32(tmp_path):
    words = ("implement", "hardtanh", "--format", "float32", "--out", tmp_path / "gate.h")
    result = run(*words, "--certificate", tmp_path / "gate.json")
    assert result.exit_code == 0, result.output
    assert "static inline float hardtanh_float32(float x)" in (tmp_path / "gate.h").read_text()
    assert run("verify", tmp_path / "gate.json", "--seconds", "60").exit_code == 0


def test_questions_without_sense_are_refused():
    assert "bfloat16, float16, float32, float64" in sentence(run("implement", "tanh", "--format", "float128"))
    with pytest.raises(ValueError, match="calculates in float64 or float32"):
        implement("tanh", format="float32", accumulate="float16")
