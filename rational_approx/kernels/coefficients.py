"""Coefficients of a piece in shorter formats than that in which it calculates, found together on a lattice.

Rounded one by one to a short format they change the error by many times; :mod:`rounding.quantize` looks for numbers of
their formats that lie near to each other's best values together.
"""

from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.floats import in_format
from rational_approx.kernels.coefficient_formats import CoefficientFormats
from rational_approx.kernels.coefficient_order import polynomials_of
from rational_approx.kernels.estimate import Estimate
from rational_approx.kernels.kernel import Piece
from rational_approx.rationals.rational import Rational
from rational_approx.rounding.quantize import near
from rational_approx.rounding.sampling import Sampled

__all__ = ["Sides", "in_short_format", "on_lattice", "shortened"]

Sides = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]


def shortened(found: Estimate, data: tuple[np.ndarray, ...], room: float, formats: CoefficientFormats) -> Sides | None:
    """Numerator and denominator with coefficients in their formats, within ``room`` of weighted values; None where none
    are found. ``data`` are variable, values and weights, each ``[points]``."""
    top, bottom = found.powers()
    largest = max(map(abs, bottom))
    top, bottom = (tuple(c / largest for c in side) for side in (top, bottom))
    names = formats.of(False, len(top)) + formats.of(True, len(bottom))
    rounded = on_lattice((top, bottom), data, room, names)
    if rounded is None:
        return None
    sides = _trimmed(rounded[0]), _trimmed(rounded[1])
    return sides if len(sides[1]) > 1 or sides[1] == (1,) else None  # code does not divide by a constant


def on_lattice(
    sides: Sides,
    data: tuple[np.ndarray, ...],
    room: float,
    formats: tuple[str, ...],
    fixed: dict[int, Fraction] | None = None,
) -> Sides | None:
    """The same for a rational with a format for each coefficient, those of the numerator first. Fixed ones, by index,
    stay as they are."""
    v, g, weight = data
    top, bottom = sides
    low, high = Fraction(float(v.min())), Fraction(float(v.max()))
    if low == high or not any(bottom):
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
    rounded = near(sampled, formats, room / best, fixed)
    return None if rounded is None else (rounded.numerator, rounded.denominator)


def _trimmed(side: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    last = max((k for k, c in enumerate(side) if c), default=0)
    return side[: last + 1]


def in_short_format(piece: Piece, formats: CoefficientFormats | None) -> bool:
    """Whether the constants in a piece's operations, but for those in arguments of functions, are numbers of their
    formats; where none are asked for, they are."""
    return formats is None or all(
        all(map(in_format, found, formats.of(bottom, len(found))))
        for bottom, found in polynomials_of(piece.steps, piece.result)
    )
