"""Enclosures of an expression on a half-line: ``c(y) y^k`` with ``y = abs(x) / start >= 1`` and bounds of c.

Growth and decay meet in the powers: x is ``start y``, and where ``u <= -h y^k`` with h and k positive,
``exp(u) <= exp(-h) y^-n`` for every ``n <= h k``, because ``-h y^k + n log(y)`` falls from y = 1 on, where it is -h.
"""

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb

from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.enclosures import ENCLOSURES, LIMITS, Undecided, hull
from rational_approx.expressions.nodes import Node, build, evaluate, number

__all__ = ["beyond", "too_large"]


class Ray(NamedTuple):
    """Bounds of c, which may be infinite, and the power of y."""

    low: arb
    high: arb
    power: Fraction = Fraction(0)


_STEEPEST = 64
"""More powers of y than this are not taken from an exponential."""
_LARGEST = arb(2) ** 20
"""Of more than this an exponential is bounded from below by that of this: no ball is that large."""
_LIMITS = {("erf", 1): 1, ("erf", -1): -1, ("sigmoid", 1): 1, ("sigmoid", -1): 0, ("erfc", 1): 0, ("erfc", -1): 2}


def _ray(low: Any, high: Any, power: Fraction = Fraction(0)) -> Ray:
    low, high = arb(low), arb(high)
    if low.is_nan() or high.is_nan():
        raise Undecided("the behaviour at infinity is not decided")
    return Ray(low, high, power)


def _plain(x: Ray) -> Ray:
    # Bounds of the values: y^k runs through (0, 1] or [1, inf).
    if x.power < 0:
        return _raised(x, Fraction(0))
    if x.power == 0:
        return x
    return Ray(x.low if x.low >= 0 else arb.neg_inf(), x.high if x.high <= 0 else arb.pos_inf())


def _raised(x: Ray, power: Fraction) -> Ray:
    # The same with a larger power.
    return x if power == x.power else _ray(x.low.min(arb(0)), x.high.max(arb(0)), power)


def _infinite(x: arb) -> int:
    if x.is_finite():
        return 0
    if not (x > 0 or x < 0):
        raise Undecided("the behaviour at infinity is not decided")
    return 1 if x > 0 else -1


def _add(first: Ray, *rest: Ray) -> Ray:
    power = max(x.power for x in (first, *rest))
    total = _raised(first, power)
    for part in rest:
        other = _raised(part, power)
        total = _ray(total.low + other.low, total.high + other.high, power)
    return total


def _negative(x: Ray) -> Ray:
    return Ray(-x.high, -x.low, x.power)


def _times(a: arb, b: arb) -> arb:
    # Infinite bounds are not attained, so that zero times them is zero.
    if a.is_zero() or b.is_zero():
        return arb(0)
    if _infinite(a) or _infinite(b):
        if (a > 0 or a < 0) and (b > 0 or b < 0):
            return arb.pos_inf() if (a > 0) == (b > 0) else arb.neg_inf()
        return arb.nan()
    return a * b


def _multiply(first: Ray, *rest: Ray) -> Ray:
    for part in rest:
        low, *others = [_ray(v, v).low for v in (_times(a, b) for a in first[:2] for b in part[:2])]
        high = low
        for value in others:
            low, high = low.min(value), high.max(value)
        first = _ray(low, high, first.power + part.power)
    return first


def _divide(top: Ray, bottom: Ray) -> Ray:
    if not (bottom.low > 0 or bottom.high < 0):
        raise Undecided("a denominator may vanish on a half-line")
    low, high = (arb(0) if _infinite(end) else 1 / end for end in (bottom.high, bottom.low))
    return _multiply(top, _ray(low, high, -bottom.power))


def _power(x: Ray, exponent: Fraction) -> Ray:
    if exponent < 0:
        return _divide(_constant(arb(1)), _power(x, -exponent))
    if exponent > 64:
        raise Undecided("a high power on a half-line")
    if exponent.denominator == 1:
        result, size = _constant(arb(1)), _abs(x) if exponent % 2 == 0 else x
        return _multiply(result, *[size] * int(exponent))
    if not x.low >= 0:
        raise Undecided("a power of a negative number on a half-line")
    low, high = (arb.pos_inf() if _infinite(end) else ENCLOSURES["power"](end, exponent) for end in x[:2])
    return _ray(low, high, x.power * exponent)


