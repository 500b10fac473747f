"""Exact numbers and expressions from the text of a certificate, and back to text. Nothing is evaluated as code."""

import re
import time
from fractions import Fraction
from math import inf
from typing import Any

__all__ = [
    "CONTINUOUS",
    "ONE",
    "SWITCHED",
    "Failure",
    "Late",
    "Other",
    "Refuted",
    "chosen",
    "fold",
    "has_x",
    "in_time",
    "line",
    "must",
    "need",
    "number",
    "read",
    "shown",
    "switch",
    "text",
]

CONTINUOUS = ("abs", "min", "max")
SWITCHED = (*CONTINUOUS, "sign", "heaviside", "where", "where=")
"""Functions with branches. ``where`` takes its second branch at a zero of its switch, ``where=`` its first."""
SMOOTH = (
    *("exp", "log", "sqrt", "erf", "erfc", "tanh", "sinh", "cosh", "sigmoid", "softplus", "expm1", "log1p", "sin"),
    *("cos", "tan", "atan", "asin", "acos", "asinh", "acosh", "atanh", "gamma", "loggamma"),
)
ARGUMENTS = {"min": 2, "max": 2, "where": 3}
DEEPEST = 120
ONE = ("number", Fraction(1))


class Failure(Exception):
    """Something could be neither confirmed nor refuted."""


class Other(Failure):
    """Code that is not the formula that it is compared with."""


class Refuted(Exception):
    """Something is shown to be false, or has no meaning."""


class Late(Exception):
    """The time that was given is over."""


def need(condition: object, message: str) -> None:
    """Raise `Failure` unless a condition holds."""
    if not condition:
        raise Failure(message)


def must(condition: object, message: str) -> None:
    """Raise `Refuted` unless a condition holds."""
    if not condition:
        raise Refuted(message)


def in_time(deadline: float) -> None:
    """Raise `Late` when the time is over."""
    if time.monotonic() > deadline:
        raise Late("the check takes longer than it may: give it more seconds")


def shown(value: object, length: int = 60) -> str:
    """Text from a file as a terminal may have it: on one line, nothing but printable ASCII, cut off."""
    whole = str(value)
    body = "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in whole[:length])
    return body + "..." * (len(whole) > length)


def line(source: Any) -> None:
    """Refuse text that could end a comment, or a docstring, of code which is made of the file."""
    plain = isinstance(source, str) and source.isascii() and source.isprintable()
    free = plain and not any(mark in source for mark in ("*/", "/*", '"', "\\", "??/"))
    must(free, f"{shown(source)!r} is not one line of plain text")


def number(source: Any, infinite: bool = False) -> Any:
    """An exact number from its text: ``3``, ``-1/3``, ``0x1fp-7``, or ``inf`` where that is allowed."""
    if infinite and source in ("inf", "-inf"):
        return inf if source == "inf" else -inf
    must(isinstance(source, str), f"{shown(source)!r} is not the text of a number")
    need(len(source) < 6_000, "a number is too long for the verifier")
    dyadic = re.fullmatch(r"(-?)0x([0-9a-f]+)p([+-]?[0-9]{1,7})", source)
    if dyadic:
        need(abs(int(dyadic[3])) < 20_000, "the exponent of a number is too large for the verifier")
        return Fraction(int(dyadic[1] + dyadic[2], 16)) * Fraction(2) ** int(dyadic[3])
    plain = re.fullmatch(r"(-?[0-9]{1,4000})(?:/([0-9]{1,4000}))?", source)
    must(plain and (plain[2] is None or int(plain[2])), f"{shown(source)!r} is not a number")
    return Fraction(int(plain[1]), int(plain[2] or 1))  # type: ignore[index]


TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<mark>\*\*|<=|>=|[-+*/^(),<>]))",
    re.ASCII,
)


def read(source: Any) -> tuple:
    """An expression in x as nested tuples: ``("number", value)``, ``("x",)``, ``(operator, argument, ...)``."""
    must(isinstance(source, str), "an expression is not a text")
    need(len(source) <= 10_000, "an expression is too long for the verifier")
    tokens, at, source = [], 0, source.rstrip()
    while at < len(source):
        match = TOKEN.match(source, at)
        must(match, f"the expression cannot be read at position {at}: {shown(source[at : at + 20])!r}")
        assert match is not None
        tokens.append((match.lastgroup, match[str(match.lastgroup)]))
        at = match.end()
    reader = Reader(tokens)
    tree = reader.sum(0)
    must(reader.at == len(tokens), "an expression goes on where it should end")
    return tree


