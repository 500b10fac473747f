"""Formulas as users write them, in float32: held to mpmath through NumPy code, verified, false claims refuted."""

import copy
from fractions import Fraction
from math import inf

import mpmath
import numpy as np
import pytest

from rational_approx import NoKernel, export, implement, verify
from rational_approx.expressions.parser import parse_tree
from rational_approx.kernels.arctangents import arctangent, arctangent_degree, arctangent_error
from rational_approx.kernels.differences import expm1, expm1_degree, expm1_error, log1p, log1p_error
from rational_approx.kernels.identities import settled, uncancelled
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.kernels.logarithms import logarithm_degree
from rational_approx.programs.program import INPUT, Writer
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from rational_approx.verifier.branches import shortened
from rational_approx.verifier.reading import read

LOG2, ROOT3 = float(mpmath.log(2)), 1.324717957244746
CASES = {
    "acos(x)": (mpmath.acos, (-1, 1), (-1, 1)),
    "exp(x) - 2": (lambda x: mpmath.exp(x) - 2, (-120, 88), (LOG2,)),
    "x^3 - x - 1": (lambda x: x**3 - x - 1, (-1e9, 1e9), (ROOT3,)),
    "x * log(x)": (lambda x: x * mpmath.log(x) if x else mpmath.mpf(0), (0, 1e30), (0, 1)),
    "log(abs(x))": (lambda x: mpmath.log(abs(x)), (-1e30, 1e30), (1, -1)),
    "log(x^2)": (lambda x: 2 * mpmath.log(abs(x)), (-1e30, 1e30), (1, -1)),
    "log(2 + exp(x))": (lambda x: mpmath.log(2 + mpmath.exp(x)), (-1e3, 1e3), ()),
    "log(cosh(x))": (lambda x: mpmath.log1p(2 * mpmath.sinh(x / 2) ** 2), (-1e3, 1e3), (0,)),
    "exp(x) / (exp(x) + 1)^2": (lambda x: 1 / (2 + mpmath.exp(x) + mpmath.exp(-x)), (-110, 110), ()),
    "(exp(x) - 1) / x": (lambda x: mpmath.expm1(x) / x if x else mpmath.mpf(1), (-1e3, 88), (0,)),
    "sqrt(x^2 - 1)": (lambda x: mpmath.sqrt((x - 1) * (x + 1)), (1, 1e20), (1,)),
    "1 / x^2": (lambda x: 1 / x**2, (-1e20, 1e20), (1e-19,)),
    "x^2 * log(abs(x))": (lambda x: x**2 * mpmath.log(abs(x)) if x else mpmath.mpf(0), (-1e19, 1e19), (0, 1, -1)),
    "abs(x)^0.5 * log(abs(x))": (
        lambda x: mpmath.sqrt(abs(x)) * mpmath.log(abs(x)) if x else mpmath.mpf(0),
        (-1e30, 1e30),
        (0, 1, -1),
    ),
    "x^3 - 2 * x": (lambda x: x**3 - 2 * x, (-1e12, 1e12), (2**0.5, -(2**0.5), 0)),
    "sin(x + 1)": (lambda x: mpmath.sin(x + 1), (-1e30, 1e30), (-1, float(mpmath.pi - 1), float(100 * mpmath.pi - 1))),
    "cos(2 * x - 0.5)": (lambda x: mpmath.cos(2 * x - 0.5), (-1e30, 1e30), (float(mpmath.pi / 4 + 0.25), 0)),
    "sin(pi * x + pi / 4)": (lambda x: mpmath.sinpi(x + 0.25), (-1e30, 1e30), (-0.25, 0.75, 2.0**21 + 0.75)),
    "3 * sin(x) - 4 * cos(x)": (
        lambda x: 3 * mpmath.sin(x) - 4 * mpmath.cos(x),
        (-1e30, 1e30),
        (float(mpmath.atan(mpmath.mpf(4) / 3)), 0),
    ),
    "sqrt(max(x, 0))": (lambda x: mpmath.sqrt(max(x, 0)), (-1e30, 1e30), (0,)),
    "x * sigmoid(x) + 0.5 * tanh(x)": (
        lambda x: x / (1 + mpmath.exp(-x)) + mpmath.tanh(x) / 2,
        (-1e30, 1e30),
        (0, -20, 17),
    ),
    "3 * atan(x) + 1.5 * tanh(x)": (lambda x: 3 * mpmath.atan(x) + 1.5 * mpmath.tanh(x), (-1e30, 1e30), (0, 126)),
    "x / (exp(x) - 1)": (lambda x: x / mpmath.expm1(x) if x else mpmath.mpf(1), (-1e30, 85), (0,)),
    "exp(2 * x + 1)": (lambda x: mpmath.exp(2 * x + 1), (-100, 100), (43.86,)),
    "log(x) / x": (lambda x: mpmath.log(x) / x, (1e-30, 1e30), (1,)),
    "exp(1 / x)": (lambda x: mpmath.exp(1 / x), (-1e10, 1e10), (-0.0096, 0.01127, 0)),
    "x^x": (lambda x: x**x, (0, 28), (27, 1e-9)),
    "exp(exp(x))": (lambda x: mpmath.exp(mpmath.exp(x)), (-50, 5), (-16, 4.48)),
    "tanh(x) / x": (lambda x: mpmath.tanh(x) / x if x else mpmath.mpf(1), (-1e30, 1e30), (0, 128, 249)),
    "abs(x) - log(1 + abs(x))": (lambda x: abs(x) - mpmath.log1p(abs(x)), (-1e9, 1e9), (0, 1e-4)),
    "log(0.1 + atan(x))": (lambda x: mpmath.log(mpmath.mpf(1) / 10 + mpmath.atan(x)), (-0.1, 1e9), (-0.10033, 1.26016)),
    "acos(x / max(abs(x), 1))": (lambda x: mpmath.acos(x / max(abs(x), 1)), (-1e9, 1e9), (-1, 1, 0)),
    "log(x + sqrt(x^2 + 1))": (mpmath.asinh, (-1e30, 1e30), (0, 1e-8)),
    "sqrt(x^2 + 1) + x": (lambda x: mpmath.exp(mpmath.asinh(x)), (-1e30, 1e30), (0,)),
    "log(x / (1 - x))": (lambda x: mpmath.log(x / (1 - x)), (1e-45, 0.9999999), (0.5, 1, 0)),
    "log(exp(x) - 1)": (lambda x: mpmath.log(mpmath.expm1(x)), (0, 1e30), (LOG2, 16)),
    "log(2 + cos(x))": (lambda x: mpmath.log1p(2 * mpmath.cos(x / 2) ** 2), (-1e30, 1e30), (float(mpmath.pi), 9.42)),
    "cos(1.5 * x) / (1 + sin(-x)^2)": (
        lambda x: mpmath.cos(1.5 * x) / (1 + mpmath.sin(x) ** 2),
        (-1e30, 1e30),
        (float(mpmath.pi / 3), 2e8),
    ),
    "where(abs(x) < 3, sin(x + 1), 0)": (
        lambda x: mpmath.sin(x + 1) if abs(x) < 3 else mpmath.mpf(0),
        (-1e30, 1e30),
        (-1, float(mpmath.pi - 1), 3, -3),
    ),
}
NOTHING_AT_ZERO = ("log(abs(x))", "log(x^2)", "1 / x^2", "log(x) / x", "exp(1 / x)", "x^x", "log(exp(x) - 1)")
FAST = (
    "acos(x)",
    "sin(x + 1)",
    "x^2 * log(abs(x))",
    "sqrt(max(x, 0))",
)
SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in CASES if each not in FAST]


