"""Horner's and Estrin's order, fused operations, and machines that flush: held to exact arithmetic, compiled code with
the processor's own flags, the verifier, and files that say something false."""

import json
import platform
import shutil
from fractions import Fraction
from itertools import product
from math import inf
from pathlib import Path

import numpy as np
import pytest

import rational_approx
from rational_approx import NoKernel, export, implement, verify
from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.fused import fused
from rational_approx.kernels.kernel import Piece
from rational_approx.kernels.machines import MACHINES, Machine
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.programs.program import INPUT, Constant, Result, Step
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from tests.rational_approx.command_line import run, sentence
from tests.rational_approx.kernels.compiled import COMPILERS, outputs, outputs_flushing
from tests.rational_approx.kernels.test_float32 import TRUTH, in_ulp, same, with_others
from tests.rational_approx.kernels.test_implement import EVERY_CODE, codes, expected, python

ALL = [
    {"scheme": order, "fma": fma, "flush": flush}
    for order, fma, flush in product(("horner", "estrin"), *[(False, True)] * 2)
]
BOTH = {"scheme": "estrin", "fma": True}
NODES = {"scheme": "barycentric", "fma": True}
ODD = ([0, 1, 0, None, 0, None], [1, 0, None])
MIXED = {"coefficients": ("float32", "bfloat16"), "constraints": ODD}
ASKED = [
    ("tanh", "bfloat16", BOTH | {"flush": True}),
    ("elu", "float16", {"fma": True, "flush": True}),
    ("exp(x)", "float32", BOTH | {"flush": True}),
    *(
        pytest.param((name, format, how), marks=pytest.mark.slow)
        for name, format, how in product(("tanh", "silu", "sigmoid", "elu"), ("bfloat16", "float16", "float32"), ALL)
    ),
    *(
        pytest.param((name, format, how), marks=pytest.mark.slow)
        for name, format, how in (
            ("tanh", "bfloat16", NODES),
            ("tanh", "bfloat16", MIXED),
            ("tanh", "float16", {"scheme": "barycentric", "flush": True}),
            ("tanh", "float32", {"scheme": "barycentric"}),
            ("erf(x)", "float32", NODES),
            ("silu", "bfloat16", {"scheme": "barycentric", "flush": True}),
            ("silu", "float32", NODES),
            ("sin(x)", "float32", {"constraints": ([0, 1, 0, None, 0, None, 0, None, 0, None, 0, None], 0)}),
            ("tanh", "float32", {"coefficients": ("float64", "float32"), "fma": True}),
        )
    ),
]
FLUSHING = Machine(True, "rounded")
"""What x86 processors do with both flags set."""


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(map(str, (*asked[:2], *asked[2].values()))))
def found(request):
    name, format, how = request.param
    return implement(name, format=format, **how)


# -- the operation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["float32", "float64"])
def test_a_fused_operation_is_rounded_once(format):
    kind, rng = np.dtype(format).type, np.random.default_rng(5)
    a, b = (rng.standard_normal(3000).astype(kind) for _ in range(2))
    size = 2.0 ** rng.integers(-70, 70, 3000)
    small = kind(2.0) ** (-70 if format == "float32" else -520)
    few = [rng.integers(-(2**12), 2**12, 3000).astype(kind) for _ in range(2)]  # ties
    for x, y, z in (
        (a, b, (rng.standard_normal(3000) * size).astype(kind)),
        (a, b, -(a * b)),
        (*few, (few[0] * size).astype(kind)),
        (a * small, b * small, (rng.standard_normal(3000) * small**2).astype(kind)),
    ):
        got = fused(x, y, z)
        exact = [Fraction(float(p)) * Fraction(float(q)) + Fraction(float(r)) for p, q, r in zip(x, y, z)]
        assert got.tolist() == [float(round_to(value, format)) for value in exact]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_fused_operation_of_zeros_infinities_and_large_numbers(kind):
    big, tiny = np.finfo(kind).max, np.finfo(kind).tiny
    cases = [(0, -1, 0, "0.0"), (0, -1, -0.0, "-0.0"), (1, -1, 1, "0.0"), (tiny, -tiny, 0, "-0.0")]
    cases += [(inf, 1, -inf, "nan"), (big, big, -inf, "-inf"), (inf, 0, 1, "nan"), (big, 2, -big, str(float(big)))]
    assert [str(float(fused(kind(a), kind(b), kind(c)))) for a, b, c, _ in cases] == [case[3] for case in cases]


