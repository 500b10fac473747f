"""The whitelist parser: text to expression tree. Nothing is ever evaluated as code."""

import re
from fractions import Fraction

from rational_approx.expressions.nodes import FUNCTIONS, LIMIT_DEPTH, ExpressionError, Node, build, number

__all__ = ["LIMIT_LENGTH", "parse_tree"]

LIMIT_LENGTH = 10_000
"""No expression may be longer than this many characters."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<mark>\*\*|<=|>=|[-+*/^(),<>]))"
)
_ALLOWED = (
    "allowed are numbers, the variable, pi, e, + - * / ^ **, parentheses, and the functions "
    + ", ".join(sorted(FUNCTIONS))
    + "; where(a < b, then, otherwise) takes a comparison with <, <=, > or >="
)


def _literal(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > 2500 or len(exponent) > 6 or abs(int(exponent or "0")) > 2400:
        raise ExpressionError(f"the number {digits[:20]}{'...' * (len(digits) > 20)} is too large or too small")
    return Fraction(digits)


class _Parser:
    """Precedence climbing over a token list: sum < product < unary minus < power (right to left) < atom."""

    def __init__(self, source: str, variable: str) -> None:
        self.source, self.variable, self.level, self.index = source, variable, 0, 0
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        source = source.rstrip()
        while at < len(source):
            match = _TOKEN.match(source, at)
            if match is None:
                at += len(source[at:]) - len(source[at:].lstrip())
                raise self.error(f"the character {source[at]!r}", at)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        self.tokens.append(("end", "the end", len(source)))

    def error(self, what: str, at: int | None = None) -> ExpressionError:
        at = self.tokens[self.index][2] if at is None else at
        near = self.source[max(0, at - 20) : at + 20]
        return ExpressionError(f"{what} at position {at} of the expression (near {near!r}) is not allowed; {_ALLOWED}")

    def unfinished(self, wanted: str) -> ExpressionError:
        return ExpressionError(f"the expression {self.source[-40:]!r} ends too early: {wanted} is missing")

    def make(self, operator: str, *arguments: Node) -> Node:
        try:
            return build(operator, *arguments)
        except ExpressionError as problem:
            raise ExpressionError(f"{problem} (near position {self.tokens[self.index][2]} of the expression)") from None

    def take(self, *marks: str) -> str | None:
        kind, value, _ = self.tokens[self.index]
        if kind == "mark" and value in marks:
            self.index += 1
            return value
        return None

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            if self.tokens[self.index][0] == "end":
                raise self.unfinished(repr(mark))
            raise self.error(f"{self.tokens[self.index][1]!r} where {mark!r} was expected,")

    def sum(self) -> Node:
        self.level += 1
        if self.level > LIMIT_DEPTH:
            raise ExpressionError(f"the expression nests deeper than {LIMIT_DEPTH} levels: simplify it")
        total = self.product()
        while mark := self.take("+", "-"):
            part = self.product()
            total = self.make("+", total, part if mark == "+" else self.make("neg", part))
        self.level -= 1
        return total

    def product(self) -> Node:
        total = self.unary()
        while mark := self.take("*", "/"):
            total = self.make(mark, total, self.unary())
        return total

    def unary(self) -> Node:
        signs = []
        while mark := self.take("+", "-"):
            signs.append(mark)
        if len(signs) > LIMIT_DEPTH:
            raise ExpressionError(f"more than {LIMIT_DEPTH} signs follow each other in the expression")
        result = self.power()
        for mark in reversed(signs):
            result = self.make("neg", result) if mark == "-" else result
        return result

    def power(self) -> Node:
        base = self.atom()
        if self.take("^", "**"):
            self.level += 1
            if self.level > LIMIT_DEPTH:
                raise ExpressionError(f"the expression nests deeper than {LIMIT_DEPTH} levels: simplify it")
            exponent = self.unary()
            self.level -= 1
            return self.make("^", base, exponent)
        return base

    def atom(self) -> Node:
        kind, value, at = self.tokens[self.index]
        if self.take("("):
            inner = self.sum()
            self.expect(")")
            return inner
        if kind == "number":
            self.index += 1
            return number(_literal(value))
        if kind != "name":
            raise self.error(repr(value)) if kind == "mark" else self.unfinished("a number, the variable or a function")
        self.index += 1
        if value == self.variable:
            return Node("variable")
        if value in ("pi", "e"):
            return Node(value)
        if value not in FUNCTIONS:
            raise self.error(f"the name {value!r} (the variable is {self.variable!r})", at)
        return self.call(value, at)

    def call(self, name: str, at: int) -> Node:
        self.expect("(")
        arguments = [self.comparison() if name == "where" else self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        self.expect(")")
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise self.error(f"{name} with {len(arguments)} arguments (it takes {wanted})", at)
        return self.make(name, *arguments)

    def comparison(self) -> Node:
        left = self.sum()
        mark = self.take("<", "<=", ">", ">=")
        if mark is None:
            raise self.error("where(...) without a comparison as its first argument")
        return self.make(mark, left, self.sum())


def parse_tree(source: str, variable: str = "x") -> Node:
    """Read an expression.

    Raises
    ------
    ExpressionError
        with the position, where the text is not in the language or goes beyond its limits.

    >>> parse_tree("2*3 + 1").value
    Fraction(7, 1)
    """
    if not isinstance(source, str):
        raise TypeError(f"an expression is a string, not {type(source).__name__}")
    if len(source) > LIMIT_LENGTH:
        raise ExpressionError(f"the expression has {len(source)} characters; at most {LIMIT_LENGTH} are allowed")
    if not variable.isidentifier() or variable in FUNCTIONS or variable in ("pi", "e"):
        raise ExpressionError(f"{variable!r} cannot be the name of a variable")
    parser = _Parser(source, variable)
    tree = parser.sum()
    if parser.tokens[parser.index][0] != "end":
        raise parser.error(f"{parser.tokens[parser.index][1]!r}")
    return tree
