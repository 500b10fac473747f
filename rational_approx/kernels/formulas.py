"""A target's own formula as code: every node one operation, or a function with its reduction.

What has no operation of its own is written with the others first: the table `REWRITTEN`, and powers. The same walk
writes the operations down (`Writing`) and bounds their errors (`kernels.followed`): both are an *algebra*, which says
what the operations do with its values.
"""

from collections.abc import Callable
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
from rational_approx.kernels.arctangents import arctangent, arctangent_degree
from rational_approx.kernels.differences import expm1, expm1_degree, log1p
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.logarithms import logarithm, logarithm_degree
from rational_approx.kernels.quotients import QUOTIENTS, quotient_function
from rational_approx.kernels.reductions import degree_for, exponential
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.sines import BITS, Turns, sine, sine_degree
from rational_approx.kernels.sums import KINDS as SUMS
from rational_approx.kernels.sums import sum_function
from rational_approx.programs.program import INPUT, Constant, Operand

__all__ = [
    "STYLES",
    "USUAL",
    "Algebra",
    "Called",
    "Library",
    "NoFormula",
    "Style",
    "Writing",
    "functions_of",
    "kind_of",
    "rounded_constant",
    "taken",
]

WHOLE_POWERS = 6
"""Whole powers up to this size are products, and those of a root the root of such a product."""


class NoFormula(ArithmeticError):
    """A target that is not made of these operations and functions."""


