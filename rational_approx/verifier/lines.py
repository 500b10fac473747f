"""The verifier: arguments of sines that are lines ``a x + b``, and both constants in turns.

Standard library only.
"""

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from .functions import Functions
from .intervals import Interval
from .jets import Arithmetic
from .reading import ONE, Other, fold, has_x, need

__all__ = ["TURN_BITS", "Wave", "wave_of"]

TURN_BITS = 1400


class Wave(NamedTuple):
    """Bounds of ``a / (2 pi)`` and of ``b / (2 pi)``, times ``2**TURN_BITS``, which are equal where it is exact; None
    without a b. ``zero`` is where the sine of a line with rational a and b is 0."""

    turns: Interval
    shift: Interval | None
    zero: Fraction | None

    def is_exact(self) -> bool:
        """Whether both are known exactly: then f may be 0, and what is calculated is 0 as well."""
        return self.turns[0] == self.turns[1] and (self.shift is None or self.shift[0] == self.shift[1])


@cache
def wave_of(argument: tuple, ahead: bool) -> Wave:
    """The turns of a line, under a sine, or a cosine if ``ahead``."""
    factor, shift = line_of(argument)
    turns = in_turns(factor)
    need(turns[0] > 0 or turns[1] < 0, "a sine of a multiple of x that is not known")
    if shift is None:
        return Wave(turns, None, None)
    rational = not ahead and factor[0] == shift[0] == "number"
    return Wave(turns, in_turns(shift), -shift[1] / factor[1] if rational else None)


def in_turns(constant: tuple) -> Interval:
    """Bounds of a constant over 2 pi."""
    share, one = over_pi(constant), 1 << TURN_BITS
    if share is not None:
        exact = share * one / 2
        need(exact.denominator == 1, "a sine with zeros at numbers that are not of the format")
        return exact.numerator, exact.numerator
    fine = Arithmetic(TURN_BITS, float("inf"))
    a, pi = fine.evaluate(constant, [(0, 0)])[0], Functions(TURN_BITS).pi
    return fine.div(a, (2 * pi[0], 2 * pi[1]))


def line_of(argument: tuple) -> tuple[tuple, tuple | None]:
    """The constants a and b of an argument ``a x + b``; None for a b that is not there."""
    kind = argument[0]
    if kind == "x":
        return ONE, None
    if kind == "neg":
        return moved("neg", line_of(argument[1]))
    if kind == "/" and not has_x(argument[2]):
        return moved("/", line_of(argument[1]), argument[2])
    if kind in ("*", "+") and has_x(argument[1]) != has_x(argument[2]):
        inner, constant = argument[1:] if has_x(argument[1]) else argument[:0:-1]
        factor, shift = line_of(inner)
        if kind == "*":
            return moved("*", (factor, shift), constant)
        return factor, constant if shift is None else fold(("+", shift, constant))
    raise Other("a sine of something other than a line")


def moved(kind: str, line: tuple[tuple, tuple | None], *constant: tuple) -> tuple[tuple, tuple | None]:
    """An operation with a constant on both constants of a line."""
    factor, shift = line
    return fold((kind, factor, *constant)), None if shift is None else fold((kind, shift, *constant))


def over_pi(node: tuple) -> Fraction | None:
    """What a constant is over pi, where it shows that it is a rational multiple."""
    kind = node[0]
    if kind == "pi":
        return Fraction(1)
    if kind == "neg":
        inner = over_pi(node[1])
        return None if inner is None else -inner
    if kind in ("*", "/") and node[2][0] == "number" and node[2][1]:
        inner = over_pi(node[1])
        return None if inner is None else inner * node[2][1] if kind == "*" else inner / node[2][1]
    if kind == "*" and node[1][0] == "number":
        inner = over_pi(node[2])
        return None if inner is None else inner * node[1][1]
    return None
