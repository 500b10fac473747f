"""Values of branch-free formulas: exact where they are fractions, in mpmath, with a slope.

``ratio`` gives the quotient of polynomials that a formula is, so that its sign is known exactly.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.reader import Tree

__all__ = ["Undefined", "Unsure", "exponent", "factors", "mpf", "number", "ratio", "value", "with_slope"]

LARGEST = 10**30
"""Arguments of exponential functions beyond this are not looked at."""


class Unsure(ArithmeticError):
    """A value is not found."""


class Undefined(Unsure):
    """A formula has no value."""


def mpf(x: Any) -> mpmath.mpf:
    """A number of mpmath, at its precision."""
    return mpmath.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else x


@lru_cache(maxsize=20_000)
def number(tree: Tree) -> Fraction | None:
    """The number that a formula is once the operations on numbers are carried out, or None."""
    if isinstance(tree, Fraction):
        return tree
    if isinstance(tree, str) or tree[0] not in ("+", "-", "*", "/", "^", "neg"):
        return None
    parts = [number(part) for part in tree[1:]]
    if None in parts:
        return None
    try:
        return _exact(tree[0], *parts)
    except (Unsure, TypeError):
        return None


def _exact(kind: str, a: Fraction, b: Fraction = Fraction(1)) -> Fraction | None:
    if kind == "neg":
        return -a
    if kind == "/":
        if not b:
            raise Undefined("a division by zero")
        return a / b
    if kind == "^":
        if b.denominator != 1 or abs(b) > 400:
            return None
        if b < 0 and not a:
            raise Undefined("a negative power of zero")
        if max(abs(a.numerator), a.denominator).bit_length() * abs(b) > 40_000:
            raise Unsure("a large power")
        return a ** int(b)
    return a + b if kind == "+" else a - b if kind == "-" else a * b


def exponent(tree: Tree) -> Fraction | None:
    """The exponent of a power that counts as a number."""
    return number(tree[2])


@lru_cache(maxsize=20_000)
def ratio(tree: Tree) -> tuple[polynomials.Poly, polynomials.Poly] | None:
    """Numerator and denominator of a branch-free formula that is a rational function; None for others."""
    one = (Fraction(1),)
    if isinstance(tree, Fraction):
        return (tree,), one
    if isinstance(tree, str):
        return ((Fraction(0), Fraction(1)), one) if tree == "x" else None
    kind = tree[0]
    if kind == "^":
        n, base = exponent(tree), ratio(tree[1])
        if n is None or base is None or n.denominator != 1 or abs(n) > 60:
            return None
        if abs(n) * max(map(len, base)) > 200:
            return None
        top, bottom, size = one, one, int(abs(n))
        for _ in range(size):
            top, bottom = polynomials.times(top, base[0]), polynomials.times(bottom, base[1])
        if n < 0:
            top, bottom = bottom, top
        return (top, bottom) if any(bottom) else None
    if kind not in ("+", "-", "*", "/", "neg"):
        return None
    parts = [ratio(part) for part in tree[1:]]
    if any(part is None for part in parts):
        return None
    (p, q), (r, s) = parts[0], parts[-1]  # type: ignore[misc]
    if max(len(p), len(q)) + max(len(r), len(s)) > 120:
        return None
    if kind == "neg":
        return polynomials.scaled(p, Fraction(-1)), q
    if kind == "*":
        return polynomials.times(p, r), polynomials.times(q, s)
    if kind == "/":
        bottom = polynomials.times(q, r)
        return (polynomials.times(p, s), bottom) if any(bottom) else None
    top = polynomials.plus(polynomials.times(p, s), polynomials.times(r, q), Fraction(1 if kind == "+" else -1))
    if q == s:
        top, bottom = polynomials.plus(p, r, Fraction(1 if kind == "+" else -1)), q
        return top, bottom
    return top, polynomials.times(q, s)


# -- one value ---------------------------------------------------------------------------------------------------------


def _limited(f: Callable[[Any], Any], size: float = LARGEST) -> Callable[[Any], Any]:
    def value_at(u: Any) -> Any:
        if abs(u) > size:
            raise Unsure("a large argument")
        return f(u)

    return value_at


def _sqrt(u: Any) -> Any:
    if u < 0:
        raise Undefined("a root of a negative number")
    return mpmath.sqrt(u)


def _where(test: Callable[[Any], bool], f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def value_at(u: Any) -> Any:
        if not test(u):
            raise Undefined("outside the domain of a function")
        return f(u)

    return value_at


def _softplus(u: Any) -> Any:
    return max(u, mpmath.mpf(0)) + mpmath.log1p(mpmath.exp(-abs(u)))


def _sigmoid(u: Any) -> Any:
    if u > LARGEST:
        return mpmath.mpf(1)
    return mpmath.mpf(0) if u < -LARGEST else 1 / (1 + mpmath.exp(-u))


def _erfc(u: Any) -> Any:
    return mpmath.mpf(0) if u > 3000 else mpmath.mpf(2) if u < -3000 else mpmath.erfc(u)


def _tanh(u: Any) -> Any:
    return mpmath.tanh(u) if abs(u) < LARGEST else mpmath.sign(u)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{name: _limited(getattr(mpmath, name)) for name in ("exp", "sinh", "cosh", "expm1")},
    **{name: _limited(getattr(mpmath, name), 10.0**40) for name in ("sin", "cos", "tan")},
    **{name: getattr(mpmath, name) for name in ("atan", "asinh")},
    "tanh": _tanh,
    "erf": lambda u: 1 - _erfc(u) if abs(u) > 3000 else mpmath.erf(u),
    "erfc": _erfc,
    "sigmoid": _sigmoid,
    "softplus": _limited(_softplus, 10.0**30),
    "sqrt": _sqrt,
    "log": _where(lambda u: u > 0, mpmath.log),
    "log1p": _where(lambda u: u > -1, mpmath.log1p),
    "loggamma": _where(lambda u: u > 0, _limited(mpmath.loggamma, 1e6)),
    "acosh": _where(lambda u: u >= 1, mpmath.acosh),
    "asin": _where(lambda u: abs(u) <= 1, mpmath.asin),
    "acos": _where(lambda u: abs(u) <= 1, mpmath.acos),
    "atanh": _where(lambda u: abs(u) < 1, mpmath.atanh),
    "gamma": _where(lambda u: not (u <= 0 and mpmath.isint(u)), _limited(mpmath.gamma, 1000)),
    "digamma": _where(lambda u: not (u <= 0 and mpmath.isint(u)), _limited(mpmath.digamma, 1000)),
    "zeta": _where(lambda u: u != 1, _limited(mpmath.zeta, 1000)),
    "lambertw": _where(lambda u: u > -mpmath.exp(-1), _limited(lambda u: mpmath.re(mpmath.lambertw(u)))),
    "erfinv": _where(lambda u: abs(u) < 1, mpmath.erfinv),
    "sinc": lambda u: mpmath.sin(u) / u if u else mpmath.mpf(1),
    "airyai": _limited(mpmath.airyai, 300),
    "airybi": _limited(mpmath.airybi, 300),
    "dawson": _limited(lambda u: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-u * u) * mpmath.erfi(u), 300),
}


def _bessel(name: str) -> Callable[[Any], Callable[[Any], Any]]:
    def of(order: Any) -> Callable[[Any], Any]:
        entire = name in ("besselj", "besseli") and mpmath.isint(order)
        f = getattr(mpmath, name)
        return _where(lambda u: entire or u > 0, _limited(lambda u: mpmath.re(f(order, u)), 300))

    return of


def _gamma_share(upper: bool) -> Callable[[Any], Callable[[Any], Any]]:
    def of(order: Any) -> Callable[[Any], Any]:
        ends = (lambda u: (u, mpmath.inf)) if upper else (lambda u: (0, u))
        return _where(
            lambda u: u >= 0, _limited(lambda u: mpmath.re(mpmath.gammainc(order, *ends(u), regularized=True)), 300)
        )

    return of


ORDERED: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    **{name: _bessel(name) for name in ("besselj", "bessely", "besseli", "besselk")},
    "gammainc": _gamma_share(False),
    "gammaincc": _gamma_share(True),
}


def _function(kind: str) -> Callable[[Any], Any]:
    """The function of a name, or of a name and an order."""
    name, _, order = kind.partition(" ")
    return ORDERED[name](mpf(Fraction(order))) if order else FUNCTIONS[name]


def factors(tree: Tree) -> list[Tree]:
    """The factors of a product."""
    return [*factors(tree[1]), *factors(tree[2])] if isinstance(tree, tuple) and tree[0] == "*" else [tree]


FAR = 300
"""Digits with which limits are looked for."""


def _limit(tree: Tree, x: Any) -> Any:
    """The limit at a hole: the same from every side on which there are values."""
    if mpmath.mp.dps >= FAR or not isinstance(x, Fraction):
        raise Undefined("no value, and no limit that is looked for")
    found = []
    with mpmath.workdps(2 * FAR):
        for side in (1, -1):
            try:
                found.append([value(tree, x + side * Fraction(1, 10**k)) for k in (60, 90)])
            except Undefined:
                continue
    if not found:
        raise Undefined("no value on either side")
    with mpmath.workdps(FAR):
        for near, nearer in ([mpf(v) for v in pair] for pair in found):
            if abs(nearer) > 100 and abs(nearer) > mpmath.mpf(1.02) * abs(near):
                raise Undefined("an infinite limit")
            if abs(nearer - near) > mpmath.mpf(10) ** -50 * max(1, abs(near)):
                raise Unsure("a limit that is not seen")
        ends = [nearer for _, nearer in found]
        if abs(mpf(ends[0]) - mpf(ends[-1])) > mpmath.mpf(10) ** -50 * max(1, abs(mpf(ends[0]))):
            raise Unsure("limits that differ")
    exact = all(isinstance(end, Fraction) for end in ends) and ends[0] == ends[-1]
    return ends[0] if exact else sum(map(mpf, ends)) / len(ends)


def _power(a: Any, tree: Tree, x: Any) -> Any:
    c = exponent(tree)
    if c is None:
        b = value(tree[2], x)
        if not a > 0:
            raise Undefined("a power of a number that is not positive")
        return FUNCTIONS["exp"](mpf(b) * mpmath.log(mpf(a)))
    if c.denominator == 1:
        if c < 0 and not a:
            raise Undefined("a negative power of zero")
        if isinstance(a, Fraction) and abs(c) * max(abs(a.numerator), a.denominator).bit_length() < 60_000:
            return a ** int(c)
        if abs(c) > 10**6:
            raise Unsure("a large power")
        return mpf(a) ** int(c)
    if a < 0 or (c < 0 and not a):
        raise Undefined("a power of a negative number")
    return mpmath.exp(mpf(c) * mpmath.log(mpf(a))) if a else Fraction(0)


def value(tree: Tree, x: Any) -> Any:
    """The value of a branch-free formula at a point: a Fraction where it is exact, else a number of mpmath."""
    if isinstance(tree, Fraction):
        return tree
    if isinstance(tree, str):
        return x if tree == "x" else +mpmath.pi if tree == "pi" else +mpmath.e
    kind = tree[0]
    if kind == "*":
        parts = factors(tree)
        if any(part[0] == "log" and not value(part[1], x) for part in parts if isinstance(part, tuple)):
            for part in parts:
                value(part[1] if isinstance(part, tuple) and part[0] == "log" else part, x)
            return _limit(tree, x)
    a = value(tree[1], x)
    if kind == "neg":
        return -a
    if kind == "^":
        return _power(a, tree, x)
    if kind in ("+", "-", "*", "/"):
        b = value(tree[2], x)
        if not (isinstance(a, Fraction) and isinstance(b, Fraction)):
            a, b = mpf(a), mpf(b)
        if kind == "/":
            if not b:
                return _limit(tree, x)
            return a / b
        return a + b if kind == "+" else a - b if kind == "-" else a * b
    return _function(kind)(mpf(a))


# -- a value and the slope ---------------------------------------------------------------------------------------------

SLOPES: dict[str, Callable[[Any, Any], Any]] = {
    "exp": lambda u, f: f,
    "expm1": lambda u, f: f + 1,
    "sin": lambda u, f: mpmath.cos(u),
    "cos": lambda u, f: -mpmath.sin(u),
    "tan": lambda u, f: 1 + f * f,
    "sinh": lambda u, f: mpmath.cosh(u),
    "cosh": lambda u, f: mpmath.sinh(u),
    "tanh": lambda u, f: mpmath.sech(u) ** 2 if abs(u) < LARGEST else mpmath.mpf(0),
    "atan": lambda u, f: 1 / (1 + u * u),
    "asinh": lambda u, f: 1 / mpmath.sqrt(1 + u * u),
    "acosh": lambda u, f: 1 / mpmath.sqrt(u * u - 1),
    "asin": lambda u, f: 1 / mpmath.sqrt(1 - u * u),
    "acos": lambda u, f: -1 / mpmath.sqrt(1 - u * u),
    "atanh": lambda u, f: 1 / (1 - u * u),
    "erf": lambda u, f: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-u * u) if abs(u) < 3000 else mpmath.mpf(0),
    "erfc": lambda u, f: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-u * u) if abs(u) < 3000 else mpmath.mpf(0),
    "sigmoid": lambda u, f: f * (1 - f),
    "softplus": lambda u, f: _sigmoid(u),
    "log": lambda u, f: 1 / u,
    "log1p": lambda u, f: 1 / (1 + u),
    "sqrt": lambda u, f: 1 / (2 * f),
    "loggamma": lambda u, f: mpmath.digamma(u),
    "gamma": lambda u, f: f * mpmath.digamma(u),
}
"""Those of other functions are differences."""


def with_slope(tree: Tree, x: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Value and derivative of a branch-free formula."""
    zero = mpmath.mpf(0)
    if isinstance(tree, Fraction):
        return mpf(tree), zero
    if isinstance(tree, str):
        return mpf(value(tree, x)), mpmath.mpf(tree == "x")
    kind = tree[0]
    a, da = with_slope(tree[1], x)
    try:
        if kind == "neg":
            return -a, -da
        if kind == "^":
            c = exponent(tree)
            total = mpf(_power(a, tree, x))
            if c is None:
                b, db = with_slope(tree[2], x)
                return total, total * (db * mpmath.log(a) + b * da / a)
            if c == 0 or not da:
                return total, zero
            if c.denominator == 1:
                return total, mpf(c) * a ** int(c - 1) * da
            return total, mpf(c) * mpmath.exp(mpf(c - 1) * mpmath.log(a)) * da if a else 0 / zero
        if kind in ("+", "-", "*", "/"):
            b, db = with_slope(tree[2], x)
            if kind == "*":
                return a * b, da * b + a * db
            if kind == "/":
                return a / b, (da - a / b * db) / b
            return (a + b, da + db) if kind == "+" else (a - b, da - db)
        f = _function(kind)
        total = f(a)
        if kind not in SLOPES:
            h = mpmath.mpf(10) ** -(mpmath.mp.dps // 3)
            return total, (f(a + h) - f(a - h)) / (2 * h) * da
        return total, SLOPES[kind](a, total) * da if da else zero
    except ZeroDivisionError:
        raise Unsure("an infinite slope") from None
