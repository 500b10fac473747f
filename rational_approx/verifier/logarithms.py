"""The verifier: the relative error of a logarithm that is calculated as ``k log(2) + s q(s^2)``, ``u = 2^k m``.

The steps must be those of the reduction: ``k`` read from the bits, ``m = u 2^-k`` from the number next to ``sqrt(1/2)``
to twice that, ``m - 1``, which is exact, ``s = (m - 1) / ((m - 1) + 2)``, and the operations of a
polynomial q. Of fused operations ``k log(2)`` and the last sum are one. Standard library
only.
"""

from fractions import Fraction
from math import ceil
from typing import Any

from .functions import Functions
from .reading import need
from .schemes import evaluated
from .steps import FORMATS, alike, rounded

__all__ = ["distance", "logarithm_error"]

PARTS = 16


def constants(steps: list[Any], result: Any) -> tuple[Fraction, int]:
    """The factor of k of steps that are those of the reduction, and the step that is the value of q."""
    need(len(steps) >= 11, "a function that is no logarithm with its reduction")
    wanted: list[Any] = [("exponent", ["x"]), ("sub", [0.0, 0]), ("scale", ["x", 1]), ("sub", [2, 1.0])]
    wanted += [("add", [3, 2.0]), ("div", [3, 4]), ("mul", [5, 5])]
    fused = steps[-1][0] == "fma"
    end = len(steps) - (2 if fused else 3)  # the product of s and q
    factor = steps[-1 if fused else -2][1][1]
    last = [("fma", [0, factor, end])] if fused else [("mul", [0, factor]), ("add", [end + 1, end])]
    wanted += [("mul", [end - 1, 5]), *last]
    known = alike([*steps[:7], *steps[end:]], wanted) and isinstance(factor, float)
    need(known and end > 7 and alike(result, len(steps) - 1), "a function that is no logarithm")
    return Fraction(factor), end - 1


def logarithm_error(steps: list[Any], result: Any, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / log(u) - 1)`` for all normal positive numbers u of the format."""
    factor, end = constants(steps, result)
    share = Fraction(1, 2 ** FORMATS[inner][0])
    middle = rounded(Fraction(70710678118654752440084436210485, 10**32), inner)
    largest = max((1 - middle) / (1 + middle), (2 * middle - 1) / (2 * middle + 1))
    reach = (largest * (1 + 4 * share)) ** 2
    terms = [Fraction(2, 2 * k + 1) for k in range(40)]
    beyond = 3 * reach ** len(terms) / (1 - reach)
    # 2 atanh(s) / s is 2 at least; a share of s moves the logarithm by less than 1.05 times itself.
    need(reach < Fraction(1, 25), "an argument that is too large")
    q, _, rounding = evaluated(steps, 7, end, 6, (reach, share, share, Fraction(0)))
    near = (distance(q, terms, reach) + beyond + rounding) / 2
    inside = (1 + near) * (1 + Fraction(21, 20) * share * (2 + share)) * (1 + share) - 1
    scale = 1 << 200
    low, high = Functions(200).log(2 * scale)
    log2, wide = Fraction(low, scale), Fraction(high - low, scale)
    # log(m) is half of log(2) at most, up to how far the middle is from sqrt(1/2).
    most = (log2 + wide) / 2 + 4 * share
    slip = abs(factor - log2) / log2 + 2 * wide
    outside = ((log2 + wide) * (slip + share * (1 + slip)) + most * inside) / (log2 - most)
    total = max(inside, outside) * (1 + share) + share
    return Fraction(ceil(total * 2**100), 2**100)


def distance(p: list[Fraction], series: list[Fraction], reach: Fraction) -> Fraction:
    """A bound of the distance of two polynomials for arguments from 0 to ``reach``: moved to the middles of parts."""
    count = max(len(p), len(series))
    gaps = [a - b for a, b in zip([*p, *[Fraction(0)] * (count - len(p))], [*series, *[Fraction(0)] * count])]
    worst, h = 0, Fraction(ceil(reach / (2 * PARTS) * 2**64), 2**64)
    for part in range(PARTS):
        # Synthetic division, again and again, in units of 2^-240. Each of at most count^2 steps loses one unit, and
        # later steps carry that on at most 6 times: count^3 is more.
        at, moved = h * (2 * part + 1), [round(c * 2**240) for c in gaps]
        n, d = at.numerator, at.denominator
        for i in range(count - 1):
            for j in range(count - 2, i - 1, -1):
                moved[j] += moved[j + 1] * n // d
        total = sum(ceil((abs(c) + count**3) * h**j) for j, c in enumerate(moved))
        worst = max(worst, total)
    return Fraction(worst + count, 2**240)
