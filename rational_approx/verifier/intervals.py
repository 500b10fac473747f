"""intervals of scaled integers: the arithmetic under everything that the verifier encloses.

Standard library only.
"""

from fractions import Fraction

from .reading import need

__all__ = ["Interval", "Intervals", "size"]

Interval = tuple[int, int]
"""``(a, b)`` stands for the numbers from ``a / 2**bits`` to ``b / 2**bits``."""


def size(x: Interval) -> int:
    """The largest absolute value."""
    return max(-x[0], x[1])


class Intervals:
    """Intervals with fixed fractional bits; every operation rounds outwards."""

    def __init__(self, bits: int) -> None:
        self.bits, self.one = bits, 1 << bits

    def exact(self, value: Fraction) -> Interval:
        scaled = value.numerator << self.bits
        return scaled // value.denominator, -(-scaled // value.denominator)

    def mul(self, x: Interval, y: Interval) -> Interval:
        (a, b), (c, d) = x, y
        if a == b == 0 or c == d == 0:
            return 0, 0
        # By the signs two of the four products are known to be the ends, but where both may be of either sign.
        if a >= 0:
            low, high = (a if c >= 0 else b) * c, (b if d >= 0 else a) * d
        elif b <= 0:
            low, high = (a if d >= 0 else b) * d, (b if c >= 0 else a) * c
        elif c >= 0:
            low, high = a * d, b * d
        elif d <= 0:
            low, high = b * c, a * c
        else:
            low, high = min(a * d, b * c), max(a * c, b * d)
        return low >> self.bits, -(-high >> self.bits)

    def div(self, x: Interval, y: Interval) -> Interval:
        need(y[0] > 0 or y[1] < 0, "a denominator may vanish")
        pairs = [(a << self.bits, b) for a in x for b in y]
        return min(a // b for a, b in pairs), max(-(-a // b) for a, b in pairs)

    def shifted(self, poly: list[Interval], centre: Interval, count: int) -> list[Interval]:
        """The first coefficients in powers of ``x - centre``, by repeated synthetic division."""
        c = list(poly)
        for i in range(min(len(c) - 1, count)):
            for j in range(len(c) - 2, i - 1, -1):
                step = self.mul(c[j + 1], centre)
                c[j] = c[j][0] + step[0], c[j][1] + step[1]
        return [*c, *[(0, 0)] * count][:count]
