"""Binary floating-point formats, and rounding an exact number to one of them."""

from fractions import Fraction

__all__ = ["FORMATS", "in_format", "last_place", "round_to"]

FORMATS = {
    "float64": (53, -1074, 1024),
    "float32": (24, -149, 128),
    "bfloat16": (8, -133, 128),
    "float16": (11, -24, 16),
}
"""Significant bits, exponent of the smallest subnormal, and the power of two above the largest number."""


def last_place(value: Fraction, format: str) -> Fraction:
    """The distance between the numbers of a format next to a number that is not zero, of any size."""
    bits, smallest, _ = FORMATS[format]
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > abs(value):
        exponent -= 1  # now 2**exponent <= abs(value) < 2**(exponent + 1)
    return Fraction(2) ** max(exponent - bits + 1, smallest)


def in_format(value: Fraction, format: str) -> bool:
    """Whether a number is one of a format."""
    return not value or (abs(value) < 2 ** FORMATS[format][2] and value % last_place(value, format) == 0)


def round_to(value: Fraction, format: str) -> Fraction:
    """The number of a binary floating-point format nearest to ``value`` (ties to even).

    >>> round_to(Fraction(1, 10), "float32") == Fraction(0.1 + 1.490116119384765625e-9)
    True
    """
    if not value:
        return value
    unit, (_, _, top) = last_place(value, format), FORMATS[format]
    rounded = round(value / unit) * unit
    if abs(rounded) >= 2**top:
        raise ValueError(f"a number that rounds to {'-' * (value < 0)}2^{top} or beyond is too large for {format}")
    return rounded
