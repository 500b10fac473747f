"""Where a target changes its sign between two numbers, or at one: there a relative error needs the zero itself.

A zero z is known to `BITS` bits. Code subtracts it in two parts from x. The first difference is exact, or nearly, so
that what is left is known relative to itself, however near x is to z; the nearest number decides how small it can be.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node
from rational_approx.expressions.roots import sign_at

__all__ = ["MOST", "crossings", "parts", "read_parts", "zeros_between"]

MOST = 8
"""A target with more zeros, as a sine, has to be followed by its formula."""
SAMPLE = 2000
BITS = 160
"""Zeros are known to so many bits behind their first one."""


Decided = Callable[[Fraction, Fraction], Node]


def crossings(x: np.ndarray, value: np.ndarray, decided: Decided) -> list[Fraction]:
    """Zeros apart from 0, of a target that has these values at ascending numbers; where there are too many those among
    the numbers, and none where there are too many of these.

    ``decided`` gives the tree as it is between two numbers.
    """
    signs = np.sign(np.nan_to_num(value, posinf=1.0, neginf=-1.0))
    none = np.concatenate([[False], signs == 0, [False]])
    alone = none[1:-1] & ~none[:-2] & ~none[2:]  # others are of a branch that is 0
    exactly = [Fraction(float(point)) for point in x[alone & (x != 0)]]
    turns = np.flatnonzero(signs[1:] * signs[:-1] < 0)
    if not len(exactly) + len(turns) <= MOST:
        return sorted(exactly) if len(exactly) <= MOST else []
    found = list(exactly)
    for k in turns:
        lower, upper = Fraction(float(x[k])), Fraction(float(x[k + 1]))
        zero = _halved(decided(lower, upper), lower, upper, int(signs[k + 1])) if lower * upper > 0 else None
        found += [zero] if zero is not None else []
    return sorted(found)


def _halved(tree: Node, lower: Fraction, upper: Fraction, rising: int) -> Fraction | None:
    """A zero between two numbers; None where the target jumps."""
    resolution = min(abs(lower), abs(upper)) / 2**BITS
    while upper - lower > resolution:
        middle = (lower + upper) / 2
        sign = sign_at(tree, middle)
        if sign == 0:
            return middle
        lower, upper = (lower, middle) if sign == rising else (middle, upper)
    near = ((lower + upper) / 2).limit_denominator(2 ** (BITS // 2 - 10))
    return near if sign_at(tree, near) == 0 else (lower + upper) / 2


@lru_cache(maxsize=256)
def zeros_between(target: Expression, first: Fraction, last: Fraction) -> tuple[Fraction, ...]:
    """The zeros of a target between two numbers, as far as floats see its sign change between some numbers of all
    sizes: nothing rests on their being all."""
    ends = np.array([float(first), float(last)], dtype=np.float32).view(np.int32).astype(np.int64)
    places = np.where(ends >= 0, ends, -(ends & 0x7FFFFFFF))  # as they are ordered
    codes = np.unique(np.linspace(places[0], places[1], SAMPLE).astype(np.int64))
    x = np.where(codes >= 0, codes, -codes | 0x80000000).astype(np.uint32).view(np.float32).astype(np.float64)
    with np.errstate(all="ignore"):
        value = np.asarray(target(x), dtype=np.float64)
    return tuple(crossings(x, value, lambda lower, upper: target.on(lower, upper).tree))


def parts(zero: Fraction, inner: str) -> tuple[Fraction, ...]:
    """A zero as one number of a format, or as two."""
    first = round_to(zero, inner)
    rest = round_to(zero - first, inner)
    return (first, rest) if rest else (first,)


def read_parts(steps: tuple, constant: Callable[[object], Fraction | None]) -> Fraction | None:
    """The zero of code that begins with the subtraction of one; None for other code."""
    total: Fraction | None = None
    for op, names in steps[:2]:
        value = constant(names[1]) if op == "sub" else None
        if value is None or constant(names[0]) is not None:
            break
        total = value + (total or 0)
    return total
