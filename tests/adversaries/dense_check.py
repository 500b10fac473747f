"""An independent check of a fit: its largest error, and how often it alternates, by dense evaluation in mpmath.

The formula is evaluated by ``formulas.precise`` and the rational by Clenshaw's or Horner's rule here, from the exact
coefficients of the result; no code of ``rational_approx`` takes part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import inf, log10
from typing import Any

import mpmath
import numpy as np

from tests.adversaries.formulas import floats, precise, switches
from tests.adversaries.problems import Problem

__all__ = ["Checked", "check", "evaluated"]

GOLDEN = (5**0.5 - 1) / 2
FAR = 30
"""A half-line is looked at as far as 10**FAR."""


@dataclass(frozen=True)
class Checked:
    """The largest weighted error found, where, and the number of alternations at (nearly) full height."""

    largest: mpmath.mpf
    at: mpmath.mpf
    alternations: int
    pole: bool


def _mpf(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def _value(coefficients: list[mpmath.mpf], t: mpmath.mpf, chebyshev: bool) -> mpmath.mpf:
    """A polynomial by Clenshaw's rule for Chebyshev coefficients, by Horner's for powers."""
    if not chebyshev:
        total = mpmath.mpf(0)
        for c in reversed(coefficients):
            total = total * t + c
        return total
    later = last = mpmath.mpf(0)
    for c in reversed(coefficients[1:]):
        later, last = c + 2 * t * later - last, later
    return coefficients[0] + t * later - last


def check(problem: Problem, rational: Any, error: Any, per_point: int = 400) -> Checked:
    """Evaluate at ``per_point`` points for every point of a reference of the type, and refine every local maximum."""
    size = float(error)
    digits = max(60, 45 + (int(-log10(size)) if 0 < size < 1 else 0) + (10 if size else 30))
    digits += 8 * max(problem.degree)  # where all poles crowd at a narrow peak, each costs the digits of its width
    with mpmath.workdps(digits):
        return _check(problem, rational, mpmath.mpf(error), per_point * (sum(problem.degree) + 2))


def evaluated(rational: Any) -> Callable[[mpmath.mpf], mpmath.mpf]:
    """A rational as a function of mpmath numbers, from its exact coefficients; a number infinite where Q is zero."""
    chebyshev = rational.basis == "chebyshev"
    top, bottom = ([_mpf(c) for c in side] for side in (rational.numerator, rational.denominator))
    if chebyshev:
        lower, upper = _mpf(rational.domain.lower), _mpf(rational.domain.upper)

    def value(x: mpmath.mpf) -> mpmath.mpf:
        t = (2 * x - (lower + upper)) / (upper - lower) if chebyshev else x
        q = _value(bottom, t, chebyshev)
        signs.add(int(mpmath.sign(q)))
        return _value(top, t, chebyshev) / q if q else mpmath.inf

    signs: set[int] = set()
    value.signs = signs  # type: ignore[attr-defined]  # of the denominator, as far as it was looked at
    return value


def _check(problem: Problem, rational: Any, size: mpmath.mpf, count: int) -> Checked:
    tiny = mpmath.mpf(10) ** -(mpmath.mp.dps - 8)
    value = evaluated(rational)

    def error(x: mpmath.mpf) -> mpmath.mpf:
        e = precise(problem.tree, x) - value(x)
        return e * precise(problem.weight_tree, x) if problem.weight_tree is not None else e

    found: list[tuple[mpmath.mpf, mpmath.mpf]] = []
    given = [_mpf(b) for b in problem.given_breaks]
    for low, high in problem.domain:
        start, stop = _mpf(low), mpmath.inf if high == inf else _mpf(high)
        marked = {_mpf(b) for b in problem.breaks if start < _mpf(b) < stop}
        ends = [start, *sorted(marked.union(_kinks(problem, start, stop))), stop]
        for left, right in pairwise(ends):
            inwards = [tiny if any(abs(end - b) < tiny for b in given) else mpmath.mpf(0) for end in (left, right)]
            grid = _grid(left, right, inwards, max(120, count // (len(ends) - 1)), 20 if problem.narrow else 5)
            found += _maxima(error, grid, size / 10)  # a narrow peak may stand much higher than its points
    found.sort()
    highest, at = max((abs(e), x) for x, e in found)
    heights = [e for _, e in found if abs(e) >= size * (1 - mpmath.mpf("1e-3"))]
    runs = 1 + sum(1 for before, after in pairwise(heights) if before * after < 0) if heights else 0
    signs = value.signs  # type: ignore[attr-defined]
    return Checked(highest, at, runs, len(signs) > 1 or 0 in signs)


def _kinks(problem: Problem, low: mpmath.mpf, high: mpmath.mpf) -> list[mpmath.mpf]:
    """Where the target or its weight switches, by bisection between the points of a grid."""
    share = np.linspace(0, 1, 1002)[1:-1]
    grid = float(low) + (share / (1 - share) if high == inf else share * float(high - low))
    found = set()
    for switch in switches(problem.tree) + (switches(problem.weight_tree) if problem.weight_tree is not None else []):
        sign = np.sign(floats(switch, grid))
        for k in np.flatnonzero((sign[1:] != sign[:-1]) & (sign[:-1] != 0)):
            left, right = mpmath.mpf(grid[k]), mpmath.mpf(grid[k + 1])
            while right - left > mpmath.mpf(10) ** -(mpmath.mp.dps - 4):
                middle = (left + right) / 2
                left, right = (middle, right) if precise(switch, middle) * int(sign[k]) > 0 else (left, middle)
            found.add(_rounded(right))
    return sorted(x for x in found if low < x < high)


def _rounded(x: mpmath.mpf) -> mpmath.mpf:
    """A short decimal number that this is meant to be (all kinks of straight lines are such, or fractions)."""
    short = mpmath.mpf(mpmath.nint(x * 10**6)) / 10**6
    return short if abs(x - short) < mpmath.mpf(10) ** -(mpmath.mp.dps - 8) else x


def _grid(low: mpmath.mpf, high: mpmath.mpf, inwards: list[mpmath.mpf], count: int, decade: int) -> list[mpmath.mpf]:
    """Chebyshev points of a piece, and geometric ones, so many a decade, towards both ends (and towards infinity)."""
    low = low + inwards[0]
    close = [mpmath.mpf(10) ** (mpmath.mpf(-k) / decade) for k in range(decade, 20 * decade + 1)]
    half = [mpmath.mpf(1 - v) / 2 for v in (_cosine(k, count) for k in range(count + 1))]
    if high == inf:
        far = [mpmath.mpf(10) ** (mpmath.mpf(k) / 8) for k in range(8 * FAR)]
        return sorted({low, *(low + v for v in [*(v / (1 - v) for v in half[:-1]), *close, *far])})
    high = high - inwards[1]
    shares = sorted({*half, *close, *(1 - v for v in close)})
    return [low, *(low + (high - low) * v for v in shares if 0 < v < 1), high]


def _cosine(k: int, count: int) -> mpmath.mpf:
    return mpmath.cos(mpmath.pi * k / count)


def _maxima(error: Any, grid: list[mpmath.mpf], least: mpmath.mpf) -> list[tuple[mpmath.mpf, mpmath.mpf]]:
    """Local maxima of the error's size that are at least this high, refined by golden sections."""
    values = [error(x) for x in grid]
    out = []
    for k, e in enumerate(values):
        before = abs(values[k - 1]) if k and values[k - 1] * e > 0 else -1
        after = abs(values[k + 1]) if k + 1 < len(grid) and values[k + 1] * e > 0 else -1
        if abs(e) < before or abs(e) < after:
            continue
        if abs(e) < least:
            continue
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
        out.append(max([(grid[k], e), _golden(error, low, high, e)], key=lambda pair: abs(pair[1])))
    return out or [max(zip(grid, values), key=lambda pair: abs(pair[1]))]


def _golden(error: Any, low: mpmath.mpf, high: mpmath.mpf, e: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    sign = mpmath.sign(e)
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_a, at_b = error(a) * sign, error(b) * sign
    for _ in range(32):  # kinks are ends of pieces: a peak inside is smooth, and its height known to 1e-13
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - GOLDEN * (high - low)
            at_a = error(a) * sign
        else:
            low, a, at_a = a, b, at_b
            b = low + GOLDEN * (high - low)
            at_b = error(b) * sign
    return (a, at_a * sign) if at_a > at_b else (b, at_b * sign)
