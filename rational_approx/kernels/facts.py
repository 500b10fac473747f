"""What holds of a kernel at every number of its format, and how that is decided by trying all of them."""

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from math import inf
from typing import NamedTuple

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.kernels.kernel import Kernel
from rational_approx.kernels.numbers import finite_numbers, last_places, neighbours
from rational_approx.kernels.truth import SLACK, TINY, Truth

__all__ = ["FLUSHED", "STATED", "Facts", "TriedFacts", "errors_at", "tried_facts", "ulp_errors", "upwards"]

STATED = Fraction(1, 10**6)
"""A stated error is a multiple of that."""
FLUSHED = 2.0**-126
"""Smaller numbers of float32 and bfloat16 are subnormal. Those of float16 are normal in float32."""
ROOM = 1 + 2.0**-30
"""For the rounding errors of the comparison itself, in float64."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Statements about all ``inputs`` finite numbers of the format.

    Those are equal that say the same: an output that is no number (NaN) is such an output, and -0 is not 0.

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

    def _said(self) -> tuple[object, ...]:
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return tuple({**said, "at": tuple(map(repr, self.at))}.values())

    def __eq__(self, other: object) -> bool:
        return self._said() == other._said() if isinstance(other, Facts) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._said())


@dataclass(frozen=True, eq=False)
class TriedFacts(Facts):
    """What is known besides where every input was tried.

    Attributes
    ----------
    correct, faithful:
        At how many inputs at which f has a value, at least, y is the number of the format nearest to f(x); one of the
        two next to it.
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


def errors_at(kernel: Kernel, known: Truth, part: slice) -> np.ndarray:
    """The errors of code at some numbers of a truth: the largest of all machines that claims are about."""
    x = known.x[part]
    return np.max([_right(kernel, known, part, kernel(x, each)).error for each in kernel.scheme.machines], axis=0)


def tried_facts(kernel: Kernel, known: Truth) -> TriedFacts:
    """Try every number, on every machine that claims are about: the code's outputs beside the enclosed values."""
    every = finite_numbers(kernel.format)
    lost = np.isin(every, known.x, invert=True)
    allowed = np.array([known.beside(float(x)) for x in every[lost]])
    found, ends = [], np.array([-inf, -0.0, 0.0, inf], dtype=np.float32)
    for machine in kernel.scheme.machines:
        y = kernel(known.x, machine)
        right, at = _right(kernel, known, slice(None), y), kernel(ends, machine)
        k, others = int(right.error.argmax()), kernel(every[lost], machine)
        told = np.array_equal(others, allowed, equal_nan=True)
        outputs = np.concatenate([y, others[~np.isnan(others)]])
        found.append(
            TriedFacts(
                every.size,
                upwards(float(right.error[k]) if told else inf),
                float(known.x[k]),
                float(outputs.min()),
                float(outputs.max()),
                (float(at[0]), float(at[1]), float(at[2]), float(at[3])),
                int(right.nearest.sum()),
                int(right.faithful.sum()),
                _turns(kernel, known, y.astype(np.float64)),
            )
        )
    worst = max(found, key=lambda each: each.ulp)
    if any(str(each.at) != str(worst.at) for each in found):
        return replace(worst, ulp=upwards(inf))  # at an infinity or at zero machines differ
    return replace(
        worst,
        lowest=min(each.lowest for each in found),
        highest=max(each.highest for each in found),
        correct=min(each.correct for each in found),
        faithful=min(each.faithful for each in found),
        turns=max(each.turns for each in found),
    )


class Right(NamedTuple):
    """Of outputs: errors in units in the last place, and which are the nearest number, and one of the two next."""

    error: np.ndarray
    nearest: np.ndarray
    faithful: np.ndarray

    def or_else(self, other: "Right") -> "Right":
        """What holds of the better of two."""
        error = np.minimum(self.error, other.error)
        return Right(error, self.nearest | other.nearest, self.faithful | other.faithful)


def _right(kernel: Kernel, known: Truth, part: slice, y: np.ndarray) -> Right:
    """How right outputs are. On machines that flush 0 is right where f is too small, and f(0) where x is.

    Too small is f below the second normal number: what is calculated may lie below the first one.
    """
    x, value = known.x[part], known.value[part]
    found = _beside(y, value, kernel.format)
    if not kernel.scheme.flush or kernel.format == "float16":
        return found
    zero, least = known.value[known.x == 0][0], FLUSHED + float(last_places(np.array(FLUSHED), kernel.format))
    for target, allowed in ((value, np.ones(x.size, dtype=bool)), (np.full(x.size, zero), np.abs(x) < FLUSHED)):
        gone = allowed & (y == 0) & (np.abs(target) < least)
        found = found.or_else(Right(np.where(gone, 0.0, inf), gone, gone))
        other = _beside(y, target, kernel.format)
        found = found.or_else(
            Right(np.where(allowed, other.error, inf), allowed & other.nearest, allowed & other.faithful)
        )
    return found


def _beside(y: np.ndarray, value: np.ndarray, format: str) -> Right:
    """Outputs beside the enclosed values."""
    slack = np.where(np.isfinite(value), np.abs(value) * SLACK + TINY, 0.0)
    low, high = value - slack, value + slack
    below, above = neighbours(y, format)
    wide = y.astype(np.float64)
    top = 2.0 ** FORMATS[format][2]
    right = (np.abs(value) - slack >= top) & np.isinf(wide) & (np.sign(wide) == np.sign(value))
    with np.errstate(invalid="ignore"):
        faithful = ((below < low) & (high < above)) | right
        nearest = (((below + wide) / 2 < low) & (high < (wide + above) / 2)) | right
    return Right(ulp_errors(y, value, format), nearest, faithful)


def _turns(kernel: Kernel, known: Truth, y: np.ndarray) -> int:
    """From how many numbers to the next y moves although f does not, nor, where subnormal x may be 0, f of that."""
    moves = (y[1:] > y[:-1]).astype(int) - (y[1:] < y[:-1])
    right = moves == 0
    values = [known.value]
    if kernel.scheme.flush:
        values.append(np.where(np.abs(known.x) < FLUSHED, known.value[known.x == 0][0], known.value))
    for value in values:
        slack = np.where(np.isfinite(value), np.abs(value) * SLACK + TINY, 0.0)
        low, high = value - slack, value + slack
        right[[place - 1 for place in known.gap_places]] = True
        with np.errstate(invalid="ignore"):
            right |= ((moves > 0) & (low[1:] > high[:-1])) | ((moves < 0) & (high[1:] < low[:-1]))
    return int((~right).sum())


def upwards(value: float) -> Fraction:
    """A bound of few digits to be stated, with room for whoever checks it with enclosures of their own."""
    if value == inf:
        return Fraction(10**9)
    return Fraction(int(np.ceil(value * 10**6)) + 1) * STATED
