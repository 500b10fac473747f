"""The expression language: reading, canonical text, evaluation in floats, to many digits, and rigorously."""

import pickle
import subprocess
import sys
import time
from fractions import Fraction
from math import inf

import flint
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import ExpressionError, parse
from rational_approx.expressions.from_sympy import from_sympy

X = st.fractions(min_value=Fraction(1, 8), max_value=Fraction(7, 8), max_denominator=1000)

TRUTHS = {
    "exp(x)": mpmath.exp,
    "log(x)": mpmath.log,
    "sqrt(x)": mpmath.sqrt,
    "sin(x) + cos(x) * tan(x)": lambda x: mpmath.sin(x) + mpmath.cos(x) * mpmath.tan(x),
    "sinh(x) - cosh(x) / tanh(x)": lambda x: mpmath.sinh(x) - mpmath.cosh(x) / mpmath.tanh(x),
    "asin(x) * acos(x) + atan(x)": lambda x: mpmath.asin(x) * mpmath.acos(x) + mpmath.atan(x),
    "asinh(x) + atanh(x) - acosh(1 + x)": lambda x: mpmath.asinh(x) + mpmath.atanh(x) - mpmath.acosh(1 + x),
    "erf(x) - 2 * erfc(3*x)": lambda x: mpmath.erf(x) - 2 * mpmath.erfc(3 * x),
    "gamma(x) + loggamma(x)": lambda x: mpmath.gamma(x) + mpmath.loggamma(x),
    "expm1(x) * log1p(x)": lambda x: mpmath.expm1(x) * mpmath.log1p(x),
    "sigmoid(-9*x)": lambda x: 1 / (1 + mpmath.exp(9 * x)),
    "softplus(4*x - 2)": lambda x: mpmath.log1p(mpmath.exp(4 * x - 2)),
    "x^3 - x^-2 + x^(1/3) + 2^x": lambda x: x**3 - x**-2 + mpmath.cbrt(x) + 2**x,
    "pi * x / e": lambda x: mpmath.pi * x / mpmath.e,
    "max(x, 1 - x) * min(x, 0.25)": lambda x: max(x, 1 - x) * min(x, mpmath.mpf(1) / 4),
    "abs(x - 0.5) + sign(x - 0.5) + heaviside(0.5 - x)": lambda x: (
        abs(x - 0.5) + mpmath.sign(x - 0.5) + (mpmath.sign(0.5 - x) + 1) / 2
    ),
    "where(x > 0.3, x, -x^2) + clip(8 * x - 4, -1, 1) + relu(x - 0.5)": lambda x: (
        (x if x > mpmath.mpf(3) / 10 else -(x**2)) + min(max(8 * x - 4, -1), 1) + max(x - 0.5, 0)
    ),
}


@pytest.mark.parametrize("text", TRUTHS)
@given(x=X)
@settings(max_examples=15, deadline=None)
def test_values_agree_with_mpmath(text: str, x: Fraction) -> None:
    with mpmath.workdps(60):
        truth = TRUTHS[text](mpmath.mpf(x.numerator) / x.denominator)
        formula = parse(text)
        assert abs(formula.mpf(x) - truth) <= mpmath.mpf(10) ** -55 * (1 + abs(truth))
        assert abs(formula(float(x)) - float(truth)) <= 1e-12 * (1 + abs(float(truth))) * (1 + 1 / float(x))
    with working_bits(120):
        assert abs(formula.ball(to_arb(x)) - flint.arb(mpmath.nstr(truth, 40))) < 1e-25


