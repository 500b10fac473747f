"""`Numbers`: those of a format in their order, for the search for code in its own format."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.floats import FORMATS, round_to

__all__ = ["Numbers"]


class Numbers:
    """The numbers of float32 or float64: the largest one, the least normal one, and which are next to one another."""

    def __init__(self, format: str) -> None:
        self.format = format
        self.bits, self.smallest, self.top = FORMATS[format]
        self.largest = (1 - Fraction(1, 2**self.bits)) * Fraction(2) ** self.top
        self.normal = Fraction(2) ** (self.smallest + self.bits - 1)

    def near(self, value: Fraction) -> Fraction:
        """The number next to a real one that is not too large."""
        return round_to(value, self.format)

    def place(self, x: Fraction) -> int:
        """The number of a number of the format, as they are ordered; 0 of zero."""
        whole = np.dtype(f"int{8 * np.dtype(self.format).itemsize}")
        code = int(np.array(abs(float(x)), dtype=self.format).view(whole))
        return code if x >= 0 else -code

    def number(self, place: int) -> Fraction:
        """The number with that number."""
        whole = np.dtype(f"int{8 * np.dtype(self.format).itemsize}").type
        return Fraction(float(np.array(whole(abs(place))).view(self.format)[()])) * (1 if place >= 0 else -1)

    def halved(self, inside: Fraction, outside: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
        """The number farthest from the first one, and not beyond the second, for which something holds as it does for
        the first one."""
        a, b = self.place(inside), self.place(outside)
        if holds(outside):
            return outside
        while abs(a - b) > 1:
            middle = (a + b) // 2
            a, b = (middle, b) if holds(self.number(middle)) else (a, middle)
        return self.number(a)

    def beside(self, x: Fraction, side: int) -> Fraction:
        """The next number on a side."""
        return self.number(self.place(x) + side)
