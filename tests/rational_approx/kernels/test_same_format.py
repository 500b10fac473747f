"""Code that calculates in the format of its results: held to mpmath, the independent verifier, and the languages."""

import json
from fractions import Fraction
from math import inf

import mpmath
import numpy as np
import pytest

from rational_approx import NoKernel, export, implement
from rational_approx.kernels.sums import sum_error, sum_function
from rational_approx.programs.program import Constant, Input
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.texts import number_text
from rational_approx.verifier import verify as check
from rational_approx.verifier.reading import number
from rational_approx.verifier.sums import sum_errors
from tests.rational_approx.command_line import run
from tests.rational_approx.kernels.compiled import COMPILERS, outputs

DIGITS = {"float32": 24, "float64": 53}
LEAST = {"float32": -149, "float64": -1074}
ASKED = [
    ("exp", "float32", "1"),
    ("leaky_relu", "float32", "1"),
    ("exp", "float64", "1"),
    *(
        pytest.param((name, format, error), marks=pytest.mark.slow)
        for name, format, error in (
            *((name, "float32", "1") for name in ("log", "expm1", "log1p", "tanh", "atan", "erf")),
            ("sigmoid", "float32", "3.6"),
            *((name, "float32", "1") for name in ("gelu", "mish", "selu", "hardswish")),
            ("selu", "float64", "1"),
            *((name, "float64", "1") for name in ("expm1", "log", "log1p", "tanh")),
        )
    ),
]
with mpmath.workprec(1200):
    SCALE = mpmath.mpf("1.0507009873554804934193349852946")
    ALPHA = mpmath.mpf("1.6732632423543772848170429916717")
TRUTH = {
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))) if x < 99 else x,
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * mpmath.expm1(x)),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "tanh": mpmath.tanh,
    "atan": mpmath.atan,
    "erf": mpmath.erf,
    **{name: getattr(mpmath, name) for name in ("exp", "expm1", "log", "log1p")},
}


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(asked))
def found(request):
    name, format, error = request.param
    return implement(name, format=format, accumulate=format, error=error)


def inputs(format, count, seed=1):
    """Numbers of all exponents, and more between -40 and 40."""
    rng, size = np.random.default_rng(seed), DIGITS[format] == 53
    codes = rng.integers(0, 2 ** (64 if size else 32), count, dtype="uint64" if size else "uint32")
    every = codes.view(format)
    zeros = np.array([0.0, -0.0], dtype=format)
    return np.concatenate([every[np.isfinite(every)], rng.uniform(-40, 40, count).astype(format), zeros])


def error_in_ulp(name, x, y, format):
    """The error by mpmath, in units in the last place; None where there is no value, or it is too large."""
    if (name == "log" and x <= 0) or (name == "log1p" and x <= -1):
        return None
    if name in ("exp", "expm1", "sigmoid") and abs(x) > 750:
        return None
    with mpmath.workprec(1200 if abs(x) < 1e-30 else 160):
        true = TRUTH[name](mpmath.mpf(x))
        if not np.isfinite(y) or true == 0:
            return None
        unit = mpmath.mpf(2) ** max(mpmath.frexp(true)[1] - DIGITS[format], LEAST[format])
        return float(abs(mpmath.mpf(y) - true) / unit)


def test_the_error_is_within_the_bound_at_many_numbers(found):
    format = found.kernel.format
    assert found.kernel.inner == format
    x = inputs(format, 2500 if format == "float32" else 10_000)
    y = found.kernel(x)
    errors = [error_in_ulp(found.name.removesuffix("(x)"), float(a), float(b), format) for a, b in zip(x, y)]
    seen = [each for each in errors if each is not None]
    assert len(seen) > 1500
    assert max(seen) <= found.facts.ulp <= found.wanted


def test_the_verifier_agrees_and_refuses_what_is_false(found):
    content = document(found)
    assert check(content, seconds=300).outcome == "verified"
    # Half the error is more than any code can keep, but for lines without a rounding.
    false = json.loads(json.dumps(content))
    false["facts"]["ulp"] = "1/2"
    false["hash"] = canonical_hash(false)
    assert check(false, seconds=20).outcome != "verified"