def code(found):
    """The NumPy code of an implementation."""
    names = {}
    exec(export(found, "numpy", name="code"), names)
    return names["code"]


def numbers(inside, near):
    """Numbers of float32: random ones of all sizes in an interval, and those beside some points."""
    draw = np.random.default_rng(0)
    sizes = np.exp2(draw.uniform(-60, 100, 400)) * draw.choice([-1, 1], 400)
    x = np.concatenate([sizes, draw.uniform(max(inside[0], -50), min(inside[1], 50), 400)]).astype(np.float32)
    beside = []
    for point in map(np.float32, near):
        for side in (-inf, inf):
            for _ in range(12):
                beside.append(point)
                point = np.nextafter(point, np.float32(side))
    x = np.concatenate([x, np.array(beside, dtype=np.float32)])
    return x[(x >= inside[0]) & (x <= inside[1])]


def ulps(y, true):
    """The error in units in the last place of float32; of infinite outputs that of 2^128."""
    if abs(true) >= mpmath.mpf(2) ** 128:
        return 0.0 if np.isinf(y) and (y > 0) == (true > 0) else inf
    exponent = mpmath.frexp(true)[1] if true else -200
    unit = mpmath.ldexp(1, max(int(exponent) - 24, -149))
    return float(abs(mpmath.mpf(float(np.clip(np.float64(y), -(2.0**128), 2.0**128))) - true) / unit)


@pytest.mark.parametrize("formula", [*FAST, *SLOW])
def test_a_formula_is_found_and_holds_at_random_numbers_and_beside_zeros_and_cuts(formula):
    true, inside, near = CASES[formula]
    found = implement(formula, format="float32")
    x = numbers(inside, near)
    cuts = np.array([piece.upper for piece in found.kernel.pieces], dtype=np.float32)
    x = np.concatenate([x, cuts[np.isfinite(cuts) & (cuts >= inside[0]) & (cuts <= inside[1])]])
    x = x[x != 0] if formula in NOTHING_AT_ZERO else x
    with mpmath.workprec(500):
        worst = max(ulps(y, true(mpmath.mpf(float(point)))) for point, y in zip(x, code(found)(x)))
    assert worst <= float(found.facts.ulp) <= 1
    assert verify(found, seconds=60).outcome == "verified"


