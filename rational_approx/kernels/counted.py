"""What is counted when code for float32 is run at every number: how many outputs are right, and how many turn.

Beside each output y stands the result r of a reference (:mod:`kernels.reference`), which is proved to be within a small
share of a unit in the last place of f(x). So f(x) lies between two bounds, and nearly always these tell whether y is
the number nearest to f(x), or one of the two next to it, and whether f moved as y did. What they leave open is decided
by enclosures of f(x) itself with as many bits as that takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import inf

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.values import Value
from rational_approx.expressions.expression import Expression, parse
from rational_approx.kernels.decided import FAITHFUL, FORMAT, NEAREST, NOTHING, TOP, TURN, Open, decided
from rational_approx.kernels.facts import STATED, upwards
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.numbers import last_places, neighbours
from rational_approx.kernels.reference import Close

__all__ = ["TOTAL", "Contradiction", "Counted", "Counts", "Outputs", "counted", "numbers"]

BESIDE = 0x7F800000
"""So many numbers are below zero, -0 among them, and as many above."""
TOTAL = 2 * BESIDE
BLOCK = 1 << 15
"""So many numbers at a time stay in a processor's cache."""
ROUNDING = 2.0**-24
"""For the rounding errors of the comparison itself, in float64, in units in the last place."""
MOST_OPEN = 1 << 25
"""So many inputs at which something is open are kept."""
Outputs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of numbers in float32: the code's outputs in float32, and the reference's results in float64."""


class Contradiction(ArithmeticError):
    """Compiled code gave what the proof excludes."""


@dataclass(frozen=True)
class Counts:
    """What was counted over all finite numbers of float32.

    Attributes
    ----------
    inputs:
        The numbers at which the code gives a number.
    ulp, worst:
        A bound of the largest error found in units in the last place, too large by twice the reference's share at most;
        and where it is reached.
    correct, faithful:
        At how many of them, at least, y is the number nearest to f(x); one of the two next to it.
    turns:
        At how many, at most, y moves, from the number before, in the direction in which f does not.
    lowest, highest:
        The least and the largest output.
    singly, open:
        At how many something was decided by enclosures of f(x) itself; at how many something stayed open, which then
        counts as not correct, not faithful, or a turn.
    """

    inputs: int
    ulp: Fraction
    worst: float
    correct: int
    faithful: int
    turns: int
    lowest: float
    highest: float
    singly: int
    open: int


@dataclass(frozen=True)
class Counted(Value):
    """An implementation in float32, and what was counted when its code was run at every number.

    Attributes
    ----------
    implementation:
        The code, with what is proved of it.
    reference:
        The second code that tells right from wrong, and the proved share of a unit in the last place.
    counts:
        What was counted.
    by:
        What ran the code: a compiler and a machine, or NumPy.
    """

    implementation: Implementation
    reference: Close
    counts: Counts
    by: str

    def __str__(self) -> str:
        found = self.counts
        left = f", {found.open} of them without a decision" if found.open else ""
        return (
            f"{self.implementation}\n"
            f"  run at every number by {self.by}: error <= {float(found.ulp):.6f} ulp at {found.inputs} inputs\n"
            f"  nearest number at {found.correct}, one of the two next at {found.faithful}; "
            f"turns against the function: {found.turns}\n"
            f"  outputs from {found.lowest!r} to {found.highest!r}\n"
            f"  judged by a second code within {float(self.reference.within):g} ulp of the function; "
            f"{found.singly + found.open} inputs singly{left}"
        )


def numbers(start: int, stop: int) -> np.ndarray:
    """Finite numbers of float32 by their places in ascending order, -0 before 0.

    >>> numbers(0, 1).tolist() == [-float(np.finfo(np.float32).max)], numbers(BESIDE - 1, BESIDE + 1).tolist()
    (True, [-0.0, 0.0])
    """
    place = np.arange(start, stop, dtype=np.int64)
    code = np.where(place < BESIDE, (BESIDE - 1 - place) + (1 << 31), place - BESIDE)
    return code.astype(np.uint32).view(np.float32)


def counted(implementation: Implementation, reference: Close, outputs: Outputs, total: int = TOTAL) -> Counts:
    """Count over the numbers in ascending order, the first ``total`` of them.

    Raises
    ------
    Contradiction
        where an output is further from f(x) than is proved.
    """
    sums, slack = _Sums(), float(reference.within) * (1 + 2.0**-40) + ROUNDING
    for start in range(0, total, BLOCK):
        if start % (BLOCK << 5) == 0:
            watch.check()
            watch.report(f"{start / TOTAL:.1%} of the numbers of {FORMAT} are tried", (0, 0))
        first = max(start - 1, 0)  # with the number before, from which y moves
        x = numbers(first, min(start + BLOCK, total))
        sums.add(x, *outputs(x), slack, start - first)
    found = sums.done(parse(implementation.expression))
    # What was found is too large by twice the share at most, and stated in steps of STATED, as the proof is.
    if not found.ulp <= implementation.facts.ulp + 2 * Fraction(slack) + 4 * STATED:
        raise Contradiction(
            f"at x = {found.worst!r} the code is off by {float(found.ulp):.6g} ulp, and at most "
            f"{float(implementation.facts.ulp):.6f} are proved: do not use this compiler"
        )
    return found


class _Sums:
    """What is counted so far."""

    def __init__(self) -> None:
        self.inputs = self.correct = self.faithful = self.turns = self.lost = 0
        self.ulp, self.worst, self.lowest, self.highest = 0.0, 0.0, inf, -inf
        self.open: list[Open] = []
        self.kept = 0

    def add(self, x: np.ndarray, y: np.ndarray, r: np.ndarray, slack: float, skip: int) -> None:
        """Count a block; its first number, where it is to be skipped, is the last one of the block before."""
        if (r == r[0]).all() and (y == y[0]).all() and self.alike(x[skip:], y[skip:], r[skip:], slack):
            return
        missing = np.isnan(r)
        if (np.isnan(y) != missing).any():
            raise Contradiction(f"at x = {float(x[np.isnan(y) != missing][0])!r} there is a number, or none")
        wide = y.astype(np.float64)
        size = np.abs(r)
        # The unit in the last place at r, from the exponent of its bits.
        unit = (np.maximum((size.view(np.int64) >> 52) - 23, 1023 - 149) << 52).view(np.float64)
        with np.errstate(invalid="ignore"):
            error = np.abs(np.clip(wide, -TOP, TOP) - r) / unit
            # Less than half a place away is the nearest number, on either side of a power of two.
            sure = (error < 0.5 - slack) & (size < TOP / 2)
            moves = np.diff(r)
            room = slack * (1 + 2.0**-10) * 2 * (unit[1:] + unit[:-1])
            turns = ((wide[1:] > wide[:-1]) & ~(moves > room)) | ((wide[1:] < wide[:-1]) & ~(moves < -room))
        flags = np.zeros(x.size, dtype=np.uint8)
        flags[1:][turns] |= TURN
        sure[:skip], missing[:skip] = True, True
        plain = sure & ~missing
        count = int(plain.sum())
        self.inputs, self.correct, self.faithful = self.inputs + count, self.correct + count, self.faithful + count
        if count:
            self.largest(x[plain], error[plain] + slack)
        rest = np.flatnonzero(~sure & ~missing)
        if rest.size:
            flags[rest] |= self.judged(x[rest], wide[rest], r[rest], slack)
        shown = wide[skip:][~missing[skip:]]
        if shown.size:
            self.lowest, self.highest = min(self.lowest, float(shown.min())), max(self.highest, float(shown.max()))
        self.keep(x, y, flags)

    def alike(self, x: np.ndarray, y: np.ndarray, r: np.ndarray, slack: float) -> bool:
        """Count a block in which code and reference are constant by its first number, if that is decided."""
        sample = _Sums()
        if sample.judged(x[:1], y[:1].astype(np.float64), r[:1], slack)[0]:
            return False
        self.inputs, self.correct = self.inputs + x.size, self.correct + x.size * sample.correct
        self.faithful += x.size * sample.faithful
        self.largest(x[:1], np.array([sample.ulp]))
        self.lowest, self.highest = min(self.lowest, float(y[0])), max(self.highest, float(y[0]))
        return True

    def judged(self, x: np.ndarray, y: np.ndarray, r: np.ndarray, slack: float) -> np.ndarray:
        """Count inputs that need a closer look; what is open of each, as flags."""
        off = slack * last_places(np.abs(r) * (1 + 2.0**-20), FORMAT)
        low, high = r - off, r + off
        below, above = neighbours(y.astype(np.float32), FORMAT)
        wide = np.clip(y, -TOP, TOP)
        beyond = (low >= TOP) | (high <= -TOP)
        right = beyond & np.isinf(y) & (np.sign(y) == np.sign(r))
        nearest = np.where(beyond, right, ((below + wide) / 2 < low) & (high < (wide + above) / 2))
        other = np.where(beyond, ~right, (high < (below + wide) / 2) | (low > (wide + above) / 2))
        beside = np.where(beyond, right, (below < low) & (high < above))
        apart = np.where(beyond, ~right, (high <= below) | (low >= above))
        self.inputs, self.correct = self.inputs + x.size, self.correct + int(nearest.sum())
        self.faithful += int(beside.sum())
        error = (np.abs(wide - r) + off) / last_places(np.maximum(np.abs(r) - off, 0), FORMAT)
        near = ~beyond & (np.abs(r) + off >= TOP) & (np.abs(wide) < TOP)  # f(x) may be 2^top
        self.largest(x, np.where(beyond, np.where(right, 0.0, inf), np.where(near, inf, error)))
        return (~nearest & ~other) * np.uint8(NEAREST) | (~beside & ~apart) * np.uint8(FAITHFUL)

    def largest(self, x: np.ndarray, error: np.ndarray) -> None:
        """The largest error so far."""
        k = int(error.argmax())
        if error[k] > self.ulp:
            self.ulp, self.worst = float(error[k]), float(x[k])

    def keep(self, x: np.ndarray, y: np.ndarray, flags: np.ndarray) -> None:
        """Inputs at which something is open, for later; the first ones."""
        at = np.flatnonzero(flags)
        taken = at[: max(MOST_OPEN - self.kept, 0)]
        self.lost += at.size - taken.size
        self.turns += int((flags[at[taken.size :]] & TURN > 0).sum())
        if taken.size:
            self.open.append(Open(x[taken], y[taken], y[np.maximum(taken - 1, 0)], flags[taken]))
            self.kept += taken.size

    def done(self, target: Expression) -> Counts:
        """The counts, with what was open decided."""
        every = Open(*map(np.concatenate, zip(*self.open))) if self.open else NOTHING
        nearest, faithful, turns, left = decided(every, target)
        return Counts(
            self.inputs,
            upwards(self.ulp),
            self.worst,
            self.correct + nearest,
            self.faithful + faithful,
            self.turns + turns,
            self.lowest or 0.0,
            self.highest or 0.0,
            self.kept - left,
            self.lost + left,
        )
