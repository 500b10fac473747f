"""What processors make of subnormal numbers: some keep them, others replace operands or results by zero.

Operands that are subnormal become zeros of their sign (DAZ), and so do results (FTZ). Whether a result is subnormal
some processors decide when it has been rounded, as if exponents had no end, and others before; they differ where a
result lies just below the smallest normal number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from rational_approx.arithmetic.floats import FORMATS

__all__ = ["KEPT", "MACHINES", "Machine", "smallest_normal"]


@dataclass(frozen=True)
class Machine:
    """``operands``: whether they are flushed to zero. ``results``: None, or whether subnormal ones are flushed as they
    are ``"rounded"``, or as they are ``"exact"``."""

    operands: bool = False
    results: str | None = None

    def given(self, value: np.ndarray) -> np.ndarray:
        """An operand as the machine takes it."""
        value = np.asarray(value)
        if not self.operands:
            return value
        return np.where(
            np.abs(value) < smallest_normal(value.dtype.name), np.copysign(value.dtype.type(0), value), value
        )

    def done(self, op: str, result: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
        """A result, rounded to nearest, as the machine leaves it."""
        if self.results is None:
            return result
        result = np.asarray(result)
        number, name = result.dtype.type, result.dtype.name
        least = smallest_normal(name)
        small = np.array(np.abs(result) < least)
        if op in EXACT:  # from below it may have been rounded up to the smallest normal number
            bound = Fraction(least)
            bound -= bound / 2 ** (FORMATS[name][0] + 1) if self.results == "rounded" else 0
            places = np.broadcast_arrays(*given)
            for at in map(tuple, np.argwhere(np.abs(result) == least)):
                small[at] = abs(EXACT[op](*(Fraction(float(part[at])) for part in places))) < bound
        return np.where(small, np.copysign(number(0), result), result)


EXACT: dict[str, Callable[..., Any]] = {
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "fma": lambda a, b, c: a * b + c,
}
"""Operations whose result may be rounded up to the smallest normal number; small sums are exact."""
KEPT = Machine()
MACHINES = tuple(Machine(*each) for each in product((False, True), (None, "rounded", "exact")))
"""All that a claim for machines that flush is about."""


def smallest_normal(format: str) -> float:
    """The smallest normal number of a format of operations."""
    bits, smallest, _ = FORMATS[format]
    return float(2.0 ** (smallest + bits - 1))
