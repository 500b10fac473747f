"""Rationals from exact coefficients."""

from fractions import Fraction

from rational_approx import Domain, Rational


def powers(numerator: list[object], denominator: list[object], lower: object = -1, upper: object = 1) -> Rational:
    """A rational by the coefficients of its powers of x, lowest degree first."""
    top, bottom = (tuple(Fraction(str(c)) for c in side) for side in (numerator, denominator))
    return Rational(top, bottom, Domain.of((lower, upper)), basis="monomial")
