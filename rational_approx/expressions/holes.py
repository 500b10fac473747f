"""Holes: points where a formula has no value, and a limit that takes its place (``docs/approximation/semantics.md``).

A quotient a / b has one at z where both vanish, b to the order m, and a to no smaller one. With divided differences,
``a(x) = (x - z)^m a[z, ..., z, x]``, so that on an interval J that holds x and z the k-th Taylor coefficient of
``a / (x - z)^m`` lies in ``a^(m + k)(J) / (m + k)!``: those of a on J, moved by m. The same holds for b, and the
quotient of the two is that of the series so moved. That the first coefficients vanish is not seen from enclosures on
J: it is known from the Taylor series at z itself, where arithmetic on rational numbers is exact and zeros of radius
zero count.

A product a log(b) has one where b vanishes and a / b^c is finite for some c > 0, because ``v log(v)`` tends to 0; with
``abs(u)`` for b where a / u is, which has the size of a / b.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from flint import arb, arb_series

from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.arithmetic.precision import series_length, to_arb, working_bits
from rational_approx.expressions.enclosures import AT_POINT, ENCLOSURES, Undecided, constant, quotient
from rational_approx.expressions.nodes import ORDERS, Node, build, evaluate
from rational_approx.expressions.quotients import polynomial

__all__ = ["SWITCHED", "WHOLE", "WHOLE_AT_POINT", "germ", "holes", "holes_in_floats", "logarithms", "vanishes"]

MOST = 12
"""Zeros of a higher order are not looked for."""
SWITCHED = ("abs", "sign", "heaviside", "max", "min", "where")
"""Functions with branches: a tree without them that is zero on an interval is zero everywhere."""
_TROUBLE = (Undecided, ValueError, ZeroDivisionError)
"""What evaluating a series may raise where it has no value."""

# -- the Taylor series at a point --------------------------------------------------------------------------------------


def germ(node: Node, z: Fraction, order: int) -> arb_series:
    """Taylor coefficients of a tree at a rational point: a zero of radius zero is one for certain.

    Raises
    ------
    Undecided
        where a switch is in the tree, or a quotient has no value.
    """
    with series_length(order):
        return _germ(node, z, order)


def _germ(node: Node, z: Fraction, n: int) -> arb_series:
    poly = polynomial(node)
    if poly is not None:
        shifted = poly(flint.fmpq_poly([fmpq(z), 1]))
        return arb_series([to_arb(exact(shifted[k])) for k in range(n)], prec=n)
    kind, parts = node.operator, node.arguments
    if kind in SWITCHED:
        raise Undecided(f"{kind} at a point")
    if kind in ("pi", "e"):
        return arb_series([ENCLOSURES[kind]()], prec=n)
    turns = _over_pi(parts[0]) if kind in ("sin", "cos") else None
    if turns is not None and 2 * (at_z := exact(turns(fmpq(z)))) % 1 == 0:
        return _turned(kind, int(2 * at_z) % 4, _germ(parts[0], z, n))
    if kind == "^" and parts[1].value is not None:
        return _applied(lambda base: ENCLOSURES["power"](base, parts[1].value), _germ(parts[0], z, n))
    if kind in ORDERS:
        return _applied(lambda inner: ENCLOSURES[kind](parts[0].value, inner), _germ(parts[1], z, n))
    found = [_germ(part, z, n) for part in parts]
    if kind != "/":
        return _applied(ENCLOSURES[kind], *found)
    m = _vanishing(found[1])
    if m is None or not all(found[0][k].is_zero() for k in range(m)):
        raise Undecided("a quotient without a value")
    top, bottom = (arb_series([series[k] for k in range(m, n)], prec=n - m) for series in found)
    return ENCLOSURES["/"](top, bottom)


def _over_pi(node: Node) -> flint.fmpq_poly | None:
    # The polynomial p for which a tree is pi p as it stands.
    if node.operator == "pi":
        return flint.fmpq_poly([1])
    if node.operator in ("+", "neg"):
        parts: list[Any] = [_over_pi(part) for part in node.arguments]
        total = flint.fmpq_poly([0])
        for part in parts:
            if part is None:
                return None
            total = total + part
        return total if node.operator == "+" else -total
    if node.operator in ("*", "/"):
        for k, part in enumerate(node.arguments[: 1 if node.operator == "/" else None]):
            others: list[Any] = [polynomial(other) for i, other in enumerate(node.arguments) if i != k]
            found: Any = _over_pi(part)
            if found is None or None in others:
                continue
            for other in others:
                if node.operator == "/" and other.degree() != 0:
                    return None
                found = found * other if node.operator == "*" else found / other[0]
            return found
    return None


def _turned(kind: str, quarters: int, series: arb_series) -> arb_series:
    # sin or cos of pi p at a z where 2 p(z) is a whole number: with d = pi (p - p(z)), whose first coefficient is zero,
    # sin(pi p) = sin(pi p(z)) cos(d) + cos(pi p(z)) sin(d), and the two factors are 0, 1 or -1, exactly.
    n = series.prec
    d = arb_series([0, *(series[k] for k in range(1, n))], prec=n)
    sine, cosine = ((0, 1), (1, 0), (0, -1), (-1, 0))[quarters]
    a, b = (sine, cosine) if kind == "sin" else (cosine, -sine)
    return a * d.cos() + b * d.sin()


def _applied(function: Callable[..., Any], *series: arb_series) -> arb_series:
    # A value alone is that of balls: there is one also where a derivative is infinite, as of a root at 0.
    if min(each.prec for each in series) > 1:
        return function(*series)
    return arb_series([function(*(each[0] for each in series))], prec=1)


def vanishes(node: Node, z: Fraction) -> bool:
    """Whether a tree is zero at a rational point for certain.

    >>> from rational_approx.expressions.expression import parse
    >>> vanishes(parse("log(x + 0.9)").tree, Fraction(1, 10)), vanishes(parse("cos(x)").tree, Fraction(11, 7))
    (True, False)
    """
    with working_bits(128):
        try:
            return bool(germ(node, z, 1)[0].is_zero())
        except _TROUBLE:
            return bool(evaluate(node, to_arb(z), WHOLE_AT_POINT).is_zero())


def _vanishing(series: arb_series) -> int | None:
    # How many of the first coefficients are zero for certain, where the next one is not.
    for k in range(min(series.prec, MOST)):
        if not series[k].is_zero():
            return None if series[k].contains(0) or not series[k].is_finite() else k
    return None


def _candidates(node: Node) -> Iterator[Fraction]:
    # Rational roots of the polynomials p in a tree, and of p - 1: where exp(p) - 1, sin(p) or log(p) are zero.
    poly = polynomial(node)
    if poly is None:
        for part in node.arguments:
            yield from _candidates(part)
    elif 0 < poly.degree() <= 30:
        for moved in (poly, poly - 1):
            for factor, _ in moved.numer().factor()[1]:
                if factor.degree() == 1:
                    yield Fraction(-int(factor[0]), int(factor[1]))


def _zeros(node: Node) -> Iterator[tuple[Fraction, int]]:
    # Rational points where a branch-free tree vanishes for certain, each with its order.
    if any(part.operator in SWITCHED for part in node.walk()):
        return
    for z in sorted(set(_candidates(node))):
        try:
            m = _vanishing(germ(node, z, MOST))
        except _TROUBLE:
            continue
        if m:
            yield z, m


@lru_cache(maxsize=4096)
def holes(node: Node) -> tuple[tuple[Fraction, int], ...]:
    """The rational points at which both sides of a quotient vanish, each with the order of the denominator's zero."""
    top, bottom = node.arguments
    if bottom.value is not None or any(part.operator in SWITCHED for part in top.walk()):
        return ()
    with working_bits(256):
        found = []
        for z, m in _zeros(bottom):
            try:
                series = germ(top, z, MOST)
            except _TROUBLE:
                continue
            coefficients = [series[k] for k in range(series.prec)]
            smooth = len(coefficients) > m and all(c.is_finite() for c in coefficients)
            if smooth and all(c.is_zero() for c in coefficients[:m]):
                found.append((z, m))
    return tuple(found)


