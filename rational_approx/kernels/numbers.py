"""The numbers of a format that are tried, and rounding to it."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.floats import FORMATS

__all__ = [
    "ACCUMULATORS",
    "INNER",
    "KINDS",
    "carrier",
    "finite_numbers",
    "largest_number",
    "last_places",
    "least_places",
    "neighbours",
    "rounded",
    "tried_numbers",
]

KINDS = ("bfloat16", "float16")
"""Formats of which every number is tried."""
ACCUMULATORS = {
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "float32"),
    "float64": ("float64",),
}
"""The formats in which code for a format may calculate, the usual one first."""
INNER = {format: formats[0] for format, formats in ACCUMULATORS.items()}
"""The format in which code for a format usually calculates."""


def carrier(format: str) -> str:
    """The format of arrays that hold its numbers."""
    return "float64" if format == "float64" else "float32"


def finite_numbers(format: str) -> np.ndarray:
    """Every finite number in float32, ascending; the two zeros are neighbours, -0 first.

    >>> finite_numbers("float16").size, float(finite_numbers("bfloat16")[-1])
    (63488, 3.3895313892515355e+38)
    """
    bits, _, _ = FORMATS[format]
    codes = np.arange(((1 << (16 - bits)) - 1) << (bits - 1), dtype=np.uint16)
    if format == "float16":
        positive = codes.view(np.float16).astype(np.float32)
    else:
        positive = (codes.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.concatenate([-positive[::-1], positive])


def largest_number(format: str) -> float:
    """The largest finite number of a format."""
    bits, _, top = FORMATS[format]
    return (1 - 2.0**-bits) * 2.0**top


def tried_numbers(format: str, cuts: Iterable[Fraction]) -> np.ndarray:
    """The numbers at which a search looks: all of a 16-bit format; of float32 those that bfloat16 has as well, and the
    ones around each cut."""
    if format in KINDS:
        return finite_numbers(format)
    near = np.array([float(cut) for cut in cuts], dtype=np.float32)
    around = [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
    numbers = finite_numbers("bfloat16")
    more = np.setdiff1d(np.concatenate(around), numbers)
    return np.sort(np.concatenate([numbers, more[np.isfinite(more)]]), kind="stable")


def rounded(values: np.ndarray, format: str) -> np.ndarray:
    """The nearest numbers of a format, ties to even, as `carrier` says; too large ones are infinite.

    >>> rounded(np.array([1.00390625, 3.4e38], dtype=np.float32), "bfloat16").tolist()
    [1.0, inf]
    """
    with np.errstate(over="ignore"):
        if format in ("float32", "float64"):
            return np.asarray(values).astype(format)
        values = np.asarray(values, dtype=np.float32)
        if format == "float16":
            return values.astype(np.float16).astype(np.float32)
        codes = values.view(np.uint32)
        codes = codes + np.uint32(0x7FFF) + ((codes >> np.uint32(16)) & np.uint32(1))
        short = (codes & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(values), values, short)


def last_places(values: np.ndarray, format: str) -> np.ndarray:
    """The unit in the last place at real numbers, given in float64: ``2**max(e - bits + 1, smallest)`` with ``2**e <=
    abs(value) < 2**(e + 1)``."""
    bits, smallest, _ = FORMATS[format]
    _, exponent = np.frexp(np.abs(values))
    exponent = np.where(values == 0, smallest, exponent - bits)
    return np.ldexp(1.0, np.maximum(exponent, smallest))


def least_places(values: np.ndarray, format: str) -> np.ndarray:
    """The largest multiple of the value's size that is nowhere above the unit in the last place, as `last_places`."""
    bits, smallest, _ = FORMATS[format]
    return np.maximum(np.abs(values), 2.0 ** (smallest + bits - 1)) * 2.0**-bits


def neighbours(values: np.ndarray, format: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a format next below and above numbers of it, in float64; beyond the largest one ``2**top``."""
    bits, smallest, top = FORMATS[format]
    wide = np.clip(values.astype(np.float64), -(2.0**top), 2.0**top)

    def above(x: np.ndarray) -> np.ndarray:
        # Towards zero from a power of two the step is that of the binade below.
        _, exponent = np.frexp(np.abs(x))
        power = np.abs(x) == np.ldexp(0.5, exponent)
        lower = np.where((x < 0) & power, exponent - 1, exponent)
        step = np.ldexp(1.0, np.maximum(np.where(x == 0, smallest, lower - bits), smallest))
        return np.minimum(x + step, 2.0**top)

    return -above(-wide), above(wide)