def test_what_has_no_value_at_one_number_has_an_infinity_of_one_sign_there_or_none():
    assert list(code(implement("log(abs(x))", format="float32"))(np.array([0.0, -0.0], np.float32))) == [-inf, -inf]
    assert np.isnan(code(implement("1 / x", format="float32"))(np.array([0.0], np.float32))).all()


@pytest.mark.parametrize(
    ("made", "bound", "true", "x"),
    [
        (lambda: expm1("expm1", expm1_degree(1e-16, "float64"), "float64"), expm1_error, mpmath.expm1, (-600, 600)),
        (lambda: log1p("log1p", logarithm_degree(1e-16, "float64"), "float64"), log1p_error, mpmath.log1p, (-1, 1e6)),
        (
            lambda: arctangent("atan", arctangent_degree(1e-16, "float64"), "float64"),
            arctangent_error,
            mpmath.atan,
            (-9, 9),
        ),
    ],
    ids=["expm1", "log1p", "atan"],
)
def test_functions_that_keep_small_results_are_within_their_bounds(made, bound, true, x):
    function = made()
    draw = np.random.default_rng(1)
    small = np.exp2(draw.uniform(-200, 0, 300)) * draw.choice([-1, 1], 300)
    points = np.concatenate([draw.uniform(*x, 300), draw.uniform(-0.99, 1, 300), small])
    writer = Writer(fma=False)
    piece = Piece(inf, (), writer.do(function.name, INPUT), "")
    piece = Piece(inf, tuple(writer.steps), piece.result, "")
    y = piece(points, (function,))
    most = float(bound(function, "float64"))
    assert most < 2.0**-40
    with mpmath.workprec(300):
        assert max(abs(mpmath.mpf(float(a)) / true(mpmath.mpf(float(u))) - 1) for a, u in zip(y, points)) <= most
    assert Kernel("float32", "float64", (piece,), (function,))(np.array([0.5], np.float32)).size


def test_a_false_certificate_of_a_formula_is_not_verified():
    whole = document(implement("log(2 + exp(x))", format="float32"))
    assert check(copy.deepcopy(whole), seconds=60).outcome == "verified"

    def judged(change):
        content = copy.deepcopy(whole)
        change(content)
        return check(content | {"hash": canonical_hash(content)}, seconds=60).outcome

    def smaller(content):
        content["facts"]["ulp"] = "1/2"

    def another_constant(content):
        steps = content["functions"][0]["steps"]
        place = next(k for k, step in enumerate(steps) if step[0] == "mul" and step[1] != "x")
        steps[place][2] = "0x1p-1" if steps[place][2] != "0x1p-1" else "0x1p-2"

    def earlier_tail(content):
        content["pieces"][0]["upper"] = "-1"

    assert "verified" not in {judged(change) for change in (smaller, another_constant, earlier_tail)}


@pytest.mark.parametrize("formula", ["sin(x^2)", pytest.param("sin(exp(-x^2) + x)", marks=pytest.mark.slow)])
def test_what_cannot_be_had_is_refused_with_the_true_reason(formula):
    with pytest.raises(
        NoKernel, match=r"near inputs .* neither the formula as code.*sine is reduced where it is one of a line"
    ):
        implement(formula, format="float32")


def test_zeros_are_known_beyond_the_format():
    found = implement("exp(x) - 2", format="float32")
    near = np.float32(LOG2)
    with mpmath.workprec(200):
        for x in (near, np.nextafter(near, np.float32(1)), np.nextafter(near, np.float32(0))):
            true = mpmath.exp(mpmath.mpf(float(x))) - 2
            y = float(code(found)(np.array([x], np.float32))[0])
            assert abs(Fraction(y) / Fraction(str(mpmath.nstr(true, 40))) - 1) < Fraction(1, 2**23)


def test_whole_powers_of_zero_are_zero_for_the_verifier():
    found = implement("max(0, x)^2", format="float32")
    assert verify(found, seconds=60).outcome == "verified"
    content = document(found)
    assert content["pieces"][0]["result"] == "0"
    content["pieces"][0]["result"] = "1"  # as if 0^2 were 1
    content["facts"]["at"][:3] = ["1", "1", "1"]
    assert check(content | {"hash": canonical_hash(content)}, seconds=60).outcome != "verified"


