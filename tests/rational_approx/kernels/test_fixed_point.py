"""Fixed-point code: held to mpmath, to the law by a few lines of its own, to the verifier, and to a simulator."""

import json
import random
import shlex
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest

from rational_approx import FixedImplementation, NoKernel, export, implement, load, save, verify
from rational_approx.expressions.expression import parse
from rational_approx.kernels.code_facts import code_facts
from rational_approx.kernels.code_values import code_values
from rational_approx.kernels.datapath import Datapath, Row
from rational_approx.kernels.fixed_point import FixedPoint, fixed_point
from rational_approx.shipping.documents import canonical_hash, document, from_document
from rational_approx.verifier import verify as check
from tests.rational_approx.command_line import run, sentence
from tests.rational_approx.kernels.compiled import COMPILERS, outputs
from tests.rational_approx.kernels.simulated import SIMULATOR, interpreted, simulated

ASKED = [
    ("tanh", "fixed4.8", 1),
    ("exp(x)", "fixed4.7", "0.6 ulp"),
    ("jumprelu", "fixed2.6", 1),
    ("abs", "fixed1.3", 1),
    *(
        pytest.param(asked, marks=pytest.mark.slow)
        for asked in (
            ("gelu", "fixed4.12", 1),
            ("sigmoid", "fixed4.12", 1),
            ("exp(x)", "fixed4.12", 1),
            ("tanh", "fixed4.12", 1),
            ("mish", "fixed8.8", "0.6 ulp"),
            ("where(x > 0, 1/sqrt(x), 0)", "fixed4.12", 1),
            ("gelu", "fixed4.16", 1),
        )
    ),
]
EXACT = {
    "tanh": mpmath.tanh,
    "exp(x)": mpmath.exp,
    "jumprelu": lambda x: x if x > mpmath.mpf(3) / 10 else 0,
    "abs": abs,
    "gelu": lambda x: x * mpmath.ncdf(x),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "where(x > 0, 1/sqrt(x), 0)": lambda x: 1 / mpmath.sqrt(x) if x > 0 else 0,
}


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: "-".join(map(str, asked)))
def found(request):
    name, format, error = request.param
    return implement(name, format=format, error=error)


@pytest.fixture(scope="module")
def small():
    return implement("tanh", format="fixed3.5")


def truth(found, codes) -> list:
    """S(f(x)) in units in the last place."""
    point = found.kernel.point
    f, scale = EXACT[found.name], 2**point.fraction
    with mpmath.workprec(80):
        exact = [f(mpmath.mpf(int(code)) / scale) * scale for code in codes]
        return [min(max(value, point.lowest), point.highest) for value in exact]


def test_error_counts_and_turns_are_those_of_mpmath(found):
    codes, facts = found.kernel.point.codes, found.facts
    if codes.size > 1 << 12:  # some of them, and where it is worst
        rng = np.random.default_rng(3)
        worst = int(facts.worst * 2**found.kernel.point.fraction)
        codes = np.unique(np.append(rng.choice(codes, 1 << 12, replace=False), worst))
    y, exact = found.kernel(codes).tolist(), truth(found, codes)
    errors = [float(abs(a - b)) for a, b in zip(y, exact)]
    assert float(facts.ulp) - 1e-5 <= max(errors) <= float(facts.ulp) <= float(found.wanted)
    if codes.size == facts.inputs:
        assert facts.correct == sum(error <= 0.5 - 1e-7 for error in errors)
        assert facts.faithful == sum(error < 1 for error in errors)
        steps = list(zip(y, y[1:], exact, exact[1:]))
        assert facts.turns == sum((b > a and not d > c) or (b < a and not d < c) for a, b, c, d in steps)
    assert facts.inputs == 1 << found.kernel.point.bits


def shifted(value: int, bits: int) -> int:
    """The nearest integer to ``value / 2**bits``, the larger of two."""
    return (2 * value + 2**bits) // 2 ** (bits + 1)


