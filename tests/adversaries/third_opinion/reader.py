"""A reader of expression texts, from the table of ``docs/approximation/semantics.md``.

A tree is a Fraction, ``"x"``, ``"pi"``, ``"e"``, or a tuple of an operator and its operands; of ``where`` the operands
are the comparison, its two sides and the two branches.
"""

import re
from fractions import Fraction
from typing import Any

__all__ = ["SWITCHES", "Tree", "Unreadable", "read", "shown"]

Tree = Any
LONGEST = 10_000
DEEPEST = 120
ONE_ARGUMENT = (
    *("exp", "sin", "cos", "sinh", "cosh", "tanh", "atan", "asinh", "erf", "erfc", "expm1", "sigmoid", "softplus"),
    *("log", "log1p", "loggamma", "sqrt", "acosh", "asin", "acos", "atanh", "tan", "gamma"),
    *("abs", "sign", "heaviside", "relu", "gelu", "silu", "mish", "elu", "hardswish"),
    *("lambertw", "airyai", "airybi", "zeta", "digamma", "sinc", "erfinv", "dawson"),
)
ORDERED = ("besselj", "bessely", "besseli", "besselk", "gammainc", "gammaincc")
"""Functions of an order, a number, which becomes a part of their name: ``("besselj 1/2", u)``."""
SWITCHES = ("abs", "sign", "heaviside", "min", "max", "where")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<mark>\*\*|<=|>=|[-+*/^(),<>]))",
    re.ASCII,
)


class Unreadable(ValueError):
    """A text is no expression of the language."""


def read(text: Any) -> Tree:
    """The tree of a text."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise Unreadable("no text, or too long")
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.end() > end:
            raise Unreadable(f"unknown character at {at}")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    reader = _Reader([*tokens, ("end", "")])
    tree = reader.sum(0)
    if reader.tokens[reader.index][0] != "end":
        raise Unreadable("more text than an expression")
    return tree


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.index = tokens, 0

    def take(self, *marks: str) -> str:
        kind, value = self.tokens[self.index]
        if kind == "mark" and value in marks:
            self.index += 1
            return value
        return ""

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise Unreadable(f"{mark} is missing")

    def sum(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise Unreadable("too deep")
        total = self.product(depth)
        while mark := self.take("+", "-"):
            total = (mark, total, self.product(depth))
        return total

    def product(self, depth: int) -> Tree:
        total = self.signed(depth)
        while mark := self.take("*", "/"):
            total = (mark, total, self.signed(depth))
        return total

    def signed(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise Unreadable("too deep")
        if mark := self.take("-", "+"):
            inner = self.signed(depth + 1)
            return ("neg", inner) if mark == "-" else inner
        base = self.atom(depth)
        if self.take("^", "**"):
            return ("^", base, self.signed(depth + 1))
        return base

    def atom(self, depth: int) -> Tree:
        kind, value = self.tokens[self.index]
        self.index += 1
        if kind == "number":
            mantissa, _, exponent = value.lower().partition("e")
            if len(mantissa) > 4000 or len(exponent) > 5:
                raise Unreadable("a number is too long")
            return Fraction(value)
        if kind == "name" and value in ("x", "pi", "e"):
            return value
        if kind == "mark" and value == "(":
            inner = self.sum(depth + 1)
            self.need(")")
            return inner
        if kind != "name":
            raise Unreadable("an operand is missing")
        self.need("(")
        if value == "where":
            left = self.sum(depth + 1)
            relation = self.take("<", "<=", ">", ">=")
            if not relation:
                raise Unreadable("a comparison is missing")
            parts = [left, self.sum(depth + 1)]
            for _ in range(2):
                self.need(",")
                parts.append(self.sum(depth + 1))
            self.need(")")
            return ("where", relation, *parts)
        operands = [self.sum(depth + 1)]
        while self.take(","):
            operands.append(self.sum(depth + 1))
        self.need(")")
        return _called(value, operands)


def _called(name: str, operands: list[Tree]) -> Tree:
    if name in ("min", "max") and len(operands) >= 2:
        total = operands[0]
        for other in operands[1:]:
            total = (name, total, other)
        return total
    if name == "clip" and len(operands) == 3:
        return ("min", ("max", operands[0], operands[1]), operands[2])
    if name in ORDERED and len(operands) == 2:
        order = _number(operands[0])
        if order is None or abs(order) > 1000:
            raise Unreadable(f"{name} of an order that is no number")
        return (f"{name} {order}", operands[1])
    if name not in ONE_ARGUMENT or len(operands) != 1:
        raise Unreadable(f"no function {name} of {len(operands)} operands")
    u = operands[0]
    if name == "relu":
        return ("max", u, Fraction(0))
    if name == "gelu":
        return ("*", ("/", u, Fraction(2)), ("+", Fraction(1), ("erf", ("/", u, ("sqrt", Fraction(2))))))
    if name == "silu":
        return ("*", u, ("sigmoid", u))
    if name == "mish":
        return ("*", u, ("tanh", ("softplus", u)))
    if name == "elu":
        return ("where", ">", u, Fraction(0), u, ("expm1", u))
    if name == "hardswish":
        return ("/", ("*", u, _called("clip", [("+", u, Fraction(3)), Fraction(0), Fraction(6)])), Fraction(6))
    return (name, u)


def _number(tree: Tree) -> Fraction | None:
    """An order as it is written: a number, its negative, or a quotient of two."""
    if isinstance(tree, Fraction):
        return tree
    if not isinstance(tree, tuple) or tree[0] not in ("neg", "/"):
        return None
    parts = [_number(part) for part in tree[1:]]
    if None in parts or (tree[0] == "/" and not parts[1]):
        return None
    return -parts[0] if tree[0] == "neg" else parts[0] / parts[1]  # type: ignore[operator]


def shown(tree: Tree) -> str:
    """A text of a tree, fully parenthesised."""
    if isinstance(tree, Fraction):
        return str(tree) if tree >= 0 and tree.denominator == 1 else f"({tree})"
    if isinstance(tree, str):
        return tree
    if tree[0] == "where":
        _, relation, left, right, yes, no = tree
        return f"where({shown(left)} {relation} {shown(right)}, {shown(yes)}, {shown(no)})"
    if tree[0] == "neg":
        return f"(-{shown(tree[1])})"
    if tree[0] in ("+", "-", "*", "/", "^"):
        return f"({shown(tree[1])} {tree[0]} {shown(tree[2])})"
    name, _, order = tree[0].partition(" ")
    return f"{name}({', '.join([*([f'({order})'] if order else []), *map(shown, tree[1:])])})"
