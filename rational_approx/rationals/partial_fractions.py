"""Partial fractions over the complex poles: ``r(x) = S(x) + sum_z sum_j c_{z,j} / (x - z)**j`` with a polynomial S.

Around a pole z of multiplicity m the denominator is ``(x - z)**m`` times a series, and the coefficients ``c_{z,m}``,
..., ``c_{z,1}`` are the first m of the numerator's series divided by that one. Poles and coefficients are balls, so
that it is known how many of their digits are right.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log2
from typing import Any, NamedTuple

import flint
import mpmath
import numpy as np

from rational_approx.arithmetic.polynomials import Coefficients, Root, as_root, common_factor_removed, fractions
from rational_approx.arithmetic.precision import to_fraction, working_bits

__all__ = ["Expansion", "PartialFractions", "Residue", "Term", "expansions", "partial_fractions", "residues"]

_MOST_BITS = 1 << 17


class Expansion(NamedTuple):
    """A pole, and the coefficients of ``1 / (x - pole)``, ``1 / (x - pole)**2``, ... as balls."""

    pole: flint.acb
    coefficients: list[flint.acb]


class Residue(NamedTuple):
    """The residue at a pole, with a proved bound on its distance to the exact one."""

    pole: Root
    value: complex
    radius: float


class Term(NamedTuple):
    """``sum_j coefficients[j - 1] / (x - pole)**j`` for j up to the multiplicity of the pole."""

    pole: Any
    coefficients: tuple[Any, ...]


@dataclass(frozen=True)
class PartialFractions:
    """A polynomial and the terms of the poles; their sum is the rational, also at complex numbers.

    Attributes
    ----------
    polynomial:
        Its exact coefficients in powers of x, lowest degree first; empty where it is zero.
    terms:
        One for each pole, ordered by real part: complex mpmath numbers, right to all ``digits``. Those of conjugate
        poles are conjugate.
    digits:
        The decimal digits asked for.
    """

    polynomial: Coefficients
    terms: tuple[Term, ...]
    digits: int

    def __call__(self, x: Any) -> Any:
        """The sum at a number or an array of them, in complex128 (float64 where x is real), or at an mpmath number.

        Where terms cancel, digits are lost: ask for more of them, and give mpmath numbers.
        """
        if isinstance(x, mpmath.mpf | mpmath.mpc):
            return self._sum(x, mpmath.mpf(0), lambda c: mpmath.mpf(c.numerator) / c.denominator, lambda c: c)
        points = np.asarray(x)
        if points.dtype.kind not in "biufc":
            raise TypeError(f"partial fractions are evaluated at numbers or arrays of them, not {x!r}")
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self._sum(points + 0j, np.zeros(points.shape, complex), float, complex)
        values = values if points.dtype.kind == "c" else values.real
        return values if points.ndim else values.item()

    def _sum(self, x: Any, total: Any, exact: Any, ball: Any) -> Any:
        for c in reversed(self.polynomial):
            total = total * x + exact(c)
        for pole, coefficients in self.terms:
            inner = 0
            for c in reversed(coefficients):
                inner = (inner + ball(c)) / (x - ball(pole))
            total = total + inner
        return total.real if isinstance(x, mpmath.mpf) else total


def expansions(top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> list[Expansion]:
    """The expansions of ``top / bottom`` in lowest terms at all its poles, at the working precision."""
    if bottom.degree() < 1:
        return []
    rest = top % bottom
    out = []
    for z, multiplicity in bottom.numer().complex_roots():
        n, around = int(multiplicity), flint.acb_poly([z, 1])
        numerator, denominator = (flint.acb_poly(side)(around).coeffs() for side in (rest, bottom))
        # Around z the denominator is (x - z)**n times a series: its first n coefficients are zero.
        quotient = flint.acb_series(numerator, prec=n) / flint.acb_series(denominator[n:], prec=n)
        out.append(Expansion(z, [quotient[n - j] for j in range(1, n + 1)]))
    return out


def partial_fractions(top: flint.fmpq_poly, bottom: flint.fmpq_poly, digits: int) -> PartialFractions:
    """The partial fractions of ``top / bottom``, right to a number of decimal digits.

    Raises
    ------
    ValueError
        for a number of digits that is not positive, or where poles are too close to be told apart to it.
    """
    if not isinstance(digits, int) or digits < 1:
        raise ValueError(f"digits= is a positive number of decimal digits, not {digits!r}")
    top, bottom = common_factor_removed(top, bottom)
    wanted = ceil(digits * log2(10)) + 2
    with working_bits(wanted):
        found = [Term(_number(z), tuple(map(_number, balls))) for z, balls in _resolved(top, bottom, wanted)]
    terms = tuple(sorted(found, key=lambda term: (term.pole.real, term.pole.imag)))
    return PartialFractions(fractions(top // bottom) if top.degree() >= bottom.degree() else (), terms, digits)


def residues(top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> tuple[Residue, ...]:
    """The residues of ``top / bottom`` in lowest terms at all its poles, ordered by real part.

    Raises
    ------
    ValueError
        where poles are too close to be told apart.
    """
    top, bottom = common_factor_removed(top, bottom)

    out = []
    for pole, balls in _resolved(top, bottom, 64):
        value, _, radius = as_root(balls[0], 1)
        out.append(Residue(as_root(pole, len(balls)), value, radius))
    return tuple(sorted(out, key=lambda found: (found.pole.value.real, found.pole.value.imag)))


def _resolved(top: flint.fmpq_poly, bottom: flint.fmpq_poly, wanted: int) -> list[Expansion]:
    # With so many bits that as many as wanted are right. The last coefficient of a pole is never zero; another one that
    # many more bits do not tell from zero is taken for zero.
    bits, enough = 2 * wanted + 64, 16 * wanted + 1024
    while bits <= _MOST_BITS:
        with working_bits(bits):
            found = expansions(top, bottom)
        known = [ball.rel_accuracy_bits() >= wanted for z, balls in found for ball in (z, balls[-1])]
        lower = [ball for _, balls in found for ball in balls[:-1] if ball.rel_accuracy_bits() < wanted]
        if all(known) and (not lower or (bits > enough and all(ball.contains(0) for ball in lower))):
            return found
        bits *= 2
    raise ValueError("the poles are too close to each other for so many digits: ask for fewer")


def _number(ball: flint.acb) -> mpmath.mpc:
    # A part that is small beside the other one, and not known, is taken for zero: those of real numbers are.
    def part(value: flint.arb) -> mpmath.mpf:
        middle = Fraction(0) if value.contains(0) else to_fraction(value)
        return mpmath.mpf(middle.numerator) / middle.denominator

    return mpmath.mpc(part(ball.real), part(ball.imag))
