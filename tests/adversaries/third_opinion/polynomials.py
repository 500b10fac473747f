"""Polynomials with exact coefficients, lowest degree first: arithmetic, and their signs on an interval by Sturm."""

from fractions import Fraction
from itertools import pairwise
from math import gcd, inf, lcm
from typing import Any

Poly = tuple[Fraction, ...]
ZERO, ONE = Fraction(0), Fraction(1)
FINE = Fraction(1, 2**400)
"""Roots that are no fractions are enclosed this closely."""


def trimmed(p: Any) -> Poly:
    """Without leading zeros; the zero polynomial is ``(0,)``."""
    out = [Fraction(c) for c in p]
    while len(out) > 1 and not out[-1]:
        out.pop()
    return tuple(out) or (ZERO,)


def plus(a: Poly, b: Poly, factor: Fraction = ONE) -> Poly:
    """``a + factor b``."""
    out = [*a, *[ZERO] * (len(b) - len(a))]
    for k, c in enumerate(b):
        out[k] += factor * c
    return trimmed(out)


def times(a: Poly, b: Poly) -> Poly:
    """The product."""
    out = [ZERO] * (len(a) + len(b) - 1)
    for i, c in enumerate(a):
        for j, d in enumerate(b):
            out[i + j] += c * d
    return trimmed(out)


def scaled(a: Poly, factor: Fraction) -> Poly:
    """Every coefficient times a number."""
    return trimmed([c * factor for c in a])


def slope(a: Poly) -> Poly:
    """The derivative."""
    return trimmed([k * c for k, c in enumerate(a)][1:] or [ZERO])


def at(p: Poly, x: Any) -> Any:
    """The value at a point of any kind of number."""
    total = ZERO
    for c in reversed(p):
        total = total * x + c
    return total