# -- code ------------------------------------------------------------------------------------------------------------


def tried(found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs as the code takes them, outputs, and which of them are numbers."""
    if found.kernel.format == "float32":
        x = with_others(found)
        y = found.kernel(x)
        return x, y, ~np.isnan(y)
    return EVERY_CODE, *expected(found)


def agree(got: np.ndarray, wanted: np.ndarray, numbers: np.ndarray) -> bool:
    return bool((got.view(f"u{got.itemsize}") == wanted.view(f"u{wanted.itemsize}"))[numbers].all())


def test_the_operations_are_those_that_were_asked_for(found):
    scheme, kernel = found.kernel.scheme, found.kernel
    assert any(op == "fma" for code in (*kernel.pieces, *kernel.functions) for op, _ in code.steps) == scheme.fma
    assert found.facts.ulp <= found.wanted
    said = "barycentric form" if scheme.order == "barycentric" else f"{scheme.order.title()}'s order"
    assert said in export(found, "c")


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("flags", [("-O1", "-Wall", "-Wextra", "-Werror", "-std=c11"), ("-O3", "-march=native")])
def test_compiled_c_gives_the_same_bits(found, tmp_path, flags):
    x, y, numbers = tried(found)
    for compiler in COMPILERS:
        assert agree(outputs(found, "c", x, tmp_path, compiler, *flags), y, numbers)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
def test_cuda_code_gives_the_same_bits_where_its_operations_are_rounded_one_by_one(found, tmp_path):
    x, y, numbers = tried(found)
    assert agree(outputs(found, "cuda", x, tmp_path), y, numbers)


@pytest.mark.skipif(shutil.which("rustc") is None, reason="no Rust compiler is installed")
def test_rust_gives_the_same_bits(found, tmp_path):
    x, y, numbers = tried(found)
    assert agree(outputs(found, "rust", x, tmp_path), y, numbers)


@pytest.mark.parametrize("language", ["numpy", "pytorch"])
def test_arrays_give_the_same_bits(found, language):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    format = found.kernel.format
    x = with_others(found) if format == "float32" else np.arange(1 << 16, dtype=np.uint32)
    if format == "float16":
        x = x.astype(np.uint16).view(np.float16).astype(np.float32)
    elif format == "bfloat16":
        x = (x << np.uint32(16)).view(np.float32)
    x = x[~np.isnan(x)]
    gate = python(export(found, language, name="gate"))
    y = gate(x) if language == "numpy" else gate(torch.from_numpy(x)).float().numpy()
    wanted = found.kernel(x)
    if format == "float32":
        assert same(y, wanted)
    else:
        assert (codes(y, format) == codes(wanted, format)).all()


def test_triton_code_has_fused_operations_of_its_own(found):
    assert ("tl.math.fma(" in export(found, "triton")) == found.kernel.scheme.fma


# -- machines that flush ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPILERS or platform.machine() != "x86_64", reason="no compiler, or flags of another kind")
def test_c_on_a_processor_that_flushes(found, tmp_path):
    x, _, numbers = tried(found)
    format = found.kernel.format
    y = outputs_flushing(found, "float" if format == "float32" else "uint16_t", x, tmp_path, "-march=native")
    if format == "float32":
        if found.kernel.scheme.flush and found.name in TRUTH:
            assert right_where_flushed(found, x[numbers], y[numbers])
        return
    wide = x.astype(np.uint32)
    given = (wide << 16).view(np.float32) if format == "bfloat16" else x.view(np.float16).astype(np.float32)
    if format == "bfloat16" or found.kernel.scheme.flush:  # reading float16 takes a subnormal float elsewhere
        assert (y == codes(found.kernel(given, FLUSHING), format))[numbers].all()


def right_where_flushed(found, x: np.ndarray, y: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        value, zero = (TRUTH[found.name](each.astype(np.float64)) for each in (x, x * 0))
    allowed = float(found.facts.ulp) + 1e-5
    right = (in_ulp(y, value) <= allowed) | ((y == 0) & (np.abs(value) < 2.0**-126 * (1 + 2.0**-23)))
    return bool((right | ((np.abs(x) < 2.0**-126) & (in_ulp(y, zero) <= allowed)))[np.isfinite(x)].all())


def test_machines_differ_and_the_claims_hold_for_each():
    kept, flushed = (implement("leaky_relu", flush=flush) for flush in (False, True))
    x = np.array([1e-39, -1e-39, -(2.0**-123), 2.0**-126], dtype=np.float32)
    every = [flushed.kernel(x, machine).tolist() for machine in MACHINES]
    assert len({str(each) for each in every}) > 1
    assert every[0] == kept.kernel(x).tolist()
    assert flushed.facts.ulp <= 1


def test_a_result_just_below_the_smallest_normal_number():
    # Subnormal numbers have too few digits for (1 - 2^-24) 2^-126; with 24 digits it is one.
    steps = (Step("mul", (INPUT, Constant(Fraction(2**24 - 1, 2**24)))),)
    piece = Piece(inf, steps, Result(0), "")
    x = np.array([2.0**-126], dtype=np.float32)
    got = [float(piece(x, (), Machine(False, results))[0]) for results in (None, "rounded", "exact")]
    assert got == [2.0**-126, 0.0, 0.0]


@pytest.mark.parametrize("format", [pytest.param("bfloat16", marks=pytest.mark.slow), "float32"])
def test_pieces_end_at_no_subnormal_number(format):
    made = implement("sign", format=format, flush=True)
    assert not any(0 < abs(piece.upper) < 2.0**-126 for piece in made.kernel.pieces)
    assert made.facts.at[1:3] == (0.0, 0.0)
    assert verify(made, seconds=600).outcome == "verified"


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_verifier_confirms_every_statement(found):
    confirmed(found)


def confirmed(found) -> None:
    outcome = verify(found, seconds=600)
    assert outcome.outcome == "verified", outcome
    order = found.kernel.scheme.order.title().replace("Barycentric", "no piece has a polynomial in Horner's or Estrin")
    assert any(order in statement.text for statement in outcome.statements)


def test_the_verifier_confirms_every_statement_of_float32(found):
    if found.kernel.format != "float32":
        pytest.skip("a slow test tries every number")
    confirmed(found)


def test_a_file_gives_the_same_code_again(found, tmp_path):
    again = rational_approx.load(rational_approx.save(found, tmp_path / "gate.json"))
    assert document(again) == document(found)  # as a value no number is not itself
    assert export(again, "rust", name="gate") == export(found, "rust", name="gate")


@pytest.fixture(scope="module")
def documents():
    return {
        name: json.dumps(document(implement("tanh", format="float32", **how)))
        for name, how in (("plain", {}), ("fma", {"fma": True}), ("estrin", {"scheme": "estrin"}))
    }


def split(content):
    """The first fused operation as two."""
    piece = next(piece for piece in content["pieces"] if any(op == "fma" for op, *_ in piece["steps"]))
    at = next(k for k, step in enumerate(piece["steps"]) if step[0] == "fma")

    def moved(name):
        return f"v{int(name[1:]) + 1}" if name[0] == "v" and int(name[1:]) >= at else name

    steps = [[op, *map(moved, names)] for op, *names in piece["steps"]]
    _, a, b, c = steps[at]
    steps[at : at + 1] = [["mul", a, b], ["add", f"v{at}", c]]
    piece.update(steps=steps, result=moved(piece["result"]))


def fuse(content):
    """A sum of a product as a fused operation."""
    for piece in content["pieces"]:
        for step in piece["steps"]:
            if step[0] == "add" and step[1][0] == "v" and piece["steps"][int(step[1][1:])][0] == "mul":
                step[:] = ["fma", *piece["steps"][int(step[1][1:])][1:], step[2]]
                return


def swap(content):
    """Two coefficients of pairs in each other's place."""
    steps = max((piece["steps"] for piece in content["pieces"]), key=len)
    pairs = [step for step in steps if step[0] == "mul" and step[1][0] not in "vx"]
    pairs[0][1], pairs[1][1] = pairs[1][1], pairs[0][1]


FALSE = [
    ("fma", split),
    ("plain", fuse),
    ("estrin", swap),
    ("fma", lambda content: content["scheme"].update(fma=False)),
    ("plain", lambda content: content["scheme"].update(fma=True)),
    ("estrin", lambda content: content["scheme"].update(order="horner")),
    ("plain", lambda content: content["scheme"].update(order="estrin")),
    ("plain", lambda content: content["scheme"].update(order="clenshaw")),
    ("plain", lambda content: content["scheme"].update(flush=1)),
    ("plain", lambda content: content.pop("scheme")),
]


@pytest.mark.parametrize(("which", "change"), FALSE)
def test_a_false_scheme_is_refuted(documents, which, change):
    content = json.loads(documents[which])
    change(content)
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def test_code_that_is_not_for_machines_that_flush_is_refuted_where_it_says_so():
    content = document(implement("sign", format="float32"))  # a piece ends at a subnormal number
    content["scheme"]["flush"] = True
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


@pytest.mark.slow
def test_a_factor_that_is_flushed_is_refuted():
    content = document(implement("silu"))  # x e with e below the smallest normal number, and x e above
    content["scheme"]["flush"] = True
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def test_code_for_machines_that_flush_is_refuted_where_it_says_that_they_keep():
    content = document(implement("sign", format="float32", flush=True))
    content["scheme"]["flush"] = False
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def test_older_files_have_no_scheme(documents):
    for schema in (1, 2):
        old = rational_approx.load(Path(__file__).with_name(f"schema_{schema}.json"))
        assert old.kernel.scheme == PLAIN == Scheme("horner", False, False)
    content = json.loads(documents["plain"])
    content["schema"] = "rational-approx/kernel/3"
    del content["scheme"]
    content["hash"] = canonical_hash(content)
    outcome = check(content, 600)
    assert outcome.outcome == "verified"
    assert len(outcome.statements) == 2


# -- questions -------------------------------------------------------------------------------------------------------


def test_the_command_takes_a_scheme_and_states_it(tmp_path):
    words = ("implement", "relu6", "--format", "float16", "--scheme", "estrin", "--fma", "--flush")
    result = run(*words, "--out", tmp_path / "gate.h", "--certificate", tmp_path / "gate.json")
    assert result.exit_code == 0, result.output
    source = (tmp_path / "gate.h").read_text()
    assert "--scheme estrin --fma --flush --language c" in source
    assert "polynomials in Estrin's order; a product and a sum are one operation" in source
    assert "machines that flush subnormal operands" in source


def test_questions_without_sense_are_refused():
    with pytest.raises(ValueError, match="'horner' or 'estrin'"):
        implement("tanh", scheme="clenshaw")
    assert "fixed-point" in sentence(run("implement", "tanh", "--format", "fixed2.6", "--fma"))
    with pytest.raises(NoKernel, match="a value at every number"):
        implement("log(x)", format="float32", flush=True)
    with pytest.raises(NoKernel, match="a value at every number"):
        implement("1 / x", format="float32", flush=True)
    for how in ({"fma": "no"}, {"flush": 1}):
        with pytest.raises(ValueError, match="True or False"):
            implement("tanh", format="float32", **how)


@pytest.mark.parametrize(
    "target", ["where(x > 0, log(x), 0)", pytest.param("sin(x)", marks=pytest.mark.slow)], ids=["log", "sin"]
)
def test_formulas_with_functions_are_proved_for_machines_that_flush(target):
    # Subnormal inputs are compared with f(0) as well, by a judge that knows no logarithm and no sine.
    found = implement(target, format="float32", flush=True)
    assert check(document(found), 600).outcome == "verified"
