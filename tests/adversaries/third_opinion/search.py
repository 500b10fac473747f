"""Where a branch-free formula changes its sign on an interval, and its sign in between."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import mpmath
import numpy as np
from scipy import optimize

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.floats import floats
from tests.adversaries.third_opinion.reader import Tree
from tests.adversaries.third_opinion.values import Undefined, Unsure, mpf, ratio, value

__all__ = ["Changes", "Cut", "changes", "grid", "looked_at", "middle"]

SLACK = Fraction(1, 2**150)


class Cut(NamedTuple):
    """A point, and whether it is exactly this number."""

    x: Any
    exact: bool


@dataclass(frozen=True)
class Changes:
    """Cuts inside an interval, the signs between them, and what is doubtful."""

    cuts: tuple[Cut, ...]
    signs: tuple[int, ...]
    doubt: str = ""


def middle(low: Any, high: Any) -> Fraction:
    """A fraction well inside an interval."""
    if low == -inf:
        return Fraction(0) if high == inf else Fraction(high) - 1
    return Fraction(low) + 1 if high == inf else (Fraction(low) + Fraction(high)) / 2


@lru_cache(maxsize=512)
def _shares(count: int) -> np.ndarray:
    inner = (1 - np.cos(np.pi * np.arange(1, count) / count)) / 2
    close = 10.0 ** -np.arange(2, 13)
    return np.unique(np.concatenate([inner, close, 1 - close[:6]]))


def grid(low: Any, high: Any, count: int = 48) -> np.ndarray:
    """Points inside an interval in float64, closer together towards its ends."""
    shares = _shares(count)
    if low == -inf and high == inf:
        side = grid(Fraction(0), inf, count)
        return np.concatenate([-side[::-1], side])
    if high == inf or low == -inf:
        far = shares / (1 - shares)
        side = np.unique(np.concatenate([far[far < 1e3], 10.0 ** np.arange(3, 13)]))
        return float(low) + side if high == inf else (float(high) - side)[::-1]
    return float(low) + (float(high) - float(low)) * shares


def looked_at(low: Any, high: Any) -> list[Fraction]:
    """A few exact points of an interval, the last ones far out or close to the ends."""
    if low == -inf and high == inf:
        return [Fraction(0), Fraction(-(2**90)), Fraction(2**60), Fraction(2**90)]
    if high == inf or low == -inf:
        end, sign = (Fraction(low), 1) if high == inf else (Fraction(high), -1)
        return [end + sign * step for step in (Fraction(1, 2**40), Fraction(1, 3), 2, 30, 2**20, 2**60, 2**90)]
    low, width = Fraction(low), Fraction(high) - Fraction(low)
    shares = [Fraction(k, 13) for k in (1, 4, 7, 11)] + [Fraction(1, 2**40), 1 - Fraction(1, 2**40)]
    return [low + width * share for share in shares]


def _sign(x: Any) -> int:
    return int(x > 0) - int(x < 0)


@lru_cache(maxsize=4000)
def changes(u: Tree, start: Cut, end: Cut) -> Changes:
    """The cuts and signs of a formula."""
    quotient = ratio(u)
    if quotient is not None:
        return _exactly(quotient, start, end)
    return _searched(u, start, end)


def _inside(x: Fraction, start: Cut, end: Cut) -> bool:
    low = start.x if start.exact else start.x + SLACK
    return bool(low < x < (end.x if end.exact else end.x - SLACK))


def _exactly(quotient: Any, start: Cut, end: Cut) -> Changes:
    top, bottom = quotient
    if not any(top):
        return Changes((), (0,))
    cuts, doubt = set(), ""
    for poly, what in ((top, ""), (bottom, "a pole in a switch")):
        for left, right in polynomials.roots(poly, start.x, end.x):
            if _inside(left, start, end) and _inside(right, start, end):
                cuts.add(Cut((left + right) / 2, left == right))
            if what:
                doubt = what
    ordered = sorted(cuts)
    signs = []
    for a, b in pairwise([start, *ordered, end]):
        x = middle(a.x, b.x)
        signs.append(_sign(polynomials.at(top, x)) * _sign(polynomials.at(bottom, x)))
    return Changes(tuple(ordered), tuple(signs), doubt)


def _value(u: Tree, x: Fraction) -> Any:
    try:
        return value(u, x)
    except Undefined as problem:
        raise Undefined(str(problem), x) from None


def _tiny(found: Any) -> bool:
    return not found or (not isinstance(found, Fraction) and abs(found) < mpmath.mpf(10) ** (12 - mpmath.mp.dps))


def _searched(u: Tree, start: Cut, end: Cut) -> Changes:
    inner = looked_at(start.x, end.x)
    if all(_tiny(_value(u, x)) for x in inner[:4]):  # analytic, so that it is zero throughout
        return Changes((), (0,))
    doubt = ""
    x = grid(start.x, end.x, 160)
    x = x[(x > float(start.x)) & (x < float(end.x))]
    y = floats(u, x)
    for k in np.flatnonzero(~np.isfinite(y))[:3]:
        found = _value(u, Fraction(float(x[k])))  # raises where it is undefined
        doubt = doubt or ("" if abs(found) > 1 else "a switch that float64 cannot evaluate")
    size = np.nanmax(np.abs(y[np.isfinite(y)])) if np.isfinite(y).any() else 1.0
    small = np.flatnonzero(np.abs(y) < 1e-13 * max(size, 1e-300))
    for k in small[:40]:
        found = _value(u, Fraction(float(x[k])))
        y[k] = 0.0 if _tiny(found) else _sign(found) * max(abs(float(found)), 1e-300)
    if len(small) > 40:
        doubt = doubt or "a switch that stays close to zero"
    cuts = {Cut(Fraction(float(x[k])), True) for k in np.flatnonzero(y == 0)}
    kept = y != 0
    x, y = x[kept], y[kept]
    for k in np.flatnonzero(y[1:] * y[:-1] < 0):
        if not any(x[k] < c.x < x[k + 1] for c in cuts):
            cuts.add(_root(u, float(x[k]), float(x[k + 1]), _sign(y[k])))
    sizes = np.abs(y)
    for k in range(1, len(y) - 1):
        if sizes[k] < min(sizes[k - 1], sizes[k + 1]) and y[k - 1] * y[k + 1] > 0 and sizes[k] < 0.05 * size:
            sign = _sign(y[k])
            low = optimize.minimize_scalar(
                lambda t, s=sign: s * float(floats(u, np.array([t]))[0]),
                bounds=(x[k - 1], x[k + 1]),
                method="bounded",
                options={"xatol": 1e-12},
            )
            if low.fun < 1e-9 * max(size, 1):
                doubt = doubt or "a switch that nearly touches zero"
    ordered = sorted(c for c in cuts if _inside(c.x, start, end))
    signs = []
    for a, b in pairwise([start, *ordered, end]):
        found = [_sign(_value(u, p)) for p in looked_at(a.x, b.x)[:4]]
        if len(set(found)) != 1 or not found[0]:
            doubt = doubt or "a switch with more changes than were found"
        signs.append(found[0])
    return Changes(tuple(ordered), tuple(signs), doubt)


def _root(u: Tree, left: float, right: float, sign: int) -> Cut:
    """A root between two points of different signs, as a short fraction where it is one."""
    low, high = Fraction(left), Fraction(right)
    for step in range(200):
        if step in (24, 60):
            short = middle(low, high).limit_denominator(2 ** (step // 3))
            if low < short < high and _tiny(_value(u, short)):
                return Cut(short, True)
        if step == 60:
            break
        x = middle(low, high)
        now = _sign(_value(u, x))
        if not now:
            return Cut(x, True)
        low, high = (x, high) if now == sign else (low, x)
    a, b = mpf(low), mpf(high)
    try:
        with mpmath.workdps(70):
            root = mpmath.findroot(lambda t: mpf(value(u, t)), (a, b), solver="anderson", tol=1e-120, verify=False)
            x = Fraction(int(mpmath.nint(root * mpmath.mpf(2) ** 200)), 2**200)
            if low < x < high and abs(mpf(value(u, x))) < mpmath.mpf(10) ** -50:
                return Cut(x, False)
    except (ValueError, ZeroDivisionError, Unsure):
        pass
    for _ in range(160):
        x = middle(low, high)
        low, high = (x, high) if _sign(_value(u, x)) == sign else (low, x)
    return Cut(middle(low, high), False)
