"""Formulas of the fuzz: one small tree, written as text for `fit` and evaluated here in mpmath or NumPy.

Nothing of ``rational_approx`` is used, so that a mistake in its parser, branches or enclosures cannot hide itself.
A tree is ``"x"``, a Fraction, or a tuple of an operator and its operands.
"""

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from scipy import special

Tree = Any

X = "x"
INFIX = {"+", "-", "*", "/", "^"}


def number(value: object) -> Fraction:
    """A constant of a tree, from its decimal notation."""
    return Fraction(str(value))


def text(tree: Tree) -> str:
    """The tree in the notation of expressions, fully parenthesised."""
    if tree == X:
        return "x"
    if isinstance(tree, Fraction):
        return f"({tree})" if tree < 0 or tree.denominator != 1 else str(tree)
    operator, *operands = tree
    if operator == "where":
        left, right, yes, no = map(text, operands)
        return f"where({left} > {right}, {yes}, {no})"
    if operator in INFIX:
        return f"({operator.join(map(text, operands))})"
    return f"{operator}({', '.join(map(text, operands))})"


def substitute(tree: Tree, inner: Tree) -> Tree:
    """The tree with ``inner`` in place of x."""
    if tree == X:
        return inner
    return tree if isinstance(tree, Fraction) else (tree[0], *(substitute(operand, inner) for operand in tree[1:]))


def precise(tree: Tree, x: mpmath.mpf) -> mpmath.mpf:
    """The value in mpmath at its working precision."""
    return with_functions(tree, x, PRECISE)


def with_functions(tree: Tree, x: Any, functions: dict[str, Any]) -> Any:
    """The value at a number of any kind, by a table of functions of that kind."""
    if tree == X:
        return x
    if isinstance(tree, Fraction):
        return (x * 0 + tree.numerator) / tree.denominator
    operator, *operands = tree
    if operator == "where":
        left, right = (with_functions(operand, x, functions) for operand in operands[:2])
        return with_functions(operands[2] if left > right else operands[3], x, functions)
    values = [with_functions(operand, x, functions) for operand in operands]
    return (ARITHMETIC.get(operator) or functions[operator])(*values)


def floats(tree: Tree, x: np.ndarray) -> np.ndarray:
    """The value in float64, for callables that hide their formula."""
    if tree == X:
        return x
    if isinstance(tree, Fraction):
        return np.full_like(x, float(tree))
    operator, *operands = tree
    values = [floats(operand, x) for operand in operands]
    if operator == "where":
        return np.where(values[0] > values[1], values[2], values[3])
    return FLOATS[operator](*values)


def switches(tree: Tree) -> list[Tree]:
    """The functions whose change of sign is a kink or a jump of the tree."""
    if tree == X or isinstance(tree, Fraction):
        return []
    operator, *operands = tree
    found = [switch for operand in operands for switch in switches(operand)]
    if operator in ("abs", "sign", "heaviside"):
        found.append(operands[0])
    elif operator in ("max", "min", "where"):
        found.append(("-", operands[0], operands[1]))
    elif operator == "clip":
        found += [("-", operands[0], operands[1]), ("-", operands[0], operands[2])]
    return found


def _softplus(x: mpmath.mpf) -> mpmath.mpf:
    return max(x, mpmath.mpf(0)) + mpmath.log1p(mpmath.exp(-abs(x)))


_BOTH = ("exp", "sqrt", "sin", "cos", "tanh", "expm1", "log1p", "log", "sign")
ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
}
PRECISE = ARITHMETIC | {
    **{
        name: getattr(mpmath, name)
        for name in ["exp", "sqrt", "sin", "cos", "tanh", "atan", "erf", "expm1", "log1p", "log", "sign"]
    },
    "abs": abs,
    "max": max,
    "min": min,
    "softplus": _softplus,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "heaviside": lambda x: (1 + mpmath.sign(x)) / 2,
    "clip": lambda x, low, high: min(max(x, low), high),
}
FLOATS = ARITHMETIC | {
    **{
        name: getattr(np, name)
        for name in ["exp", "sqrt", "sin", "cos", "tanh", "expm1", "log1p", "log", "sign", "abs"]
    },
    "atan": np.arctan,
    "erf": special.erf,
    "max": np.maximum,
    "min": np.minimum,
    "softplus": lambda x: np.logaddexp(x, 0),
    "sigmoid": special.expit,
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "clip": np.clip,
}


def _f(*parts: Any) -> Tree:
    return tuple(part if isinstance(part, str | tuple | Fraction) else number(part) for part in parts)


def _elu(slope: object, scale: object) -> Tree:
    return _f("*", number(scale), _f("where", X, 0, X, _f("*", number(slope), ("expm1", X))))


_SWITCH = _f("clip", _f("+", X, 3), 0, 6)
ZOO: dict[str, Tree] = {
    "relu": _f("max", X, 0),
    "leaky_relu": _f("where", X, 0, X, _f("*", number("0.01"), X)),
    "abs": ("abs", X),
    "gelu": _f("*", _f("/", X, 2), _f("+", 1, ("erf", _f("/", X, _f("sqrt", 2))))),
    "silu": ("*", X, ("sigmoid", X)),
    "sigmoid": ("sigmoid", X),
    "tanh": ("tanh", X),
    "erf": ("erf", X),
    "softplus": ("softplus", X),
    "mish": ("*", X, ("tanh", ("softplus", X))),
    "elu": _elu(1, 1),
    "celu": _elu(1, 1),
    "selu": _elu("1.6732632423543772848170429916717", "1.0507009873554804934193349852946"),
    "hardswish": _f("/", ("*", X, _SWITCH), 6),
    "hardsigmoid": _f("/", _SWITCH, 6),
    "hardtanh": _f("clip", X, -1, 1),
    "softsign": ("/", X, _f("+", 1, ("abs", X))),
}
"""The gates without a jump by name, written down a second time."""

KINKS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("relu", "leaky_relu", "abs", "elu", "celu", "selu", "softsign"), (0,)),
    **dict.fromkeys(("hardswish", "hardsigmoid"), (-3, 3)),
    "hardtanh": (-1, 1),
}
"""Where a gate switches."""