@lru_cache(maxsize=4096)
def logarithms(node: Node) -> tuple[tuple[Node, tuple[Fraction, ...]], ...]:
    """The arguments of logarithms among the factors of a product that vanish at rational points, and these points."""
    with working_bits(256):
        found = [
            (factor.arguments[0], tuple(z for z, _ in _zeros(_unsigned(factor.arguments[0]))))
            for factor in node.arguments
            if factor.operator == "log"
        ]
    return tuple(pair for pair in found if pair[1])


def _unsigned(node: Node) -> Node:
    """u of ``abs(u)``; another tree as it is."""
    return node.arguments[0] if node.operator == "abs" else node


# -- enclosures -------------------------------------------------------------------------------------------------------


def _enclosed(node: Node, x: Any, table: dict[str, Any]) -> Any:
    start = constant(x)
    if node.operator == "*":
        for inner, zeros in logarithms(node):
            if any(start.overlaps(to_arb(z)) for z in zeros) and not constant(evaluate(inner, start, table)) > 0:
                return _none(x) if isinstance(x, arb_series) else _near_logarithm(node, inner, x, table)
    else:
        for z, m in holes(node):
            # A wide ball near the hole, too: there the series of a quotient is far wider than one on both.
            hole = to_arb(z)
            if abs(start - hole).lower() <= 4 * arb(start.rad()):
                found = _near_hole(node, x, start.union(hole), m, table)
                if constant(found).is_finite() or start.overlaps(hole):
                    return found
    return table[node.operator](*[evaluate(part, x, table) for part in node.arguments])


