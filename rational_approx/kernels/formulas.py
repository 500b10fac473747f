"""A target's own formula as code: every node one operation, or a function with its reduction.

What has no operation of its own is written with the others first (`kernels.rewritten`), and so are powers. The same
walk writes the operations down (`Writing`) and bounds their errors (`kernels.followed`): both are an *algebra*, which
says what the operations do with its values.
"""

from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.expressions.enclosures import ENCLOSURES, Undecided
from rational_approx.expressions.nodes import Node, build, evaluate, number
from rational_approx.expressions.rays import beyond
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.library import Called, Functions, NoFormula, functions_of
from rational_approx.kernels.lines import turns_of, varies
from rational_approx.kernels.rewritten import CAREFULLY, CAREFULLY_CALLED, MINUS, ONE, REWRITTEN, TWO, inverse_far, node
from rational_approx.kernels.sines import BITS
from rational_approx.programs.program import INPUT, Constant, Operand

__all__ = ["STYLES", "USUAL", "Algebra", "Style", "Writing", "rounded_constant", "taken"]

WHOLE_POWERS = 6
"""Whole powers up to this size are products, and those of a root the root of such a product."""


class Style(NamedTuple):
    """How nodes are written: with the functions that keep small results, or without; and the size of x from which on a
    node that hardly moves is a constant, or None."""

    careful: bool = False
    beyond: int | None = None


USUAL = Style()
STYLES = (USUAL, Style(True), *(Style(True, c) for c in (16, 128, 2**16)))
"""The styles that are tried."""
STILL = arb(2) ** -50
"""A node that moves by no more, relative to itself, hardly moves; nor does one that is smaller than this."""


class Algebra(Protocol):
    """What operations do with values of some kind; ``functions`` are those of one number that it has itself."""

    functions: tuple[str, ...]

    def input(self) -> Any:
        """The number x."""

    def constant(self, tree: Node) -> Any:
        """A tree without x."""

    def still(self, tree: Node, value: Fraction) -> Any:
        """A number in the place of a tree with x that is near it on all of the inputs."""

    def do(self, op: str, *given: Any) -> Any:
        """An operation."""

    def call(self, called: Called, given: Any) -> Any:
        """A function; one of sine and cosine takes x itself."""


def taken(tree: Node, side: int, algebra: Algebra, style: Style = USUAL) -> Any:
    """The value of a tree for positive inputs (side 1), or negative ones (-1), written in a style.

    Raises
    ------
    NoFormula
        where a node has no operation.
    """
    return _Walk(side, algebra, style).value(tree)


