"""Whether a branch-free formula has a real value on a closed region, from ``docs/approximation/semantics.md``."""

from collections.abc import Iterator
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import mpmath
import numpy as np
from scipy import optimize

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.floats import floats
from tests.adversaries.third_opinion.reader import Tree
from tests.adversaries.third_opinion.search import grid, looked_at
from tests.adversaries.third_opinion.values import Undefined, Unsure, exponent, number, ratio, value

__all__ = ["Violation", "violated"]

ONE = Fraction(1)
SLACK = Fraction(1, 2**150)


class Violation(NamedTuple):
    """A point at which a part of a formula has no value, why, and whether that is sure."""

    x: Any
    why: str
    sure: bool = True


def _conditions(tree: Tree) -> Iterator[tuple[Tree, str, str]]:
    """What must be different from zero, positive, or not negative; operands come first."""
    if not isinstance(tree, tuple):
        return
    for part in tree[1:]:
        if tree[0] == "^" and part is tree[2] and number(part) is not None:
            continue
        yield from _conditions(part)
    kind, a = tree[0], tree[1]
    if kind == "/":
        yield tree[2], "!=", "a division by zero"
    elif kind == "^":
        c = exponent(tree)
        if c is None:
            yield a, ">", "a power"
        elif c.denominator == 1:
            if c < 0:
                yield a, "!=", "a power"
        else:
            yield a, ">" if c < 0 else ">=", "a power"
    elif kind in ("log", "loggamma"):
        yield a, ">", kind
    elif kind == "log1p":
        yield ("+", ONE, a), ">", kind
    elif kind == "sqrt":
        yield a, ">=", kind
    elif kind == "acosh":
        yield ("-", a, ONE), ">=", kind
    elif kind in ("asin", "acos", "atanh"):
        relation = ">" if kind == "atanh" else ">="
        yield ("-", ONE, a), relation, kind
        yield ("+", ONE, a), relation, kind
    elif kind == "tan":
        yield ("cos", a), "!=", kind
    elif kind == "gamma":
        yield a, "gamma", kind


def violated(tree: Tree, region: Any) -> Iterator[Violation]:
    """Where a formula has no value on a region."""
    for u, relation, why in _conditions(tree):
        if relation == "gamma":
            yield from _gamma(u, region, why)
            continue
        quotient = ratio(u)
        found = _exactly(quotient, relation, why, region) if quotient else _searched(u, relation, why, region)
        yield from found


def _ends(region: Any, wide: bool) -> tuple[Any, Any]:
    """The ends, moved out or in by a little where they are not exact."""
    slack = SLACK if wide else -SLACK
    return (
        region.low if region.exact[0] else region.low - slack,
        region.high if region.exact[1] else region.high + slack,
    )


def _exactly(quotient: Any, relation: str, why: str, region: Any) -> Iterator[Violation]:
    top, bottom = quotient
    low, high = _ends(region, relation != ">=")
    if low >= high:
        yield Violation(None, why, False)
        return
    if relation == "!=":
        if not any(top):
            yield Violation(Fraction(low if low > -inf else 0), why)
            return
        for left, right in polynomials.roots(top, low, high):
            # A root within the slack of an end that is no fraction is that end itself.
            yield Violation(left if left == right else (left + right) / 2.0, why)
        return
    x = polynomials.negative_at(polynomials.times(top, bottom), low, high, relation == ">")
    if x is not None:
        yield Violation(x, why)


def _tiny(found: Any) -> bool:
    return not found or (not isinstance(found, Fraction) and abs(found) < mpmath.mpf(10) ** (14 - mpmath.mp.dps))


def _searched(u: Tree, relation: str, why: str, region: Any) -> Iterator[Violation]:
    low, high = region.low, region.high
    marks = [(x, exact) for x, exact in zip((low, high), region.exact) if abs(x) < inf]
    inner = looked_at(low, high)
    values: list[tuple[Fraction, Any]] = []
    for x, exact in [*marks, *((x, True) for x in inner)]:
        try:
            found = value(u, x)
        except Undefined:
            if exact:
                return  # an operand has no value, and that was said
            continue
        except Unsure:
            yield Violation(x, "a value that is not found", False)
            return
        if _tiny(found):
            found = Fraction(0)
            if relation != ">=":
                yield Violation(x if exact else float(x), why)
                return
        if found < 0 and relation != "!=":
            if exact:
                yield Violation(x, why)
                return
            continue
        values.append((x, found))
    x = grid(low, high, 64)
    x = x[(x > float(low)) & (x < float(high))]
    y = floats(u, x)
    if not np.isfinite(y).all():
        if high < inf and low > -inf:
            yield Violation(None, "a condition that float64 cannot evaluate", False)
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if relation == "!=" and len(y):
        sign = np.sign(y[np.argmax(np.abs(y))])
        y = y * sign
        values = [(p, v * int(sign)) for p, v in values]
    worst = [p for p, v in values if v < 0]
    if worst and relation == "!=":
        yield Violation(float(worst[0]), why)  # it changes its sign, and is continuous
        return
    size = float(np.max(np.abs(y))) if len(y) else 1.0
    for k in np.flatnonzero(y < 1e-12 * size)[:4]:
        try:
            found = value(u, Fraction(float(x[k])))
        except Unsure:
            continue
        found = found * int(sign) if relation == "!=" else found
        if found < 0 or (_tiny(found) and relation != ">="):
            yield Violation(Fraction(float(x[k])), why)
            return
    yield from _minima(u, x, y, size, relation, why)


def _minima(u: Tree, x: np.ndarray, y: np.ndarray, size: float, relation: str, why: str) -> Iterator[Violation]:
    """Local minima between the points of the grid that may go below zero, or touch it."""
    for k in range(1, len(y) - 1):
        if y[k] <= min(y[k - 1], y[k + 1]) and y[k] < 0.2 * size:
            low = optimize.minimize_scalar(
                lambda t: abs(float(floats(u, np.array([t]))[0])),
                bounds=(x[k - 1], x[k + 1]),
                method="bounded",
                options={"xatol": 1e-13},
            )
            if low.fun > 1e-9 * size:
                continue
            short = Fraction(float(low.x)).limit_denominator(1000)
            try:
                if _tiny(value(u, short)):
                    if relation != ">=":
                        yield Violation(short, why)
                        return
                    continue  # it touches zero, which is allowed
            except Unsure:
                pass
            yield Violation(None, "a condition that nearly touches zero", False)


def _gamma(u: Tree, region: Any, why: str) -> Iterator[Violation]:
    """No value of the argument may be 0, -1, -2, ..."""
    low, high = region.low, region.high
    if inf in (high, -low):
        inner = looked_at(low, high)
        try:
            if any(value(u, x) < 0 for x in inner):
                yield Violation(None, "gamma far out", False)
        except Unsure:
            yield Violation(None, "gamma far out", False)
    y = floats(u, np.array([float(low) if low > -inf else -1e3, *grid(low, high, 64), float(high)]))
    y = y[np.isfinite(y)]
    least = float(np.min(y)) if len(y) else 0.0
    if least < -60:
        yield Violation(None, "gamma of a large negative number", False)
        return
    for k in range(0, int(max(0.0, -least)) + 2):
        shifted = ("+", u, Fraction(k))
        quotient = ratio(shifted)
        yield from _exactly(quotient, "!=", why, region) if quotient else _searched(shifted, "!=", why, region)
