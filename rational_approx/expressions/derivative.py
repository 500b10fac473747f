"""The derivative of an expression, as an expression again, by the rules of differentiation.

At a switch both one-sided derivatives count, as everywhere; where they differ, the derivative jumps.
"""

from collections.abc import Callable

from rational_approx.expressions.nodes import ExpressionError, Node, build, number, text

__all__ = ["derivative"]

ZERO, ONE, TWO = number(0), number(1), number(2)


def _square(u: Node) -> Node:
    return build("^", u, TWO)


def _over(top: Node, bottom: Node) -> Node:
    return ZERO if top.value == 0 else top if bottom.value == 1 else build("/", top, bottom)


def _times(u: Node, v: Node) -> Node:
    if u.value == 0 or v.value == 0:
        return ZERO
    return v if u.value == 1 else u if v.value == 1 else build("*", u, v)


def _plus(u: Node, v: Node) -> Node:
    return v if u.value == 0 else u if v.value == 0 else build("+", u, v)


def _minus(u: Node) -> Node:
    return build("neg", u)


def _gauss(u: Node) -> Node:
    return build("*", build("/", TWO, build("sqrt", Node("pi"))), build("exp", _minus(_square(u))))


def _root(inside: Node) -> Node:
    return _over(ONE, build("sqrt", inside))


_OUTER: dict[str, Callable[[Node], Node]] = {
    "exp": lambda u: build("exp", u),
    "expm1": lambda u: build("exp", u),
    "log": lambda u: _over(ONE, u),
    "log1p": lambda u: _over(ONE, build("+", ONE, u)),
    "sqrt": lambda u: _over(ONE, build("*", TWO, build("sqrt", u))),
    "sin": lambda u: build("cos", u),
    "cos": lambda u: _minus(build("sin", u)),
    "tan": lambda u: build("+", ONE, _square(build("tan", u))),
    "sinh": lambda u: build("cosh", u),
    "cosh": lambda u: build("sinh", u),
    "tanh": lambda u: _over(ONE, _square(build("cosh", u))),
    "asin": lambda u: _root(build("+", ONE, _minus(_square(u)))),
    "acos": lambda u: _minus(_root(build("+", ONE, _minus(_square(u))))),
    "atan": lambda u: _over(ONE, build("+", ONE, _square(u))),
    "asinh": lambda u: _root(build("+", ONE, _square(u))),
    "acosh": lambda u: _root(build("+", _square(u), number(-1))),
    "atanh": lambda u: _over(ONE, build("+", ONE, _minus(_square(u)))),
    "erf": _gauss,
    "erfc": lambda u: _minus(_gauss(u)),
    "sigmoid": lambda u: build("*", build("sigmoid", u), build("sigmoid", _minus(u))),
    "softplus": lambda u: build("sigmoid", u),
    "abs": lambda u: build("where", build("<", u, ZERO), number(-1), ONE),
    "sign": lambda u: ZERO,
    "heaviside": lambda u: ZERO,
}
"""The derivatives of the functions of one argument."""


def derivative(node: Node) -> Node:
    """The derivative of a tree with respect to its variable.

    Raises
    ------
    ExpressionError
        for a function whose derivative is not in the language, or where the tree would be too large.

    >>> from rational_approx.expressions.parser import parse_tree
    >>> text(derivative(parse_tree("x^3 * sin(2 * x)", "x")))
    '3 * x ^ 2 * sin(2 * x) + x ^ 3 * cos(2 * x) * 2'
    """
    kind, parts = node.operator, node.arguments
    if node.value is not None or kind in ("pi", "e"):
        return ZERO
    if kind == "variable":
        return ONE
    if kind == "where":
        condition, yes, no = parts
        return build("where", condition, derivative(yes), derivative(no))
    if kind in ("min", "max"):
        first, second = parts
        condition = build("<" if kind == "min" else ">", first, second)
        return build("where", condition, derivative(first), derivative(second))
    slopes = [derivative(part) for part in parts]
    if all(slope.value == 0 for slope in slopes):
        return ZERO
    if kind == "neg":
        return _minus(slopes[0])
    if kind == "+":
        return _folded(_plus, slopes)
    if kind == "*":
        products = (_folded(_times, [*parts[:k], slope, *parts[k + 1 :]]) for k, slope in enumerate(slopes))
        return _folded(_plus, list(products))
    if kind == "/":
        (u, v), (du, dv) = parts, slopes
        whole = _over(du, v)
        return whole if dv.value == 0 else _plus(whole, _minus(_over(_times(u, dv), _square(v))))
    if kind == "^":
        return _power(*parts, *slopes)
    if kind not in _OUTER:
        raise ExpressionError(f"the derivative of {text(node)} is not in the language: give it as a Python function")
    return _times(_OUTER[kind](parts[0]), slopes[0])


def _folded(operation: Callable[[Node, Node], Node], nodes: list[Node]) -> Node:
    total = nodes[0]
    for node in nodes[1:]:
        total = operation(total, node)
    return total


def _power(u: Node, v: Node, du: Node, dv: Node) -> Node:
    if v.value is not None:
        if v.value == 0:
            return ZERO
        lowered = ONE if v.value == 1 else u if v.value == 2 else build("^", u, number(v.value - 1))
        return _times(_times(v, lowered), du)
    growth = _times(dv, build("log", u))  # (u^v)' = u^v (v log u)'
    return _times(build("^", u, v), growth if du.value == 0 else _plus(growth, _over(_times(v, du), u)))
