"""Functions over all exponents of float32: sines, logarithms, roots and what is made of them, at hard inputs."""

import copy
import ctypes
import json
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import cache
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

import rational_approx
from rational_approx import export, implement, verify
from rational_approx.kernels.kernel import Piece
from rational_approx.kernels.logarithms import logarithm, logarithm_error
from rational_approx.kernels.sines import Turns, least_distance
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.texts import number_text
from rational_approx.verifier import verify as check
from rational_approx.verifier.reading import number
from rational_approx.verifier.sines import TURN_BITS, nearest_zero
from tests.rational_approx.kernels.compiled import COMPILERS, outputs
from tests.rational_approx.kernels.test_float32 import LOOP, same

USUAL = ("sin(x)", "log1p(x)", "asinh(x)")
MORE = (
    *("cos(x)", "tan(x)", "log(x)", "log(x) / log(2)", "acosh(x)", "atanh(x)", "sqrt(x)", "1 / sqrt(x)", "x^(1/3)"),
    *("sign(x) * abs(x)^(1/3)", "x^1.5", "x^0.3", "cosh(x)", "sinh(x)", "sin(pi*x)", "cos(3*x)", "x * sin(x)"),
    *("exp(sin(x))", "sqrt(1 - x^2)", "log(1 - x)", "where(x > 0, log(x), 0)", "expm1(x)", "atan(x)"),
)
TRUTH = {
    "log(x) / log(2)": lambda x: mpmath.log(x) / mpmath.log(2),
    "1 / sqrt(x)": lambda x: 1 / mpmath.sqrt(x),
    "x^(1/3)": lambda x: mpmath.root(x, 3),
    "sign(x) * abs(x)^(1/3)": lambda x: mpmath.sign(x) * mpmath.root(abs(x), 3),
    "x^1.5": lambda x: x * mpmath.sqrt(x),
    "x^0.3": lambda x: mpmath.power(x, mpmath.mpf(3) / 10),
    "sin(pi*x)": mpmath.sinpi,
    "cos(3*x)": lambda x: mpmath.cos(3 * x),
    "x * sin(x)": lambda x: x * mpmath.sin(x),
    "exp(sin(x))": lambda x: mpmath.exp(mpmath.sin(x)),
    "sqrt(1 - x^2)": lambda x: mpmath.sqrt(1 - x * x),
    "log(1 - x)": lambda x: mpmath.log(1 - x),
    "where(x > 0, log(x), 0)": lambda x: mpmath.log(x) if x > 0 else mpmath.mpf(0),
    **{f"{name}(x)": getattr(mpmath, name) for name in ("sin", "cos", "tan", "log", "log1p", "sqrt", "cosh", "sinh")},
    **{f"{name}(x)": getattr(mpmath, name) for name in ("asinh", "acosh", "atanh", "expm1", "atan")},
}


made = cache(lambda name: implement(name, format="float32"))
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MORE]


@pytest.fixture(scope="module", params=[*USUAL, *SLOW], ids=lambda name: name)
def found(request):
    return made(request.param)


def near_multiples() -> list[float]:
    """Of every exponent the number of float32 that is nearest to a multiple of pi/2, and the next best."""
    out = []
    with mpmath.workprec(600):
        for e in range(-24, 104):
            z = mpmath.ldexp(2 / mpmath.pi, e)
            rest, before, now = z - mpmath.floor(z), 0, 1
            while now < 2**24:
                out += [float(now * k) * 2.0**e for k in (1, 2, 3) if now * k < 2**24]
                digit = int(1 / rest)
                rest, before, now = 1 / rest - digit, now, digit * now + before
    return [x for x in out if 2.0**-10 < x < 2.0**128]


HARD = [float.fromhex(x) for x in ("0x1.6c6cbcp+82", "0x1.921fb6p0", "0x1.921fb6p1", "0x1.fffffep127", "0x1p-149")]


def some_numbers(found) -> np.ndarray:
    """Numbers of every exponent, near the ends of pieces, near 1, and hard ones of both signs."""
    rng = np.random.default_rng(11)
    codes = rng.integers(0, 2**32, 1500, dtype=np.uint64).astype(np.uint32).view(np.float32)
    ends = np.array([*(piece.upper for piece in found.kernel.pieces), found.facts.worst, 0, 1, -1], dtype=np.float32)
    around = (ends[:, None].view(np.int32) + np.arange(-12, 13, dtype=np.int32)).view(np.float32).ravel()
    hard = np.array([*near_multiples(), *HARD], dtype=np.float32)
    usual = [rng.uniform(-size, size, 500).astype(np.float32) for size in (1, 8, 100)]
    x = np.unique(np.concatenate([codes, around, hard, -hard, *usual]))
    return x[np.isfinite(x)]