def _abs(x: Ray) -> Ray:
    if x.low >= 0 or x.high <= 0:
        return x if x.low >= 0 else _negative(x)
    return _ray(0, x.high.max(-x.low), x.power)


def _where(operator: str, left: Ray, right: Ray, yes: Callable[[], Ray], no: Callable[[], Ray]) -> Ray:
    above = _sign(_add(left, _negative(right))).low > 0
    return yes() if above == (operator in (">", ">=")) else no()


def _sign(x: Ray) -> Ray:
    if not (x.low > 0 or x.high < 0):
        raise Undecided("a branch switches on a half-line")
    return _constant(arb(1 if x.low > 0 else -1))


def _extreme(side: int) -> Callable[[Ray, Ray], Ray]:
    def function(a: Ray, b: Ray) -> Ray:
        gap = _add(a, _negative(b))
        if gap.low >= 0 or gap.high <= 0:
            return a if (gap.low >= 0) == (side > 0) else b
        (low, high, power), (below, above, _) = (_raised(x, max(a.power, b.power)) for x in (a, b))
        return (
            _ray(low.max(below), high.max(above), power) if side > 0 else _ray(low.min(below), high.min(above), power)
        )

    return function


def _constant(value: arb) -> Ray:
    return Ray(value, value)


def _at(name: str, x: arb) -> arb:
    side = _infinite(x)
    if side and (name, side) in _LIMITS:
        return arb(_LIMITS[name, side])
    if side and name in ("exp", "asinh", "softplus", "log"):
        return arb.pos_inf() if side > 0 else arb.neg_inf() if name == "asinh" else arb(0 if name != "log" else "nan")
    return LIMITS[name](x)


def _increasing(name: str) -> Callable[[Ray], Ray]:
    return lambda x: _ray(*(_at(name, end) for end in _plain(x)[:2]))


def _exp(u: Ray) -> Ray:
    if u.power > 0 and (u.low > 0 or u.high < 0):
        steep = (u.low if u.low > 0 else -u.high) * to_arb(u.power)
        taken = Fraction(next(n for n in range(_STEEPEST, -1, -1) if n <= steep))
        if u.low > 0:
            return _ray(u.low.min(_LARGEST).exp(), arb.pos_inf(), taken)
        return _ray(0, _at("exp", u.high), -taken)
    if u.power == 0 and u.low > _LARGEST:
        return _ray(_LARGEST.exp(), arb.pos_inf())
    return _increasing("exp")(u._replace(high=arb.pos_inf()) if u.high > _LARGEST else u)


def _log(u: Ray) -> Ray:
    # log(c y^k) = log(c) + k log(y), and log(y) <= sqrt(y)
    inner = _ray(*(_at("log", end) for end in u[:2]))
    return _add(inner, _multiply(_constant(to_arb(u.power)), _ray(0, 1, Fraction(1, 2)))) if u.power else inner


def _rising_log(u: Ray) -> Ray:
    # The same without an upper bound: log(c) from below.
    return _ray(_at("log", u.low), arb.pos_inf()) if u.power > 0 and u.low > 0 else _log(u)


def _small(name: str, most: float = 1.0) -> Callable[[Ray], Ray]:
    # An increasing function with f(u) / u between 0 and a number, so that it vanishes with its argument.
    return lambda u: _multiply(u, _ray(0, most)) if u.power < 0 else _increasing(name)(u)


def _vanishing(name: str, other: Callable[[Ray], Ray]) -> Callable[[Ray], Ray]:
    # An increasing function with f(0) = 0 and f(u) / u between those at the ends, or 1 at 0: expm1, log1p.
    def function(u: Ray) -> Ray:
        low, high, power = u
        if not (power < 0 and low > -1 and low.is_finite() and high.is_finite()):
            return other(u)
        ratios = [arb(1), *(LIMITS[name](end) / end for end in (low, high) if not end.contains(0))]
        least, most = ratios[0], ratios[0]
        for ratio in ratios:
            least, most = least.min(ratio), most.max(ratio)
        return _multiply(u, _ray(least.lower(), most.upper()))

    return function


