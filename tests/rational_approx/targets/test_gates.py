"""The zoo against independent formulas, and its domains."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from rational_approx.expressions.expression import parse
from rational_approx.targets import gates
from rational_approx.targets.target import Target

FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "jumprelu": lambda x: x if x > 0.3 else 0.0,
    "topk": lambda x: x if x > 0.3 else 0.0,
    "heaviside": lambda x: 1.0 if x > 0 else 0.0,
    "sign": lambda x: math.copysign(1.0, x),
    "abs": abs,
    "gelu": lambda x: x / 2 * math.erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "erf": math.erf,
    "softplus": lambda x: math.log1p(math.exp(x)),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "celu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "hardtanh": lambda x: min(max(x, -1), 1),
    "softsign": lambda x: x / (1 + abs(x)),
    "relu6": lambda x: min(max(x, 0), 6),
    "hardshrink": lambda x: x if abs(x) > 0.5 else 0.0,
    "softshrink": lambda x: math.copysign(max(abs(x) - 0.5, 0), x),
    "tanhshrink": lambda x: x - math.tanh(x),
    "logsigmoid": lambda x: -math.log1p(math.exp(-x)),
    "threshold": lambda x: x if x > 0.1 else 20.0,
}


def test_every_gate_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(gates.NAMES)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_target(name: str) -> None:
    gate = gates.NAMES[name]()
    assert gate.name == name
    formula = parse(gate.expression)
    assert formula.text == gate.expression
    for lower, upper in gate.domain.intervals:
        for x in np.linspace(float(lower), float(upper), 101):
            if x != 0:
                assert formula(x) == pytest.approx(FORMULAS[name](x), rel=1e-12, abs=1e-14)
    assert formula.breakpoints(gate.domain.lower, gate.domain.upper) == gate.breakpoints
    assert Target(name).domain == gate.domain


def test_parameters_are_exact() -> None:
    gate = gates.jumprelu(threshold=0.3, gap=0.05)
    assert gate.breakpoints == (Fraction(3, 10),)
    assert gate.domain.intervals == ((Fraction(-1), Fraction(1, 4)), (Fraction(7, 20), Fraction(1)))
    assert gates.jumprelu(threshold=5).domain.upper == Fraction(101, 10)
    assert parse(gates.leaky_relu(0.2).expression)(-1.0) == -0.2
    assert parse(gates.celu(2).expression)(-2.0) == pytest.approx(2 * math.expm1(-1.0), rel=1e-15)


def test_gelu_to_fifty_digits() -> None:
    with mpmath.workdps(50):
        x = mpmath.mpf(-7) / 3
        truth = x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2
        assert abs(parse(gates.gelu().expression).mpf(x) / truth - 1) < mpmath.mpf(10) ** -48


def test_lookup() -> None:
    gate = gates.relu()
    assert gates.find(gate) is gate
    assert gates.find("gelu") == gates.gelu()
    assert gates.find("tanh(x)") is None
    assert gates.find(3) is None


@pytest.mark.parametrize("gap", [0, -0.1])
def test_useless_gaps_are_refused(gap: float) -> None:
    with pytest.raises(ValueError, match="gap"):
        gates.sign(gap)


@pytest.mark.parametrize(("threshold", "gap"), [(0, 2), (0.9, 1), (5, 7), (-3, 0.5)])
def test_the_domain_always_has_both_sides(threshold: float, gap: float) -> None:
    domain = gates.jumprelu(threshold, gap).domain
    assert len(domain.intervals) == 2
    assert domain.lower == -domain.upper


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        gates.celu(0)
    with pytest.raises(ValueError, match="finite number"):
        gates.jumprelu(threshold=math.nan)
    with pytest.raises(ValueError, match="lower < upper"):
        gates.hardtanh(1, -1)
    with pytest.raises(ValueError, match="0 < gap < threshold"):
        gates.hardshrink(threshold=0.5, gap=0.5)


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "mish", "hardswish"])
def test_gates_may_be_part_of_an_expression(name):
    assert parse(f"{name}(x)").text == gates.find(name).expression
    assert parse(f"1 + {name}(2*x)")(0.7) == pytest.approx(1 + parse(gates.find(name).expression)(1.4), rel=1e-14)
