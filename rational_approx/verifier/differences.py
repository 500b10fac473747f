"""The verifier: the relative errors of ``expm1`` and ``log1p`` that are calculated with their reductions.

``expm1``: ``u = n log(2) + r`` as in the exponential, and ``2^n r p(r) + (2^n - 1)``. ``log1p``: ``1 + u = 2^k m`` as
in the logarithm, with ``d = (u - (2^k - 1)) 2^-k`` in the place of ``m - 1``. The steps must be those. Standard library
only.
"""

from fractions import Fraction
from math import ceil, factorial
from typing import Any

from .functions import Functions
from .logarithms import distance
from .reading import need
from .reductions import REACH
from .steps import FORMATS, alike, rounded

__all__ = ["expm1_error", "horner", "log1p_error", "rounding"]


def horner(steps: list[Any], at: int, last: int, argument: int) -> tuple[list[Any], list[Fraction]]:
    """The steps of Horner's rule from one place to another, as they should be, and their coefficients, the highest
    first."""
    need(last > at and len(steps) > last, "a function without a polynomial")
    values = [steps[at][1][0], *(steps[k][1][1] for k in range(at + 1, last, 2))]
    need(all(isinstance(value, float) for value in values) and (last - at) % 2 == 0, "a polynomial that is none")
    wanted: list[Any] = []
    for k, value in enumerate(values[1:]):
        wanted.append(("mul", [values[0] if k == 0 else at + 2 * k - 1, argument]))
        wanted.append(("add", [at + 2 * k, value]))
    return wanted, [Fraction(value) for value in values]


def rounding(p: list[Fraction], reach: Fraction, off: Fraction, share: Fraction) -> Fraction:
    """A bound of the error of Horner's rule, the highest coefficient first, for an argument that is off by a share."""
    size, error = abs(p[0]), Fraction(0)
    for c in p[1:]:
        error = (error * (1 + off) + size * off) * reach
        size *= reach
        error += share * (size + error)
        size += abs(c)
        error = Fraction(ceil((error + share * (size + error)) * 2**200), 2**200)
    return error


def expm1_error(steps: list[Any], result: Any, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / expm1(u) - 1)`` for all numbers u of the format up to `REACH` in size, but 0."""
    need(len(steps) >= 14, "a function that is no expm1 with its reduction")
    bits = FORMATS[inner][0]
    magic = 3.0 * 2 ** (bits - 2)
    c, high, low = steps[0][1][1], steps[3][1][1], steps[5][1][1]
    wanted: list[Any] = [("mul", ["x", c]), ("add", [0, magic]), ("sub", [1, magic]), ("mul", [2, high])]
    wanted += [("sub", ["x", 3]), ("mul", [2, low]), ("sub", [4, 5])]
    end = len(steps) - 5
    own, p = horner(steps, 7, end, 6)
    wanted += [*own, ("mul", [end - 1, 6]), ("scale", [end, 2]), ("scale", [1.0, 2]), ("sub", [1.0, end + 2])]
    wanted.append(("sub", [end + 1, end + 3]))
    known = all(isinstance(value, float) for value in (c, high, low)) and alike(steps, wanted)
    need(known and alike(result, len(steps) - 1), "a function that is no expm1")
    inverse, first, rest = Fraction(c), Fraction(high), Fraction(low)
    share, reach, scale = Fraction(1, 2**bits), Fraction(REACH[inner]), 1 << 200
    below, above = Functions(200).log(2 * scale)
    log2, wide = Fraction(below, scale), Fraction(above - below, scale)
    off = reach * (abs(inverse - 1 / log2) + 2 * wide + abs(inverse) * share) + share
    most = int(reach * abs(inverse)) + 2
    need(first.numerator * most < 2**bits * (first.numerator & -first.numerator), "n L1 is not exact")
    largest = (log2 + wide) * (Fraction(1, 2) + off)
    parts = most * (abs(log2 - first - rest) + wide)
    slip = parts + share * (largest + 2 * most * abs(rest) + parts)
    slip += share * (largest + slip)
    r = largest + slip
    need(r < Fraction(2, 5) and off < Fraction(1, 1000), "a reduced argument that is too large")
    # (exp(r) - 1) / r is at least 1 - r/2, and exp(r) below 3/2.
    terms = [Fraction(1, factorial(k + 1)) for k in range(30)]
    beyond = 2 * r**30 / factorial(30)
    turned = (
        [(-1) ** k * value for k, value in enumerate(p[::-1])],
        [(-1) ** k * value for k, value in enumerate(terms)],
    )
    gap = max(distance(p[::-1], terms, r), distance(*turned, r)) + beyond
    near = (gap + rounding(p, r, Fraction(0), share)) / (1 - r / 2)
    near = (1 + near) * (1 + share) - 1
    # With n = 0 there is nothing else. With n > 0 the result is 0.2 2^n at least, and with n < 0 at least 0.29, beside
    # at most half of the scaled part.
    outer = (near / 2 + slip * Fraction(3, 2) * (1 + near) + 2 * share) * 5
    total = max(near, outer) * (1 + share) + share
    return Fraction(ceil(total * 2**100), 2**100)


def log1p_error(steps: list[Any], result: Any, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / log1p(u) - 1)`` for numbers ``u > -1`` that are not too large, but 0."""
    need(len(steps) >= 15, "a function that is no log1p with its reduction")
    end, factor = len(steps) - 3, steps[-2][1][1]
    wanted: list[Any] = [("add", ["x", 1.0]), ("exponent", [0]), ("scale", [1.0, 1]), ("sub", [2, 1.0])]
    wanted += [("sub", ["x", 3]), ("sub", [0.0, 1]), ("scale", [4, 5]), ("add", [6, 2.0]), ("div", [6, 7])]
    own, q = horner(steps, 10, end, 9)
    wanted += [("mul", [8, 8]), *own, ("mul", [end - 1, 8]), ("mul", [5, factor]), ("add", [end + 1, end])]
    known = isinstance(factor, float) and alike(steps, wanted)
    need(known and alike(result, len(steps) - 1), "a function that is no log1p")
    share = Fraction(1, 2 ** FORMATS[inner][0])
    middle = rounded(Fraction(70710678118654752440084436210485, 10**32), inner)
    lowest, highest = middle * (1 - 2 * share), 2 * middle * (1 + 2 * share)  # k is that of the rounded sum
    largest = max((1 - lowest) / (1 + lowest), (highest - 1) / (highest + 1))
    reach = (largest * (1 + 8 * share)) ** 2
    need(reach < Fraction(1, 25), "an argument that is too large")
    terms = [Fraction(2, 2 * k + 1) for k in range(40)]
    beyond = 3 * reach ** len(terms) / (1 - reach)
    near = (distance(q[::-1], terms, reach) + beyond + rounding(q, reach, share, share)) / 2
    inside = (1 + near) * (1 + Fraction(21, 20) * share * (2 + share)) * (1 + share) - 1
    scale = 1 << 200
    low, high = Functions(200).log(2 * scale)
    log2, wide = Fraction(low, scale), Fraction(high - low, scale)
    most = (log2 + wide) / 2 + 8 * share
    slip = abs(Fraction(factor) + log2) / log2 + 2 * wide
    # Beyond k = 0 the rounding of 2^k - 1 and of the difference move m by 3/2 shares: its logarithm by 11/5.
    moved = Fraction(11, 5) * share * (1 + inside)
    outside = ((log2 + wide) * (slip + share * (1 + slip)) + most * inside + moved) / (log2 - most)
    total = max(inside, outside) * (1 + share) + share
    return Fraction(ceil(total * 2**100), 2**100)