def true_value(name: str, x: float):
    """The value in high precision; None where there is none, or an infinity."""
    try:
        value = TRUTH[name](mpmath.mpf(x))
    except (ValueError, ZeroDivisionError):
        return None
    return value if isinstance(value, mpmath.mpf) and not mpmath.isnan(value) and not mpmath.isinf(value) else None


def test_the_error_is_within_the_bound_at_hard_inputs(found):
    x, top = some_numbers(found), mpmath.mpf(2) ** 128
    worst, missing = mpmath.mpf(0), 0
    with mpmath.workprec(500):
        for point, got in zip(x.tolist(), found.kernel(x).tolist()):
            value = true_value(found.name, point)
            if value is None:
                missing += 1
                assert not abs(got) < inf, point
                continue
            if abs(value) >= top:
                assert got == (inf if value > 0 else -inf)
                continue
            unit = mpmath.mpf(2) ** max(mpmath.frexp(value)[1] - 24 if value else -149, -149)
            shown = mpmath.mpf(got) if abs(got) < inf else mpmath.sign(got) * top
            worst = max(worst, abs(shown - value) / unit)
    assert worst <= float(found.facts.ulp) <= 1
    assert worst >= 0.45
    assert (missing > 0) == any(piece.result is None and piece.upper != -inf for piece in found.kernel.pieces[:-1]) or (
        found.kernel.pieces[-1].result is None
    )


def test_the_verifier_confirms_every_statement(found):
    outcome = verify(found, seconds=600)
    assert outcome.outcome == "verified", outcome


def test_a_file_gives_the_same_code_again(found, tmp_path):
    again = rational_approx.load(rational_approx.save(found, tmp_path / "gate.json"))
    assert again == found
    assert document(again)["hash"] == document(found)["hash"]
    assert export(again, "triton", name="gate") == export(found, "triton", name="gate")


# -- every language --------------------------------------------------------------------------------------------------


def with_others(found) -> np.ndarray:
    return np.concatenate([some_numbers(found), [-inf, inf, nan, -0.0, 0.0]]).astype(np.float32)


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("compiler", COMPILERS or ["cc"])
def test_compiled_c_gives_the_same_bits(found, tmp_path, compiler):
    x = with_others(found)
    flags = ("-O3", "-march=native", "-Wall", "-Wextra", "-Werror", "-std=c11")
    assert same(outputs(found, "c", x, tmp_path, compiler, *flags), found.kernel(x))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
def test_cuda_code_gives_the_same_bits_where_its_operations_are_rounded_one_by_one(found, tmp_path):
    x = with_others(found)
    assert same(outputs(found, "cuda", x, tmp_path), found.kernel(x))


@pytest.mark.skipif(shutil.which("rustc") is None, reason="no Rust compiler is installed")
def test_rust_gives_the_same_bits(found, tmp_path):
    x = with_others(found)
    assert same(outputs(found, "rust", x, tmp_path), found.kernel(x))


def python(source: str):
    space: dict = {}
    exec(source, space)
    return space["gate"]


def test_numpy_and_pytorch_give_the_same_bits(found):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = with_others(found)
    assert same(python(export(found, "numpy", name="gate"))(x), found.kernel(x))
    assert same(python(export(found, "pytorch", name="gate"))(torch.from_numpy(x)).numpy(), found.kernel(x))


class Lane(np.ndarray):
    """An array with the one method of a Triton tensor that the code uses."""

    def to(self, dtype, bitcast=False):
        return self.view(dtype) if bitcast else self.astype(dtype)