def _none(x: Any) -> Any:
    return arb_series([arb.nan()] * x.prec, prec=x.prec) if isinstance(x, arb_series) else arb.nan()


def _near_hole(node: Node, x: Any, both: arb, m: int, table: dict[str, Any]) -> Any:
    n = 1 if isinstance(x, arb) else x.prec
    moved = []
    with series_length(n + m):
        for side in node.arguments:
            try:
                series = evaluate(side, arb_series([both, 1], prec=n + m), table)
            except _TROUBLE:
                return _none(x)
            if isinstance(series, arb):
                series = arb_series([series], prec=n + m)
            if series.prec < n + m or not all(series[k].is_finite() for k in range(n + m)):
                return _none(x)
            moved.append(arb_series([series[k + m] for k in range(n)], prec=n))
        found = quotient(*moved)
        if isinstance(x, arb):
            return found[0]
        return found(arb_series([0, *(x[k] for k in range(1, n))], prec=n))


def _near_logarithm(node: Node, inner: Node, x: arb, table: dict[str, Any]) -> arb:
    # a log(b) = (a / b^c) (v log(v)) / c with v = b^c
    top = evaluate(inner, x, table).upper().upper()
    if not top >= 0:
        return arb.nan()
    rest = list(node.arguments)
    rest.remove(Node("log", (inner,)))
    power = next((k for k, part in enumerate(rest) if _exponent(part, inner)), None)
    if power is None:
        others = build("*", *rest) if rest[1:] else rest[0]
        factor, c = evaluate(build("/", others, _unsigned(inner)), x, table), Fraction(1)
        factor = factor.union(-factor) if inner.operator == "abs" else factor
    else:
        c = _exponent(rest.pop(power), inner)
        factor = evaluate(build("*", *rest) if rest[1:] else rest[0], x, table) if rest else arb(1)
    if not factor.is_finite():
        return arb.nan()
    v = ENCLOSURES["power"](top, c).upper().upper()
    least = (-1 / arb.const_e()).union(arb(0))
    value = arb(0) if v.is_zero() else v * v.log()
    return factor * (arb(0).union(value) if v < arb(-1).exp() else least.union(value)) / to_arb(c)


def _exponent(node: Node, base: Node) -> Fraction:
    # The positive c for which a tree is base^c as it stands, or 0.
    if node == base:
        return Fraction(1)
    if node.operator in ("sqrt", "^") and node.arguments[0] == base:
        c = Fraction(1, 2) if node.operator == "sqrt" else node.arguments[1].value
        return c if c is not None and 0 < c <= 64 else Fraction(0)
    return Fraction(0)


WHOLE = ENCLOSURES | {"holes": _enclosed}
"""The enclosures, and those of quotients and products at their holes."""
WHOLE_AT_POINT = AT_POINT | {"holes": _enclosed}
"""The same for the value at a single point."""

# -- floats -----------------------------------------------------------------------------------------------------------

TERMS = 32


def holes_in_floats(node: Node, x: np.ndarray, table: dict[str, Any]) -> Any:
    """Values in float64. Near a hole both sides lose their digits, and the Taylor series there keeps them."""
    value = table[node.operator](*[evaluate(part, x, table) for part in node.arguments])
    for z, _ in holes(node) if node.operator == "/" else ():
        coefficients, radius = _taylor(node, z)
        t = x - float(z)
        value = np.where(np.abs(t) <= radius, np.polynomial.polynomial.polyval(t, coefficients), value)
    return value


@lru_cache(maxsize=256)
def _taylor(node: Node, z: Fraction) -> tuple[np.ndarray, float]:
    # The Taylor polynomial at a hole, and how far it is as good as the last digit of float64.
    with working_bits(256):
        try:
            series = germ(node, z, TERMS + MOST)
        except _TROUBLE:
            return np.zeros(1), -1.0
        terms = [series[k] for k in range(min(series.prec, TERMS))]
        if not all(c.is_finite() for c in terms):
            return np.zeros(1), -1.0
        radius = Fraction(1)
        while radius > Fraction(1, 2**40):
            if all(_agrees(node, terms, z, z + side * radius) for side in (1, -1)):
                break
            radius /= 2
    return np.array([float(c) for c in terms]), float(radius)


def _agrees(node: Node, terms: list[arb], z: Fraction, x: Fraction) -> bool:
    try:
        value, t, total = evaluate(node, to_arb(x), WHOLE), to_arb(x - z), arb(0)
    except _TROUBLE:
        return False
    for c in reversed(terms):
        total = total * t + c
    return bool(value.is_finite() and abs(value - total) <= abs(value) * arb(2) ** -56)