@pytest.mark.slow
def test_16_bits_have_no_number_where_there_is_no_value():
    found = implement("1 / sqrt(x)", format="float16")
    y = code(found)(np.array([-1.0, -0.0, 0.0, 4.0, inf], np.float32))
    assert np.array_equal(y, [np.nan, inf, inf, 0.5, found.facts.at[3]], equal_nan=True)
    assert found.facts.inputs == 63488
    assert found.facts.faithful <= 31743  # the positive numbers
    whole = document(found)
    assert check(copy.deepcopy(whole), seconds=60).outcome == "verified"
    names = [piece["result"] for piece in whole["pieces"]]

    def a_value(content):
        content["pieces"][names.index("nan")]["result"] = "1"
        content["facts"]["at"][0] = "1"

    def the_other_infinity(content):
        content["pieces"][1]["result"] = "-" + content["pieces"][1]["result"]
        content["facts"]["at"][1:3], content["facts"]["lowest"] = ["-inf", "-inf"], "-inf"

    def no_number(content):
        content["pieces"] = [{"upper": "1/1024", "steps": [], "result": "nan", "about": ""}, *content["pieces"][2:]]
        content["facts"]["at"][1:3] = ["nan", "nan"]

    for change in (a_value, the_other_infinity, no_number):
        content = copy.deepcopy(whole)
        change(content)
        assert check(content | {"hash": canonical_hash(content)}, seconds=60).outcome != "verified"


@pytest.mark.slow
@pytest.mark.parametrize(
    "formula",
    [
        "log(x)",
        "where(x > 0, log(x), 0)",
        "1 / x",
        "sqrt(x^2 - 1)",
        "log(abs(x - 1))",
        "sinh(x)",
        "cosh(x)",
        "asinh(x)",
        "acosh(x)",
    ],
)
def test_what_has_no_value_or_too_large_ones_is_found_in_bfloat16(formula):
    found = implement(formula, format="bfloat16")
    assert found.facts.ulp <= 1
    assert verify(found, seconds=120).outcome == "verified"


def test_an_infinity_belongs_to_the_branch_that_is_taken_on_both_sides():
    found = implement("where(x > 1 / 4, exp(x), log(x))", format="float32")
    assert list(code(found)(np.array([0.0, -0.0], np.float32))) == [-inf, -inf]
    assert verify(found, seconds=60).outcome == "verified"


@pytest.mark.slow
def test_an_infinity_at_the_end_of_a_branch_or_of_a_square():
    assert verify(implement("log1p(x)^2", format="float32"), seconds=60).outcome == "verified"
    found = implement("where(x >= 0, log(x), -1)", format="float32")
    assert np.isnan(code(found)(np.array([0.0], np.float32))).all()
    assert verify(found, seconds=60).outcome == "verified"


def test_a_constant_in_the_place_of_a_step_is_refused_where_the_same_node_was_seen_before():
    # v2 would be exp(-x)^2 with v1 in the place of the constant 1, which is equal to the number of that step.
    content = document(implement("exp(-x) * exp(-x)", format="float32", error=3))
    piece = content["pieces"][1]
    piece["steps"], piece["result"] = [["mul", "x", "-1"], ["exp", "v0"], ["mul", "v1", "v1"]], "v2"
    content["facts"]["ulp"] = "3"
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "verified"
    piece["steps"][2] = ["mul", "v1", "1"]
    content["hash"] = canonical_hash(content)
    assert check(content, 600).outcome == "refuted"


def test_a_product_may_have_three_factors():
    found = implement("x * (x^2 * 0)", format="float32", accumulate="float32")
    assert found.kernel(np.array([-2, 0.5, 3], dtype=np.float32)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "formula", ["sqrt(x^2 + 1) - x", "log(sqrt(x^2 + 1) + x / 2 * 2)", "sqrt((2 * x)^2 + 9) + 2 * x"]
)
def test_a_formula_that_is_settled_stays_as_it_is(formula):
    """The branch of a root that cancels was settled again and again, and code in its own format ended in an error."""
    tree = settled(parse_tree(formula, "x"))
    assert settled(tree) == uncancelled(tree) == tree


def test_quotients_of_polynomials_that_are_constant_are_numbers_for_the_verifier():
    assert shortened(read("acos(x / (-x))")) == ("acos", ("number", Fraction(-1)))
    assert shortened(read("(2 * x^2 - 2) / (3 - 3 * x^2) + x")) == ("+", ("number", Fraction(-2, 3)), ("x",))
    assert shortened(read("1 * expm1(x) + 2 * x")) == read("expm1(x) + 2 * x")  # as elu is written
    for other in ("x^2 / x", "x / (x + 1)", "exp(x) / exp(x)", "0 / x"):
        assert shortened(read(other)) == read(other)


@pytest.mark.slow
def test_a_refusal_says_where_nothing_follows_the_target():
    with pytest.raises(NoKernel, match=r"near inputs from .* neither the formula as code"):
        implement("exp(x) * sin(x)", format="float32")
