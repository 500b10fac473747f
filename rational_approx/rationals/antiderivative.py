"""Antiderivatives of rationals in closed form, by partial fractions over the complex poles.

A rational is ``S(x) + sum_z sum_j c_{z,j} / (x - z)**j`` with a polynomial S, over its poles z with the powers j up to
their multiplicities. So an antiderivative is

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

from rational_approx.arithmetic.polynomials import Root, common_factor_removed, exact, isolated_roots
from rational_approx.arithmetic.precision import fraction, held_precision, to_arb, to_fraction, working_bits

__all__ = ["Antiderivative"]


@dataclass(frozen=True)
class Antiderivative:
    """``F`` with ``F' = top / bottom``, and ``F = 0`` at the origin.

    Differences ``F(b) - F(a)`` are integrals of r where no pole lies between a and b.

    >>> from rational_approx import Domain, Rational
    >>> zero, one = Fraction(0), Fraction(1)
    >>> F = Rational((one,), (one, zero, one), Domain.of((0, 1)), "monomial").antiderivative()
    >>> 4 * F(1.0)
    3.141592653589793
    """

    top: flint.fmpq_poly
    bottom: flint.fmpq_poly
    origin: Fraction

    @cached_property
    def polynomial(self) -> tuple[Fraction, ...]:
        """The exact coefficients of the polynomial part of F, in powers of x."""
        top, bottom = self._reduced
        return tuple(exact(c) for c in (top // bottom).integral().coeffs())

    @property
    def residues(self) -> tuple[tuple[Root, complex], ...]:
        """The poles of r with the coefficients of their logarithms in F."""
        with working_bits(256):
            logs = [(complex(z.mid()), complex(terms[0].mid())) for z, terms in self._partial_fractions()]

        def residue(pole: Root) -> complex:
            return min(logs, key=lambda item: abs(item[0] - pole.value))[1]

        return tuple((pole, residue(pole)) for pole in isolated_roots(self._reduced[1]))

    @held_precision()
    def __call__(self, x: Any) -> Any:
        """``F(x)`` for a float, an array (float64 result), an mpmath number or a ball (same kind, rigorous)."""
        if isinstance(x, flint.arb):
            return self._ball(x) - self._ball(to_arb(self.origin))
        if isinstance(x, mpmath.mpf):
            return self._precise(fraction(x), mpmath.mp.prec)
        points = np.asarray(x, dtype=np.float64)
        values = [float(self._precise(Fraction(float(v)), 53)) for v in points.ravel()]
        return np.array(values).reshape(points.shape) if points.ndim else values[0]

    @cached_property
    def _reduced(self) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        return common_factor_removed(self.top, self.bottom)

    def _precise(self, x: Fraction, wanted: int) -> mpmath.mpf:
        tiny = flint.arb(2) ** -(2 * wanted + 64)  # F may vanish at other points than its origin
        for bits in (2 * wanted + 128, 8 * wanted + 1024, 32 * wanted + 8192):
            with working_bits(bits):
                value = self(to_arb(x))
                if value.is_finite() and (value.rel_accuracy_bits() >= wanted + 4 or abs(value) < tiny):
                    found = to_fraction(value)
                    break
        else:
            raise ZeroDivisionError(f"the rational has a pole at {float(x)}, or within rounding of it")
        return mpmath.mpf(found.numerator) / found.denominator

    def _ball(self, x: flint.arb) -> flint.arb:
        total = flint.arb(0)
        for c in reversed(self.polynomial):
            total = total * x + to_arb(c)
        for z, terms in self._partial_fractions():
            distance = flint.acb(x) - z
            # A ball around a real pole meets the real axis at its centre: complex_roots makes real roots real.
            log = flint.acb(abs(distance.real).log()) if z.imag == 0 else distance.log()
            total += (terms[0] * log).real
            for j, c in enumerate(terms[1:], start=2):
                total -= (c / ((j - 1) * distance ** (j - 1))).real
        return total

    def _partial_fractions(self) -> list[tuple[flint.acb, list[flint.acb]]]:
        """Every pole with its coefficients, that of ``1 / (x - z)`` first."""
        top, bottom = self._reduced
        if bottom.degree() < 1:
            return []
        rest = top % bottom
        out = []
        for z, multiplicity in bottom.numer().complex_roots():
            # Around z the denominator is (x - z)**m times a series; its first m coefficients are zero.
            n = int(multiplicity)
            numerator, denominator = _taylor(rest, z, 0, n), _taylor(bottom, z, n, n)
            quotient = flint.acb_series(numerator, prec=n) / flint.acb_series(denominator, prec=n)
            out.append((z, [quotient[n - j] for j in range(1, n + 1)]))
        return out


def _taylor(poly: flint.fmpq_poly, z: flint.acb, first: int, count: int) -> list[flint.acb]:
    """``count`` Taylor coefficients of a polynomial at a point, from the one of order ``first``."""
    out, factor = [], 1
    for k in range(first + count):
        if k >= first:
            out.append(flint.acb_poly([flint.acb(flint.arb(c)) for c in poly.coeffs()] or [0])(z) / factor)
        poly, factor = poly.derivative(), factor * (k + 1)
    return out