def test_the_operations_of_triton_code_without_triton(found, monkeypatch):
    language = SimpleNamespace(
        **{name: getattr(np, name) for name in ("float32", "float64", "int64", "abs", "sqrt")},
        full=lambda shape, value, kind: np.full(shape, value, kind)[()],
        where=lambda *parts: np.where(*parts).view(Lane),
    )
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(jit=lambda function: function, language=language))
    monkeypatch.setitem(sys.modules, "triton.language", language)
    x = with_others(found)
    with np.errstate(all="ignore"):
        y = np.asarray(python(export(found, "triton", name="gate"))(x.view(Lane)))
    assert same(y, found.kernel(x))


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize(("name", "truth"), [("sin(x)", "sin(x)"), ("log1p(x)", "log1p(x)"), ("asinh(x)", "asinh(x)")])
def test_every_number_against_the_c_library(tmp_path, name, truth):
    found = made(name)
    # Where there is no value both give none, and an infinity is the same one.
    other = "if (f != f ? got != got : isinf(f) && f == got) continue;\n        const double y"
    loop = LOOP.replace("TRUTH", truth).replace("const double y", other)
    (tmp_path / "gate.c").write_text(export(found, "c", name="gate") + loop)
    command = (COMPILERS[0], "-O3", "-ffp-contract=off", "-shared", "-fPIC", "gate.c", "-o", "gate.so", "-lm")
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    library = ctypes.CDLL(str(tmp_path / "gate.so"))
    library.worst.restype = ctypes.c_double
    assert library.worst() <= float(found.facts.ulp) + 1e-5


# -- what must not be believed ---------------------------------------------------------------------------------------


def steps_of(content, name):
    return next(function for function in content["functions"] if function["name"] == name)["steps"]


def changed(place: int, operand: int, value: str):
    def change(content):
        content["functions"][0]["steps"][place][operand] = value

    return change


def swapped(old: str, new: str):
    def change(content):
        for piece in content["pieces"]:
            for step in piece["steps"]:
                step[0] = new if step[0] == old else step[0]

    return change


def less_turns(content):
    for step in reversed(steps_of(content, "sin")[:20]):
        if step[0] == "mul":  # the last part of 1 / (2 pi)
            step[2] = "0x1p-170"
            return


def shorter(content):
    content["functions"][0]["steps"][-3] = ["mul", *content["functions"][0]["steps"][-3][1:3]]
    content["functions"][0]["result"] = "v3"


