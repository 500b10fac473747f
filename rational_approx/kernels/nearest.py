"""How near ``m a + b`` comes to integers, for integers m up to a bound: with a shift no convergent is the answer, and
it is found as Lefevre does (New results on the distance between a segment and Z^2, 2005).

In integers: the first m for which ``m a mod M`` lies between two numbers is found by Euclid's algorithm, as the first
multiple of a that is not below the lower one, if that is good, or else by the same question for the number of turns.
"""

from fractions import Fraction
from functools import lru_cache

__all__ = ["least_shifted"]

BITS = 160
"""The turn is cut into ``2**BITS`` parts."""
FIRST, LAST = 6, 90
"""Distances from ``2**-FIRST`` on are tried, down to ``2**-LAST``."""


def first_between(a: int, modulus: int, low: int, high: int) -> int | None:
    """The least m >= 0 with ``low <= m a mod modulus <= high``, for ``0 <= low <= high < modulus``; None without one.

    >>> first_between(7, 30, 4, 6), [m for m in range(30) if 4 <= 7 * m % 30 <= 6][0]
    (5, 5)
    """
    if low == 0:
        return 0
    a %= modulus
    if a == 0:
        return None
    if 2 * a > modulus:
        return first_between(modulus - a, modulus, modulus - high, modulus - low)
    m = -(-low // a)
    if m * a <= high:
        return m
    turns = first_between(modulus % a, a, -high % a, -low % a)
    return None if turns is None else -(-(low + modulus * turns) // a)


def _comes_near(a: int, b: int, run: tuple[int, int], reach: int) -> bool:
    """Whether ``m a + b`` is within so much of a multiple of ``2**BITS`` for some m of a run."""
    modulus, (start, stop) = 1 << BITS, run
    low, high = ((-b - start * a + side * reach) % modulus for side in (-1, 1))
    parts = [(low, high)] if low <= high else [(low, modulus - 1), (0, high)]
    found = (first_between(a, modulus, *part) for part in parts)
    return any(m is not None and start + m < stop for m in found)


@lru_cache(maxsize=4096)
def least_shifted(
    turns: tuple[Fraction, Fraction],
    shift: tuple[Fraction, Fraction],
    exponent: int,
    digits: int,
    but: Fraction | None = None,
) -> Fraction:
    """A bound from below of the distance of ``m 2**exponent a + b`` from halves, for m from 1 to ``2**digits - 1`` of
    either sign, a and b between two numbers each; 0 where it may be none. The number ``but`` does not count."""
    count, scale = 2**digits, Fraction(2 << BITS)
    ends = [end * Fraction(2) ** exponent * scale for end in turns]
    b = [end * scale for end in shift]
    near, start = round(sum(ends) / 2), round(sum(b) / 2)
    off = count * max(abs(end - near) for end in ends) + max(abs(end - start) for end in b)
    runs = [(side, (1, count)) for side in (1, -1)]
    if but is not None and (m := but / Fraction(2) ** exponent).denominator == 1 and 0 < abs(m) < count:
        side = 1 if m > 0 else -1
        runs = [(-side, (1, count)), (side, (1, abs(int(m)))), (side, (abs(int(m)) + 1, count))]
    for k in range(FIRST, LAST):
        reach = (1 << BITS - k) + int(off) + 1
        if not any(_comes_near(side * near % (1 << BITS), start, run, reach) for side, run in runs):
            return Fraction(1, 2 << k)
    return Fraction(0)