@pytest.mark.parametrize("text", TRUTHS)
@given(x=X, radius=st.sampled_from([Fraction(1, 10), Fraction(1, 100), Fraction(1, 10**9)]), at=st.integers(-8, 8))
@settings(max_examples=15, deadline=None)
def test_balls_hold_every_value_of_the_box(text: str, x: Fraction, radius: Fraction, at: int) -> None:
    formula = parse(text)
    inside = x + radius * Fraction(at, 8)
    with working_bits(100):
        box = to_arb(x - radius).union(to_arb(x + radius))
        value, point = formula.ball(box), formula.ball(to_arb(inside))
        assert not value.is_finite() or value.overlaps(point)
        try:
            series = formula.ball(flint.arb_series([box, 1], prec=3))
        except Undecided:
            return
        here = formula.ball(flint.arb_series([to_arb(inside), 1], prec=3))
        for k in range(3):
            assert not series[k].is_finite() or series[k].overlaps(here[k])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    if depth == 0:
        return draw(st.sampled_from(["x", "2", "0.25", "1e-3", "pi", "e", "1/3", "-x"]))
    inner = expressions(depth=depth - 1)
    kind = draw(st.sampled_from(["atom", "binary", "minus", "function", "where"]))
    if kind == "atom":
        return draw(expressions(depth=0))
    if kind == "binary":
        return f"({draw(inner)}) {draw(st.sampled_from('+-*/'))} ({draw(inner)})"
    if kind == "minus":
        return f"-({draw(inner)})"
    if kind == "where":
        return f"where({draw(inner)} {draw(st.sampled_from(['<', '<=', '>', '>=']))} 0, {draw(inner)}, {draw(inner)})"
    return f"{draw(st.sampled_from(['exp', 'abs', 'tanh', 'sign', 'relu', 'erf']))}({draw(inner)})"


@given(text=expressions(), x=st.floats(-2, 2))
@settings(max_examples=150, deadline=None)
def test_canonical_text_reads_back_as_the_same_expression(text: str, x: float) -> None:
    try:
        formula = parse(text)
    except ExpressionError:  # a division of numbers by zero, folded while reading
        assert "/ (" in text
        return
    again = parse(formula.text)
    assert again == formula
    assert again.text == formula.text
    assert hash(again) == hash(formula)
    np.testing.assert_equal(again(x), formula(x))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("__import__('os').system('x')", "position 11"),
        ("x.real", "position 1"),
        ("(lambda: x)()", "position 7"),
        ("eval(x)", "'eval'"),
        ("foo + x", "'foo'"),
        ("x x", "position 2"),
        ("x +", "ends too early: a number, the variable or a function is missing"),
        ("exp(", "ends too early"),
        ("exp(x", "ends too early: .\\). is missing"),
        ("", "ends too early"),
        ("(x", "'\\)'"),
        ("where(x, 1, 2)", "comparison"),
        ("x > 0", "'>'"),
        ("min(x)", "arguments"),
        ("1/0", "zero"),
        ("0^-1", "zero"),
        ("9**9**9", "bits"),
        ("9^9^9^9^9", "bits"),
        ("1e999999999", "too large"),
        ("9" * 5000, "too large"),
        ("x+" * 6000 + "x", "characters"),
        ("(" * 500 + "x" + ")" * 500, "deeper"),
        ("-" * 500 + "x", "signs"),
        ("sin(" * 200 + "x" + ")" * 200, "deeper"),
        ("x^" * 300 + "x", "deeper"),
        ("x\x00", "position 1"),
        ("ｘ", "position 0"),
    ],
)
def test_hostile_or_wrong_text_is_refused_quickly_and_clearly(text: str, hint: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError, match=hint):
        parse(text)
    assert time.perf_counter() - start < 0.5


def test_long_sums_are_read() -> None:
    assert parse("+".join(["x"] * 3000))(0.5) == 1500.0


@pytest.mark.parametrize(
    ("text", "points", "jumps"),
    [
        ("abs(x)", [0], []),
        ("max(x, 0)", [0], []),
        ("sign(x)", [0], [0]),
        ("where(x > 0.3, x, 0)", [Fraction(3, 10)], [Fraction(3, 10)]),
        ("x * clip(x + 3, 0, 6) / 6", [-3, 3], []),
        ("abs(abs(x) - 1)", [-1, 0, 1], []),
        ("where(x > 0, x, expm1(x))", [0], []),
        ("heaviside(x^2 - 4)", [-2, 2], [-2, 2]),
        ("exp(x)", [], []),
    ],
)
def test_breakpoints_and_jumps(text: str, points: list[Fraction], jumps: list[Fraction]) -> None:
    formula = parse(text)
    assert formula.breakpoints(Fraction(-5), Fraction(5)) == tuple(map(Fraction, points))
    assert formula.jumps(Fraction(-5), Fraction(5)) == tuple(map(Fraction, jumps))


