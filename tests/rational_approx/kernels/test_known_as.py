"""A function by another name has the same values at the same inputs: held to mpmath, branch by branch."""

from typing import Any

import mpmath
import pytest

from rational_approx.expressions.nodes import text
from rational_approx.expressions.parser import parse_tree
from rational_approx.kernels.identities import settled
from tests.adversaries.kernels import truth_of

FAST = ("sinc({u})", "{u} + {u}", "softplus({u}) - ({u})", "log({u} + sqrt(({u})^2 + 1))")
SLOW = (
    *("({u}) - softplus({u})", "log({u} + sqrt(({u})^2 - 1))", "sqrt(({u})^2 + 1) - ({u})"),
    *("log((1 + {u}) / (1 - ({u})))", "log(1 + {u}) - log(1 - ({u}))", "log(2 + {u}) - log(2 - ({u}))"),
    *("log(({u})^2)", "1 - cos({u})", "({u})^2 - 1", "exp({u}) / (exp({u}) + 1)^2", "log(1 + exp({u}))"),
)
PARTS = (
    *("x", "-x", "3 * x", "x / 3 - 1", "x^2", "-(x^2)", "sqrt(x)", "1 / x", "0", "2", "-1/2", "pi"),
    *("abs(x)", "x - abs(x)", "max(x, 0)", "min(x, 1 / 2)", "where(x > 1, x, 0)", "where(x <= 1, x - 1, x^2)"),
    *("sign(x)", "heaviside(x - 1)", "tanh(x)", "x - x", "(x + 1) - x", "max(x, 0) + min(x, 0)"),
)
POINTS = (-7.25, -1.0, -0.5, 0.0, 0.5, 0.75, 1.0, 1.5, 3.0)


def value(expression: str, x: float) -> Any:
    with mpmath.workprec(300):
        return truth_of(expression)(x)


def is_hole(expression: str, x: float) -> bool:
    """Whether a formula without a value at x has some next to x: limits fill such holes."""
    return [value(expression, x + side * 2.0**-40) for side in (-1, 1)] != [None] * 2


@pytest.mark.parametrize("form", [*FAST, *(pytest.param(form, marks=pytest.mark.slow) for form in SLOW)])
def test_both_have_the_same_values(form: str) -> None:
    changed = 0
    for part in PARTS:
        given = form.format(u=part)
        tree = parse_tree(given, "x")
        other = text(settled(tree))
        changed += other != text(tree)
        for x in POINTS:
            wanted, got = value(given, x), value(other, x)
            if wanted is None or got is None:
                assert wanted is None or is_hole(other, x), (given, other, x)
                assert got is None, (given, other, x)
            else:
                assert abs(wanted - got) <= mpmath.mpf(2) ** -150 * max(1, abs(wanted)), (given, other, x)
    assert changed
