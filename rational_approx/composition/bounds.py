"""What is proved of a stage, and of a composition near zero: exact signs of polynomials, and no floats.

Everything is read from the coefficients, which are exact numbers: how they were found does not matter.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import NamedTuple

import flint

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.polynomials import as_powers, exact, fmpq
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.arithmetic.signs import sign_on

__all__ = ["NEAR_POINTS", "Stage", "Unproved", "largest_near_zero", "odd_polynomial", "proved_stage"]

FINE = 32
"""The bounds of a stage are wider than its values by their distance, or by its smallest one, times 2**-FINE."""
NEAR_POINTS = 256
UNIT = Domain.of((-1, 1))


class Unproved(ArithmeticError):
    """A stage with rounded coefficients is no longer what it should be."""


class Stage(NamedTuple):
    """An odd polynomial p, and what it does.

    Attributes
    ----------
    coefficients:
        Of ``T_1, T_3, ...``, the Chebyshev polynomials on [-1, 1].
    lower:
        It rises on [-lower, lower].
    low, high:
        For ``lower <= x <= 1`` its values lie between them.
    cuts:
        Points near its peaks, which help whoever checks that.
    """

    coefficients: tuple[Fraction, ...]
    lower: Fraction
    low: Fraction
    high: Fraction
    cuts: tuple[Fraction, ...]

    @property
    def degree(self) -> int:
        """The degree, odd."""
        return 2 * len(self.coefficients) - 1


def odd_polynomial(coefficients: Sequence[Fraction]) -> flint.fmpq_poly:
    """The polynomial with these coefficients of ``T_1, T_3, ...`` on [-1, 1]."""
    return as_powers(tuple(c for odd in coefficients for c in (Fraction(0), odd)), "chebyshev", UNIT)


def proved_stage(coefficients: tuple[Fraction, ...], lower: Fraction, peaks: Iterable[flint.arb]) -> Stage:
    """What holds of a polynomial on [lower, 1], whose peaks there are near the given points, and below.

    Raises
    ------
    Unproved
        where it does not rise there, or is not positive on [lower, 1].
    """
    p = odd_polynomial(coefficients)
    slope = p.derivative()
    cuts = _refined(slope, lower, _places(p, lower), peaks)
    values = [p(fmpq(x)) for x in (lower, *cuts, Fraction(1))]
    least, largest = exact(min(values)), exact(max(values))
    size = min(least, largest - least)
    if size <= 0 or sign_on(slope, Fraction(0), lower).sign != 1:
        raise Unproved
    step = _step(size)
    low, high = (least // step - 1) * step, (largest // step + 2) * step
    for a, b in pairwise((lower, *cuts, Fraction(1))):
        if sign_on(p - fmpq(low), a, b).weak != 1 or sign_on(fmpq(high) - p, a, b).weak != 1:
            raise Unproved
    return Stage(coefficients, lower, low, high, cuts)


def _step(size: Fraction) -> Fraction:
    return Fraction(2) ** (size.numerator.bit_length() - size.denominator.bit_length() - FINE)


def _places(p: flint.fmpq_poly, lower: Fraction) -> int:
    """Binary digits of the cuts: the value at a cut is off by the square of their error, beside the smaller of p and
    its distance from 1."""
    value = exact(p(fmpq(lower)))
    size = min(abs(value), abs(1 - value)) or Fraction(1)
    return 64 + lower.denominator.bit_length() + size.denominator.bit_length() - size.numerator.bit_length()


def _refined(slope: flint.fmpq_poly, lower: Fraction, places: int, peaks: Iterable[flint.arb]) -> tuple[Fraction, ...]:
    """The zeros of the slope near points, as short fractions, where Newton's method finds them in the interval."""
    found = set()
    with working_bits(4 * places + 8 * slope.degree()):
        f = flint.arb_poly(slope)
        derivative = f.derivative()
        for x in peaks:
            for _ in range(4):
                x = (x - f(x) / derivative(x)).mid()
            if to_arb(lower) < x < 1:
                found.add(Fraction(round(to_fraction(x) * 2**places), 2**places))
    return tuple(sorted(x for x in found if lower < x < 1))


def largest_near_zero(stages: Sequence[Stage], gap: Fraction, noise: Fraction) -> Fraction:
    """A bound of ``x (1 - s(x)) / 2`` on [0, gap], for the composition s of the stages.

    From one point to the next x is at most the second, and s(x) at least what follows from a lower bound v at the
    first: of p on [v, 1] that is p(v) while p rises, and its bound on [lower, 1].

    Raises
    ------
    Unproved
        where the noise is so large that v lies where p does not rise.
    """
    polynomials = [odd_polynomial(stage.coefficients) for stage in stages]
    places = 96 + 2 * gap.denominator.bit_length()
    largest = Fraction(0)
    for k in range(NEAR_POINTS):
        value = gap * k / NEAR_POINTS
        for stage, p in zip(stages, polynomials):
            if value < -stage.lower:
                raise Unproved
            least = min(exact(p(fmpq(min(value, stage.lower)))), stage.low)
            value = Fraction(floor(least * 2**places), 2**places) - noise
        largest = max(largest, gap * (k + 1) / NEAR_POINTS * (1 - value) / 2)
    step = _step(largest)
    return (largest // step + 2) * step
