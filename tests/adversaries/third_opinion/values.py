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

__all__ = ["Undefined", "Unsure", "exponent", "mpf", "number", "ratio", "value", "with_slope"]

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
}


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
                raise Undefined("a division by zero")
            return a / b
        return a + b if kind == "+" else a - b if kind == "-" else a * b
    return FUNCTIONS[kind](mpf(a))


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
        total = FUNCTIONS[kind](a)
        return total, SLOPES[kind](a, total) * da if da else zero
    except ZeroDivisionError:
        raise Unsure("an infinite slope") from None
