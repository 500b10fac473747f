"""Whether a branch-free formula has a real value on a closed region, from ``docs/approximation/semantics.md``."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import mpmath
import numpy as np
from scipy import optimize

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.floats import floats
from tests.adversaries.third_opinion.reader import Tree
from tests.adversaries.third_opinion.search import Cut, changes, grid, looked_at
from tests.adversaries.third_opinion.values import Undefined, Unsure, exponent, factors, number, ratio, value

__all__ = ["Violation", "violated"]

ONE = Fraction(1)
SLACK = Fraction(1, 2**150)


class Violation(NamedTuple):
    """A point at which a part of a formula has no value, why, and whether that is sure."""

    x: Any
    why: str
    sure: bool = True


class Condition(NamedTuple):
    """A formula that must be different from zero (``!=``), positive, not negative, or no pole of gamma, and why.

    Where it is zero, ``whole`` may have a limit in the place of its value: a quotient, or a product with a logarithm.
    """

    u: Tree
    relation: str
    why: str
    whole: Tree = None


def _conditions(tree: Tree) -> Iterator[Condition]:
    """What must hold of the parts of a formula; operands come first."""
    if not isinstance(tree, tuple):
        return
    kind, a = tree[0], tree[1]
    if kind == "*":
        for part in factors(tree):
            if isinstance(part, tuple) and part[0] == "log":
                yield from _conditions(part[1])
                yield Condition(part[1], ">=", "log")
                yield Condition(part[1], "!=", "log", tree)
            else:
                yield from _conditions(part)
        return
    for part in tree[1:]:
        if kind == "^" and part is tree[2] and number(part) is not None:
            continue
        yield from _conditions(part)
    if kind == "/":
        yield Condition(tree[2], "!=", "a division by zero", tree)
    elif kind == "^":
        c = exponent(tree)
        if c is None:
            yield Condition(a, ">", "a power")
        elif c.denominator == 1:
            if c < 0:
                yield Condition(a, "!=", "a power")
        else:
            yield Condition(a, ">" if c < 0 else ">=", "a power")
    elif kind in ("log", "loggamma"):
        yield Condition(a, ">", kind)
    elif kind == "log1p":
        yield Condition(("+", ONE, a), ">", kind)
    elif kind == "sqrt" or kind.startswith("gammainc"):
        yield Condition(a, ">=", kind)
    elif kind == "acosh":
        yield Condition(("-", a, ONE), ">=", kind)
    elif kind in ("asin", "acos", "atanh", "erfinv"):
        relation = ">" if kind in ("atanh", "erfinv") else ">="
        yield Condition(("-", ONE, a), relation, kind)
        yield Condition(("+", ONE, a), relation, kind)
    elif kind == "tan":
        yield Condition(("cos", a), "!=", kind)
    elif kind in ("gamma", "digamma"):
        yield Condition(a, "gamma", kind)
    elif kind == "zeta":
        yield Condition(("-", a, ONE), "!=", kind)
    elif kind == "lambertw":
        yield Condition(("+", a, ("exp", -ONE)), ">", kind)
    elif kind.startswith("bessel") and not (kind[6] in "ij" and Fraction(kind.split()[1]).denominator == 1):
        yield Condition(a, ">", kind)


def violated(tree: Tree, region: Any) -> Iterator[Violation]:
    """Where a formula has no value on a region."""
    for condition in _conditions(tree):
        yield from _violations(condition, region)


def _violations(condition: Condition, region: Any) -> Iterator[Violation]:
    u, relation, why, whole = condition
    if relation == "gamma":
        yield from _gamma(u, region, why)
        return
    quotient = ratio(u)
    found = _exactly(quotient, relation, why, region) if quotient else _searched(u, relation, why, region)
    for each in found if quotient or whole is None else _located(found, u, region):
        held = _hole(whole, each) if whole is not None and each.sure else "no"
        if held == "no":
            yield each
        elif held == "unsure":
            yield each._replace(sure=False)
        elif not quotient and each.x in (region.low, region.high):  # the search ended here
            step = (min(region.high, each.x + 1) - max(region.low, each.x - 1)) / 1000
            for low, high in ((region.low, each.x - step), (each.x + step, region.high)):
                if low < high:
                    yield from _violations(condition, replace(region, low=low, high=high, exact=(True, True)))


def _located(found: Iterator[Violation], u: Tree, region: Any) -> Iterator[Violation]:
    """The same, and where a formula changes its sign, every point at which it does."""
    for each in found:
        if not each.sure or isinstance(each.x, Fraction):
            yield each
            continue
        try:
            known = changes(u, Cut(region.low, region.exact[0]), Cut(region.high, region.exact[1]))
        except Unsure:
            yield each._replace(sure=False)
            continue
        if known.doubt or not known.cuts:
            yield each._replace(sure=False)
            continue
        yield from (Violation(c.x if c.exact else float(c.x), each.why) for c in known.cuts)


def _hole(whole: Tree, found: Violation) -> str:
    """Whether a formula has a limit where it has no value: ``yes``, ``no`` or ``unsure``."""
    if isinstance(found.x, Fraction):
        try:
            value(whole, found.x)
        except Undefined:
            return "no"
        except Unsure:
            return "unsure"
        return "yes"
    exactly = ratio(whole)
    if exactly is not None and any(exactly[1]):
        # Near an irrational root the reduced quotient shows whether it is one of a pole.
        try:
            sizes = [abs(value(whole, Fraction(found.x) + Fraction(1, 10**k))) for k in (6, 9)]
        except (Unsure, TypeError):
            return "unsure"
        return "no" if sizes[1] > 100 * sizes[0] else "unsure"
    try:
        rest = [part for part in factors(whole) if not (isinstance(part, tuple) and part[0] == "log")]
        tops = [whole[1]] if whole[0] == "/" else rest
        return "no" if all(abs(value(top, Fraction(found.x))) > Fraction(1, 10**6) for top in tops) else "unsure"
    except (Unsure, TypeError):
        return "unsure"


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