@pytest.mark.parametrize("kind", ["exp", pytest.param("log", marks=pytest.mark.slow)])
def test_another_constant_is_not_verified(kind):
    content = document(implement(kind, format="float32", accumulate="float32"))
    steps = content["functions"][0]["steps"]
    for index, (op, *names) in enumerate(steps):
        for place, name in enumerate(names):
            if op not in ("add", "mul") or name == "x" or name.startswith("v"):
                continue
            changed = json.loads(json.dumps(content))
            near = np.float32(float(number(name) * Fraction(3, 2)))
            changed["functions"][0]["steps"][index][1 + place] = number_text(Fraction(float(near)))
            changed["hash"] = canonical_hash(changed)
            assert check(changed, seconds=10).outcome != "verified", (op, name)


def test_the_format_of_the_operations_is_part_of_the_statement():
    content = document(implement("exp", format="float32", accumulate="float32"))
    content["inner"] = "float64"
    content["hash"] = canonical_hash(content)
    assert check(content, seconds=20).outcome != "verified"


@pytest.mark.parametrize("inner", ["float32", "float64"])
@pytest.mark.parametrize(
    "kind", ["exp", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("expm1", "log", "log1p"))]
)
def test_functions_keep_their_error_and_the_verifier_finds_the_same(kind, inner):
    function = sum_function(kind, inner)
    proved = sum_error(function, inner)
    steps = [(op, [_operand(name) for name in names]) for op, names in function.steps]
    again = sum_errors(kind, steps, _operand(function.result), inner)
    for own, other in zip(proved, again):
        assert other <= own <= other * Fraction(101, 100)
    assert proved.units < Fraction(1, 2)
    steps[0] = (steps[0][0], [*steps[0][1][:-1], 1]) if len(steps[0][1]) > 1 else ("sqrt", ["x"])
    with pytest.raises(Exception, match="sum with its reduction"):
        sum_errors(kind, steps, _operand(function.result), inner)


def _operand(which):
    return float(which.value) if isinstance(which, Constant) else "x" if isinstance(which, Input) else which.step


def test_languages_give_the_same_bits(found, tmp_path):
    x = np.concatenate([inputs(found.kernel.format, 3000), [inf, -inf]]).astype(found.kernel.format)
    bits = f"uint{8 * x.itemsize}"
    expected = found.kernel(x)
    space: dict = {}
    exec(compile(export(found, "numpy", name="gate"), "gate.py", "exec"), space)
    made = [space["gate"](x)]
    for compiler in COMPILERS[:1]:
        flags = ("-O2", "-Wall", "-Wextra", "-Werror")
        made.append(outputs(found, "c", x, tmp_path, compiler, *flags))
    for y in made:
        assert y.dtype == x.dtype
        same = (y.view(bits) == expected.view(bits)) | (np.isnan(y) & np.isnan(expected))
        assert same.all()


def test_what_is_not_found_is_refused_with_what_to_try():
    with pytest.raises(NoKernel, match=r"accumulate='float64'"):
        implement("sin(x + 1)", format="float32", accumulate="float32")
    with pytest.raises(ValueError, match="float64 or float32, not in 'float16'"):
        implement("exp", format="float32", accumulate="float16")
    with pytest.raises(ValueError, match="leave coefficients=, constraints= and"):
        implement("exp", format="float64", coefficients="float32")


def test_the_command_names_the_format_of_the_operations():
    done = run("implement", "relu", "--format", "float32", "--accumulate", "float32", "--language", "numpy")
    assert done.exit_code == 0
    assert "--accumulate float32" in done.output
    assert "operations in float32" in done.output


def test_a_target_keeps_its_value_where_its_formula_has_none():
    found = implement("where(x > 0, log(x), 0)", format="float32", accumulate="float32", error=1.5)
    y = found.kernel(np.array([-1.0, -0.0, 0.0, 1.0, 4.0], "float32"))
    assert y.tolist() == [0, 0, 0, 0, float(np.float32(np.log(4.0)))]
    assert check(document(found), seconds=300).outcome == "verified"


def test_a_line_beside_what_grows_faster_is_no_malformed_file():
    content = document(implement("exp", format="float32", accumulate="float32"))
    content["pieces"][-1]["steps"][0][0] = "add"  # x + 2^128 in the place of a product
    content["hash"] = canonical_hash(content)
    found = check(content, seconds=300)
    assert found.outcome != "verified"
    assert "malformed" not in " ".join(found.failures)