def _whole(p: Poly) -> list[int]:
    common = lcm(*(c.denominator for c in p))
    out = [int(c * common) for c in p]
    share = gcd(*out) or 1
    return [c // share for c in out]


def _remainder(a: list[int], b: list[int]) -> list[int]:
    """The remainder of a by b times a positive number, primitive."""
    out, lead = list(a), b[-1]
    size = abs(lead)
    while len(out) >= len(b) and any(out):
        top, shift = out[-1] * (1 if lead > 0 else -1), len(out) - len(b)
        out = [c * size for c in out]
        for k, c in enumerate(b):
            out[shift + k] -= top * c
        while len(out) > 1 and not out[-1]:
            out.pop()
    share = gcd(*out) or 1
    return [c // share for c in out]


def _chain(p: Poly) -> list[list[int]]:
    """Sturm's sequence. With a repeated root it still counts different roots between points that are no roots."""
    chain = [_whole(p), _whole(slope(p))]
    while any(chain[-1]) and len(chain[-1]) > 1:
        chain.append([-c for c in _remainder(chain[-2], chain[-1])])
    return [side for side in chain if any(side)]


def _sign(p: list[int], x: Any) -> int:
    if x in (inf, -inf):
        value = p[-1] * (1 if x > 0 or len(p) % 2 else -1)
    else:
        n, d, value, power = x.numerator, x.denominator, 0, 1
        for c in reversed(p):
            value, power = value * n + c * power, power * d
    return (value > 0) - (value < 0)


def _changes(chain: list[list[int]], x: Any) -> int:
    signs = [s for s in (_sign(p, x) for p in chain) if s]
    return sum(a != b for a, b in pairwise(signs))


def simple(p: Poly) -> Poly:
    """The polynomial without its repeated factors."""
    a, b = _whole(p), _whole(slope(p))
    while any(b):
        a, b = b, _remainder(a, b)
    if len(a) == 1:
        return p
    rest, quotient = list(p), [ZERO] * (len(p) - len(a) + 1)
    for k in reversed(range(len(quotient))):
        quotient[k] = rest[k + len(a) - 1] / a[-1]
        for j, c in enumerate(a):
            rest[k + j] -= quotient[k] * c
    return trimmed(quotient)


def bound(p: Poly) -> Fraction:
    """A power of two beyond every root (Cauchy)."""
    size, reach = max((abs(c / p[-1]) for c in p[:-1]), default=ZERO) + 1, ONE
    while reach <= size:
        reach *= 2
    return reach


def roots(p: Poly, low: Any, high: Any) -> list[tuple[Fraction, Fraction]]:
    """The real roots on a closed interval: ``(x, x)`` for a fraction, else a narrow interval around one root alone."""
    p = trimmed(p)
    if len(p) == 1:
        return []
    p = simple(p)
    if len(p) == 2:
        x = -p[0] / p[1]
        return [(x, x)] if low <= x <= high else []
    reach = bound(p)
    a, b = max(low, -reach), min(high, reach)
    if a > b:
        return []
    a, b = Fraction(a), Fraction(b)
    chain, whole, found = _chain(p), _whole(p), []
    ends = [x for x in dict.fromkeys((a, b)) if not _sign(whole, x)]
    stack = [(a, b, _after(chain, a, whole), _before(chain, b, whole))]
    while stack:
        left, right, many, few = stack.pop()
        if many <= few:
            continue
        middle = (left + right) / 2
        if many - few == 1 and _sign(whole, left) * _sign(whole, right) < 0:
            found.append(_narrow(whole, left, right))
            continue
        if not _sign(whole, middle):
            found.append((middle, middle))
        stack.append((left, middle, many, _before(chain, middle, whole)))
        stack.append((middle, right, _after(chain, middle, whole), few))
    return sorted([*found, *((x, x) for x in ends)])


def _after(chain: list[list[int]], x: Fraction, whole: list[int]) -> int:
    """Variations just to the right of a point."""
    if _sign(whole, x):
        return _changes(chain, x)
    return _changes(chain[1:], x)  # p has the sign of p' there


def _before(chain: list[list[int]], x: Fraction, whole: list[int]) -> int:
    """Variations just to the left of a point."""
    return _changes(chain, x) if _sign(whole, x) else _changes(chain[1:], x) + 1


def _narrow(whole: list[int], left: Fraction, right: Fraction) -> tuple[Fraction, Fraction]:
    sign = _sign(whole, left)
    for bits in range(10, 420, 1):
        middle = (left + right) / 2
        if bits in (60, 150):  # a fraction of modest size is found as itself
            short = middle.limit_denominator(2 ** (bits // 2 - 8))
            if left < short < right and not _sign(whole, short):
                return short, short
        now = _sign(whole, middle)
        if not now:
            return middle, middle
        left, right = (middle, right) if now == sign else (left, middle)
    return left, right


def between(p: Poly, low: Any, high: Any) -> list[Fraction]:
    """Points of the interval at which the polynomial takes every sign that it has there; both ends where finite."""
    p = trimmed(p)
    marks = [x for x in (low,) if abs(x) < inf]
    at_roots = roots(p, low, high)
    reach = bound(p) * 2 if len(p) > 1 else ONE
    inner = [x for pair in at_roots for x in dict.fromkeys(pair)]
    first = low if low > -inf else min([-reach, *inner, *([high - 1] if high < inf else [])])
    last = high if high < inf else max([reach, *inner, *([low + 1] if low > -inf else [])])
    marks = [Fraction(x) for x in dict.fromkeys([first, *inner, last])]
    return sorted({*marks, *((a + b) / 2 for a, b in pairwise(marks))})


def negative_at(p: Poly, low: Any, high: Any, also_zero: bool = False) -> Fraction | None:
    """A point of the closed interval at which the polynomial is negative (or zero); None where there is none."""
    whole = trimmed(p)
    for x in between(whole, low, high):
        value = at(whole, x)
        if value < 0 or (also_zero and value == 0):
            return x
    if also_zero:
        found = roots(whole, low, high)
        return found[0][0] if found else None
    return None


def from_chebyshev(c: Any, low: Fraction, high: Fraction) -> Poly:
    """Powers of x for coefficients of Chebyshev polynomials on an interval."""
    t = (-(low + high) / (high - low), Fraction(2) / (high - low))
    total, last, now = trimmed([c[0]]), (ONE,), t
    for k, factor in enumerate(c[1:]):
        if k:
            last, now = now, plus(scaled(times(t, now), Fraction(2)), last, Fraction(-1))
        total = plus(total, now, Fraction(factor))
    return total


def to_chebyshev(p: Poly, low: Fraction, high: Fraction) -> Poly:
    """Coefficients of Chebyshev polynomials on an interval for powers of x."""
    inner, out = ((low + high) / 2, (high - low) / 2), [ZERO]  # x = inner(t)
    for c in reversed(p):  # out * inner + c, in the Chebyshev basis of t
        by_t = [ZERO] * (len(out) + 1)
        for k, a in enumerate(out):
            by_t[k + 1] += a if k == 0 else a / 2
            if k:
                by_t[k - 1] += a / 2
        out = [a * inner[1] + (out[k] * inner[0] if k < len(out) else 0) for k, a in enumerate(by_t)]
        out[0] += c
    return trimmed(out)
