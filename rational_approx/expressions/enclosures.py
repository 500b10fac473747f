"""Rigorous enclosures of the elementary functions, over balls (`arb`) and over truncated power series of balls.

A series over balls evaluated at ``box + t`` carries, in its coefficient of ``t**k``, an enclosure of ``f^(k) / k!`` on
the whole box: that is what Taylor models with remainder need. Functions that python-flint lacks for series are
integrated from their derivative, so that their constant term keeps the accuracy of the ball function.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from operator import add, mul
from typing import Any

import flint
from flint import arb, arb_series

from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.gamma import gamma, loggamma
from rational_approx.expressions.special import SPECIAL

__all__ = [
    "ENCLOSURES",
    "LIMITS",
    "Undecided",
    "ball_between",
    "ends",
    "hull",
    "quotient",
    "series_variable",
]


class Undecided(ArithmeticError):
    """A box straddles the switch of a piecewise function, so that no series describes the function on it."""


def hull(first: arb, *others: arb) -> arb:
    """The smallest ball around some balls (up to rounding)."""
    for other in others:
        first = first.union(other)
    return first


def ball_between(lower: Fraction, upper: Fraction) -> arb:
    """A ball that contains the interval between two fractions."""
    return to_arb(lower).union(to_arb(upper))


def ends(ball: arb) -> tuple[arb, arb]:
    """Exact lower and upper ends of a ball, rounded outwards."""
    return ball.lower().lower(), ball.upper().upper()


def constant(value: arb | arb_series) -> arb:
    """A ball itself, or the constant term of a series: the enclosure of the values on the box."""
    return value[0] if isinstance(value, arb_series) else value


def _from_derivative(start: arb, slope: arb_series, inner: arb_series) -> arb_series:
    """``g(inner)`` from ``g`` at the constant term and ``g'(inner)``."""
    return (slope * inner.derivative()).integral() + start


def _both(ball: Callable[[arb], arb], slope: Callable[[arb_series], arb_series]) -> Callable[[Any], Any]:
    def function(x: arb | arb_series) -> arb | arb_series:
        if isinstance(x, arb):
            return ball(x)
        return _from_derivative(ball(x[0]), slope(x), x)

    return function


def quotient(top: Any, bottom: Any) -> Any:
    """``top / bottom``, not finite where the bottom may be zero."""
    if isinstance(bottom, arb_series) and bottom[0].contains(0):
        return arb_series([arb.nan()] * flint.ctx.cap)  # in every coefficient, also beyond the length of ``bottom``
    return top / bottom


