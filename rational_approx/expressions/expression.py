"""`Expression`: a function of one variable that can be evaluated in floats, to any precision, and rigorously."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Any

import flint
import mpmath
import numpy as np
import scipy.special

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction, held_precision, to_accuracy, to_arb
from rational_approx.arithmetic.values import Value
from rational_approx.expressions import switches
from rational_approx.expressions.derivative import derivative
from rational_approx.expressions.holes import WHOLE, WHOLE_AT_POINT, holes_in_floats
from rational_approx.expressions.nodes import ExpressionError, Node, build, evaluate, number, text
from rational_approx.expressions.parser import LIMIT_LENGTH, parse_tree
from rational_approx.expressions.shift import in_powers, shifted

__all__ = ["FLOATS", "Expression", "ExpressionError", "from_polynomials", "parse"]


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _where(operator: str, left: Any, right: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[operator]
    return np.where(compare(left, right), yes(), no())


def _power(base: Any, exponent: Fraction) -> Any:
    if exponent.denominator == 1 and abs(exponent) <= 64:
        return np.asarray(base, dtype=np.float64) ** int(exponent)
    return np.power(np.asarray(base, dtype=np.float64), _float(exponent))


def _sum(*parts: Any) -> Any:
    return sum(parts[1:], start=parts[0])


def _product(*parts: Any) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total * part
    return total


FLOATS: dict[str, Callable[..., Any]] = {
    "number": _float,
    "holes": holes_in_floats,
    "pi": lambda: np.pi,
    "e": lambda: np.e,
    "+": _sum,
    "*": _product,
    "neg": np.negative,
    "/": np.divide,
    "^": np.power,
    "power": _power,
    "where": _where,
    "abs": np.abs,
    "sign": np.sign,
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "min": np.minimum,
    "max": np.maximum,
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "expm1", "log1p")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh")},
    **{"a" + name: getattr(np, "arc" + name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name: getattr(scipy.special, name) for name in ("erf", "erfc", "gamma")},
    "loggamma": scipy.special.gammaln,
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "lambertw": lambda x: np.where(x > -np.exp(-1.0), scipy.special.lambertw(x).real, np.nan),
    "airyai": lambda x: np.where(x > 120, 0.0, scipy.special.airy(np.minimum(x, 120))[0]),
    "airybi": lambda x: scipy.special.airy(x)[2],
    "zeta": scipy.special.zeta,
    "digamma": scipy.special.psi,
    "sinc": lambda x: np.sinc(x / np.pi),
    "erfinv": scipy.special.erfinv,
    "dawson": scipy.special.dawsn,
    "besselj": lambda order, x: scipy.special.jv(_float(order), x),
    "bessely": lambda order, x: scipy.special.yv(_float(order), x),
    "besseli": lambda order, x: scipy.special.iv(_float(order), x),
    "besselk": lambda order, x: scipy.special.kv(_float(order), x),
    "gammainc": lambda order, x: scipy.special.gammainc(_float(order), x),
    "gammaincc": lambda order, x: scipy.special.gammaincc(_float(order), x),
}
"""Every operator in float64."""


def _stable(node: Node) -> Node:
    """The same function with ``log(1 + u)`` and ``exp(u) - 1`` as ``log1p`` and ``expm1``, which in float64 keep their
    digits where u is small: a relative error near a zero of the target sees nothing else. And ``log(1 + exp(u))``,
    ``exp(u) / (1 + exp(u))`` as softplus and sigmoid, which have values where exp(u) is too large."""
    parts = tuple(_stable(part) for part in node.arguments)
    one, rest = number(1), [part for part in parts if part.value is None]
    if node.operator == "log" and parts[0].operator == "+" and one in parts[0].arguments:
        others = list(parts[0].arguments)
        others.remove(one)
        inner = build("+", *others)
        # exp(u) may be too large for a float where log(1 + exp(u)) is not.
        return Node("softplus", inner.arguments) if inner.operator == "exp" else Node("log1p", (inner,))
    if node.operator == "log1p" and parts[0].operator == "exp":
        return Node("softplus", parts[0].arguments)
    if (
        node.operator == "/"
        and parts[0].operator == "exp"
        and parts[1] in (build("+", one, parts[0]), build("+", parts[0], one))
    ):
        return Node("sigmoid", parts[0].arguments)
    if node.operator == "+" and len(parts) == 2 and len(rest) == 1:
        constant = next(part.value for part in parts if part.value is not None)
        if rest[0].operator == "exp" and constant == -1:
            return Node("expm1", rest[0].arguments)
        if rest[0].operator == "neg" and rest[0].arguments[0].operator == "exp" and constant == 1:
            return Node("neg", (Node("expm1", rest[0].arguments[0].arguments),))
    return replace(node, arguments=parts)


@dataclass(frozen=True)
class Expression(Value):
    """A function of one real variable, read by `parse`; immutable, and equal where the normal forms are equal.

    Calling it evaluates in float64 (a float, or an array element by element). Where a value does not exist, the
    result is NaN or infinite, as in NumPy.

    >>> f = parse("max(x, 0) + 1/3")
    >>> f(-1.0), f.breakpoints(Fraction(-1), Fraction(1))
    (0.3333333333333333, (Fraction(0, 1),))
    """

    tree: Node
    variable: str = "x"

    @property
    def text(self) -> str:
        """The canonical text: parsing it gives an equal expression."""
        return text(self.tree, self.variable)

    def __str__(self) -> str:
        return self.text

    @cached_property
    def _floats(self) -> Node:
        return _stable(self.tree)

    @property
    def stable(self) -> "Expression":
        """The same function, written so that its parts neither overflow nor cancel where it does not.

        >>> str(parse("log(1 + exp(x)) + exp(x) / (1 + exp(x))").stable)
        'softplus(x) + sigmoid(x)'
        """
        return replace(self, tree=self._floats)

    def __call__(self, x: Any) -> Any:
        """Values in float64, for a float or an array."""
        points = np.asarray(x, dtype=np.float64)
        with np.errstate(all="ignore"):
            values = np.array(np.broadcast_to(evaluate(self._floats, points, FLOATS), points.shape))
        lost = ~np.isfinite(values) & np.isfinite(points)
        if lost.any():
            values[lost] = [self._rescued(float(v), float(at)) for v, at in zip(values[lost], points[lost])]
        return values if points.ndim else float(values)

    def _rescued(self, value: float, x: float) -> float:
        # A part may be too large for float64, or without a value, where the whole is not: exp(x) / (1 + exp(x)). At a
        # pole this is no way out: there the value at x and at the next float have nothing in common.
        point = to_arb(Fraction(x))
        try:
            around = evaluate(self.tree, flint.arb(point, abs(x) * 2.0**-50), WHOLE)
            ball = evaluate(self.tree, point, WHOLE_AT_POINT) if around.is_finite() else around
        except ArithmeticError:
            return value
        return float(ball) if ball.is_finite() else value

    def size(self) -> "Expression":
        """``abs(f)``."""
        return replace(self, tree=build("abs", self.tree))

    def reciprocal_size(self) -> "Expression":
        """``1 / abs(f)``, the weight of a relative error."""
        return replace(self, tree=build("/", number(1), build("abs", self.tree)))

    def derivative(self) -> "Expression":
        """``f'``; raises ``ExpressionError`` where it is not in the language."""
        return replace(self, tree=derivative(self.tree))

    def ball(self, x: Any) -> Any:
        """A rigorous enclosure for a ball or a power series over balls (same kind), at the working precision.

        Values are enclosed wherever the function is defined on the ball; see `defined`.

        Raises
        ------
        Undecided
            for a series on a box that straddles the switch of a branch; a ball gives the hull of both branches.
        """
        value = evaluate(self.tree, x, WHOLE)
        return x * 0 + value if isinstance(x, flint.arb_series) and isinstance(value, flint.arb) else value

    @held_precision()
    def mpf(self, x: Any) -> mpmath.mpf:
        """The value at an exact point (mpf, Fraction, int, or a float read as its shortest decimal), to ``mp.prec``."""
        point = fraction(x)
        value = to_accuracy(lambda: evaluate(self.tree, to_arb(point), WHOLE_AT_POINT), mpmath.mp.prec)
        if not value.is_finite():
            return mpmath.mpf("nan")
        # No fraction: pi^(-10^(e+10)) has an exponent of thirteen digits, which mpf holds and a fraction does not.
        mantissa, exponent = value.mid().man_exp()
        return mpmath.mpf((int(mantissa), int(exponent)))

    def shifted(self, by: Fraction) -> "Expression":
        """``f(x + by)``, with its polynomials expanded; see :mod:`expressions.shift`."""
        return Expression(shifted(self.tree, by), self.variable)

    def on(self, lower: End, upper: End) -> "Expression":
        """The expression with every branch decided that provably does not switch inside the open interval.

        >>> parse("abs(x)").on(Fraction(-1), Fraction(0)).text
        '-x'
        """
        return Expression(switches.decided(self.tree, lower, upper), self.variable)

    def breakpoints(self, lower: End, upper: End) -> tuple[Fraction, ...]:
        """Every point of the open interval where a branch switches; within 2**-400 where it is not rational."""
        return switches.breakpoints(self.tree, lower, upper)

    def jumps(self, lower: End, upper: End) -> tuple[Fraction, ...]:
        """The breakpoints at which the two one-sided values provably differ."""
        return switches.jumps(self.tree, lower, upper)

    def defined(self, lower: End, upper: End) -> bool:
        """Whether every root and power provably has its argument in its domain on the whole interval."""
        return switches.at_least(self.tree, lower, upper)