def _below_exp(name: str) -> Callable[[Ray], Ray]:
    # An increasing function between 0 and exp.
    return lambda u: _exp(u) if u.power > 0 and u.high < 0 else _increasing(name)(u)


def _softplus(u: Ray) -> Ray:
    if u.power > 0 and u.low > 0:  # u < softplus(u) < u + exp(-u)
        return _add(u, _ray(0, (-u.low).exp()))
    return _below_exp("softplus")(u)


def _erfc(u: Ray) -> Ray:
    if u.power > 0 and u.low > 0:  # 0 < erfc(u) <= exp(-u^2)
        return _exp(_negative(_multiply(u, u)))
    low, high, _ = _plain(u)
    return _ray(_at("erfc", high), _at("erfc", low))


def _hyperbolic(sign: int) -> Callable[[Ray], Ray]:
    return lambda u: _multiply(_add(_exp(u), _multiply(_constant(arb(sign)), _exp(_negative(u)))), _constant(arb(0.5)))


# -- special functions: bounds from DLMF 6, 7, 8, 9 and 10 ------------------------------------------------------------


def _bounded(size: float, decay: Fraction) -> Callable[[Ray], Ray]:
    # abs(f(u)) <= size abs(u)^-decay
    return lambda u: _multiply(_ray(-size, size), _power(_abs(u), -decay))


def _sinc(u: Ray) -> Ray:
    return _bounded(1, Fraction(1))(u) if u.low > 0 or u.high < 0 else _ray(-1, 1)


def _dawson(u: Ray) -> Ray:
    # u F(u) lies between 0 and 0.6425
    return _divide(_ray(0, 0.65), u) if u.low > 0 or u.high < 0 else _ray(-0.55, 0.55)


def _airyai(u: Ray) -> Ray:
    if not u.low >= 0:
        return _ray(-0.55, 0.55)
    steep = _multiply(_constant(arb(2) / 3), _power(u, Fraction(3, 2)))
    return _multiply(_ray(0, 1), _exp(_negative(steep)))


def _lambertw(u: Ray) -> Ray:
    if not u.low >= 0:
        return _increasing("lambertw")(u)
    if u.power < 0:
        return _multiply(u, _ray(0, 1))
    return _multiply(_ray(0, 1), _log(_add(u, _constant(arb(1)))))  # 0 <= W(u) <= log(1 + u)


def _zeta(u: Ray) -> Ray:
    least = _plain(u).low
    if not least > 1:
        raise Undecided("zeta beyond its pole on a half-line")
    return _ray(1, LIMITS["zeta"](least))


def _besselj(order: Fraction, u: Ray) -> Ray:
    if u.low > 0 and order >= 0:  # Landau: abs(J) <= 0.7858 u^(-1/3)
        return _bounded(0.7858, Fraction(1, 3))(u)
    if order.denominator > 1:
        raise Undecided("a Bessel function of an order that is no integer on a half-line")
    return _ray(-1, 1)


def _decaying(name: str, rate: Fraction, least: Callable[[Fraction], Fraction]) -> Callable[[Fraction, Ray], Ray]:
    # A positive function for which f(u) exp(rate u) falls from ``least`` on.
    def function(order: Fraction, u: Ray) -> Ray:
        start = _plain(u).low
        if not (start > 0 and start >= to_arb(least(order))):
            raise Undecided(f"{name} near 0 on a half-line")
        factor = LIMITS[name](order, start) * (start * to_arb(rate)).exp()
        return _multiply(_ray(0, factor.upper()), _exp(_multiply(_constant(to_arb(-rate)), u)))

    return function


def _gammainc(order: Fraction, u: Ray) -> Ray:
    low, high, _ = _plain(u)
    if not low >= 0:
        raise Undecided("an incomplete gamma function of a negative number on a half-line")
    return _ray(LIMITS["gammainc"](order, low), 1 if _infinite(high) else LIMITS["gammainc"](order, high))


