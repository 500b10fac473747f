"""The verifier: the relative error of an arctangent that is calculated with two half-angles.

The steps must be ``t = u / (1 + sqrt(1 + u^2))`` twice, Horner's rule for q in ``t^2``, and ``q t``. Standard library
only.
"""

from fractions import Fraction
from math import ceil
from typing import Any

from .differences import horner, rounding
from .logarithms import distance
from .reading import need
from .steps import FORMATS, alike

__all__ = ["arctangent_error"]

EIGHTH = Fraction(41421357, 10**8)
"""A little more than ``tan(pi/8)``, which is ``sqrt(2) - 1``."""
TERMS = 90


def arctangent_error(steps: list[Any], result: Any, inner: str) -> Fraction:
    """A bound of ``abs(E(u) / atan(u) - 1)`` for numbers u, but 0, whose squares are not too large."""
    need(len(steps) >= 14, "a function that is no arctangent with its reduction")
    wanted: list[Any] = [("mul", ["x", "x"]), ("add", [0, 1.0]), ("sqrt", [1]), ("add", [2, 1.0]), ("div", ["x", 3])]
    wanted += [("mul", [4, 4]), ("add", [5, 1.0]), ("sqrt", [6]), ("add", [7, 1.0]), ("div", [4, 8])]
    end = len(steps) - 1
    own, q = horner(steps, 11, end, 10)
    wanted += [("mul", [9, 9]), *own, ("mul", [end - 1, 9])]
    need(alike(steps, wanted) and alike(result, end), "a function that is no arctangent")
    need(EIGHTH**2 + 2 * EIGHTH > 1, "the reduced argument is not bounded")  # x^2 + 2 x - 1 vanishes at sqrt(2) - 1
    share = Fraction(1, 2 ** FORMATS[inner][0])
    # Of a half-angle: the square, the sum under the root, the root, the sum and the quotient. An error of what came
    # before grows no further, since log(tan(a / 2)) has a slope of at most 1 against log(tan(a)).
    half = (1 + share) ** 4 / (1 - share) - 1
    moved = (1 + half) ** 2 - 1
    reach = (EIGHTH * (1 + moved)) ** 2
    terms = [Fraction(4 * (-1) ** k, 2 * k + 1) for k in range(TERMS)]
    gap = distance(q[::-1], terms, reach) + 4 * reach**TERMS
    near = (gap + rounding(q, reach, share, share)) / (4 * (1 - reach / 3))
    total = (1 + near) * (1 + moved) * (1 + share) - 1
    return Fraction(ceil(total * 2**100), 2**100)
