"""Expression trees in normal form: immutable nodes, the constructors that keep them normal, and their text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from rational_approx.arithmetic.values import Value

__all__ = [
    "FUNCTIONS",
    "LIMIT_BITS",
    "LIMIT_DEPTH",
    "ORDERS",
    "ExpressionError",
    "Node",
    "build",
    "evaluate",
    "number",
    "text",
]

LIMIT_BITS = 8192
"""No exact number in an expression may need more bits than this in its numerator or its denominator."""
LIMIT_DEPTH = 100
"""No expression may nest deeper than this."""

FUNCTIONS = {
    **dict.fromkeys(
        ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan"), (1, 1)
    ),
    **dict.fromkeys(("asinh", "acosh", "atanh", "erf", "erfc", "gamma", "loggamma", "expm1", "log1p"), (1, 1)),
    **dict.fromkeys(("sigmoid", "softplus", "abs", "sign", "heaviside"), (1, 1)),
    **dict.fromkeys(("lambertw", "airyai", "airybi", "zeta", "digamma", "sinc", "erfinv", "dawson"), (1, 1)),
    **dict.fromkeys(("besselj", "bessely", "besseli", "besselk", "gammainc", "gammaincc"), (2, 2)),
    **dict.fromkeys(("relu", "gelu", "silu", "mish", "elu", "hardswish"), (1, 1)),
    "min": (2, 16),
    "max": (2, 16),
    "clip": (3, 3),
    "where": (3, 3),
}
"""Every function of the language, with the least and the largest number of its arguments."""
ORDERS = {
    **dict.fromkeys(("besselj", "bessely", "besseli", "besselk"), (Fraction(-100), Fraction(100))),
    **dict.fromkeys(("gammainc", "gammaincc"), (Fraction(1, 1000), Fraction(1000))),
}
"""Functions whose first argument is a constant order, with its least and its largest value."""


class ExpressionError(ValueError):
    """An expression is not in the language, or would be too large; the message says where and what is allowed."""


@dataclass(frozen=True)
class Node(Value):
    """One node: its operator, its arguments, and for ``"number"`` its exact value.

    Operators are ``number``, ``pi``, ``e``, ``variable``, ``+`` and ``*`` (two or more arguments), ``neg``, ``/``,
    ``^``, the comparisons ``< <= > >=`` and the functions of the language.
    """

    operator: str
    arguments: tuple["Node", ...] = ()
    value: Fraction | None = None
    depth: int = field(default=1, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # once for each node: a tree is looked up again at every evaluation
        return hash((self.operator, self.arguments, self.value))

    def __getstate__(self) -> dict[str, Any]:
        # Hashes of strings differ between processes: this one is not taken along.
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    def walk(self) -> Iterator["Node"]:
        """Every node of the tree, arguments before the node that holds them."""
        for argument in self.arguments:
            yield from argument.walk()
        yield self


def number(value: Fraction | int) -> Node:
    """An exact number; raises ``ExpressionError`` beyond ``LIMIT_BITS``."""
    value = Fraction(value)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > LIMIT_BITS:
        raise ExpressionError(f"a number of the expression needs more than {LIMIT_BITS} bits: scale the problem")
    return Node("number", (), value)


def _make(operator: str, *arguments: Node) -> Node:
    depth = 1 + max(a.depth for a in arguments)
    if depth > LIMIT_DEPTH:
        raise ExpressionError(f"the expression nests deeper than {LIMIT_DEPTH} levels: simplify it")
    return Node(operator, arguments, None, depth)


def _chain(operator: str, fold: Callable[[Fraction, Fraction], Fraction], first: Node, *rest: Node) -> Node:
    # One argument after the other, numbers folded as they meet: the same normal form as reading the text again.
    total = list(first.arguments) if first.operator == operator else [first]
    for node in rest:
        for part in node.arguments if node.operator == operator else (node,):
            if len(total) == 1 and total[0].value is not None and part.value is not None:
                total = [number(fold(total[0].value, part.value))]
            else:
                total.append(part)
    return total[0] if len(total) == 1 else _make(operator, *total)


def _power(base: Node, exponent: Node) -> Node:
    if base.value is None or exponent.value is None or exponent.value.denominator != 1:
        return _make("^", base, exponent)
    n = exponent.value.numerator
    if not base.value and n < 0:
        raise ExpressionError("division by zero: zero is raised to a negative power")
    bits = max(base.value.numerator.bit_length(), base.value.denominator.bit_length())
    if bits > 1 and bits * min(abs(n), LIMIT_BITS + 1) > LIMIT_BITS + bits:
        raise ExpressionError(f"a power of numbers needs more than {LIMIT_BITS} bits: scale the problem")
    return number(base.value ** (n if bits > 1 else n % 2 if n % 2 or n == 0 else 2))


def build(operator: str, *arguments: Node) -> Node:
    """The normal form of an operator on normal arguments: numbers folded, sums and products flat, sugar resolved.

    >>> text(build("+", number(1), build("+", number(2), Node("variable"))))
    '3 + x'
    """
    first, *rest = arguments
    if operator == "+":
        return _chain("+", lambda a, b: a + b, first, *rest)
    if operator == "*":
        return _chain("*", lambda a, b: a * b, first, *rest)
    if operator == "neg":
        return number(-first.value) if first.value is not None else _make("neg", first)
    if operator == "/":
        if rest[0].value == 0:
            raise ExpressionError("division by zero")
        if first.value is not None and rest[0].value is not None:
            return number(first.value / rest[0].value)
        return _make("/", first, rest[0])
    if operator == "^":
        return _power(first, rest[0])
    if operator in ORDERS:
        least, most = ORDERS[operator]
        if first.value is None or not least <= first.value <= most:
            raise ExpressionError(
                f"the order of {operator} is its first argument, a number from {least} to {most}: {operator}(1, x)"
            )
    if operator in _GATES:
        return _GATES[operator](first)
    if operator == "clip":
        return _make("min", _make("max", first, rest[0]), rest[1])
    if operator in ("min", "max") and len(rest) > 1:
        return _make(operator, build(operator, first, *rest[:-1]), rest[-1])
    return _make(operator, first, *rest)


def _gelu(u: Node) -> Node:
    share = build("+", number(1), build("erf", build("/", u, build("sqrt", number(2)))))
    return build("*", build("/", u, number(2)), share)


def _hardswish(u: Node) -> Node:
    return build("/", build("*", u, build("clip", build("+", u, number(3)), number(0), number(6))), number(6))


_GATES: dict[str, Callable[[Node], Node]] = {
    "relu": lambda u: _make("max", u, number(0)),
    "gelu": _gelu,
    "silu": lambda u: build("*", u, build("sigmoid", u)),
    "mish": lambda u: build("*", u, build("tanh", build("softplus", u))),
    "elu": lambda u: build("where", build(">", u, number(0)), u, build("expm1", u)),
    "hardswish": _hardswish,
}
"""Gates that are written with the other functions: no other part of the language knows them."""

# -- text ---------------------------------------------------------------------------------------------------------

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)


def _decimal(value: Fraction) -> str | None:
    # Exact decimal of a non-negative fraction, where it has one of at most 60 places.
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 61):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(scaled.numerator).rjust(places + 1, "0")
            return f"{digits[:-places]}.{digits[-places:]}"
    return None


def _number_text(value: Fraction) -> tuple[str, int]:
    decimal = _decimal(abs(value))
    body, level = (decimal, ATOM) if decimal else (f"{abs(value.numerator)}/{value.denominator}", PRODUCT)
    return (body, level) if value >= 0 else (f"-{body}", min(level, UNARY))


def _write(node: Node, variable: str) -> tuple[str, int]:
    def inside(part: Node, least: int) -> str:
        body, level = _write(part, variable)
        return body if level >= least else f"({body})"

    kind, parts = node.operator, node.arguments
    if node.value is not None:
        return _number_text(node.value)
    if kind == "variable":
        return variable, ATOM
    if kind in ("pi", "e"):
        return kind, ATOM
    if kind == "+":
        out = inside(parts[0], SUM + 1)
        for part in parts[1:]:
            if part.operator == "neg":
                out += f" - {inside(part.arguments[0], PRODUCT)}"
            elif part.value is not None and part.value < 0:
                out += f" - {_number_text(-part.value)[0]}"
            else:
                out += f" + {inside(part, PRODUCT)}"
        return out, SUM
    if kind == "*":
        return " * ".join([inside(parts[0], PRODUCT), *(inside(part, UNARY) for part in parts[1:])]), PRODUCT
    if kind == "/":
        return f"{inside(parts[0], PRODUCT)} / {inside(parts[1], UNARY)}", PRODUCT
    if kind == "neg":
        return f"-{inside(parts[0], POWER)}", UNARY
    if kind == "^":
        return f"{inside(parts[0], ATOM)} ^ {inside(parts[1], ATOM)}", POWER
    if kind in ("<", "<=", ">", ">="):
        return f"{inside(parts[0], SUM)} {kind} {inside(parts[1], SUM)}", SUM
    return f"{kind}({', '.join(inside(part, SUM) for part in parts)})", ATOM


def text(node: Node, variable: str = "x") -> str:
    """The canonical text of a tree: reading it again gives an equal tree."""
    return _write(node, variable)[0]


def evaluate(node: Node, x: Any, table: dict[str, Callable[..., Any]]) -> Any:
    """Fold a tree with one function for each operator; ``table["number"]`` receives the exact fraction.

    ``table["where"]`` receives the comparison's operator, both of its sides, and two functions that evaluate the
    branches, so that a branch is evaluated only where it is taken. A function of an order receives the exact fraction.
    Where there is a ``table["holes"]``, it receives quotients and products with their trees: see ``holes.py``.
    """
    if node.value is not None:
        return table["number"](node.value)
    kind = node.operator
    if kind == "variable":
        return x
    if kind in ("pi", "e"):
        return table[kind]()
    if kind == "where":
        condition, yes, no = node.arguments
        left, right = (evaluate(side, x, table) for side in condition.arguments)
        return table["where"](
            condition.operator, left, right, lambda: evaluate(yes, x, table), lambda: evaluate(no, x, table)
        )
    if kind == "^":
        base, exponent = node.arguments
        if exponent.value is not None:
            return table["power"](evaluate(base, x, table), exponent.value)
    if kind in ORDERS:
        return table[kind](node.arguments[0].value, evaluate(node.arguments[1], x, table))
    if kind in ("/", "*") and "holes" in table:
        return table["holes"](node, x, table)
    return table[kind](*[evaluate(argument, x, table) for argument in node.arguments])
