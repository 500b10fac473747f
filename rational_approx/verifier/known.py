"""The verifier: what is known of a step, its exact value and its errors, and what operations make of that.

Products, quotients, roots and sums of one sign keep relative errors however wide a box is. Where code calculates in its
own format the rounding of the last operation is left out. Standard library only.
"""

from fractions import Fraction
from typing import NamedTuple

from .intervals import Interval, size
from .jets import Arithmetic
from .reading import Failure, need
from .steps import FORMATS

__all__ = ["Known", "Operations", "short"]


class Known(NamedTuple):
    """An exact value and its errors, times ``2**bits``.

    Where the exact value is not 0 its size is ``least`` at least; None says that nothing is known. ``zero`` says that
    it may be 0. ``before`` has both errors without the last rounding.
    """

    low: int
    high: int
    absolute: int
    relative: int | None
    least: Fraction | None
    zero: bool
    before: tuple[int, int | None] = (0, 0)


class Operations:
    """The operations of a format on what is known of their operands."""

    def __init__(self, math: Arithmetic, formats: tuple[str, str], flush: bool) -> None:
        self.math, (self.format, self.inner), self.flush = math, formats, flush
        self.own = self.format == self.inner
        self.digits, self.smallest, self.top = FORMATS[self.inner]
        self.share = -(-math.one >> self.digits)
        # What is lost where a result is subnormal, or besides replaced by zero.
        self.tiny = max(1, math.one >> (1 - self.digits if flush else 1) - self.smallest)

    def up(self, a: int, b: int) -> int:
        """The product of two sizes, rounded up."""
        return (a * b >> self.math.bits) + 1

    def over(self, a: int, b: int) -> int:
        """The quotient of two sizes, rounded up."""
        return (a << self.math.bits) // b + 1

    def done(self, exact: Known, share: int) -> Known:
        """With one more share of the result; each of the two errors bounds the other."""
        low, high, absolute, relative, least, zero, _ = exact
        largest = size((low, high))
        if relative is not None:
            relative += self.up(share, self.math.one + relative)
            absolute = min(absolute, self.up(relative, largest))
        if low > 0 or high < 0:
            own = self.over(absolute, max(low, -high))
            relative = own if relative is None else min(relative, own)
            found = self.size(max(low, -high))
            least, zero = found if least is None else max(least, found), False
        if not largest + absolute < self.math.one << self.top - 2:  # then it is good for nothing but the result
            need(self.own, "a step that may be too large")
            return Known(low, high, self.math.one << 4 * self.top, None, least, zero)
        return Known(low, high, absolute, relative, least, zero)

    def rounds(self, exact: Known) -> Known:
        """With the rounding of an operation, and what is lost where a subnormal result is flushed."""
        before = exact.absolute, exact.relative
        exact = self.replaced(exact) if self.flush else exact
        absolute = exact.absolute + self.up(self.share, size((exact.low, exact.high)) + exact.absolute)
        return self.done(exact._replace(absolute=absolute), self.share)._replace(before=before)

    def replaced(self, exact: Known) -> Known:
        """With what is lost where a result that may be subnormal is replaced by zero."""
        normal = Fraction(2) ** (self.smallest + self.digits)
        half_known = exact.relative is not None and 2 * exact.relative < self.math.one
        if half_known and exact.least is not None and exact.least > 2 * normal:
            return exact
        nearest = max(exact.low, -exact.high, 0) - exact.absolute
        if Fraction(nearest, self.math.one) > normal:
            return exact
        return exact._replace(absolute=exact.absolute + self.tiny, relative=None)

    def normal(self, exact: Known) -> Known:
        """A product or a quotient, which keeps its relative error where it cannot be subnormal."""
        smallest = Fraction(2) ** (self.smallest + self.digits + 2)
        known = exact.relative is not None and 2 * exact.relative < self.math.one
        if known and exact.least is not None and exact.least > smallest:
            return self.rounds(exact)
        before = exact.absolute, exact.relative
        return self.rounds(exact._replace(absolute=exact.absolute + self.tiny, relative=None))._replace(before=before)

    def sum(self, a: Known, b: Known) -> Known:
        relative = None
        if a.absolute == b.absolute == 0:
            relative = 0
        elif a.relative is not None and b.relative is not None and (min(a.low, b.low) >= 0 or max(a.high, b.high) <= 0):
            relative = max(a.relative, b.relative)
        if not self.flush and a.absolute == b.absolute == 0 and cancels((a.low, a.high), (b.low, b.high)):
            # Both are multiples of a last place of the smaller one, and so is the difference.
            nearest = min(max(a.low, -a.high), max(b.low, -b.high))
            return self.done(Known(a.low + b.low, a.high + b.high, 0, 0, self.size(nearest >> self.digits), True), 0)
        return self.rounds(Known(a.low + b.low, a.high + b.high, a.absolute + b.absolute, relative, None, True))

    def product(self, a: Known, b: Known) -> Known:
        infinite = self.math.one << 4 * self.top
        need(max(a.absolute, b.absolute) < infinite, "a product with what may be infinite, which is no number times 0")
        low, high = self.math.mul((a.low, a.high), (b.low, b.high))
        sizes = size((a.low, a.high)), size((b.low, b.high))
        absolute = self.up(sizes[0] + a.absolute, b.absolute) + self.up(sizes[1], a.absolute)
        relative = None
        if a.relative is not None and b.relative is not None:
            relative = a.relative + b.relative + self.up(a.relative, b.relative)
        least = None if a.least is None or b.least is None else short(a.least * b.least)
        return self.normal(Known(low, high, absolute, relative, least, a.zero or b.zero))

    def quotient(self, a: Known, b: Known) -> Known:
        if b.zero or b.least is None or b.relative is None:
            raise Failure("a denominator may vanish")
        off = b.relative
        need(2 * off < self.math.one, "a denominator that is not known well enough")
        if b.low > 0 or b.high < 0:
            inverse = self.math.div((self.math.one, self.math.one), (b.low, b.high))
        else:
            far = int(self.math.one / b.least) + 1
            need(far < self.math.one << 20_000, "a quotient that is too large")
            inverse = -far, far
        low, high = self.math.mul((a.low, a.high), inverse)
        growth = self.over(size(inverse), self.math.one - off)
        absolute = self.up(a.absolute + self.up(size((a.low, a.high)), off), growth)
        relative = None
        if a.relative is not None:
            relative = self.over(self.math.one + a.relative, self.math.one - off) - self.math.one
        least = None if a.least is None else short(a.least * self.math.one / max(size((b.low, b.high)), 1))
        return self.normal(Known(low, high, absolute, relative, least, a.zero))

    def root(self, a: Known) -> Known:
        need(a.low >= 0 and a.relative is not None and a.relative < self.math.one, "a root of what may be negative")
        low, high = self.math.sqrt(a.low)[0], self.math.sqrt(a.high)[1]
        r = a.relative or 0
        need(2 * r < self.math.one, "a root of what is not known well enough")
        relative = (r + self.up(r, r) >> 1) + 1  # more than 1 - sqrt(1 - r)
        least = None if a.least is None else Fraction(2) ** ((floor_log2(a.least) - 1) // 2)
        return self.rounds(Known(low, high, self.up(relative, high), relative, least, a.zero))

    def size(self, scaled: int) -> Fraction:
        """A positive size, not much smaller."""
        need(scaled > 0, "a size that may be 0")
        return short(Fraction(scaled, self.math.one))


def cancels(a: Interval, b: Interval) -> bool:
    """Whether numbers of opposite signs are added of which one is at most twice the other in size (Sterbenz)."""
    if a[1] < 0 < b[0]:
        a, b = b, a
    return a[0] > 0 > b[1] and a[1] <= -2 * b[1] and -b[0] <= 2 * a[0]


def floor_log2(value: Fraction) -> int:
    """The power of two that is not above a positive number, or the one before."""
    return value.numerator.bit_length() - value.denominator.bit_length() - 1


def short(value: Fraction) -> Fraction:
    """A number not above a positive one, with at most 66 digits."""
    unit = Fraction(2) ** (floor_log2(value) - 64)
    return int(value / unit) * unit