_TABLE: dict[str, Callable[..., Any]] = {
    "number": lambda value: _constant(to_arb(value)),
    "pi": lambda: _constant(arb.pi()),
    "e": lambda: _constant(arb.const_e()),
    "+": _add,
    "*": _multiply,
    "neg": _negative,
    "/": _divide,
    "power": _power,
    "^": lambda a, b: _exp(_multiply(b, _log(a))),
    "abs": _abs,
    "sign": _sign,
    "heaviside": lambda x: _multiply(_add(_sign(x), _constant(arb(1))), _constant(arb(0.5))),
    "where": _where,
    "max": _extreme(1),
    "min": _extreme(-1),
    "exp": _exp,
    "expm1": _vanishing("expm1", lambda x: _add(_exp(x), _constant(arb(-1)))),
    "log": _log,
    "log1p": _vanishing("log1p", lambda x: _log(_add(x, _constant(arb(1))))),
    "sqrt": lambda x: _power(x, Fraction(1, 2)),
    "sinh": _hyperbolic(-1),
    "cosh": _hyperbolic(1),
    "softplus": _softplus,
    "erf": _small("erf", 1.13),  # 2 / sqrt(pi) = 1.1283...
    "erfc": _erfc,
    "sigmoid": _below_exp("sigmoid"),
    **dict.fromkeys(("sin", "cos"), lambda x: _ray(-1, 1)),
    **{name: _small(name) for name in ("tanh", "atan", "asinh")},
    "sinc": _sinc,
    "dawson": _dawson,
    "airyai": _airyai,
    "lambertw": _lambertw,
    "zeta": _zeta,
    "besselj": _besselj,
    "besselk": _decaying("besselk", Fraction(1), lambda order: Fraction(0)),
    "gammainc": _gammainc,
    "gammaincc": _decaying("gammaincc", Fraction(1, 2), lambda order: max(Fraction(0), 2 * order - 2)),
}


_RISING: dict[str, Callable[..., Any]] = {
    **_TABLE,
    "log": _rising_log,
    "^": lambda a, b: _exp(_multiply(b, _rising_log(a))),
}
"""Logarithms of what grows, bounded from below alone: their exponentials decay, and grow, by these bounds."""


def _mirrored(u: Node) -> Node:
    return build("sigmoid", build("neg", u))


def _complements(node: Node) -> Node:
    # 1 + erf(u) as erfc(-u), and 1 + tanh(u) as 2 sigmoid(2 u), whose decays are known.
    if not node.arguments:
        return node
    parts = [_complements(part) for part in node.arguments]
    if node.operator == "+" and any(part.value == 1 for part in parts):
        for k, part in enumerate(parts):
            inner = part.arguments[0] if part.operator == "neg" else part
            if inner.operator in ("erf", "tanh"):
                u = inner.arguments[0]
                one = next(i for i, other in enumerate(parts) if other.value == 1)
                u = u if part is not inner else build("neg", u)  # decays where u is large
                two = number(2)
                whole = build("erfc", u) if inner.operator == "erf" else build("*", two, _mirrored(build("*", two, u)))
                rest = [other for i, other in enumerate(parts) if i not in (k, one)]
                return build("+", whole, *rest) if rest else whole
    return Node(node.operator, tuple(parts), node.value, node.depth)


def beyond(node: Node, start: arb, side: int) -> arb:
    """A ball around every value on ``[start, inf)`` (``side`` 1) or ``(-inf, start]`` (``side`` -1), limits included.

    Raises
    ------
    Undecided
        where the values are unbounded, or the bounds of the parts do not settle it.
    """
    end = start.lower() if side > 0 else start.upper()
    found, trouble = list[arb](), Undecided("the values are unbounded on a half-line")
    for table in (_TABLE, _RISING):
        try:
            low, high, _ = _plain(evaluate(_complements(node), Ray(end, end, Fraction(1)), table))
        except KeyError as missing:
            raise Undecided(f"{missing} on a half-line") from None
        except Undecided as problem:
            trouble = problem
            continue
        if low.is_finite() and high.is_finite():
            found.append(hull(low, high))
    if not found:
        raise trouble
    return found[0].intersection(found[-1])


def too_large(node: Node, x: arb, most: arb) -> int:
    """The sign of a tree whose size is certainly above ``most`` on a ball, where no ball may hold it; else 0."""
    with suppress(Undecided, ValueError, ZeroDivisionError, KeyError):
        low, high, _ = evaluate(node, Ray(x.lower(), x.upper()), _TABLE)
        return int(bool(low > most)) - int(bool(high < -most))
    return 0
