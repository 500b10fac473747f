"""What holds of a datapath at every code of its format, decided by trying all of them."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rational_approx.kernels.code_values import SLACK, CodeValues
from rational_approx.kernels.datapath import Datapath
from rational_approx.kernels.facts import upwards

__all__ = ["CodeFacts", "code_facts"]


@dataclass(frozen=True)
class CodeFacts:
    """Statements about all ``inputs`` codes of a fixed-point format.

    A unit in the last place is ``2**-fraction`` everywhere. S(v) is v moved to the nearest number between the least and
    the largest one of the format.

    Attributes
    ----------
    ulp:
        ``abs(y - S(f(x))) <= ulp 2**-fraction``.
    worst:
        The number where it is nearly reached.
    lowest, highest:
        The least and the largest output.
    correct, faithful:
        At how many inputs, at least, y is nearest to S(f(x)), at most half a unit from it; less than one unit from it.
    turns:
        At how many inputs at most y moves, from the number before, in the direction in which S(f) does not.
    widths:
        By its name, bits of two's complement that hold an integer of the datapath at every input.
    """

    inputs: int
    ulp: Fraction
    worst: Fraction
    lowest: Fraction
    highest: Fraction
    correct: int
    faithful: int
    turns: int
    widths: dict[str, int]


def code_facts(path: Datapath, known: CodeValues) -> CodeFacts:
    """Try every code: the outputs beside the enclosed values."""
    point, value = path.point, known.value
    y = path(point.codes)
    error = np.abs(y - value) + SLACK
    k = int(error.argmax())
    rises, falls = y[1:] > y[:-1], y[1:] < y[:-1]
    step = np.diff(value)
    turns = (rises & ~(step > 2 * SLACK)) | (falls & ~(step < -2 * SLACK))
    return CodeFacts(
        y.size,
        upwards(float(error[k])),
        point.number(k + point.lowest),
        point.number(int(y.min())),
        point.number(int(y.max())),
        int((error <= 0.5).sum()),
        int((error < 1).sum()),
        int(turns.sum()),
        dict(path.widths),
    )
