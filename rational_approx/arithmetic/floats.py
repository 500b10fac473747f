"""Binary floating-point formats, rounding an exact number to one of them, and arguments of functions of floats."""

from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["FORMATS", "float_points", "in_format", "in_the_type_of", "last_place", "round_to"]

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


def float_points(x: Any) -> np.ndarray:
    """Numbers, or an array of them, in float64.

    Raises
    ------
    TypeError
        for anything else: text is not read as a number, and None is none.
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf" and (given.ndim or not hasattr(x, "__float__")):
        raise TypeError(f"a function of real numbers takes a number or an array of them, not {x!r}")
    return np.asarray(given, dtype=np.float64)


def in_the_type_of(x: Any, values: np.ndarray) -> Any:
    """Values in the type that their arguments have: an array or a number, in float32 or float16 where x is, else in
    float64.

    >>> in_the_type_of(np.float32(0.5), np.array(0.1)).dtype, in_the_type_of(1, np.array(0.1))
    (dtype('float32'), 0.1)
    """
    given = np.asarray(x)
    if given.dtype in (np.float16, np.float32):
        values = values.astype(given.dtype)
        return values if given.ndim else values[()]
    return values if given.ndim else float(values)
