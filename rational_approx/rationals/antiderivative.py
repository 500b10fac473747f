"""Antiderivatives of rationals in closed form, by partial fractions over the complex poles.

A rational is ``S(x) + sum_z sum_j c_{z,j} / (x - z)**j`` (`partial_fractions`). So an antiderivative is

    int S  -  sum_{j > 1} c_{z,j} / ((j - 1) (x - z)**(j - 1))  +  sum_z c_{z,1} log(x - z),

where for a complex z the principal logarithm is continuous in the real x, and each pair of conjugate poles gives a real
logarithm and an arctangent; for a real z it is ``log abs(x - z)``. Poles and coefficients are balls, so the sum is
rigorous: it is evaluated with as many bits as its cancellation needs.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import mpmath
import numpy as np

from rational_approx.arithmetic.polynomials import Coefficients, common_factor_removed, fmpq, fractions
from rational_approx.arithmetic.precision import (
    fraction,
    held_precision,
    to_accuracy,
    to_arb,
    to_fraction,
    working_bits,
)
from rational_approx.arithmetic.values import Value
from rational_approx.rationals.partial_fractions import expansions

__all__ = ["Antiderivative"]


@dataclass(frozen=True)
class Antiderivative(Value):
    """``F`` with ``F' = r``, and ``F = 0`` at the origin; the coefficients of r are those in powers of x.

    Differences ``F(b) - F(a)`` are integrals of r where no pole lies between a and b.

    >>> from rational_approx import Domain, Rational
    >>> zero, one = Fraction(0), Fraction(1)
    >>> F = Rational((one,), (one, zero, one), Domain.of((0, 1)), "monomial").antiderivative()
    >>> 4 * F(1.0)
    3.141592653589793
    """

    numerator: Coefficients
    denominator: Coefficients
    origin: Fraction

    @cached_property
    def polynomial(self) -> tuple[Fraction, ...]:
        """The exact coefficients of the polynomial part of F, in powers of x."""
        top, bottom = self._reduced
        whole = top // bottom
        return fractions(whole.integral()) if whole != 0 else ()

    @held_precision()
    def __call__(self, x: Any) -> Any:
        """``F(x)`` for a float, an array (float64 result), an mpmath number or a ball (same kind, rigorous)."""
        if isinstance(x, flint.arb):
            return self._ball(x) - self._ball(to_arb(self.origin))
        if isinstance(x, mpmath.mpf):
            return self._precise(fraction(x), mpmath.mp.prec)
        points = np.asarray(x, dtype=np.float64)
        with working_bits(53):  # floats do not depend on the caller's precision
            values = [float(self._precise(Fraction(float(v)), 53)) for v in points.ravel()]
        return np.array(values).reshape(points.shape) if points.ndim else values[0]

    @cached_property
    def _reduced(self) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        sides = (flint.fmpq_poly([fmpq(c) for c in side]) for side in (self.numerator, self.denominator))
        return common_factor_removed(*sides)

    def _precise(self, x: Fraction, wanted: int) -> mpmath.mpf:
        tiny = flint.arb(2) ** -(2 * wanted + 64)  # F may vanish at other points than its origin
        value = to_accuracy(lambda: self(to_arb(x)), wanted + 4, tiny)
        if not value.is_finite():
            raise ZeroDivisionError(f"the rational has a pole at {float(x)}, or within rounding of it")
        found = to_fraction(value)
        return mpmath.mpf(found.numerator) / found.denominator

    def _ball(self, x: flint.arb) -> flint.arb:
        total = flint.arb(0)
        for c in reversed(self.polynomial):
            total = total * x + to_arb(c)
        for z, terms in expansions(*self._reduced):
            distance = flint.acb(x) - z
            # A ball around a real pole meets the real axis at its centre: complex_roots makes real roots real.
            log = flint.acb(abs(distance.real).log()) if z.imag == 0 else distance.log()
            total += (terms[0] * log).real
            for j, c in enumerate(terms[1:], start=2):
                total -= (c / ((j - 1) * distance ** (j - 1))).real
        return total