class Called(NamedTuple):
    """A function that a formula calls: its kind, and of a sine or cosine the turns for a unit of x."""

    kind: str
    turns: Turns | None = None


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
        if not _varies(tree):
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
            return self.algebra.call(Called(kind, _turns(kind, parts[0])), self.algebra.input())
        if kind == "sqrt":
            return self.algebra.do("sqrt", self.value(parts[0]))
        if self.style.beyond is not None and (large := self.large(tree)) is not None:
            return self.value(large)
        if self.style.careful and kind == "log" and parts[0].operator == "cosh":
            half = _node("sinh", _node("/", parts[0].arguments[0], TWO))
            return self.value(_node("log1p", _node("*", TWO, _node("^", half, TWO))))
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
        functions without a square that is."""
        u, rest = None, ONE
        if tree.operator in ("asinh", "acosh"):
            return _inverse_far(tree.operator, tree.arguments[0], self.sign(tree.arguments[0]) < 0)
        if tree.operator == "softplus":
            u = tree.arguments[0]
        if tree.operator == "log" and tree.arguments[0].operator == "cosh":
            v = tree.arguments[0].arguments[0]
            v = _node("neg", v) if self.sign(v) < 0 else v
            small = _node("log1p", _node("exp", _node("*", number(-2), v)))
            return _node("+", _node("+", v, small), _node("neg", _node("log", TWO)))
        if tree.operator == "log" and tree.arguments[0].operator == "+" and len(tree.arguments[0].arguments) == 2:
            for one, other in (tree.arguments[0].arguments, tree.arguments[0].arguments[::-1]):
                if one.operator == "exp" and u is None:
                    u, rest = one.arguments[0], other
        if u is None or self.sign(u) <= 0:
            return None
        return _node("+", u, _node("log1p", _node("*", rest, _node("exp", _node("neg", u)))))

    def limit(self, tree: Node) -> Fraction | None:
        """The number that a tree hardly leaves far out, in a style that has those."""
        return None if self.style.beyond is None else _limit(tree, self.side * self.style.beyond)

    def chain(self, kind: str, parts: tuple[Node, ...]) -> Any:
        """Sums and products from left to right; what begins without x is one constant."""
        count = next((k for k, part in enumerate(parts) if _varies(part)), 0)
        total = self.value(parts[0]) if count == 0 else self.algebra.constant(build(kind, *parts[:count]))
        for part in parts[max(count, 1) :]:
            if kind == "+" and part.operator == "neg" and _varies(part):
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
        return self.value(_node("exp", _node("*", exponent, _node("log", base))))

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


ONE, TWO, MINUS = number(1), number(2), number(-1)


def _node(operator: str, *arguments: Node) -> Node:
    # As it stands: sums in sums are not made one, so that the order of the operations is that of the table.
    return Node(operator, arguments)


def _asinh(u: Node, negative: bool) -> Node:
    if negative:
        return _node("neg", _asinh(_node("neg", u), False))
    return _node("log", _node("+", u, _node("sqrt", _node("+", _node("^", u, TWO), ONE))))


def _acosh(u: Node, _: bool) -> Node:
    return _node("log", _node("+", u, _node("sqrt", _node("+", _node("^", u, TWO), MINUS))))


def _atanh(u: Node, _: bool) -> Node:
    ratio = _node("/", _node("+", ONE, u), _node("+", ONE, _node("neg", u)))
    return _node("/", _node("log", ratio), TWO)


def _sinh(u: Node, _: bool) -> Node:
    e = _node("exp", u)
    return _node("/", _node("+", e, _node("neg", _node("/", ONE, e))), TWO)


def _cosh(u: Node, _: bool) -> Node:
    e = _node("exp", u)
    return _node("/", _node("+", e, _node("/", ONE, e)), TWO)


def _inverse_far(kind: str, u: Node, negative: bool) -> Node:
    if negative and kind == "asinh":
        return _node("neg", _inverse_far(kind, _node("neg", u), False))
    square = _node("^", _node("/", ONE, u), TWO)
    root = _node("sqrt", _node("+", ONE, square if kind == "asinh" else _node("neg", square)))
    return _node("+", _node("log", u), _node("log", _node("+", ONE, root)))


def _tanh(u: Node, _: bool) -> Node:
    difference = _node("expm1", _node("*", TWO, u))
    return _node("/", difference, _node("+", difference, TWO))


def _careful_sinh(u: Node, _: bool) -> Node:
    difference = _node("expm1", u)
    return _node("/", _node("+", difference, _node("/", difference, _node("+", difference, ONE))), TWO)


def _careful_asinh(u: Node, negative: bool) -> Node:
    if negative:
        return _node("neg", _careful_asinh(_node("neg", u), False))
    square = _node("^", u, TWO)
    root = _node("sqrt", _node("+", square, ONE))
    return _node("log1p", _node("+", u, _node("/", square, _node("+", root, ONE))))


def _careful_acosh(u: Node, _: bool) -> Node:
    over = _node("+", u, MINUS)
    return _node("log1p", _node("+", over, _node("sqrt", _node("*", over, _node("+", u, ONE)))))


def _careful_atanh(u: Node, _: bool) -> Node:
    ratio = _node("/", _node("*", TWO, u), _node("+", ONE, _node("neg", u)))
    return _node("/", _node("log1p", ratio), TWO)


def _asin(u: Node, _: bool) -> Node:
    root = _node("sqrt", _node("*", _node("+", ONE, _node("neg", u)), _node("+", ONE, u)))
    return _node("*", TWO, _node("atan", _node("/", u, _node("+", root, ONE))))


def _acos(u: Node, negative: bool) -> Node:
    below, above = _node("+", ONE, _node("neg", u)), _node("+", ONE, u)
    if negative:
        half = _node("atan", _node("sqrt", _node("/", above, below)))
        return _node("+", Node("pi"), _node("neg", _node("*", TWO, half)))
    return _node("*", TWO, _node("atan", _node("sqrt", _node("/", below, above))))


CAREFULLY_CALLED = ("expm1", "log1p", "atan")
"""Functions of their own in a careful style."""
CAREFULLY: dict[str, Callable[[Node, bool], Node]] = {
    "tanh": _tanh,
    "sigmoid": lambda u, _: _node("/", ONE, _node("+", ONE, _node("exp", _node("neg", u)))),
    "softplus": lambda u, _: _node("log1p", _node("exp", u)),
    "sinh": _careful_sinh,
    "asinh": _careful_asinh,
    "acosh": _careful_acosh,
    "atanh": _careful_atanh,
    "asin": _asin,
    "acos": _acos,
}
"""Functions written with others in a careful style, where they keep the digits of small results."""
REWRITTEN: dict[str, Callable[[Node, bool], Node]] = {
    "log1p": lambda u, _: _node("log", _node("+", ONE, u)),
    "expm1": lambda u, _: _node("+", _node("exp", u), MINUS),
    "tan": lambda u, _: _node("/", _node("sin", u), _node("cos", u)),
    "sinh": _sinh,
    "cosh": _cosh,
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
}
"""Functions written with others; the second argument says that the first one is negative far out."""


def _is_silu(factors: tuple[Node, ...]) -> bool:
    """Whether factors are x and its sigmoid."""
    x = Node("variable")
    return factors in ((x, Node("sigmoid", (x,))), (Node("sigmoid", (x,)), x))


def _varies(tree: Node) -> bool:
    return any(node.operator == "variable" for node in tree.walk())


def _turns(kind: str, argument: Node) -> Turns:
    """The turns for a unit of x of an argument ``a x + b``, and those of b."""
    factor, shift = _line(argument)
    ends = _in_turns(factor)
    if ends[0] <= 0 <= ends[1]:
        raise NoFormula("a sine of a multiple of x that is not known")
    if shift is None:
        return Turns(*ends)
    rational = kind == "sin" and factor.value is not None and shift.value is not None
    zero = -shift.value / factor.value if rational else None  # type: ignore[operator]
    return Turns(*ends, _in_turns(shift), zero)


def _in_turns(constant: Node) -> tuple[Fraction, Fraction]:
    """A constant over 2 pi, between two numbers."""
    share = _over_pi(constant)
    if share is not None:
        if share.denominator & (share.denominator - 1):
            raise NoFormula("a sine with zeros at rational numbers that are none of the format")
        return share / 2, share / 2
    with working_bits(BITS):
        turns = evaluate(constant, arb(0), ENCLOSURES) / (2 * arb.pi())
        if not turns.is_finite():
            raise NoFormula("a sine of a multiple of x that is not known")
        return to_fraction(turns.lower()), to_fraction(turns.upper())


def _line(argument: Node) -> tuple[Node, Node | None]:
    """The constants a and b of an argument ``a x + b``; None for a b that is not there."""
    kind, parts = argument.operator, argument.arguments
    if kind == "variable":
        return ONE, None
    with_x = [part for part in parts if _varies(part)]
    others = [part for part in parts if not _varies(part)]
    if kind in ("neg", "*", "+") and len(with_x) == 1:
        factor, shift = _line(with_x[0])
        if kind == "+":
            return factor, build("+", *([] if shift is None else [shift]), *others)
        return build(kind, *others, factor), None if shift is None else build(kind, *others, shift)
    if kind == "/" and not others[1:] and with_x and with_x[0] is parts[0] and others:
        factor, shift = _line(with_x[0])
        return build("/", factor, others[0]), None if shift is None else build("/", shift, others[0])
    raise NoFormula(
        "a sine is reduced where it is one of a line, sin(3 * x + 1); nobody bounds how near the zeros of another one "
        "are to numbers, so give it on an interval, where(abs(x) < 3, sin(x^2), 0), perhaps with more segments"
    )


def _over_pi(factor: Node) -> Fraction | None:
    """What a constant is over pi, where it shows that it is a rational multiple."""
    kind, parts = factor.operator, factor.arguments
    if kind == "pi":
        return Fraction(1)
    if kind == "neg":
        inner = _over_pi(parts[0])
        return None if inner is None else -inner
    if kind == "/" and parts[1].value:
        inner = _over_pi(parts[0])
        return None if inner is None else inner / parts[1].value
    if kind == "*":
        numbers = [part.value for part in parts if part.value is not None]
        others = [part for part in parts if part.value is None]
        inner = _over_pi(others[0]) if len(others) == 1 else None
        if inner is not None:
            for value in numbers:
                inner *= value
            return inner
    return None


# -- the operations --------------------------------------------------------------------------------------------------


def functions_of(format: str, inner: str) -> tuple[str, ...]:
    """The kinds of functions of any number that code may call; that of a sine takes x itself."""
    return (*SUMS, *QUOTIENTS) if format == inner else ("exp", "log")


def kind_of(function: Function) -> str:
    """The kind of a function: its name without a number."""
    return function.name.split("_")[0]


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


class Functions(Protocol):
    """Where the functions of a formula come from: made, or those of a kernel."""

    @property
    def format(self) -> str: ...

    @property
    def inner(self) -> str: ...

    @property
    def scheme(self) -> Scheme: ...

    def function(self, called: Called) -> Function: ...


class Library:
    """Functions for code of a format, whose own errors are below a bound; each is made once."""

    def __init__(self, format: str, inner: str, error: float, scheme: Scheme) -> None:
        self.format, self.inner, self.error, self.scheme = format, inner, error, scheme
        self.made: dict[Called, Function] = {}

    def function(self, called: Called) -> Function:
        """The operations of a function."""
        if called not in self.made:
            self.made[called] = self.written(called)
        return self.made[called]

    def written(self, called: Called) -> Function:
        """The operations, under a name that no other function has."""
        inner = self.inner
        if self.format == inner:
            if called.turns is not None:
                raise NoFormula(f"in {inner} itself no {called.kind} is reduced: products of x and pi are not exact")
            if called.kind in QUOTIENTS:
                if self.scheme != PLAIN:
                    raise NoFormula(f"{called.kind} in {inner} itself is written in Horner's order alone")
                return quotient_function(called.kind, inner)
            return sum_function(called.kind, inner, self.scheme)
        if called.kind == "exp":
            return exponential(degree_for(self.error, inner), inner, self.scheme)
        if called.kind == "log":
            return logarithm("log", logarithm_degree(self.error, inner), inner, self.scheme)
        if called.kind == "expm1":
            return expm1("expm1", expm1_degree(self.error, inner), inner)
        if called.kind == "log1p":
            return log1p("log1p", logarithm_degree(self.error, inner), inner)
        if called.kind == "atan":
            return arctangent("atan", arctangent_degree(self.error, inner), inner)
        assert called.turns is not None
        count = sum(other.kind == called.kind for other in self.made)
        name = f"{called.kind}_{count + 1}" if count else called.kind
        return sine(name, called.turns, sine_degree(self.error, inner), self.format, self.scheme)


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
