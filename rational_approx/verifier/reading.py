"""The verifier: exact numbers and expressions from the text of a certificate.

Standard library only.
"""

import ast
import re
import time
from fractions import Fraction
from math import inf
from typing import Any

__all__ = ["SWITCHED", "Failure", "Late", "chosen", "in_time", "need", "number", "read"]

SWITCHED = ("abs", "sign", "heaviside", "min", "max", "where")
SMOOTH = (
    *(
        "exp",
        "log",
        "sqrt",
        "erf",
        "erfc",
        "tanh",
        "sinh",
        "cosh",
        "sigmoid",
        "softplus",
        "expm1",
        "log1p",
        "sin",
        "cos",
    ),
    *("tan", "atan", "asin", "acos", "asinh", "acosh", "atanh", "gamma", "loggamma"),
)
OPERATORS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}


class Failure(Exception):
    """Something in a certificate could not be confirmed."""


class Late(Exception):
    """The time that was given is over."""


def need(condition: object, message: str) -> None:
    """Raise `Failure` unless a condition holds."""
    if not condition:
        raise Failure(message)


def in_time(deadline: float) -> None:
    """Raise `Late` when the time is over."""
    if time.monotonic() > deadline:
        raise Late("the check takes longer than it may: give it more seconds")


def number(text: Any, infinite: bool = False) -> Any:
    """An exact number from its text."""
    if infinite and text in ("inf", "-inf"):
        return inf if text == "inf" else -inf
    need(isinstance(text, str) and len(text) < 6_000, "a number is missing or too long")
    dyadic = re.fullmatch(r"(-?)0x([0-9a-f]+)p([+-]?\d{1,6})", text, re.ASCII)
    if dyadic and abs(int(dyadic[3])) < 20_000:
        return Fraction(int(dyadic[1] + dyadic[2], 16)) * Fraction(2) ** int(dyadic[3])
    plain = re.fullmatch(r"(-?\d{1,4000})(?:/(\d{1,4000}))?", text, re.ASCII)
    need(plain and (plain[2] is None or int(plain[2])), f"{text[:40]!r} is not a number")
    return Fraction(int(plain[1]), int(plain[2] or 1))  # type: ignore[index]


def read(source: Any) -> tuple:
    """An expression in x as nested tuples: ("number", value), ("x",), (operator, argument, ...)."""
    need(isinstance(source, str) and len(source) <= 10_000 and source.isascii(), "an expression is missing or too long")
    need(re.fullmatch(r"[\w\s.()+*/^<>=,-]*", source) and "__" not in source, "an expression has an unknown character")
    decimal = r"(?<![\w.])\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?(?![\w.])"
    exact = re.sub(decimal, lambda match: "({0.numerator}/{0.denominator})".format(Fraction(match[0])), source)
    try:
        return tree(ast.parse(exact.strip().replace("^", "**"), mode="eval").body, 0)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        raise Failure("an expression cannot be read") from None


def tree(node: ast.AST, depth: int) -> tuple:
    """The tuples of a syntax tree, from a short list of forms."""
    need(depth < 500, "an expression nests too deeply")
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return ("number", Fraction(node.value))
    if isinstance(node, ast.Name) and node.id in ("x", "pi", "e"):
        return (node.id,)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return fold(("neg", tree(node.operand, depth + 1)))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = tree(node.left, depth + 1), tree(node.right, depth + 1)
        if isinstance(node.op, ast.Sub):
            return fold(("+", left, fold(("neg", right))))
        return fold((OPERATORS[type(node.op)], left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        kind, arguments = node.func.id, list(node.args)
        need(kind in SMOOTH or kind in SWITCHED, f"the verifier does not know the function {kind[:40]!r}")
        need(
            len(arguments) == {"min": 2, "max": 2, "where": 3}.get(kind, 1), f"{kind} has too many or too few arguments"
        )
        if kind != "where":
            return (kind, *(tree(argument, depth + 1) for argument in arguments))
        test = arguments[0]
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, right = tree(test.left, depth + 1), tree(test.comparators[0], depth + 1)
            above = isinstance(test.ops[0], ast.Gt | ast.GtE)
            need(above or isinstance(test.ops[0], ast.Lt | ast.LtE), "a condition compares with <, <=, > or >=")
            small, large = (right, left) if above else (left, right)
            switch = fold(("+", large, fold(("neg", small))))
            return ("where", switch, tree(arguments[1], depth + 1), tree(arguments[2], depth + 1))
    raise Failure("an expression holds something that the verifier does not know")


def fold(node: tuple) -> tuple:
    """A tree with an operation on numbers carried out exactly."""
    if any(part[0] != "number" for part in node[1:]):
        return node
    a, b, kind = node[1][1], node[-1][1], node[0]
    need((kind != "/" or b) and (kind != "^" or a or b > 0), "an expression divides by zero")
    if kind == "^":
        size = max(abs(a.numerator), a.denominator).bit_length()
        if b.denominator > 1:
            return node
        need(abs(b) * size < 20_000, "a power of numbers is too large")
        return ("number", a ** int(b))
    value = a + b if kind == "+" else a * b if kind == "*" else -a if kind == "neg" else a / b
    need(value.numerator.bit_length() + value.denominator.bit_length() < 40_000, "a number is too large")
    return ("number", value)


def chosen(node: tuple, sign: int) -> tuple:
    """The branch of a piecewise node where its switch has a sign."""
    kind, first = node[0], node[1]
    if kind in ("sign", "heaviside"):
        return ("number", Fraction(sign if kind == "sign" else (sign + 1) // 2))
    if kind == "abs":
        return first if sign > 0 else ("neg", first)
    if kind == "where":
        return node[2] if sign > 0 else node[3]
    return first if (sign > 0) == (kind == "max") else node[2]