class Reader:
    """Recursive descent: sum < product < unary minus < power, right to left < atom."""

    def __init__(self, tokens: list[Any]) -> None:
        self.tokens, self.at = tokens, 0

    def take(self, *marks: str) -> Any:
        """The next token if it is one of these marks."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "mark" and self.tokens[self.at][1] in marks:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def sum(self, depth: int) -> tuple:
        """Terms; ``a - b`` is ``a + (-b)``."""
        need(depth < DEEPEST, "an expression nests too deep for the verifier")
        total = self.product(depth)
        while mark := self.take("+", "-"):
            part = self.product(depth)
            total = fold(("+", total, part if mark == "+" else fold(("neg", part))))
        return total

    def product(self, depth: int) -> tuple:
        """Factors, from left to right."""
        total = self.unary(depth)
        while mark := self.take("*", "/"):
            total = fold((mark, total, self.unary(depth)))
        return total

    def unary(self, depth: int) -> tuple:
        """Signs, and a power."""
        need(depth < DEEPEST, "an expression nests too deep for the verifier")
        if mark := self.take("+", "-"):
            inner = self.unary(depth + 1)
            return fold(("neg", inner)) if mark == "-" else inner
        base = self.atom(depth)
        return fold(("^", base, self.unary(depth + 1))) if self.take("^", "**") else base

    def atom(self, depth: int) -> tuple:
        """A number, a name, a call, or something in parentheses."""
        must(self.at < len(self.tokens), "an expression ends too early")
        if self.take("("):
            inner = self.sum(depth + 1)
            must(self.take(")"), "a parenthesis is not closed")
            return inner
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return ("number", Fraction(word))
        must(kind == "name", f"{shown(word)!r} stands where a value should")
        if word in ("x", "pi", "e"):
            return (word,)
        need(word in SMOOTH or word in SWITCHED, f"the verifier does not know the name {shown(word)!r}")
        must(self.take("("), f"{word} has no arguments")
        arguments = [self.condition(depth + 1) if word == "where" else self.sum(depth + 1)]
        while self.take(","):
            arguments.append(self.sum(depth + 1))
        must(self.take(")"), "a parenthesis is not closed")
        must(len(arguments) == ARGUMENTS.get(word, 1), f"{word} has too many or too few arguments")
        return (*arguments[0], *arguments[1:]) if word == "where" else (word, *arguments)

    def condition(self, depth: int) -> tuple:
        """A comparison, as the kind of ``where`` that it makes and the switch that is positive where it holds."""
        left, mark = self.sum(depth), self.take("<", "<=", ">", ">=")
        must(mark, "a condition compares with <, <=, > or >=")
        right = self.sum(depth)
        large, small = (left, right) if mark[0] == ">" else (right, left)
        return ("where=" if mark[1:] else "where", fold(("+", large, fold(("neg", small)))))


def has_x(node: tuple) -> bool:
    """Whether a tree depends on x."""
    return node[0] == "x" or any(has_x(part) for part in node[1:] if isinstance(part, tuple))


def fold(node: tuple) -> tuple:
    """A tree with an operation on numbers carried out exactly."""
    kind = node[0]
    if kind not in ("+", "*", "/", "^", "neg") or any(part[0] != "number" for part in node[1:]):
        return node
    a, b = node[1][1], node[-1][1]
    need((kind != "/" or b) and (kind != "^" or a or b >= 0), "an expression divides by zero")
    if kind == "^":
        if b.denominator > 1:
            return node
        size = max(abs(a.numerator), a.denominator).bit_length()
        need(size == 1 or abs(b) * size < 20_000, "a power of numbers is too large for the verifier")
        # Of -1, 0 and 1 the power may be any: it is that with the exponent 0, 1 or 2.
        return ("number", a ** int(b if size > 1 else b and (b % 2 or 2)))
    value = a + b if kind == "+" else a * b if kind == "*" else -a if kind == "neg" else a / b
    need(value.numerator.bit_length() + value.denominator.bit_length() < 40_000, "a number is too large")
    return ("number", value)


def switch(node: tuple) -> tuple:
    """What decides between the branches of a piecewise node, by its sign."""
    return fold(("+", node[1], fold(("neg", node[2])))) if node[0] in ("min", "max") else node[1]


def chosen(node: tuple, sign: int) -> tuple:
    """The branch of a piecewise node where its switch is positive, negative, or zero on a whole interval."""
    kind, first = node[0], node[1]
    if kind in ("sign", "heaviside"):
        return ("number", Fraction(sign) if kind == "sign" else Fraction(sign + 1, 2))
    if kind == "abs":
        return first if sign > 0 else fold(("neg", first)) if sign else ("number", Fraction(0))
    if kind in ("where", "where="):
        return node[2] if sign > 0 or (sign == 0 and kind == "where=") else node[3]
    return first if (sign > 0) == (kind == "max") else node[2]


def text(node: tuple) -> str:
    """An expression as text, with all parentheses that it needs and some more."""
    kind, parts = node[0], [text(part) if isinstance(part, tuple) else "" for part in node[1:]]
    if kind == "number":
        need(
            max(node[1].numerator.bit_length(), node[1].denominator.bit_length()) < 12_000,
            "a number is too long to show",
        )
        return str(node[1]) if node[1] >= 0 and node[1].denominator == 1 else f"({node[1]})"
    if kind in ("x", "pi", "e"):
        return kind
    if kind == "neg":
        return f"(-{parts[0]})"
    if kind in ("+", "*", "/", "^"):
        return f"({parts[0]} {kind} {parts[1]})"
    if kind.startswith("where"):
        return f"where({parts[0]} {'>=' if kind == 'where=' else '>'} 0, {parts[1]}, {parts[2]})"
    return f"{kind}({', '.join(parts)})"
