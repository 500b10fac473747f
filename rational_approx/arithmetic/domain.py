"""Unions of closed intervals, with exact ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from math import inf

import numpy as np

from rational_approx.arithmetic.precision import fraction

__all__ = ["Domain", "End", "finite"]

SHORT, LONG = 20, 60
"""Fractions of so many characters are written as they are; of others, and no floats, so many digits."""

End = Fraction | float
"""An exact rational number, or a float that is minus or plus infinity."""


def finite(end: End) -> Fraction:
    """An end that is known to be a number and not infinity."""
    assert isinstance(end, Fraction)
    return end


def _end(value: object) -> End:
    word = value.strip().lower().removeprefix("+") if isinstance(value, str) else value
    for infinite, words in ((inf, ("inf", "oo")), (-inf, ("-inf", "-oo"))):
        if word in words or word == infinite:
            return infinite
    return fraction(value)


@dataclass(frozen=True)
class Domain:
    """An ordered union of disjoint closed intervals.

    Parameters
    ----------
    intervals:
        Pairs ``(lower, upper)``, in any order. Ends may be ints, floats (read as their shortest decimal), decimal
        strings, fractions or mpmath numbers; the outermost ends may be infinite. A single pair is one interval.

    Raises
    ------
    ValueError
        if there is no interval, or one is empty, reversed, or overlaps the one before it.

    >>> Domain([(-1, "-0.05"), (0.05, 1)])
    Domain([-1, -1/20] u [1/20, 1])
    """

    intervals: tuple[tuple[End, End], ...]

    @classmethod
    def of(cls, value: object) -> "Domain":
        """Read a domain from a pair, a sequence of pairs, or a domain."""
        return value if isinstance(value, Domain) else cls(value)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        value: object = self.intervals
        if not isinstance(value, Iterable) or isinstance(value, str):
            raise ValueError(f"a domain is a pair (lower, upper) or a list of such pairs, not {value!r}")
        parts = list(value)
        if not parts:
            raise ValueError("the domain is empty: give a pair (lower, upper) or a list of such pairs")
        if len(parts) == 2 and not any(isinstance(part, tuple | list | np.ndarray) for part in parts):
            parts = [parts]
        intervals = []
        for part in parts:
            if not isinstance(part, tuple | list | np.ndarray) or len(part) != 2:
                raise ValueError(f"a domain is a pair (lower, upper) or a list of such pairs, not {value!r}")
            lower, upper = _end(part[0]), _end(part[1])
            if not lower < upper:
                kind = "reversed" if lower > upper else "empty"
                raise ValueError(
                    f"the interval [{lower}, {upper}] is {kind}: its lower end must be below its upper end"
                )
            intervals.append((lower, upper))
        intervals.sort()
        for (_, before), (after, _) in pairwise(intervals):
            if after <= before:
                raise ValueError(
                    f"two intervals of the domain overlap or meet at {after}: join them, and give breakpoints="
                )
        object.__setattr__(self, "intervals", tuple(intervals))

    @property
    def lower(self) -> End:
        """The lowest point."""
        return self.intervals[0][0]

    @property
    def upper(self) -> End:
        """The highest point."""
        return self.intervals[-1][1]

    @property
    def bounded(self) -> bool:
        """Whether both outer ends are finite."""
        return isinstance(self.lower, Fraction) and isinstance(self.upper, Fraction)

    def split(self, breakpoints: Iterable[Fraction]) -> tuple[tuple[End, End], ...]:
        """The intervals, cut at every breakpoint that lies inside one."""
        cuts = sorted(set(breakpoints))
        pieces: list[tuple[End, End]] = []
        for lower, upper in self.intervals:
            ends = [lower, *(cut for cut in cuts if lower < cut < upper), upper]
            pieces.extend(pairwise(ends))
        return tuple(pieces)

    def __contains__(self, x: object) -> bool:
        return any(lower <= x <= upper for lower, upper in self.intervals)  # type: ignore[operator]

    def __repr__(self) -> str:
        return "Domain(" + " u ".join(f"[{_shown(lower)}, {_shown(upper)}]" for lower, upper in self.intervals) + ")"


def _shown(end: End) -> str:
    # An end that only a float can have meant is shown as that float: 0.79, and not a fraction of two long numbers.
    if not isinstance(end, Fraction) or len(str(end)) <= SHORT:
        return str(end)
    value = float(end) if abs(end) < 2**1023 else inf
    if value < inf and end in (Fraction(value), fraction(value)):
        return repr(value)
    if len(str(end)) <= LONG:
        return str(end)
    return f"{Context(prec=LONG).divide(Decimal(end.numerator), Decimal(end.denominator))}..."
