"""Functions written with others, which have operations of their own: the usual way, and one that keeps small results.

There are also forms for far out, where a sum with a large exponential, or a square, would be too large.
"""

from collections.abc import Callable

from rational_approx.expressions.nodes import Node, number

__all__ = ["CAREFULLY", "CAREFULLY_CALLED", "MINUS", "ONE", "REWRITTEN", "TWO", "inverse_far", "node"]

ONE, TWO, MINUS = number(1), number(2), number(-1)


def node(operator: str, *arguments: Node) -> Node:
    """A node as it stands."""
    # Sums in sums are not made one, so that the order of the operations is that of the table.
    return Node(operator, arguments)


def _asinh(u: Node, negative: bool) -> Node:
    if negative:
        return node("neg", _asinh(node("neg", u), False))
    return node("log", node("+", u, node("sqrt", node("+", node("^", u, TWO), ONE))))


def _acosh(u: Node, _: bool) -> Node:
    return node("log", node("+", u, node("sqrt", node("+", node("^", u, TWO), MINUS))))


def _atanh(u: Node, _: bool) -> Node:
    ratio = node("/", node("+", ONE, u), node("+", ONE, node("neg", u)))
    return node("/", node("log", ratio), TWO)


def _sinh(u: Node, _: bool) -> Node:
    e = node("exp", u)
    return node("/", node("+", e, node("neg", node("/", ONE, e))), TWO)


def _cosh(u: Node, _: bool) -> Node:
    e = node("exp", u)
    return node("/", node("+", e, node("/", ONE, e)), TWO)


def inverse_far(kind: str, u: Node, negative: bool) -> Node:
    """An inverse hyperbolic function without a square that is large far out."""
    if negative and kind == "asinh":
        return node("neg", inverse_far(kind, node("neg", u), False))
    square = node("^", node("/", ONE, u), TWO)
    root = node("sqrt", node("+", ONE, square if kind == "asinh" else node("neg", square)))
    return node("+", node("log", u), node("log", node("+", ONE, root)))


def _tanh(u: Node, _: bool) -> Node:
    difference = node("expm1", node("*", TWO, u))
    return node("/", difference, node("+", difference, TWO))


def _careful_sinh(u: Node, _: bool) -> Node:
    difference = node("expm1", u)
    return node("/", node("+", difference, node("/", difference, node("+", difference, ONE))), TWO)


def _careful_asinh(u: Node, negative: bool) -> Node:
    if negative:
        return node("neg", _careful_asinh(node("neg", u), False))
    square = node("^", u, TWO)
    root = node("sqrt", node("+", square, ONE))
    return node("log1p", node("+", u, node("/", square, node("+", root, ONE))))


def _careful_acosh(u: Node, _: bool) -> Node:
    over = node("+", u, MINUS)
    return node("log1p", node("+", over, node("sqrt", node("*", over, node("+", u, ONE)))))


def _careful_atanh(u: Node, _: bool) -> Node:
    ratio = node("/", node("*", TWO, u), node("+", ONE, node("neg", u)))
    return node("/", node("log1p", ratio), TWO)


def _asin(u: Node, _: bool) -> Node:
    root = node("sqrt", node("*", node("+", ONE, node("neg", u)), node("+", ONE, u)))
    return node("*", TWO, node("atan", node("/", u, node("+", root, ONE))))


def _acos(u: Node, negative: bool) -> Node:
    below, above = node("+", ONE, node("neg", u)), node("+", ONE, u)
    if negative:
        half = node("atan", node("sqrt", node("/", above, below)))
        return node("+", Node("pi"), node("neg", node("*", TWO, half)))
    return node("*", TWO, node("atan", node("sqrt", node("/", below, above))))


CAREFULLY_CALLED = ("expm1", "log1p", "atan")
"""Functions of their own in a careful style."""
CAREFULLY: dict[str, Callable[[Node, bool], Node]] = {
    "tanh": _tanh,
    "sigmoid": lambda u, _: node("/", ONE, node("+", ONE, node("exp", node("neg", u)))),
    "softplus": lambda u, _: node("log1p", node("exp", u)),
    "sinh": _careful_sinh,
    "asinh": _careful_asinh,
    "acosh": _careful_acosh,
    "atanh": _careful_atanh,
    "asin": _asin,
    "acos": _acos,
}
"""Functions written with others in a careful style, where they keep the digits of small results."""
REWRITTEN: dict[str, Callable[[Node, bool], Node]] = {
    "log1p": lambda u, _: node("log", node("+", ONE, u)),
    "expm1": lambda u, _: node("+", node("exp", u), MINUS),
    "tan": lambda u, _: node("/", node("sin", u), node("cos", u)),
    "sinh": _sinh,
    "cosh": _cosh,
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
}
"""Functions written with others; the second argument says that the first one is negative far out."""
