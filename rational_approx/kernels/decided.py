"""Single inputs of float32 at which two bounds of f(x) do not tell whether an output is right: f(x) itself is enclosed.

Where f begins with ``c x`` at zero, as gelu does with x/2, half of all subnormal outputs are nearly ties. They are
decided together: if the Taylor series of ``f(x) - c x`` at 0 begins with exact zeros, and the coefficient of the next
power has one sign over all of them, then f(x) is above ``c x`` everywhere, or below.
"""

from fractions import Fraction
from math import inf
from typing import NamedTuple

import numpy as np
from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.enclosures import AT_POINT, Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import evaluate
from rational_approx.kernels.numbers import neighbours
from rational_approx.kernels.truth import BITS
from rational_approx.proof.shared_zeros import taylor

__all__ = ["FAITHFUL", "FORMAT", "NEAREST", "NOTHING", "TOP", "TURN", "Open", "decided"]

FORMAT = "float32"
TOP = 2.0 ** FORMATS[FORMAT][2]
NEAREST, FAITHFUL, TURN = 1, 2, 4
"""What is open of an input."""
MOST = 1 << 20
"""So many inputs are looked at one by one."""
ORDERS = (2, 3, 4)
"""Powers of x with which ``f(x) - c x`` may begin."""
MANY = 1000


class Open(NamedTuple):
    """Inputs, their outputs, the outputs at the numbers before (float32), and what is open (flags); all ``[inputs]``"""

    x: np.ndarray
    y: np.ndarray
    before: np.ndarray
    flags: np.ndarray

    def at(self, which: np.ndarray) -> "Open":
        """Some of them."""
        return Open(*(each[which] for each in self))


NOTHING = Open(*(np.zeros(0, dtype=kind) for kind in ("f4", "f4", "f4", "u1")))


def decided(every: Open, target: Expression) -> tuple[int, int, int, int]:
    """How many outputs are the nearest number, how many one of the two next, how many turn; and how many stay open,
    which count as turns only."""
    nearest, tied = _tied(every, target)
    rest = every.at(~tied)
    faithful = turns = left = 0
    for k, (x, y, before, flags) in enumerate(zip(*(each.tolist() for each in rest))):
        if k % 4096 == 0:
            watch.check()
            watch.report(f"{k} of {rest.x.size} inputs are decided one by one", (0, 0))
        found = _single(target, x, y, before, flags) if k < MOST else None
        left += found is None
        one, two, turn = found or (False, False, bool(flags & TURN))
        nearest, faithful, turns = nearest + one, faithful + two, turns + turn
    return nearest, faithful, turns, left


# -- near zero -------------------------------------------------------------------------------------------------------


def _tied(every: Open, target: Expression) -> tuple[int, np.ndarray]:
    """How many outputs are the nearest number among those that lie next to ``c x``, half way between two numbers, and
    which these are."""
    done, nearest = np.zeros(every.x.size, dtype=bool), 0
    below, above = neighbours(every.y, FORMAT)
    wide = every.y.astype(np.float64)
    for side in (-1, 1):
        for low, high, sense in ((below, wide, 1), (wide, above, -1)):  # y is above the middle, or below it
            middle = (low + high) / 2
            with np.errstate(all="ignore"):
                ratio = middle / every.x
            here = (every.flags == NEAREST) & (np.sign(every.x) == side) & (ratio * every.x == middle) & ~done
            c = _common(ratio[here])
            if c is None:
                continue
            here &= ratio == c
            sign = _side(target, c, float(np.abs(every.x[here]).max()) * side)
            if sign:
                done |= here
                nearest += int(here.sum()) * (sign == sense)
    return nearest, done


def _common(ratio: np.ndarray) -> float | None:
    """The ratio that most of many have, a number of float32, so that its products with such are exact."""
    if ratio.size < MANY:
        return None
    middle = float(np.median(ratio))
    return middle if (ratio == middle).sum() >= MANY and float(np.float32(middle)) == middle else None


def _side(target: Expression, c: float, reach: float) -> int:
    """1 where f(x) is above ``c x`` for every x from 0 to ``reach``, but 0, -1 where it is below; 0 if that is open."""
    formula = target.on(*sorted((Fraction(0), Fraction(reach))))
    with working_bits(BITS[0]):
        over = arb(0).union(to_arb(Fraction(reach)))
        try:
            zero = taylor(formula.ball, arb(0), max(ORDERS))
            for order in ORDERS:
                rest = taylor(formula.ball, over, order + 1)[order]
                exact = all(zero[j] == (to_arb(Fraction(c)) if j == 1 else 0) for j in range(order))
                if exact and rest.is_finite() and not rest.contains(0):
                    return (1 if rest > 0 else -1) * (1 if reach > 0 or order % 2 == 0 else -1)
        except (Undecided, ValueError, ZeroDivisionError):
            return 0
    return 0


# -- one by one ------------------------------------------------------------------------------------------------------


def _single(target: Expression, x: float, y: float, before: float, flags: int) -> tuple[bool, bool, bool] | None:
    """Whether y is the nearest number, one of the two next, and turns, of what is open; None where that stays so."""
    for bits in BITS:
        with working_bits(bits):
            found = _known(target, x, y, before, flags)
        if found is not None:
            return found
    return None


def _known(target: Expression, x: float, y: float, before: float, flags: int) -> tuple[bool, bool, bool] | None:
    """The same with the working precision."""
    value = evaluate(target.tree, arb(x), AT_POINT)
    nearest = faithful = turn = False
    if not value.is_finite():
        return None
    if flags & TURN:
        last = evaluate(target.tree, arb(float(np.nextafter(np.float32(x), np.float32(-inf)))), AT_POINT)
        moves = value > last or value < last
        if not moves and not (value.is_exact() and last.is_exact()):  # exact and equal it does not move
            return None
        turn = not (value > last if y > before else value < last)
    if flags & (NEAREST | FAITHFUL) and abs(value) >= TOP and abs(y) == inf:
        right = bool((value > 0) == (y > 0))
        return right, right, turn
    below, above = (float(each[0]) for each in neighbours(np.array([y], dtype=np.float32), FORMAT))
    wide = min(max(y, -TOP), TOP)
    if flags & NEAREST:
        low, high = (below + wide) / 2, (wide + above) / 2
        nearest = bool(value > low and value < high)
        if not (nearest or value <= low or value >= high):
            return None
    if flags & FAITHFUL:
        faithful = bool(value > below and value < above)
        if not (faithful or value <= below or value >= above):
            return None
    return nearest, faithful, turn