def parse(source: str, variable: str = "x") -> Expression:
    """Read an expression of one variable.

    The language: exact numbers, ``pi``, ``e``, the variable, ``+ - * / ^ **``, parentheses, ``exp log sqrt sin cos tan
    sinh cosh tanh asin acos atan asinh acosh atanh erf erfc gamma loggamma expm1 log1p sigmoid softplus abs min max
    sign heaviside relu``, ``clip(x, lower, upper)`` and ``where(a < b, then, otherwise)``. ``sign(0)`` is 0 and
    ``heaviside(0)`` is 1/2. Special functions are ``lambertw airyai airybi zeta digamma sinc erfinv dawson`` and, with
    a constant order as their first argument, ``besselj bessely besseli besselk gammainc gammaincc``; see
    ``docs/approximation/semantics.md``.

    Raises
    ------
    ExpressionError
        with the position and what is allowed, where the text is not in the language or goes beyond its limits.

    >>> parse("-x**2 / 0.5").text
    '-x ^ 2 / 0.5'
    """
    return Expression(parse_tree(source, variable), variable)


def from_polynomials(top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> Expression:
    """A quotient of polynomials as an expression, exact, by Horner's rule: a target that can be proved.

    Raises
    ------
    ValueError
        where the coefficients are too long to be written down in one.
    """
    found = Expression(build("/", in_powers(top), in_powers(bottom)))
    if len(found.text) > LIMIT_LENGTH:
        raise ValueError(
            "the coefficients of this rational are too long for an expression: round them to a format first"
        )
    return found