def by_hand(path, code: int, seen: dict) -> int:
    """The law, word for word; ``seen`` gets every integer by its name."""
    row = next(row for row in path.rows if code <= row.upper)
    t = 0 if row.origin is None else (code - row.origin) * 2**row.left
    c = [*row.coefficients, *[0] * (path.degree + 1 - len(row.coefficients))]
    seen.setdefault("t", set()).add(t)
    for k, each in enumerate(c):
        seen.setdefault(f"c{k}", set()).add(each)
    a = c[-1]
    for k in reversed(range(path.degree)):
        p, r = a * t, shifted(a * t, path.shift)
        a = c[k] + r
        half = 2**path.shift // 2
        for name, values in (("p", {p, p + half}), ("r", {r}), ("a", {a})):
            seen.setdefault(f"{name}{k}", set()).update(values)
    s = a + row.adds * code * 2**path.guard
    seen.setdefault("u", set()).add(row.adds * code)
    seen.setdefault("s", set()).update({s, s + 2**path.guard // 2})
    seen.setdefault("r", set()).add(shifted(s, path.guard))
    return min(max(shifted(s, path.guard), path.point.lowest), path.point.highest)


def test_the_code_is_the_law_and_the_widths_are_the_least(found):
    path = found.kernel
    seen: dict = {}
    codes = path.point.codes if path.point.bits <= 16 else path.point.codes[::16]
    y = [by_hand(path, int(code), seen) for code in codes]
    assert path(codes).tolist() == y
    if codes.size < found.facts.inputs:
        return
    assert set(seen) == set(found.facts.widths)
    for name, values in seen.items():
        bits = found.facts.widths[name]
        assert all(-(2 ** (bits - 1)) <= v < 2 ** (bits - 1) for v in values), name
        tight = bits == 1 or not all(-(2 ** (bits - 2)) <= v < 2 ** (bits - 2) for v in values)
        assert tight, name
    assert found.facts.lowest == path.point.number(min(y))
    assert found.facts.highest == path.point.number(max(y))


def test_the_verifier_confirms_every_statement(found):
    outcome = verify(found, seconds=600)
    assert outcome.outcome == "verified", outcome
    assert len(outcome.statements) == 5
    assert "every integer fits into its bits" in outcome.statements[-1].text


CHANGES = [
    lambda content: content["facts"].update(ulp="1/4"),
    lambda content: content["facts"].update(correct=content["facts"]["correct"] + 8),
    lambda content: content["facts"].update(faithful=257),
    lambda content: content["facts"].update(highest="7/8"),
    lambda content: content["facts"].update(inputs=255),
    lambda content: content["facts"]["widths"].update(t=2),
    lambda content: content["facts"]["widths"].pop("r"),
    lambda content: content["rows"][2]["coefficients"].__setitem__(0, 3),
    lambda content: content["rows"][2].update(origin=None),
    lambda content: content["rows"][2].update(upper=127),
    lambda content: content["rows"].pop(),
    lambda content: content["rows"][1].update(adds=2),
    lambda content: content.update(guard=content["guard"] + 1),
    lambda content: content.update(shift=content["shift"] - 1),
    lambda content: content.update(format="fixed4.4"),
    lambda content: content.update(format="fixed0.8"),
    lambda content: content["target"].update(expression="tanh(x) + 1/30"),
    lambda content: content.update(more=1),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_file_that_says_something_false_is_refuted(small, number):
    content = json.loads(json.dumps(document(small)))
    CHANGES[number](content)
    content["hash"] = canonical_hash(content)
    assert check(content, 60).outcome == "refuted"


def changed(content: dict, rng: random.Random) -> dict:
    """A file with one or two of its integers changed a little."""
    content = json.loads(json.dumps(content))
    facts = content["facts"]
    for _ in range(rng.choice((1, 1, 2))):
        row, step = rng.choice(content["rows"]), rng.choice((-2, -1, 1, 2))
        where = rng.choice(("row", "row", "coefficient", "coefficient", "shift", "guard", "count", "width", "ulp"))
        if where == "coefficient":
            row["coefficients"][rng.randrange(len(row["coefficients"]))] += step
        elif where == "row":
            row[rng.choice(("upper", "left"))] += step
            row["adds"] = rng.choice((row["adds"], row["adds"], -1, 0, 1))
        elif where == "count":
            facts[rng.choice(("correct", "faithful", "turns"))] += step
        elif where == "width":
            facts["widths"][rng.choice(list(facts["widths"]))] += step
        elif where == "ulp":
            facts["ulp"] = str(Fraction(rng.randint(40, 100), 100))
        else:
            content[where] += step
    return content | {"hash": canonical_hash(content)}


def is_true(content: dict) -> bool:
    """Whether a file's statements hold, by the law and mpmath."""
    found = from_document(content)
    facts, point, seen = found.facts, found.kernel.point, {}
    y = [by_hand(found.kernel, int(code), seen) for code in point.codes]
    exact = truth(found, point.codes)
    errors = [abs(a - b) for a, b in zip(y, exact)]
    steps = list(zip(y, y[1:], exact, exact[1:]))
    return (
        max(errors) <= float(facts.ulp) <= float(found.wanted)
        and facts.correct <= sum(error <= 0.5 for error in errors)
        and facts.faithful <= sum(error < 1 for error in errors)
        and facts.turns >= sum((b > a and not d > c) or (b < a and not d < c) for a, b, c, d in steps)
        and (facts.lowest, facts.highest) == (point.number(min(y)), point.number(max(y)))
        and set(seen) == set(facts.widths)
        and all(-(2 ** (facts.widths[n] - 1)) <= v < 2 ** (facts.widths[n] - 1) for n in seen for v in seen[n])
    )


def test_a_changed_file_is_verified_only_where_it_is_true():
    rng = random.Random(5)
    content = document(implement("tanh", format="fixed2.4"))
    assert is_true(content)
    outcomes = []
    for _ in range(60):
        other = changed(content, rng)
        outcomes.append(check(other, 60).outcome)
        assert outcomes[-1] != "verified" or is_true(other), other
    assert outcomes.count("verified") >= 2
    assert outcomes.count("refuted") >= 20


def test_a_step_back_at_a_joint_is_a_turn():
    point, target = FixedPoint(1, 3), parse("x")
    path = Datapath(point, (Row(0, (0,), adds=1), Row(7, (-2,), adds=1)), shift=0, guard=0)
    facts = code_facts(path, code_values(target, point))
    assert (facts.turns, facts.correct, facts.widths) == (1, 9, {"t": 1, "c0": 2, "u": 4, "s": 4, "r": 4})
    content = document(FixedImplementation("x", "x", path, facts, Fraction(3), 16))
    assert check(content).outcome == "verified"
    content["facts"]["turns"] = 0
    content["hash"] = canonical_hash(content)
    assert check(content).outcome == "not decided"


# -- languages -------------------------------------------------------------------------------------------------------


def test_the_text_of_the_module_gives_the_outputs_where_every_size_is_that_of_the_standard(found):
    codes = found.kernel.point.codes
    if codes.size > 1 << 9:  # around the ends of rows, at the ends of the format, and some
        near = [row.upper + step for row in found.kernel.rows for step in (0, 1)]
        codes = np.unique(np.clip([*near, *codes[:: codes.size // 200], codes[0]], codes[0], codes[-1]))
    assert interpreted(found, codes).tolist() == found.kernel(codes).tolist()


@pytest.mark.skipif(not SIMULATOR, reason="Icarus Verilog is not installed")
def test_the_simulated_module_gives_the_outputs_at_every_code(found, tmp_path):
    assert np.array_equal(simulated(found, tmp_path), found.kernel(found.kernel.point.codes))


@pytest.mark.skipif(shutil.which("verilator") is None, reason="Verilator is not installed")
def test_verilator_has_nothing_to_warn_of(found, tmp_path):
    (tmp_path / "gate.sv").write_text(export(found, "systemverilog", name="gate"))
    said = subprocess.run(
        ("verilator", "--lint-only", "-Wall", "gate.sv"), capture_output=True, cwd=tmp_path, text=True
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.skipif(not SIMULATOR or shutil.which("yosys") is None, reason="Yosys or Icarus Verilog is not installed")
@pytest.mark.parametrize("format", ["fixed2.4", pytest.param("fixed4.8", marks=pytest.mark.slow)])
def test_the_synthesised_circuit_has_no_memory_and_gives_the_outputs(format, tmp_path):
    found = implement("tanh", format=format)
    simulated(found, tmp_path)  # writes the module and its bench
    (tmp_path / "gate.sv").rename(tmp_path / "source.sv")
    script = "read_verilog -sv source.sv; synth -flatten -top gate; check -assert; "
    script += "select -assert-none t:$_DLATCH* t:$_*DFF*; write_verilog -noattr gate.sv"
    subprocess.run(("yosys", "-q", "-p", script), check=True, capture_output=True, cwd=tmp_path)
    subprocess.run(("iverilog", "-g2012", "-o", "bench", "gate.sv", "bench.sv"), check=True, cwd=tmp_path)
    out = subprocess.run(("vvp", "-n", "bench"), check=True, capture_output=True, cwd=tmp_path, text=True).stdout
    assert [int(line) for line in out.split()] == found.kernel(found.kernel.point.codes).tolist()


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
@pytest.mark.parametrize("compiler", COMPILERS or ["cc"])
def test_compiled_c_gives_the_outputs_at_every_code(found, tmp_path, compiler):
    point = found.kernel.point
    x = point.codes.astype(f"int{next(size for size in (8, 16, 32) if size >= point.bits)}")
    y = outputs(found, "c", x, tmp_path, compiler, "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror")
    assert np.array_equal(y, found.kernel(point.codes))


def made_by_hand() -> FixedImplementation:
    """``3 x`` by one product, of which most outputs leave the format."""
    point, target = FixedPoint(2, 4), parse("3 * x")
    path = Datapath(point, (Row(31, (0, 48), origin=0),), shift=4, guard=0)
    return FixedImplementation("3 * x", "3 * x", path, code_facts(path, code_values(target, point)), Fraction(1), 1)


def test_saturated_outputs_are_the_same_everywhere(tmp_path):
    found = made_by_hand()
    codes = found.kernel.point.codes
    wanted = np.clip(3 * codes, -32, 31)
    assert found.kernel.saturates
    assert (found.facts.ulp < Fraction(1, 10**5), found.facts.widths["r"]) == (True, 8)
    assert interpreted(found, codes).tolist() == wanted.tolist()
    space: dict = {}
    exec(export(found, "numpy", name="gate"), space)
    assert np.array_equal(space["gate"](codes), wanted)
    if COMPILERS:
        assert np.array_equal(outputs(found, "c", codes.astype(np.int8), tmp_path, COMPILERS[0]), wanted)
    if SIMULATOR:
        assert np.array_equal(simulated(found, tmp_path), wanted)
    assert verify(found).outcome == "verified"


def test_an_origin_is_a_code_of_the_format():
    """It was cut off in the module, so that a verified file gave another one: ``x - 40`` as ``x + 24``."""
    point, target = FixedPoint(2, 4), parse("x")
    for origin in (31, -1, 40):  # x - 31 takes a bit more than x
        path = Datapath(point, (Row(31, (16 * origin, 16), origin=origin),), shift=0, guard=4)
        content = document(
            FixedImplementation("x", "x", path, code_facts(path, code_values(target, point)), Fraction(9), 1)
        )
        if origin == 40:
            assert check(content, 60).outcome == "refuted"
            with pytest.raises(ValueError, match="is no code of the format"):
                from_document(content)
        else:
            again = from_document(content)
            assert check(content, 60).outcome == "verified"
            assert interpreted(again, point.codes).tolist() == point.codes.tolist()


def test_numpy_code_gives_the_outputs_at_every_code(found):
    space: dict = {}
    exec(export(found, "numpy", name="gate"), space)
    codes = found.kernel.point.codes
    assert np.array_equal(space["gate"](codes), found.kernel(codes))
    with pytest.raises(IndexError):
        space["gate"](codes[-1:] + 1)


def test_a_file_gives_the_same_code_again(found, tmp_path):
    again = load(save(found, tmp_path / "gate.json"))
    assert isinstance(again, FixedImplementation)
    assert again == found
    for language in ("systemverilog", "c", "numpy"):
        source = export(again, language, name="gate")
        assert source == export(found, language, name="gate")
        assert document(found)["hash"] in source
        assert f"<= {float(found.facts.ulp):.6f} 2^-" in source
        assert f"--language {language} --name gate" in source


KEPT = Path(__file__).with_name("datapath_1.json")


def test_a_file_of_the_first_schema_is_read_and_verified():
    kept = load(KEPT)
    assert (kept.name, kept.kernel.format, len(kept.kernel.rows)) == ("tanh", "fixed2.4", 9)
    assert document(kept) == json.loads(KEPT.read_text())
    assert verify(KEPT).outcome == "verified"
    assert max(abs(a - b) for a, b in zip(kept.kernel(kept.kernel.point.codes), truth(kept, range(-32, 32)))) <= 1


# -- what is asked ---------------------------------------------------------------------------------------------------


def test_the_command_writes_a_module_and_its_certificate(tmp_path):
    words = ("implement", "hardtanh", "--format", "fixed4.12", "--language", "systemverilog")
    result = run(*words, "--out", tmp_path / "gate.sv", "--certificate", tmp_path / "gate.json")
    assert result.exit_code == 0, result.output
    source = (tmp_path / "gate.sv").read_text()
    assert "module hardtanh_fixed4_12 (" in source
    assert "input  logic signed [15:0] x" in source
    words = ("export", tmp_path / "gate.json", "--language", "systemverilog", "--name", "hardtanh_fixed4_12")
    assert run(*words).output == source
    made = next(line for line in source.splitlines() if "made by: " in line).partition("made by: rational-approx ")[2]
    assert run(*shlex.split(made)).stdout == source
    assert run("show", tmp_path / "gate.json").exit_code == 0
    assert run("verify", tmp_path / "gate.json", "--seconds", "600").exit_code == 0


def test_a_code_of_a_format_stands_for_so_many_units():
    point = fixed_point("fixed4.12")
    assert point == FixedPoint(4, 12)
    assert (point.bits, point.number(point.lowest), point.number(1)) == (16, -8, Fraction(1, 4096))
    assert point.number(point.highest) == 8 - Fraction(1, 4096)
    assert fixed_point("float32") is None


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("Q4.12", "write fixedI.F"),
        ("ap_fixed<16, 4>", "write fixedI.F"),
        ("ufixed4.12", "write fixedI.F"),
        ("fixed16", "write fixedI.F"),
        ("fixed0.16", "no bit for the sign"),
        ("fixed8.24", "has 32 bits"),
        ("fixed1.0", "has 1 bits"),
        ("int8", "or fixed point such as fixed4.12"),
    ],
)
def test_other_spellings_and_formats_are_refused(format, words):
    with pytest.raises(ValueError, match=words):
        implement("relu", format=format)


def test_questions_without_sense_are_refused(small):
    with pytest.raises(ValueError, match="leave accumulate="):
        implement("relu", format="fixed4.12", accumulate="float32")
    with pytest.raises(ValueError, match="from 1 to 64"):
        implement("relu", format="fixed4.12", segments=65)
    with pytest.raises(ValueError, match=r"no real value at x = -2\.0"):
        implement("log(x)", format="fixed2.6")
    with pytest.raises(NoKernel, match="at most 1 rows"):
        implement("sin(20*x)", format="fixed4.4", segments=1)
    with pytest.raises(ValueError, match="language must be one of systemverilog, c, numpy"):
        export(small, "cuda")
    with pytest.raises(ValueError, match="a word of SystemVerilog"):
        export(small, "systemverilog", name="always")
    with pytest.raises(ValueError, match="a signal of the module"):
        export(small, "systemverilog", name="origin")
    assert "the languages of fixed4.12 are" in sentence(
        run("implement", "relu", "--format", "fixed4.12", "--language", "rust")
    )
    assert "the languages of bfloat16 are" in sentence(run("implement", "relu", "--language", "systemverilog"))


def test_a_search_tells_how_far_it_is_and_ends_with_its_time():
    told: list = []
    implement("tanh", format="fixed2.6", progress=told.append)
    assert any("guard bits" in step.stage for step in told)
    with pytest.raises(NoKernel, match="raise time_limit="):
        implement("gelu", format="fixed4.12", time_limit=0.001)


def test_what_needs_no_product_has_none():
    for name, most in (("relu", 2), ("abs", 2), ("hardtanh", 3), ("jumprelu", 2), ("x / 1", 1), ("softshrink", 3)):
        found = implement(name, format="fixed4.12")
        assert (found.kernel.degree, found.facts.turns) == (0, 0)
        assert len(found.kernel.rows) <= most
        assert found.facts.ulp < Fraction(1, 10**5)


def test_outputs_beyond_the_format_end_at_its_ends():
    found = implement("4 * x", format="fixed3.5", error="0.51 ulp")
    x = found.kernel.point.codes
    assert found.kernel(x).tolist() == np.clip(4 * x, -128, 127).tolist()