def _method(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(x, name)()


# -- functions that begin at an end of their domain: values outside it are cut off, see `Expression.defined` ---------


def _monotone_from(start: int, inner: Callable[[arb], arb]) -> Callable[[arb], arb]:
    # An increasing function on [start, inf); a ball may spill over the start only by rounding.
    def function(x: arb) -> arb:
        if x > start:
            return inner(x)
        upper = ends(x)[1]
        if upper < start:
            return arb.nan()
        value = inner(upper)
        return hull(inner(arb(start)), value if value.is_finite() else inner(arb(start)))

    return function


def _clipped(inner: Callable[[arb], arb]) -> Callable[[arb], arb]:
    # A monotone function on [-1, 1].
    def function(x: arb) -> arb:
        if x > -1 and x < 1:
            return inner(x)
        lower, upper = ends(x)
        if upper < -1 or lower > 1:
            return arb.nan()
        low, high = (arb(-1) if not lower > -1 else lower), (arb(1) if not upper < 1 else upper)
        return hull(inner(low), inner(high))

    return function


_sqrt_ball = _monotone_from(0, lambda x: x.sqrt())


def _sqrt(x: Any) -> Any:
    return _sqrt_ball(x) if isinstance(x, arb) else x.sqrt()


def _integer_power(x: Any, n: int) -> Any:
    if n < 0:
        return quotient(1, _integer_power(x, -n))
    if isinstance(x, arb):
        if not n or x > 0 or x < 0:
            return x**n
        # Where a ball holds zero, flint has no power of it: the largest one is at an end.
        lower, upper = ends(x)
        if not lower <= upper:
            return arb.nan()
        most = upper.max(-lower) ** n
        return hull(arb(0), most) if n % 2 == 0 else hull(-((-lower) ** n), upper**n)
    result = x * 0 + 1
    while n:
        result = result * x if n & 1 else result
        n >>= 1
        x = x * x if n else x
    return result


def _power(x: Any, exponent: Fraction) -> Any:
    if exponent.denominator == 1 and abs(exponent) <= 4096:
        return _integer_power(x, exponent.numerator)
    if exponent.denominator == 2 and abs(exponent) <= 4096:
        return _integer_power(_sqrt(x), exponent.numerator)
    if isinstance(x, arb) and exponent > 0:
        return _monotone_from(0, lambda u: arb(0) if u == 0 else (u.log() * to_arb(exponent)).exp())(x)
    return (x.log() * to_arb(exponent)).exp()


# -- smooth functions ----------------------------------------------------------------------------------------------


def _exponential(name: str) -> Callable[[arb_series], arb_series]:
    # sinh and cosh of a series from two exponentials; the constant term is replaced by the sharper ball.
    def function(x: arb_series) -> arb_series:
        up, down = x.exp(), (-x).exp()
        value = (up - down) / 2 if name == "sinh" else (up + down) / 2
        return value - value[0] + getattr(x[0], name)()

    return function


def _sigmoid(x: Any) -> Any:
    start = constant(x)
    if isinstance(x, arb):
        if not start.is_finite():
            return arb.nan()
        lower, upper = ends(start)
        return hull(_sigmoid_point(lower), _sigmoid_point(upper))
    if start > 0:
        return quotient(1, 1 + (-x).exp())
    grown = x.exp()
    value = quotient(grown, 1 + grown)
    return value - value[0] + _sigmoid(start)


def _sigmoid_point(x: arb) -> arb:
    if x > 0:
        return 1 / (1 + (-x).exp())
    grown = x.exp()
    return grown / (1 + grown)


def _softplus_ball(x: arb) -> arb:
    def point(u: arb) -> arb:
        return u + (-u).exp().log1p() if u > 0 else u.exp().log1p()

    if not x.is_finite():
        return arb.nan()
    lower, upper = ends(x)
    return hull(point(lower), point(upper))


def _tanh_slope(x: arb_series) -> arb_series:
    # 1 - tanh^2 = 4 s (1 - s) with s = sigmoid(2 x), without cancellation for large x.
    return _sigmoid(2 * x) * _sigmoid(-2 * x) * 4


def _expm1(x: Any) -> Any:
    if isinstance(x, arb):
        return x.expm1()
    value = x.exp()
    # A difference of balls is no zero: next to zero it is wider than the value itself.
    return arb_series([x[0].expm1(), *(value[k] for k in range(1, value.prec))], prec=value.prec)


# -- piecewise functions ---------------------------------------------------------------------------------------------


def _abs(x: Any) -> Any:
    start = constant(x)
    if start >= 0:
        return x
    if start <= 0:
        return -x
    if isinstance(x, arb):
        return hull(arb(0), abs(x).upper())
    raise Undecided("abs changes branch inside a box")


def _step(left: Fraction, right: Fraction, middle: Fraction | None = None) -> Callable[[Any], Any]:
    # A value at a single point does not count (docs/approximation/semantics.md): a zero switch leaves both sides open.
    def function(x: Any) -> Any:
        start = constant(x)
        if start > 0 or start < 0:
            value = to_arb(right if start > 0 else left)
        elif middle is not None and start.is_zero():
            value = to_arb(middle)
        elif isinstance(x, arb):
            return hull(to_arb(left), to_arb(right)) if x.is_finite() else arb.nan()
        else:
            raise Undecided("a step lies inside a box")
        return value if isinstance(x, arb) else x * 0 + value

    return function


def _extreme(sign: int) -> Callable[[Any, Any], Any]:
    def function(first: Any, second: Any) -> Any:
        a, b = constant(first), constant(second)
        if sign * (a - b) >= 0:
            return first
        if sign * (b - a) >= 0:
            return second
        if isinstance(first, arb) and isinstance(second, arb):
            return first.max(second) if sign > 0 else first.min(second)
        raise Undecided("min or max changes branch inside a box")

    return function


def _where(operator: str, left: Any, right: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    a, b = constant(left), constant(right)
    if a > b or a < b:
        return yes() if (a > b) == (operator in (">", ">=")) else no()
    if isinstance(left, arb) and isinstance(right, arb):
        return hull(yes(), no()) if a.is_finite() and b.is_finite() else arb.nan()
    raise Undecided("a condition changes inside a box")


def _where_at(operator: str, left: Any, right: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    # At a point where both sides are equal, the comparison itself decides.
    equal = constant(left - right).is_zero()
    return (yes() if "=" in operator else no()) if equal else _where(operator, left, right, yes, no)


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    # A part without a value leaves the whole without one (docs/approximation/semantics.md), also where ball arithmetic
    # would forget it: an infinite ball times zero is zero, and its hyperbolic tangent lies between -1 and 1.
    def checked(*parts: Any) -> Any:
        if all(isinstance(part, Fraction) or constant(part).is_finite() for part in parts):
            value = function(*parts)
            if constant(value).is_finite():
                return value
        if any(isinstance(part, arb_series) for part in parts):
            return arb_series([arb.nan()] * flint.ctx.cap)
        return arb.nan()

    return checked


LIMITS: dict[str, Callable[..., Any]] = {
    "+": lambda *parts: reduce(add, parts),
    "*": lambda *parts: reduce(mul, parts),
    "neg": lambda x: -x,
    "/": quotient,
    "^": lambda a, b: (a.log() * b).exp(),
    "abs": _abs,
    "sign": _step(Fraction(-1), Fraction(1)),
    "heaviside": _step(Fraction(0), Fraction(1)),
    "max": _extreme(1),
    "min": _extreme(-1),
    **{name: _method(name) for name in ("exp", "log", "sin", "cos", "tan", "atan", "erf", "erfc")},
    "gamma": gamma,
    "loggamma": loggamma,
    "sqrt": _sqrt,
    "sinh": lambda x: x.sinh() if isinstance(x, arb) else _exponential("sinh")(x),
    "cosh": lambda x: x.cosh() if isinstance(x, arb) else _exponential("cosh")(x),
    "tanh": _both(lambda x: x.tanh(), _tanh_slope),
    "asin": _both(_clipped(lambda x: x.asin()), lambda x: quotient(1, _sqrt(1 - x * x))),
    "acos": _both(_clipped(lambda x: x.acos()), lambda x: quotient(-1, _sqrt(1 - x * x))),
    "asinh": _both(lambda x: x.asinh(), lambda x: quotient(1, _sqrt(1 + x * x))),
    "acosh": _both(_monotone_from(1, lambda x: x.acosh()), lambda x: quotient(1, _sqrt(x * x - 1))),
    "atanh": _both(lambda x: x.atanh(), lambda x: quotient(1, 1 - x * x)),
    "log1p": _both(lambda x: x.log1p(), lambda x: quotient(1, 1 + x)),
    "expm1": _expm1,
    "sigmoid": _sigmoid,
    "softplus": _both(_softplus_ball, _sigmoid),
    **SPECIAL,
}
"""The same functions for balls with an infinite end: at infinity their limits are meant, as on half-lines."""


def _strict_power(x: Any, exponent: Fraction) -> Any:
    return _strict(lambda base: _power(base, exponent))(x)


ENCLOSURES: dict[str, Callable[..., Any]] = {
    **{name: _strict(function) for name, function in LIMITS.items()},
    **{"number": to_arb, "pi": arb.pi, "e": arb.const_e, "power": _strict_power, "where": _where},
}
"""One rigorous function for every operator of an expression, in the form that ``nodes.evaluate`` takes.

At a switch they enclose the one-sided values. Where a part may have no value, the whole is not finite."""

AT_POINT = ENCLOSURES | {
    "sign": _strict(_step(Fraction(-1), Fraction(1), Fraction(0))),
    "heaviside": _strict(_step(Fraction(0), Fraction(1), Fraction(1, 2))),
    "where": _where_at,
}
"""The same for the value at a single point: ``sign(0)`` is 0."""


def series_variable(box: arb, order: int) -> arb_series:
    """``box + t``, truncated after ``order`` coefficients."""
    return arb_series([box, arb(1)], prec=min(order, flint.ctx.cap))
