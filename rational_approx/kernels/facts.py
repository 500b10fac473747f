"""What holds of a kernel at every number of its format, and how that is decided by trying all of them."""

from dataclasses import dataclass
from fractions import Fraction
from math import inf

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.kernels.kernel import Kernel
from rational_approx.kernels.numbers import last_places, neighbours
from rational_approx.kernels.truth import SLACK, TINY, Truth

__all__ = ["STATED", "Facts", "TriedFacts", "tried_facts", "ulp_errors", "upwards"]

STATED = Fraction(1, 10**6)
"""A stated error is a multiple of that."""
ROOM = 1 + 2.0**-30
"""For the rounding errors of the comparison itself, in float64."""


@dataclass(frozen=True)
class Facts:
    """Statements about all ``inputs`` finite numbers of the format.

    Attributes
    ----------
    ulp:
        ``abs(y - f(x)) <= ulp * u(f(x))`` with u the unit in the last place of the format at ``f(x)``, that of the
        smallest normal number below it. An infinite y counts as ``2**top``, the first power of two beyond the largest
        number; where ``abs(f(x))`` is that large, only the infinite number of its sign is right, with an error of 0.
    worst:
        Where it is nearly reached.
    lowest, highest:
        Bounds of the outputs; where every input was tried, the least and the largest output.
    at:
        Outputs at ``-inf, -0, 0, inf``.
    """

    inputs: int
    ulp: Fraction
    worst: float
    lowest: float
    highest: float
    at: tuple[float, float, float, float]


@dataclass(frozen=True)
class TriedFacts(Facts):
    """What is known besides where every input was tried.

    Attributes
    ----------
    correct, faithful:
        At how many inputs, at least, y is the number of the format nearest to f(x); one of the two next to it.
    turns:
        At how many inputs at most y moves, from the number before, in the direction in which f does not.
    """

    correct: int
    faithful: int
    turns: int


def ulp_errors(y: np.ndarray, value: np.ndarray, format: str) -> np.ndarray:
    """Upper bounds of the errors in units in the last place, for outputs y and enclosed values; both ``[inputs]``."""
    top = 2.0 ** FORMATS[format][2]
    slack = np.where(np.isfinite(value), np.abs(value) * SLACK + TINY, 0.0)
    # Just below a power of two the unit is half of that above it.
    unit = last_places(np.abs(value) - slack, format)
    wide = np.clip(y.astype(np.float64), -top, top)
    with np.errstate(invalid="ignore"):
        error = (np.abs(wide - value) + slack) / unit
    beyond = np.abs(value) - slack >= top
    error = np.where(beyond, np.where((np.abs(wide) >= top) & (np.sign(wide) == np.sign(value)), 0.0, inf), error)
    near = ~beyond & (np.abs(value) + slack >= top)  # on both sides of the largest power of two
    error = np.where(near & (np.abs(wide) < top), inf, error)
    return np.where(np.isnan(error), inf, error) * ROOM


def tried_facts(kernel: Kernel, known: Truth) -> TriedFacts:
    """Try every number: the code's outputs beside the enclosed values."""
    y = kernel(known.x)
    error = ulp_errors(y, known.value, kernel.format)
    k = int(error.argmax())
    slack = np.where(np.isfinite(known.value), np.abs(known.value) * SLACK + TINY, 0.0)
    low, high = known.value - slack, known.value + slack
    below, above = neighbours(y, kernel.format)
    wide = y.astype(np.float64)
    top = 2.0 ** FORMATS[kernel.format][2]
    right = (np.abs(known.value) - slack >= top) & np.isinf(wide) & (np.sign(wide) == np.sign(known.value))
    with np.errstate(invalid="ignore"):
        faithful = ((below < low) & (high < above)) | right
        nearest = (((below + wide) / 2 < low) & (high < (wide + above) / 2)) | right
    at = kernel(np.array([-inf, -0.0, 0.0, inf], dtype=np.float32))
    return TriedFacts(
        y.size,
        upwards(float(error[k])),
        float(known.x[k]),
        float(y.min()),
        float(y.max()),
        (float(at[0]), float(at[1]), float(at[2]), float(at[3])),
        int(nearest.sum()),
        int(faithful.sum()),
        _turns(wide, low, high),
    )


def _turns(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> int:
    rises, falls = y[1:] > y[:-1], y[1:] < y[:-1]
    with np.errstate(invalid="ignore"):
        surely_rises, surely_falls = low[1:] > high[:-1], high[1:] < low[:-1]
    return int((rises & ~surely_rises).sum() + (falls & ~surely_falls).sum())


def upwards(value: float) -> Fraction:
    """A bound of few digits to be stated, with room for whoever checks it with enclosures of their own."""
    if value == inf:
        return Fraction(10**9)
    return Fraction(int(np.ceil(value * 10**6)) + 1) * STATED