class _Walk:
    def __init__(self, side: int, algebra: Algebra, style: Style) -> None:
        self.algebra, self.side, self.style = algebra, side, style
        self.far = side * arb(2) ** 20

    def value(self, tree: Node) -> Any:
        """The value of a node."""
        kind, parts = tree.operator, tree.arguments
        if not varies(tree):
            return self.algebra.constant(tree)
        if kind == "variable":
            return self.algebra.input()
        limit = self.limit(tree)
        if limit is not None:
            return self.algebra.still(tree, limit)
        if kind == "*" and _is_silu(parts) and "silu" in self.algebra.functions:
            return self.algebra.call(Called("silu"), self.algebra.input())
        if kind in ("+", "*"):
            return self.chain(kind, parts)
        if kind == "neg":
            return self.algebra.do("mul", self.value(parts[0]), self.algebra.constant(number(-1)))
        if kind == "/":
            return self.algebra.do("div", self.value(parts[0]), self.value(parts[1]))
        if kind in ("sin", "cos"):
            return self.algebra.call(Called(kind, turns_of(kind, parts[0])), self.algebra.input())
        if kind == "sqrt":
            return self.algebra.do("sqrt", self.value(parts[0]))
        if self.style.beyond is not None and (large := self.large(tree)) is not None:
            return self.value(large)
        if self.style.careful and kind == "log" and parts[0].operator == "cosh":
            half = node("sinh", node("/", parts[0].arguments[0], TWO))
            return self.value(node("log1p", node("*", TWO, node("^", half, TWO))))
        if kind in self.algebra.functions or (self.style.careful and kind in CAREFULLY_CALLED):
            return self.algebra.call(Called(kind), self.value(parts[0]))
        if kind == "^":
            return self.power(*parts)
        table = {**REWRITTEN, **CAREFULLY} if self.style.careful else REWRITTEN
        if kind not in table:
            raise NoFormula(f"{kind} has no operation of its own")
        return self.value(table[kind](parts[0], self.negative(parts[0])))

    def large(self, tree: Node) -> Node | None:
        """The logarithm of a sum with an exponential that is large far out, without it; and inverse hyperbolic
        functions without a square that is; and one of a multiple that is."""
        u, rest = None, ONE
        if tree.operator in ("asinh", "acosh"):
            return inverse_far(tree.operator, tree.arguments[0], self.sign(tree.arguments[0]) < 0)
        if tree.operator == "softplus":
            u = tree.arguments[0]
        if tree.operator == "log" and tree.arguments[0].operator == "cosh":
            v = tree.arguments[0].arguments[0]
            v = node("neg", v) if self.sign(v) < 0 else v
            small = node("log1p", node("exp", node("*", number(-2), v)))
            return node("+", node("+", v, small), node("neg", node("log", TWO)))
        if tree.operator == "log" and tree.arguments[0].operator == "+" and len(tree.arguments[0].arguments) == 2:
            for one, other in (tree.arguments[0].arguments, tree.arguments[0].arguments[::-1]):
                if one.operator == "exp" and u is None:
                    u, rest = one.arguments[0], other
        inner = tree.arguments[0]
        if tree.operator == "log" and inner.operator == "*" and (inner.arguments[0].value or 0) > 1:
            c, *factors = inner.arguments
            return node("+", node("log", build("*", *factors)), node("log", c))
        if tree.operator == "log" and tree.arguments[0].operator == "expm1":
            u, rest = tree.arguments[0].arguments[0], MINUS
        if u is None or self.sign(u) <= 0:
            return None
        return node("+", u, node("log1p", node("*", rest, node("exp", node("neg", u)))))

    def limit(self, tree: Node) -> Fraction | None:
        """The number that a tree hardly leaves far out, in a style that has those."""
        return None if self.style.beyond is None else _limit(tree, self.side * self.style.beyond)

    def chain(self, kind: str, parts: tuple[Node, ...]) -> Any:
        """Sums and products from left to right; what begins without x is one constant."""
        count = next((k for k, part in enumerate(parts) if varies(part)), 0)
        total = self.value(parts[0]) if count == 0 else self.algebra.constant(build(kind, *parts[:count]))
        for part in parts[max(count, 1) :]:
            if kind == "+" and part.operator == "neg" and varies(part):
                total = self.algebra.do("sub", total, self.value(part.arguments[0]))
            else:
                total = self.algebra.do("add" if kind == "+" else "mul", total, self.value(part))
        return total

    def power(self, base: Node, exponent: Node) -> Any:
        """Whole powers and their roots by products, others by the exponential of a logarithm."""
        c = exponent.value
        if c is not None and c.denominator <= 2 and 0 < abs(c.numerator) <= WHOLE_POWERS:
            first = self.value(base)
            total = first
            for _ in range(abs(c.numerator) - 1):
                total = self.algebra.do("mul", total, first)
            if c.denominator == 2:
                total = self.algebra.do("sqrt", total)
            return total if c > 0 else self.algebra.do("div", self.algebra.constant(number(1)), total)
        return self.value(node("exp", node("*", exponent, node("log", base))))

    def negative(self, tree: Node) -> bool:
        """Whether an argument is negative far out on this side, or at a half where it has no value there: near zero
        there are other forms."""
        return self.sign(tree) < 0

    def sign(self, tree: Node) -> int:
        for x in (self.far, self.side * arb(0.5)):
            with suppress(Undecided, ValueError, ZeroDivisionError):
                value = evaluate(tree, x, ENCLOSURES)
                if value.is_finite():
                    return int(bool(value > 0)) - int(bool(value < 0))
        return 0


@lru_cache(maxsize=1024)
def _limit(tree: Node, start: int) -> Fraction | None:
    with working_bits(BITS), suppress(Undecided, ValueError, ZeroDivisionError):
        ball = beyond(tree, arb(start), 1 if start > 0 else -1)
        if abs(ball) < STILL:
            return Fraction(0)
        if arb(ball.rad()) < STILL * abs(ball):
            return to_fraction(ball.mid())
    return None


def _is_silu(factors: tuple[Node, ...]) -> bool:
    """Whether factors are x and its sigmoid."""
    x = Node("variable")
    return factors in ((x, Node("sigmoid", (x,))), (Node("sigmoid", (x,)), x))


def rounded_constant(tree: Node, inner: str) -> Fraction:
    """The number of a format next to a constant."""
    if tree.value is not None:
        value = tree.value
    else:
        with working_bits(BITS):
            ball = evaluate(tree, arb(0), ENCLOSURES)
            if not ball.is_finite():
                raise NoFormula("a constant without a value")
            value = to_fraction(ball.mid())
    if abs(value) >= Fraction(2) ** (FORMATS[inner][2] - 1):
        raise NoFormula("a constant that is too large for the code")
    return round_to(value, inner)


class Writing:
    """Writes a formula's operations down; ``called`` are the functions that they need."""

    def __init__(self, library: Functions) -> None:
        self.library, self.writer = library, library.scheme.writer()
        self.functions = functions_of(library.format, library.inner)
        self.called: dict[str, Function] = {}

    def input(self) -> Operand:
        return INPUT

    def constant(self, tree: Node) -> Operand:
        return Constant(rounded_constant(tree, self.library.inner))

    def still(self, tree: Node, value: Fraction) -> Operand:
        return Constant(round_to(value, self.library.inner))

    def do(self, op: str, *given: Operand) -> Operand:
        return self.writer.contracted(op, *given)

    def call(self, called: Called, given: Operand) -> Operand:
        function = self.library.function(called)
        self.called[function.name] = function
        return self.writer.do(function.name, given)
