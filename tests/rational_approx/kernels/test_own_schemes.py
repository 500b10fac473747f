"""FMA, Estrin's order and machines that flush in code that calculates in its own format."""

import json
import platform
import random
from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
import pytest

from rational_approx import export, implement
from rational_approx.kernels.fused import fused
from rational_approx.kernels.kernel import Kernel
from rational_approx.kernels.machines import MACHINES, Machine, smallest_normal
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.sums import sum_error, sum_function
from rational_approx.programs.program import Constant, Input, Result, Step
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.mirrored import parity
from rational_approx.shipping.storage import load
from rational_approx.shipping.texts import number_text
from rational_approx.verifier import verify as check
from rational_approx.verifier.reading import Failure, number
from rational_approx.verifier.sums import sum_errors
from tests.rational_approx.kernels.compiled import COMPILERS, outputs, outputs_flushing
from tests.rational_approx.kernels.test_same_format import _operand, error_in_ulp, inputs

FUSED, BOTH = {"fma": True}, {"scheme": "estrin", "fma": True}
ASKED = [
    ("exp", "float32", FUSED),
    ("exp", "float32", BOTH | {"flush": True}),
    *(
        pytest.param(asked, marks=pytest.mark.slow)
        for asked in (
            *((name, "float32", FUSED) for name in ("tanh", "atan", "erf", "expm1", "log", "log1p")),
            *((name, "float32", FUSED | {"flush": True}) for name in ("tanh", "expm1", "erf")),
            *((name, "float32", BOTH) for name in ("tanh", "expm1")),
            ("exp", "float32", {"flush": True}),
            ("exp", "float64", FUSED),
            ("exp", "float64", BOTH | {"flush": True}),
            ("expm1", "float64", FUSED | {"flush": True}),
        )
    ),
]


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(map(str, (*asked[:2], *asked[2].items()))))
def found(request):
    name, format, how = request.param
    return implement(name, format=format, accumulate=format, **how)


