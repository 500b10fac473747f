"""What code without this package gives: the formula as textbooks write it, each operation rounded to the format."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.expressions.expression import FLOATS, Expression
from rational_approx.expressions.nodes import FUNCTIONS, Node, build, evaluate, number
from rational_approx.kernels.numbers import rounded

__all__ = ["textbook", "textbook_operations", "textbook_outputs"]

_ONE = number(1)


def _tanh(u: Node) -> Node:
    up, down = build("exp", u), build("exp", build("neg", u))
    return build("/", build("+", up, build("neg", down)), build("+", up, down))


_WRITTEN: dict[str, Callable[[Node], Node]] = {
    "sigmoid": lambda u: build("/", _ONE, build("+", _ONE, build("exp", build("neg", u)))),
    "softplus": lambda u: build("log", build("+", _ONE, build("exp", u))),
    "expm1": lambda u: build("+", build("exp", u), number(-1)),
    "log1p": lambda u: build("log", build("+", _ONE, u)),
    "tanh": _tanh,
}
"""Functions that exist to keep digits, by their definitions."""


def textbook(tree: Node) -> Node:
    """The formula with exp, log, erf and the like alone.

    >>> from rational_approx.expressions.expression import parse
    >>> str(Expression(textbook(parse("x * sigmoid(x)").tree)))
    'x * (1 / (1 + exp(-x)))'
    """
    if not tree.arguments:
        return tree
    parts = [textbook(part) for part in tree.arguments]
    return _WRITTEN[tree.operator](parts[0]) if tree.operator in _WRITTEN else build(tree.operator, *parts)


def textbook_operations(target: Expression) -> str:
    """The operations of the formula on x, negations too, what occurs twice once, and the functions that it calls.

    >>> from rational_approx.expressions.expression import parse
    >>> textbook_operations(parse("tanh(x)"))
    '5 + 2 exp'
    """
    nodes = [node for node in dict.fromkeys(textbook(target.tree).walk()) if node.arguments and _of_x(node)]
    plain = ("+", "*", "/", "neg", "abs", "min", "max", "<", "<=", ">", ">=", "^", "sign")
    own = sum(max(1, len(node.arguments) - 1) for node in nodes if node.operator in plain)
    names = [node.operator for node in nodes if node.operator in FUNCTIONS and node.operator not in (*plain, "where")]
    calls = (f"{names.count(name)} {name}".removeprefix("1 ") for name in dict.fromkeys(names))
    return " + ".join([*([str(own)] if own or not names else []), *calls])


def _of_x(node: Node) -> bool:
    return any(part.operator == "variable" for part in node.walk())


def textbook_outputs(target: Expression, format: str, x: np.ndarray) -> np.ndarray:
    """Its values at numbers of the format, in float32, as x: every operation, and every function of a library, is
    correctly rounded."""

    def pairwise(operation: Callable[..., Any]) -> Callable[..., Any]:
        def of(first: Any, *rest: Any) -> Any:
            for part in rest:
                first = round_off(operation(first, part))
            return first

        return of

    def round_off(values: Any) -> np.ndarray:
        return rounded(np.asarray(values, dtype=np.float64).astype(np.float32), format).astype(np.float64)

    def once(operation: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: round_off(operation(*given))

    table = {name: once(operation) for name, operation in FLOATS.items() if name != "holes"}
    table |= {
        "+": pairwise(np.add),
        "*": pairwise(np.multiply),
        "where": FLOATS["where"],
        "number": lambda value: np.float64(round_to(Fraction(value), format)),
    }
    with np.errstate(all="ignore"):
        out = evaluate(textbook(target.tree), x.astype(np.float64), table)
    return np.broadcast_to(out, x.shape).astype(np.float32)
