"""The verifier: the relative error of an exponential that is calculated as ``2^n p(r)``, ``u = n log(2) + r``.

The steps must be those of the reduction: ``t = u C``, ``n = (t + M) - M``, ``r = (u - n L1) - n L2``, the operations of
a polynomial p, and a scaling. Of fused operations ``u C + M``, ``-n L1 + u`` and ``-n L2 + r`` are one each. M is ``1.5
2^(bits - 1)``: numbers next to it are 1 apart, so that n is the integer nearest to t.
Standard library only.
"""

from fractions import Fraction
from math import ceil, comb, factorial
from typing import Any

from .functions import Functions
from .reading import need
from .schemes import evaluated
from .steps import FORMATS, alike

__all__ = ["REACH", "exponential_error"]

REACH = {"float32": 85, "float64": 700}
"""Within these arguments no result is subnormal."""
PARTS, MORE = 20, 24


def constants(steps: list[Any], result: Any, bits: int) -> tuple[list[Fraction], int]:
    """C, L1 and L2 of steps that are exactly those of the reduction, and the step that is r."""
    need(len(steps) >= 6, "a function that is no exponential with its reduction")
    magic, fused = 3.0 * 2 ** (bits - 2), steps[0][0] == "fma"
    if fused:
        c, first, rest = (steps[k][1][1] for k in (0, 2, 3))
        wanted = [("fma", ["x", c, magic]), ("sub", [0, magic]), ("fma", [1, first, "x"]), ("fma", [1, rest, 2])]
    else:
        c, first, rest = (steps[k][1][1] for k in (0, 3, 5))
        wanted = [("mul", ["x", c]), ("add", [0, magic]), ("sub", [1, magic]), ("mul", [2, first]), ("sub", ["x", 3])]
        wanted += [("mul", [2, rest]), ("sub", [4, 5])]
    r, n = len(wanted) - 1, 1 if fused else 2
    known = all(isinstance(value, float) for value in (c, first, rest)) and alike(steps[: r + 1], wanted)
    end = alike([steps[-1], result], [("scale", [len(steps) - 2, n]), len(steps) - 1])
    need(known and end and len(steps) > r + 2, "a function that is no exponential")
    sign = -1 if fused else 1
    return [Fraction(c), sign * Fraction(first), sign * Fraction(rest)], r


def exponential_error(steps: list[Any], result: Any, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / exp(u) - 1)`` for all numbers u of the format up to `REACH` in size."""
    bits = FORMATS[inner][0]
    share, reach = Fraction(1, 2**bits), Fraction(REACH[inner])
    (inverse, first, rest), at = constants(steps, result, bits)
    scale = 1 << 200
    low, high = Functions(200).log(2 * scale)
    log2, wide = Fraction(low, scale), Fraction(high - low, scale)
    # n is within 1/2 of t, and t of u / log(2) within off.
    off = reach * (abs(inverse - 1 / log2) + 2 * wide + abs(inverse) * share) + share
    largest = (log2 + wide) * (Fraction(1, 2) + off)
    most = int(reach * abs(inverse)) + 2
    numerator = first.numerator
    need(numerator * most < 2**bits * (numerator & -numerator), "n L1 is not exact")
    # The reduced argument: log(2) in two parts, then the roundings of the two differences and of n L2.
    parts = most * (abs(log2 - first - rest) + wide)
    before = largest + most * abs(rest) + parts
    slip = parts + share * (before + most * abs(rest))
    slip += share * (largest + slip) + share * share  # the last one for subnormal numbers
    r = largest + slip
    p, _, rounding = evaluated(steps, at + 1, len(steps) - 2, at, (r, Fraction(0), share, share * share))
    grown = 1 + r + r * r  # at least exp(r), since r < 1
    need(r < 1, "a reduced argument that is too large")
    approximate = max(relative(p, r * (2 * k + 1 - PARTS) / PARTS, r / PARTS) for k in range(PARTS))
    total = (1 + approximate + rounding * grown) * (1 + slip + slip * slip) - 1
    return Fraction(ceil(total * 2**100), 2**100)


def relative(p: list[Fraction], centre: Fraction, h: Fraction) -> Fraction:
    """A bound of ``abs(p / exp - 1)`` at most h from a point, by the series of ``p(m + s) exp(-m) - exp(s)``."""
    scale = 1 << 200
    m = Fraction(round(centre * 2**40), 2**40)
    h += abs(m - centre)
    low, high = Functions(200).exp(int(-m * scale))
    count, total = len(p) + MORE, Fraction(0)
    for k in range(count):
        own = sum((c * comb(j, k) * m ** (j - k) for j, c in enumerate(p) if j >= k), Fraction(0))
        term = Fraction(1, factorial(k))
        gap = max(abs(own * Fraction(end, scale) - term) for end in (low, high))
        total += Fraction(ceil(gap * h**k * 2**200), 2**200)
    total += 2 * h**count / factorial(count)
    return total * (1 + h + h * h)