def right(found, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether outputs are as near as is stated: where numbers are flushed, 0 is right for small values, and what is
    right at 0 is for small inputs."""
    format, least = found.kernel.format, smallest_normal(found.kernel.format)
    for a, b in zip(map(float, x), map(float, y)):
        errors = [error_in_ulp(found.name.removesuffix("(x)"), each, b, format) for each in (a, 0.0)]
        if errors[0] is None or errors[0] <= float(found.facts.ulp):
            continue
        at_zero = abs(a) < least and (errors[1] is None or errors[1] <= float(found.facts.ulp))
        if not (found.kernel.scheme.flush and (at_zero or (b == 0 and small(a, found)))):
            return False
    return True


def small(x: float, found) -> bool:
    """Whether the value is below the smallest normal number."""
    least = smallest_normal(found.kernel.format)
    return bool(x < np.log(least) if found.name.startswith("exp(") or found.name == "exp" else abs(x) < 1.01 * least)


def near_the_least(format: str) -> np.ndarray:
    least = np.array([smallest_normal(format)], format)
    codes = least.view(f"int{8 * least.itemsize}") + np.arange(-40, 40)
    x = codes.astype(f"int{8 * least.itemsize}").view(format)
    return np.concatenate([x, -x, x / 64, np.log(least) + np.linspace(-2, 2, 60, dtype=format)]).astype(format)


def test_the_error_is_within_the_bound_on_every_machine(found):
    format = found.kernel.format
    x = np.concatenate([inputs(format, 300), near_the_least(format)])
    for machine in found.kernel.scheme.machines:
        assert right(found, x, found.kernel(x, machine))


def test_the_operations_are_those_that_were_asked_for(found):
    codes = (*found.kernel.pieces, *found.kernel.functions)
    assert any(op == "fma" for code in codes for op, _ in code.steps) == found.kernel.scheme.fma
    assert all(found.kernel.scheme.obeyed(code.steps) for code in codes)
    assert found.facts.ulp <= found.wanted == 1


def test_the_verifier_agrees_and_refuses_less(found):
    content = document(found)
    assert check(content, seconds=300).outcome == "verified"
    false = json.loads(json.dumps(content))
    false["facts"]["ulp"] = "1/2"
    assert not accepted(false)


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("flags", [("-O2", "-Wall", "-Wextra", "-Werror"), ("-O3", "-march=native")])
def test_compiled_c_gives_the_same_bits(found, tmp_path, flags):
    format = found.kernel.format
    x = np.concatenate([inputs(format, 4000), near_the_least(format), [inf, -inf]]).astype(format)
    y, made = found.kernel(x), outputs(found, "c", x, tmp_path, COMPILERS[0], *flags)
    bits = f"uint{8 * x.itemsize}"
    assert ((y.view(bits) == made.view(bits)) | (np.isnan(y) & np.isnan(made))).all()


@pytest.mark.skipif(not COMPILERS or platform.machine() != "x86_64", reason="no compiler, or flags of another kind")
def test_c_on_a_processor_that_flushes(found, tmp_path):
    if not found.kernel.scheme.flush:
        pytest.skip("not asked for")
    format = found.kernel.format
    x = np.concatenate([inputs(format, 300), near_the_least(format)])
    y = outputs_flushing(found, "float" if format == "float32" else "double", x, tmp_path)
    assert right(found, x, y)
    flushed = found.kernel(x, Machine(True, "rounded"))
    assert (y == flushed).all()


# -- functions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["horner", pytest.param("estrin", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("kind", "inner"),
    [
        ("exp", "float32"),
        *(
            pytest.param(kind, inner, marks=pytest.mark.slow)
            for inner in ("float32", "float64")
            for kind in ("exp", "expm1", "log", "log1p")
            if (kind, inner) != ("exp", "float32")
        ),
    ],
)
def test_functions_keep_their_error_and_the_verifier_finds_the_same(kind, inner, order):
    for fma, flush in ((True, False), (True, True), (False, True)):
        function = sum_function(kind, inner, Scheme(order, fma))
        proved = sum_error(function, inner, flush)
        steps = [(op, [_operand(name) for name in names]) for op, names in function.steps]
        again = sum_errors(kind, steps, _operand(function.result), inner, flush)
        for own, other in zip(proved, again):
            assert other <= own * Fraction(101, 100)
            assert own <= other * Fraction(101, 100)
        assert proved.units < Fraction(1, 2)
        if fma:  # x - n L1 in one operation is exact with all bits of L1, a product of numbers is not
            apart = [("mul", names[:2]) if op == "fma" else (op, names) for op, names in steps]
            with pytest.raises(Failure, match="sum with its reduction"):
                sum_errors(kind, apart, _operand(function.result), inner, flush)


def test_a_reduced_argument_is_exact_with_all_bits_of_log_2():
    for format in ("float32", "float64"):
        steps = sum_function("exp", format, Scheme(fma=True)).steps
        first = -steps[2].operands[1].value
        assert first == Fraction(float(np.array(np.log(2), format)))
        x = np.random.default_rng(3).uniform(-80, 80, 4000).astype(format)
        n = np.rint(x.astype("float64") / np.log(2)).astype(format)
        h = fused(n, np.full_like(x, -float(first)), x)
        assert all(Fraction(float(a)) == Fraction(float(b)) - int(c) * first for a, b, c in zip(h, x, n))


# -- what is false -----------------------------------------------------------------------------------------------------


def accepted(content: dict) -> bool:
    content["hash"] = canonical_hash(content)
    said = check(content, seconds=60)
    assert not any("malformed" in each for each in said.failures)
    return said.outcome == "verified"


def mutant(content: dict, rng: random.Random) -> dict:
    """The document with one constant, operation, operand, end, part of the scheme or fact changed."""
    out = json.loads(json.dumps(content))
    code = rng.choice([*(c for c in out["pieces"] if c["steps"]), *2 * out["functions"]])
    step = rng.choice(code["steps"])
    place = rng.randrange(1, len(step))
    kind = rng.choice(["constant"] * 5 + ["operation", "operand", "swap", "end", "scheme", "fact", "result"])
    constants = [(k, j) for k, (_, *names) in enumerate(code["steps"]) for j, n in enumerate(names) if n[0] not in "vx"]
    if kind == "constant" and constants:
        k, j = rng.choice(constants)
        v = np.float32(float(number(code["steps"][k][1 + j])))
        changed = [np.nextafter(v, np.float32(inf)), v * (1 + 2.0 ** -rng.randrange(4, 23)), -v, v / 2, 0, 2.0**-130]
        code["steps"][k][1 + j] = number_text(Fraction(float(np.float32(rng.choice(changed)))))
    elif kind == "operation":
        step[0] = {"add": "sub", "sub": "add", "mul": "div", "scale": "mul"}.get(step[0], step[0])
    elif kind == "operand":
        earlier = [f"v{k}" for k in range(code["steps"].index(step))]
        step[place] = rng.choice(["x", str(rng.randrange(4)), *earlier])
    elif kind == "swap":
        step[place], step[-1] = step[-1], step[place]
    elif kind == "end":
        piece = rng.choice(out["pieces"][:-1])
        end = np.float32(float(number(piece["upper"])))
        piece["upper"] = number_text(Fraction(float(np.float32(end * (1 + rng.uniform(-0.01, 0.01))))))
    elif kind == "scheme":
        part = rng.choice(["order", "fma", "flush"])
        other = "horner" if out["scheme"]["order"] == "estrin" else "estrin"
        out["scheme"][part] = other if part == "order" else not out["scheme"][part]
    elif kind == "fact":
        out["facts"]["ulp"] = number_text(number(out["facts"]["ulp"]) * Fraction(rng.randrange(700, 999), 1000))
    else:
        code["result"] = f"v{rng.randrange(len(code['steps']))}"
    return out


def holds(content: dict, kernel: Kernel) -> bool:
    """Whether the outputs of code for exp are as near as the file states, at many numbers, on each of its machines."""
    x = np.concatenate([inputs("float32", 60_000), np.linspace(-104, 88.8, 60_000, dtype="float32")])
    for piece in kernel.pieces[:-1]:
        codes = np.array([piece.upper], "float32").view("int32") + np.arange(-300, 300, dtype="int32")
        x = np.concatenate([x, codes.view("float32")])
    with np.errstate(all="ignore"):
        true = np.exp(x.astype("float64"))
    x, true = (each[true < 3.4028234e38] for each in (x, true))
    unit = np.ldexp(1.0, np.maximum(np.frexp(true)[1] - 24, -149))
    for machine in MACHINES if content["scheme"]["flush"] else MACHINES[:1]:
        y = kernel(x, machine)
        near = np.abs(y.astype("float64") - true) <= float(number(content["facts"]["ulp"])) * (1 + 2.0**-20) * unit
        if content["scheme"]["flush"]:
            near |= (y == 0) & (true < 2.0**-126 * (1 + 2.0**-23))
        if not near.all():
            return False
    return True


@pytest.mark.parametrize(
    ("how", "count"),
    [
        (FUSED, 5),
        *(pytest.param(how, 60, marks=pytest.mark.slow) for how in (FUSED | {"flush": True}, BOTH, {"flush": True})),
    ],
    ids=lambda value: str(value),
)
def test_what_is_confirmed_of_changed_files_is_true(how, count, tmp_path):
    content = document(implement("exp", format="float32", accumulate="float32", **how))
    rng, refused = random.Random(7), 0
    for _ in range(count):
        changed = mutant(content, rng)
        if not accepted(changed):
            refused += 1
            continue
        (tmp_path / "changed.json").write_text(json.dumps(changed))
        assert holds(changed, load(tmp_path / "changed.json").kernel)
    assert refused >= count / 3


def test_code_for_machines_that_keep_is_not_confirmed_for_others():
    content = document(implement("leaky_relu", format="float32", accumulate="float32", fma=True))
    assert accepted(content)
    content["scheme"]["flush"] = True
    assert not accepted(content)


# -- one side of zero --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clipped():
    """A function whose pieces are mirror images."""
    found = implement("where(abs(x) <= 1, x, sign(x))", format="float32", accumulate="float32")
    left, *others = found.kernel.pieces
    left = replace(left, upper=float(np.nextafter(np.float32(-1), np.float32(-2))))
    return replace(found, kernel=replace(found.kernel, pieces=(left, *others)))


def test_of_mirror_images_vectors_calculate_one_side(clipped, tmp_path):
    assert parity(clipped) == -1
    assert "clip_from_zero(fabsf(x))" in export(clipped, "c", name="clip")
    x = np.concatenate([inputs("float32", 3000), [inf, -inf, np.nan, 1, -1]]).astype("float32")
    if COMPILERS:
        y, made = clipped.kernel(x), outputs(clipped, "c", x, tmp_path, COMPILERS[0], "-O2")
        assert (y.view("uint32") == made.view("uint32"))[~np.isnan(x)].all()
        assert np.isnan(made[np.isnan(x)]).all()


def test_what_is_no_mirror_image_is_calculated_on_both_sides(clipped):
    left, middle, right_ = clipped.kernel.pieces
    x, half = Input(), Constant(Fraction(1, 2))
    pairs = [
        (replace(left, upper=-1.0), middle, right_),
        (replace(left, result=Constant(Fraction(1))), middle, right_),
        (left, replace(middle, steps=(Step("add", (x, half)),), result=Result(0)), right_),
        (left, replace(middle, steps=(Step("mul", (x, x)),), result=Result(0)), right_),
        (left, replace(middle, steps=(Step("fma", (x, x, x)),), result=Result(0)), right_),
        (left, replace(middle, steps=(Step("sub", (x, x)), Step("add", (Result(0), x))), result=Result(0)), right_),
    ]
    for pieces in pairs[:-1]:
        assert parity(replace(clipped, kernel=replace(clipped.kernel, pieces=pieces))) == 0
    # A sum that is exactly zero is +0 on both sides: it is seen at the least numbers.
    assert parity(replace(clipped, kernel=replace(clipped.kernel, pieces=pairs[-1]))) == 0
    odd = replace(middle, steps=(Step("mul", (x, half)), Step("add", (Result(0), Result(0)))), result=Result(1))
    assert parity(replace(clipped, kernel=replace(clipped.kernel, pieces=(left, odd, right_)))) == -1


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, FUSED], ids=str)
def test_tanh_has_one_side(how):
    assert parity(implement("tanh", format="float32", accumulate="float32", **how)) == -1
    assert parity(implement("exp", format="float32", accumulate="float32", **how)) == 0
