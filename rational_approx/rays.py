"""Enclosures of an expression on a half-line: intervals with one infinite end, by monotonicity of each function."""

from collections.abc import Callable
from typing import Any

from flint import arb

from rational_approx.enclosures import ENCLOSURES, Undecided, hull
from rational_approx.nodes import Node, evaluate

__all__ = ["beyond"]

Ray = tuple[arb, arb]
_INCREASING = ("exp", "expm1", "sinh", "tanh", "atan", "asinh", "erf", "sigmoid", "softplus", "log", "log1p", "sqrt")
_LIMITS = {("erf", 1): 1, ("erf", -1): -1, ("sigmoid", 1): 1, ("sigmoid", -1): 0, ("softplus", -1): 0}


def _checked(*values: arb) -> arb:
    if any(value.is_nan() for value in values):
        raise Undecided("the behaviour at infinity is not decided")
    return values[0]


def _spread(values: list[arb]) -> Ray:
    for value in values:
        _checked(value)
    low, high = values[0], values[0]
    for value in values[1:]:
        low, high = low.min(value), high.max(value)
    return _checked(low), _checked(high)


def _infinite(x: arb) -> int:
    if x.is_finite():
        return 0
    if not (x > 0 or x < 0):
        raise Undecided("the behaviour at infinity is not decided")
    return 1 if x > 0 else -1


def _at(name: str, x: arb) -> arb:
    side = _infinite(x)
    if side and (name, side) in _LIMITS:
        return arb(_LIMITS[name, side])
    if side == 1 and name in ("exp", "expm1", "sinh", "asinh", "softplus", "log", "log1p", "sqrt"):
        return arb.pos_inf()
    if side == -1 and name in ("sinh", "asinh"):
        return arb.neg_inf()
    return _checked(ENCLOSURES[name](x))


def _increasing(name: str) -> Callable[[Ray], Ray]:
    return lambda x: (_at(name, x[0]), _at(name, x[1]))


def _add(first: Ray, *rest: Ray) -> Ray:
    for part in rest:
        first = _checked(first[0] + part[0]), _checked(first[1] + part[1])
    return first


def _times(a: arb, b: arb) -> arb:
    if _infinite(a) or _infinite(b):
        if (a > 0 or a < 0) and (b > 0 or b < 0):
            return arb.pos_inf() if (a > 0) == (b > 0) else arb.neg_inf()
        return arb.nan()
    return a * b


def _multiply(first: Ray, *rest: Ray) -> Ray:
    for part in rest:
        first = _spread([_times(a, b) for a in first for b in part])
    return first


def _divide(top: Ray, bottom: Ray) -> Ray:
    if not (bottom[0] > 0 or bottom[1] < 0):
        raise Undecided("a denominator may vanish on a half-line")
    inverse = [arb(0) if _infinite(end) else 1 / end for end in (bottom[1], bottom[0])]
    return _multiply(top, (inverse[0], inverse[1]))


def _power(x: Ray, exponent: Any) -> Ray:
    if exponent < 0:
        return _divide((arb(1), arb(1)), _power(x, -exponent))
    if exponent.denominator == 1:
        result: Ray = (arb(1), arb(1))
        size = _abs(x) if exponent % 2 == 0 else x
        for _ in range(min(int(exponent), 64)):
            result = _multiply(result, size)
        if exponent > 64:
            raise Undecided("a high power on a half-line")
        return result
    low = x[0]
    if not low >= 0:
        raise Undecided("a power of a negative number on a half-line")
    values = [arb.pos_inf() if _infinite(end) else ENCLOSURES["power"](end, exponent) for end in x]
    return values[0], values[1]


def _abs(x: Ray) -> Ray:
    if x[0] >= 0:
        return x
    if x[1] <= 0:
        return -x[1], -x[0]
    return arb(0), _spread([-x[0], x[1]])[1]


def _where(operator: str, left: Ray, right: Ray, yes: Callable[[], Ray], no: Callable[[], Ray]) -> Ray:
    above, below = left[0] > right[1], left[1] < right[0]
    if not (above or below):
        raise Undecided("a condition changes on a half-line")
    return yes() if above == (operator in (">", ">=")) else no()


def _sign(x: Ray) -> Ray:
    if not (x[0] > 0 or x[1] < 0):
        raise Undecided("a step lies on a half-line")
    return (arb(1), arb(1)) if x[0] > 0 else (arb(-1), arb(-1))


def _constant(value: arb) -> Ray:
    return value, value


_TABLE: dict[str, Callable[..., Any]] = {
    "number": lambda value: _constant(ENCLOSURES["number"](value)),
    "pi": lambda: _constant(arb.pi()),
    "e": lambda: _constant(arb.const_e()),
    "+": _add,
    "*": _multiply,
    "neg": lambda x: (-x[1], -x[0]),
    "/": _divide,
    "power": _power,
    "abs": _abs,
    "sign": _sign,
    "heaviside": lambda x: _multiply(_add(_sign(x), _constant(arb(1))), _constant(arb(0.5))),
    "where": _where,
    "max": lambda a, b: (a[0].max(b[0]), a[1].max(b[1])),
    "min": lambda a, b: (a[0].min(b[0]), a[1].min(b[1])),
    "erfc": lambda x: _add(_constant(arb(1)), tuple(-end for end in _increasing("erf")(x)[::-1])),
    **{name: _increasing(name) for name in _INCREASING},
}


def beyond(node: Node, start: arb, side: int) -> arb:
    """A ball around every value on ``[start, inf)`` (``side`` 1) or ``(-inf, start]`` (``side`` -1), limits included.

    Raises
    ------
    Undecided
        where the values are unbounded, or the bounds of the parts do not settle it.
    """
    ray = (start.lower(), arb.pos_inf()) if side > 0 else (arb.neg_inf(), start.upper())
    try:
        low, high = evaluate(node, ray, _TABLE)
    except KeyError as missing:
        raise Undecided(f"{missing} on a half-line") from None
    if not (low.is_finite() and high.is_finite()):
        raise Undecided("the values are unbounded on a half-line")
    return hull(low, high)