CHANGES = {
    "error": ("sin(x)", lambda content: content["facts"].update(ulp="51/100")),
    "target": ("sin(x)", lambda content: content["target"].update(expression="sin(1.0000001*x)")),
    "shifted": ("sin(x)", lambda content: content["target"].update(expression="sin(x + 1/1000000000)")),
    "cosine": ("sin(x)", lambda content: content["target"].update(expression="cos(x)")),
    "range": ("sin(x)", lambda content: content["facts"].update(highest="0.99")),
    "infinity": ("sin(x)", lambda content: content["facts"]["at"].__setitem__(3, "0")),
    "a part": ("sin(x)", changed(0, 2, "0x28be60ep-30")),
    "the last part": ("sin(x)", less_turns),
    "no rounding": ("sin(x)", lambda content: steps_of(content, "sin")[1].__setitem__(0, "sqrt")),
    "another result": ("sin(x)", shorter),
    "log(2)": ("asinh(x)", changed(14, 2, "0x162e43fefa39efp-53")),
    "a coefficient": ("asinh(x)", changed(7, 1, "0x164e27fp-27")),
    "difference": ("asinh(x)", swapped("add", "sub")),
    "root": ("asinh(x)", swapped("sqrt", "round")),
    "other side": ("asinh(x)", lambda content: content["pieces"].pop(1)),
    "a value": ("log1p(x)", lambda content: content["target"].update(expression="log1p(abs(x))")),
    "an earlier end": ("log1p(x)", lambda content: content["target"].update(expression="log(x + 1.0001)")),
    "sign of infinity": ("log1p(x)", lambda content: content["pieces"][1].update(result="0x1p128")),
    "no infinity": ("log1p(x)", lambda content: content["pieces"][1].update(result="-0x1p127")),
    "more without a value": ("log1p(x)", lambda content: content["pieces"][0].update(upper="-0xfp-4")),
    "no value": ("log1p(x)", lambda content: content["pieces"][2].update(steps=[], result="nan")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_file_that_says_something_false_is_not_verified(change):
    name, edit = change
    before = json.dumps(document(made(name)))
    content = json.loads(before)
    edit(content)
    assert content != json.loads(before)
    content["hash"] = canonical_hash(content)
    assert check(content, 20).outcome in ("refuted", "not decided")


def exchanged(content):
    """Every file in which a function has the constant 4 in the place of step 4, or the other way round."""
    for f, function in enumerate(content["functions"]):
        places = [(k, n) for k, step in enumerate(function["steps"]) for n in range(1, len(step))]
        for place in [*places, None]:
            edited = copy.deepcopy(content)
            mine = edited["functions"][f]
            holder, key = (mine, "result") if place is None else (mine["steps"][place[0]], place[1])
            here = len(mine["steps"]) if place is None else place[0]
            if holder[key].startswith("v"):
                holder[key] = number_text(Fraction(int(holder[key][1:])))
            elif holder[key] != "x" and (value := number(holder[key])).denominator == 1 and 0 <= value < here:
                holder[key] = f"v{value}"
            else:
                continue
            edited["hash"] = canonical_hash(edited)
            yield f, place, edited


@pytest.mark.parametrize("name", ["sin(x)", "asinh(x)", "expm1(x)", "atan(x)"])
def test_a_constant_is_not_the_step_of_its_number(name):
    content = json.loads(json.dumps(document(made(name))))
    tried = [(check(edited, 20).outcome, f, place) for f, place, edited in exchanged(content)]
    assert len(tried) > 10
    assert [entry for entry in tried if entry[0] == "verified"] == []


# -- the proofs' parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-7, 0, 3, 20])
def test_the_least_distance_from_a_zero_is_that_of_some_number(exponent):
    with mpmath.workprec(900):
        turns = Fraction(int(mpmath.floor(mpmath.ldexp(1 / (2 * mpmath.pi), TURN_BITS))), 2**TURN_BITS)
        every = [mpmath.ldexp(m, exponent) * 2 / mpmath.pi for m in range(1, 1024)]
        least = min(abs(z - mpmath.nint(z)) for z in every) / 4
    ends = turns, turns + Fraction(1, 2**TURN_BITS)
    for found in (least_distance(Turns(*ends), exponent, 10), nearest_zero(ends, 10, exponent)):
        assert float(found) == pytest.approx(float(least), rel=1e-12)


@pytest.mark.parametrize("inner", ["float32", "float64"])
def test_the_logarithm_is_within_its_proved_error(inner):
    function, kind = logarithm("log", 2 if inner == "float32" else 4, inner), np.dtype(inner)
    rng = np.random.default_rng(4)
    codes = rng.integers(2**23, 255 << 23, 1500) if inner == "float32" else rng.integers(2**52, 2047 << 52, 1500)
    u = np.concatenate([codes.astype(f"i{kind.itemsize}").view(kind), rng.uniform(0.7, 1.5, 1500).astype(kind)])
    y = Piece(inf, function.steps, function.result, "")(u)
    with mpmath.workprec(200):
        pairs = [(mpmath.log(mpmath.mpf(float(a))), float(b)) for a, b in zip(u, y)]
        seen = max(abs(b / value - 1) for value, b in pairs if value)
    assert seen <= float(logarithm_error(function, inner)) <= 20 * seen


def test_where_there_is_no_value_the_result_is_no_number():
    found = made("log1p(x)")
    y = found.kernel(np.array([-inf, -2, np.nextafter(-1, -2, dtype=np.float32), -1, -0.0, inf], dtype=np.float32))
    assert np.isnan(y[:3]).all()
    assert y[3:].tolist() == [-inf, 0.0, inf]
    assert np.signbit(y[4])
    assert "no real value" in str(found)


@pytest.mark.slow
def test_a_sine_in_16_bits_is_tried_at_every_number():
    found = implement("sin(x)", format="bfloat16")
    assert found.facts.ulp <= 1
    assert verify(found, seconds=600).outcome == "verified"


def test_a_file_of_the_second_schema_is_still_read_and_verified():
    old = Path(__file__).with_name("schema_2.json")
    assert "scaled" in export(rational_approx.load(old), "c")
    assert verify(old, seconds=600).outcome == "verified"


def test_the_root_of_the_pytorch_code_is_rounded_to_nearest():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    space: dict = {}
    exec(export(made("asinh(x)"), "pytorch", name="gate"), space)
    codes = np.random.default_rng(6).integers((1023 - 450) << 52, (1023 + 900) << 52, 200_000)
    v = np.concatenate([codes.view(np.float64), np.arange(1.0, 9.0) ** 2, [0.0, -0.0, inf]])
    # torch.sqrt itself differs at one number in a hundred, where it is MKL's.
    assert (space["_gate_root"](torch.from_numpy(v)).numpy().view(np.int64) == np.sqrt(v).view(np.int64)).all()