def test_irrational_switches_are_found_to_400_bits() -> None:
    (point,) = parse("max(exp(x) - 2, 0)").breakpoints(Fraction(0), Fraction(3))
    with mpmath.workprec(500):
        assert abs(mpmath.mpf(point.numerator) / point.denominator - mpmath.log(2)) < mpmath.mpf(2) ** -400
    (root,) = parse("abs(x^3 - 2)").breakpoints(Fraction(0), Fraction(3))
    assert abs(root**3 - 2) < Fraction(1, 2**390)
    assert parse("where(exp(-x) < 0.5, 1, 0)").jumps(Fraction(0), inf)


def test_branches_are_decided_on_a_piece_and_only_where_that_is_proved() -> None:
    zero, one = Fraction(0), Fraction(1)
    assert parse("abs(x)").on(zero, one) == parse("x")
    assert parse("abs(x)").on(-one, zero) == parse("-x")
    assert parse("where(x > 0, 2, 1)").on(zero, one) == parse("2")
    assert parse("relu(x)").on(zero, inf) == parse("x")
    assert parse("sign(exp(x) - 0.5)").on(zero, one) == parse("1")
    assert parse("abs(x)").on(-one, one) == parse("abs(x)")
    with pytest.raises(Undecided):
        parse("abs(x)").ball(flint.arb_series([flint.arb(0, 1), 1], prec=2))


def test_values_at_switches() -> None:
    formula = parse("sign(x) + 10 * heaviside(x)")
    assert formula(0.0) == 5.0
    assert formula.mpf(0) == 5
    np.testing.assert_array_equal(formula(np.array([-1.0, 0.0, 1.0])), [-1.0, 5.0, 11.0])


def test_domains_of_roots_are_proved() -> None:
    assert parse("sqrt(x)").defined(Fraction(0), Fraction(1))
    assert parse("sqrt(1 - x^2)").defined(Fraction(-1), Fraction(1))
    assert not parse("sqrt(x - 0.5)").defined(Fraction(0), Fraction(1))
    assert parse("sqrt(x)").ball(flint.arb(0.5, 0.5)).contains(1)


def test_sympy_expressions_are_read_not_evaluated() -> None:
    t = sympy.Symbol("t")
    formula = from_sympy(sympy.Piecewise((t, t > 0), (sympy.exp(t) - 1, True)))
    assert formula.variable == "t"
    assert formula(-1.0) == pytest.approx(np.expm1(-1.0), abs=1e-15)
    both = from_sympy(sympy.Piecewise((1, (t > 0) & (t < 1)), (0, True)))
    np.testing.assert_array_equal(both(np.array([-0.5, 0.5, 1.5])), [0.0, 1.0, 0.0])
    with pytest.raises(ExpressionError, match="one variable"):
        from_sympy(t + sympy.Symbol("u"))
    with pytest.raises(ExpressionError, match="fresnels"):
        from_sympy(sympy.fresnels(t))
    for value in (sympy.zeta(t), sympy.besselj(0, t), sympy.LambertW(t), sympy.digamma(t), sympy.sinc(t)):
        assert from_sympy(value)(2.5) == pytest.approx(float(value.subs(t, 2.5)), rel=1e-13)


def test_a_pickled_expression_is_equal_in_another_process() -> None:
    formula = parse("sin(x) / x + 1")
    assert formula in {formula}
    text = pickle.dumps(formula).hex()
    code = (
        "import pickle; from rational_approx.expressions.expression import parse; "
        f"print(pickle.loads(bytes.fromhex('{text}')) in {{parse('sin(x) / x + 1')}})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True"]


def test_exact_rational_numbers_survive() -> None:
    with working_bits(300):
        value = parse("1/3 + 0.1").ball(flint.arb(0))
        assert abs(to_fraction(value) - Fraction(13, 30)) < Fraction(1, 2**290)


@pytest.mark.parametrize(
    ("text", "small"),
    [("log(1 + x)", 1e-20), ("log(1 + x + x^2)", 1e-20), ("exp(x) - 1", 1e-20), ("1 - exp(-x)", 1e-20)],
)
def test_floats_keep_their_digits_beside_a_zero(text, small):
    assert parse(text)(small) == small
