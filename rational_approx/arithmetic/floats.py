"""Binary floating-point formats, and rounding an exact number to one of them."""

from fractions import Fraction

__all__ = ["FORMATS", "round_to"]

FORMATS = {
    "float64": (53, -1074, 1024),
    "float32": (24, -149, 128),
    "bfloat16": (8, -133, 128),
    "float16": (11, -24, 16),
}
"""Significant bits, exponent of the smallest subnormal, and the power of two above the largest number."""


def round_to(value: Fraction, format: str) -> Fraction:
    """The number of a binary floating-point format nearest to ``value`` (ties to even).

    >>> round_to(Fraction(1, 10), "float32") == Fraction(0.1 + 1.490116119384765625e-9)
    True
    """
    bits, smallest, top = FORMATS[format]
    if not value:
        return value
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > abs(value):
        exponent -= 1  # now 2**exponent <= abs(value) < 2**(exponent + 1)
    unit = Fraction(2) ** max(exponent - bits + 1, smallest)
    rounded = round(value / unit) * unit
    if abs(rounded) >= Fraction(2) ** top:
        raise ValueError(f"a number of {'-' * (value < 0)}2^{exponent} or beyond is too large for {format}")
    return rounded
