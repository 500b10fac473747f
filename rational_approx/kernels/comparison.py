"""The errors of other code in units in the last place, at all numbers of a 16-bit format or a sample of float32."""

from typing import NamedTuple

import numpy as np

from rational_approx.kernels.facts import ulp_errors
from rational_approx.kernels.numbers import KINDS, finite_numbers
from rational_approx.kernels.truth import Truth

__all__ = ["Compared", "compared", "compared_numbers"]

USUAL = (2.0**-10, 2.0**7)
"""Sizes of inputs that are looked at more closely in float32,"""
CLOSELY = 15
"""with so many numbers between two of bfloat16."""


class Compared(NamedTuple):
    """The largest error in ulp (infinite where there is no number), where, and the share of inputs beyond 1 ulp."""

    ulp: float
    at: float
    beyond: float


def compared(y: np.ndarray, known: Truth) -> Compared:
    """The errors of outputs y, numbers of the format in float32, one for each of the inputs that are known."""
    error = ulp_errors(y, known.value, known.format)
    worst = int(error.argmax())
    return Compared(float(error[worst]), float(known.x[worst]), float((error > 1 + 1e-6).mean()))


def compared_numbers(format: str) -> np.ndarray:
    """Every finite number of a 16-bit format. Of float32 those that bfloat16 has, and where their size is usual 15
    random ones between each two of them, the same each time; ascending.

    >>> [compared_numbers(format).size for format in ("float16", "float32")]
    [63488, 130554]
    """
    if format in KINDS:
        return finite_numbers(format)
    coarse = finite_numbers("bfloat16")
    low, high = coarse[:-1].astype(np.float64), coarse[1:].astype(np.float64)
    usual = (USUAL[0] <= np.abs(low + high) / 2) & (np.abs(low + high) / 2 < USUAL[1])
    low, high = low[usual, None], high[usual, None]
    between = low + (high - low) * np.random.default_rng(0).random((low.size, CLOSELY))
    return np.unique(np.concatenate([coarse, between.astype(np.float32).ravel()]))
