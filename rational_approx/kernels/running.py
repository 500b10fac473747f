"""Running error bounds for a few operations on small ranges: what is exact, and how far what is calculated is from it.

An operation moves a result by half a unit in the last place of the largest number that it may be (Higham 2002, section
3.3).
"""

from fractions import Fraction
from typing import NamedTuple

from flint import arb

from rational_approx.arithmetic.precision import to_arb

__all__ = ["Ranged", "Running", "power_below"]


class Ranged(NamedTuple):
    """Exact values in a ball, and a bound of how far calculated ones are from them."""

    ball: arb
    error: arb

    @property
    def size(self) -> arb:
        """The largest calculated one."""
        return (abs(self.ball) + self.error).upper()


def power_below(size: arb) -> arb:
    """The largest power of two that is not above the largest number of a ball."""
    mantissa, exponent = size.upper().man_exp()
    return arb(2) ** (int(exponent) + int(mantissa).bit_length() - 1) if mantissa else arb(0)


class Running:
    """Operations in a format with so many bits, of which none has a subnormal result."""

    def __init__(self, bits: int) -> None:
        self.half = arb(2) ** -bits

    def rounded(self, exact: Ranged) -> Ranged:
        """With the rounding of an operation."""
        return Ranged(exact.ball, (exact.error + self.half * power_below(exact.size)).upper())

    def add(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(Ranged(a.ball + b.ball, a.error + b.error))

    def sub(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(Ranged(a.ball - b.ball, a.error + b.error))

    def mul(self, a: Ranged, b: Ranged) -> Ranged:
        error = abs(a.ball) * b.error + abs(b.ball) * a.error + a.error * b.error
        return self.rounded(Ranged(a.ball * b.ball, error.upper()))

    def div(self, a: Ranged, b: Ranged) -> Ranged:
        exact = a.ball / b.ball
        return self.rounded(Ranged(exact, ((a.error + abs(exact) * b.error) / (abs(b.ball) - b.error).lower()).upper()))

    def horner(self, c: tuple[Fraction, ...], x: Ranged) -> Ranged:
        """A polynomial by Horner's rule, the lowest coefficient first."""
        out = Ranged(to_arb(c[-1]), arb(0))
        for each in reversed(c[:-1]):
            out = self.add(self.mul(out, x), Ranged(to_arb(each), arb(0)))
        return out
