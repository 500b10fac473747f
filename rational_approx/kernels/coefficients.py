"""Coefficients of a piece in a shorter format than that in which it calculates, found together on a lattice.

Rounded one by one to a short format they change the error by many times; :mod:`rounding.quantize` looks for numbers of
the format that lie near to each other's best values together.
"""

from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.floats import in_format
from rational_approx.kernels.estimate import Estimate
from rational_approx.kernels.kernel import Piece
from rational_approx.programs.program import Constant
from rational_approx.rationals.rational import Rational
from rational_approx.rounding.quantize import near
from rational_approx.rounding.sampling import Sampled

__all__ = ["Sides", "in_short_format", "shortened"]

Sides = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]


def shortened(found: Estimate, data: tuple[np.ndarray, ...], room: float, format: str) -> Sides | None:
    """Numerator and denominator with coefficients in a format, within ``room`` of weighted values; None where none are
    found. ``data`` are variable, values and weights, each ``[points]``."""
    v, g, weight = data
    top, bottom = found.powers()
    largest = max(map(abs, bottom))
    top, bottom = (tuple(c / largest for c in side) for side in (top, bottom))
    low, high = Fraction(float(v.min())), Fraction(float(v.max()))
    if low == high or not largest:
        return None
    exact = Rational(top, bottom, Domain.of((low, high)), "monomial")
    with np.errstate(all="ignore"):
        below = np.polynomial.polynomial.polyval(v, [float(c) for c in bottom])
        value = np.polynomial.polynomial.polyval(v, [float(c) for c in top]) / below
        error = weight * (g - value)
        powers = v[:, None] ** np.arange(max(len(top), len(bottom)))
        good = np.isfinite(error) & np.isfinite(weight) & np.isfinite(powers).all(1) & (below != 0)
    if good.sum() < len(top) + len(bottom):
        return None
    if not good.any() or not (best := float(np.abs(error[good]).max())) > 0:
        return None
    sampled = Sampled(exact, best, *(each[good] for each in (v, error, value, weight, below)))
    rounded = near(sampled, format, room / best)
    if rounded is None:
        return None
    sides = _trimmed(rounded.numerator), _trimmed(rounded.denominator)
    return sides if len(sides[1]) > 1 or sides[1] == (1,) else None  # code does not divide by a constant


def _trimmed(side: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    last = max((k for k, c in enumerate(side) if c), default=0)
    return side[: last + 1]


def in_short_format(piece: Piece, format: str) -> bool:
    """Whether all constants in a piece's operations are numbers of a format; where none is asked for, they are."""
    found = (which.value for _, names in piece.steps for which in names if isinstance(which, Constant))
    return not format or all(in_format(value, format) for value in found)
