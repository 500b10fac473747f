"""``a b + c`` with one rounding, which NumPy does not have.

In float32 the product is exact in float64. Its sum with c is rounded there to the neighbour whose last bit is odd, so
that the second rounding, to float32, sees on which side of a tie it lies (Boldo & Melquiond, Emulation of FMA and
correctly rounded sums: proved algorithms using rounding to odd, 2008). In float64 the product is a sum of two numbers
(Dekker 1971), and the same paper's sum of three is taken; where parts of it may be subnormal or too large, exact
fractions are.
"""

from fractions import Fraction
from math import inf

import numpy as np

__all__ = ["fused"]

SPLIT = 2.0**27 + 1
LEAST, MOST = 2.0**-900, 2.0**990
"""Products of two numbers of float64 between them are exact sums of two."""


def fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """``a b + c`` for arrays of float32 or float64, rounded once to nearest, ties to even.

    >>> x = np.float32(1 + 2.0**-12)
    >>> float(fused(x, x, np.float32(-1))) == 2.0**-11 + 2.0**-24, float(x * x - np.float32(1)) == 2.0**-11
    (True, True)
    """
    a, b, c = np.broadcast_arrays(a, b, c)
    with np.errstate(all="ignore"):
        if a.dtype == np.float32:
            wide = a.astype(np.float64) * b.astype(np.float64)
            return _odd(wide, c.astype(np.float64)).astype(np.float32)
        return _in_float64(a, b, c)


def _sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum, and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _odd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum in float64, rounded to odd: where it is not exact, the neighbour of odd last bit."""
    total, error = _sum(a, b)
    inexact = np.isfinite(error) & (error != 0)
    even = total.view(np.int64) & 1 == 0
    return np.where(inexact & even, np.nextafter(total, np.copysign(inf, error)), total)


def _in_float64(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    product = a * b
    rest = _rest(a, b, product)
    high, low = _sum(c, rest)
    total, error = _sum(product, high)
    out = total + _odd(low, error)
    zero = (a == 0) | (b == 0)
    out = np.where(c == 0, product, out)  # rounded once already; one that is too small keeps its sign
    out = np.where(zero, product + c, out)
    infinite = ~(np.isfinite(a) & np.isfinite(b) & np.isfinite(c))
    out = np.where(infinite, np.where(np.isfinite(a) & np.isfinite(b), c, product + c), out)
    sizes = np.abs(product), np.maximum(np.abs(a), np.maximum(np.abs(b), np.abs(c)))
    unsafe = ~infinite & ~zero & ((sizes[0] < LEAST) & (c != 0) | (sizes[0] > MOST) | (sizes[1] > MOST))
    for at in map(tuple, np.argwhere(unsafe)):
        out[at] = _exact(float(a[at]), float(b[at]), float(c[at]))
    return out


def _rest(a: np.ndarray, b: np.ndarray, product: np.ndarray) -> np.ndarray:
    """What a product lacks (Dekker; the halves by Veltkamp)."""
    halves = []
    for value in (a, b):
        large = value * SPLIT
        high = large - (large - value)
        halves.append((high, value - high))
    (a1, a2), (b1, b2) = halves
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _exact(a: float, b: float, c: float) -> float:
    product = Fraction(a) * Fraction(b)
    total = product + Fraction(c)
    try:
        return float(total) if total else 0.0
    except OverflowError:
        return inf if total > 0 else -inf
