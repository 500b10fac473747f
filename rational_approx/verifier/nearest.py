"""The verifier: how near ``m a + b`` comes to integers, for integers m up to a bound.

The sum over m of ``floor((m a + b + d) / M) - floor((m a + b - d - 1) / M)`` counts those m for which ``m a + b`` is
within d of a multiple of M. Either sum is one of the integers below a line, which Euclid's algorithm gives. Standard
library only.
"""

from fractions import Fraction
from functools import lru_cache

from .intervals import Interval

__all__ = ["below_line", "nearest_shifted"]

MODULUS = 1 << 192
"""Half a turn, in the units that are counted in."""
NEAREST = 100


def below_line(count: int, modulus: int, a: int, b: int) -> int:
    """The sum of ``floor((m a + b) / modulus)`` over m from 0 to ``count - 1``."""
    total = 0
    while True:
        total += (a // modulus) * (count * (count - 1) // 2) + (b // modulus) * count
        a, b = a % modulus, b % modulus
        top = a * count + b
        if top < modulus:
            return total
        # The points below the line, counted along the other axis.
        count, modulus, a, b = top // modulus, a, modulus, top % modulus


def how_many(start: int, stop: int, a: int, b: int, reach: int) -> int:
    """For how many m from ``start`` to ``stop - 1`` is ``m a + b`` within so much of a multiple of `MODULUS`."""
    if stop <= start:
        return 0
    b += start * a
    ends = (below_line(stop - start, MODULUS, a, end) for end in (b + reach, b - reach - 1))
    return next(ends) - next(ends)


@lru_cache(maxsize=4096)
def nearest_shifted(turns: Interval, shift: Interval, bits: int, digits: int, e: int, but: Fraction | None) -> Fraction:
    """A bound from below of the distance of ``m 2**e a + b`` from half-turns, 0 < abs(m) < 2**digits, but for
    one number; 0 without a bound. ``turns`` and ``shift`` are bounds of a and b, times ``2**bits``."""
    count, unit = 1 << digits, Fraction(2 * MODULUS, 1 << bits)
    (low, high), (left, right) = ([end * unit for end in ends] for ends in (turns, shift))
    low, high = low * Fraction(2) ** e, high * Fraction(2) ** e
    a, b = low.numerator // low.denominator, left.numerator // left.denominator
    off = int(count * (high - a) + right - b) + 1
    out = int(but / Fraction(2) ** e) if but is not None and (but / Fraction(2) ** e).denominator == 1 else 0
    for k in range(4, NEAREST):
        reach = (MODULUS >> k) + off
        found = 0
        for side in (1, -1):
            m = side * out if 0 < side * out < count else 1
            found += how_many(1, m, side * a, b, reach) + how_many(m + (m == side * out), count, side * a, b, reach)
        if not found:
            return Fraction(1, 2 << k)
    return Fraction(0)
