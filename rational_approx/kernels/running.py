"""Running error bounds for a few operations on small ranges: what is exact, and how far what is calculated is from it.

An operation moves a result by half a unit in the last place of the largest number that it may be (Higham 2002, section
3.3), a fused one once.
"""

from fractions import Fraction
from typing import NamedTuple

from flint import arb

from rational_approx.arithmetic.precision import to_arb
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import INPUT, Constant, Operand, Result

__all__ = ["Ranged", "Running", "power_below", "product"]


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
    """Operations in a format with so many bits, whose results may be off by ``tiny`` besides, as where subnormal ones
    are flushed."""

    def __init__(self, bits: int, tiny: arb) -> None:
        self.half, self.tiny = arb(2) ** -bits, tiny

    def rounded(self, exact: Ranged) -> Ranged:
        """With the rounding of an operation."""
        return Ranged(exact.ball, (exact.error + self.half * power_below(exact.size) + self.tiny).upper())

    def add(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(Ranged(a.ball + b.ball, a.error + b.error))

    def sub(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(Ranged(a.ball - b.ball, a.error + b.error))

    def mul(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(product(a, b))

    def fma(self, a: Ranged, b: Ranged, c: Ranged) -> Ranged:
        exact = product(a, b)
        return self.rounded(Ranged(exact.ball + c.ball, exact.error + c.error))

    def div(self, a: Ranged, b: Ranged) -> Ranged:
        exact = a.ball / b.ball
        return self.rounded(Ranged(exact, ((a.error + abs(exact) * b.error) / (abs(b.ball) - b.error).lower()).upper()))

    def polynomial(self, c: tuple[Fraction, ...], x: Ranged, scheme: Scheme) -> Ranged:
        """A polynomial as a scheme evaluates it, the lowest coefficient first."""
        writer, values = scheme.writer(), list[Ranged]()
        result = writer.polynomial(c, INPUT)

        def operand(which: Operand) -> Ranged:
            if isinstance(which, Constant):
                return Ranged(to_arb(which.value), arb(0))
            return values[which.step] if isinstance(which, Result) else x

        for op, names in writer.steps:
            values.append(getattr(self, op)(*map(operand, names)))
        return operand(result)


def product(a: Ranged, b: Ranged) -> Ranged:
    """The exact one."""
    error = abs(a.ball) * b.error + abs(b.ball) * a.error + a.error * b.error
    return Ranged(a.ball * b.ball, error.upper())
