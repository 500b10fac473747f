"""The error of a fit at sample points, accurate relative to the error itself, for searches over its coefficients."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.polynomials import fractions
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.rationals.rational import Rational
from rational_approx.targets.piece import Piece

__all__ = ["Sampled", "sampled"]

_BETWEEN = 16
"""Points from one peak of the error to the next."""


@dataclass(frozen=True)
class Sampled:
    """Arrays ``[points]``: where, the weighted error, the value of the rational, the weight, the denominator.

    The rational is scaled so that the largest coefficient of its denominator is 1. ``best`` is the error to compare
    with: the levelled error, or what float64 resolves where that is smaller.
    """

    rational: Rational
    best: float
    x: np.ndarray
    error: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    bottom: np.ndarray

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """The basis functions of numerator and denominator at the points, ``[points, degree + 1]``."""
        p, q = self.rational.type
        if self.rational.basis == "monomial":
            table = np.vander(self.x, max(p, q) + 1, increasing=True)
        else:
            lower, upper = float(self.rational.domain.lower), float(self.rational.domain.upper)
            table = np.polynomial.chebyshev.chebvander((2 * self.x - lower - upper) / (upper - lower), max(p, q))
        return table[:, : p + 1], table[:, : q + 1]

    def within(self, bounds: tuple[End, End], margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Between which errors, over ``best``, the rational keeps inside of bounds by a margin in the same units."""
        lower, upper = (float(b) for b in bounds)
        with np.errstate(invalid="ignore"):
            low = (self.error - self.weight * (upper - self.value)) / self.best + margin
            high = (self.error + self.weight * (self.value - lower)) / self.best - margin
        return low, high


def sampled(fit: Any, basis: str) -> Sampled:
    """Sample a fit between the peaks of its error, with its rational in the given basis."""
    exact: Rational = fit.rational
    if basis == "chebyshev":
        exact = exact.chebyshev()
    elif exact.basis != basis:
        p, q = (fractions(side) for side in exact.polynomials)
        exact = Rational(p, q, exact.domain, "monomial")
    largest = max(map(abs, exact.denominator))
    exact = Rational(
        tuple(c / largest for c in exact.numerator),
        tuple(c / largest for c in exact.denominator),
        exact.domain,
        exact.basis,
    )
    rows = []
    reference = [x for x in fit.reference if isinstance(x, Fraction)]
    bits = 256 + 2 * max(c.denominator.bit_length() for c in exact.denominator)
    with working_bits(bits):
        for piece in fit.target.pieces:
            for x in _points(piece, reference, fit.target.samples):
                ball = to_arb(x)
                if piece.precise:
                    f, w = (jet[0] for jet in piece.jets(ball, 1))
                else:
                    at = np.array([float(x)])
                    f, w = to_arb(Fraction(float(piece.function(at)[0]))), to_arb(Fraction(float(piece.weight(at)[0])))
                top, bottom = exact.parts(ball)
                value = top / bottom
                row = (x, w * (f - value), value, w, bottom)
                # Weights may be infinite at a zero of the target, where the error is a limit.
                if all(number.is_finite() for number in row[1:]):
                    rows.append([float(number) for number in row[:1]] + [float(b.mid()) for b in row[1:]])
    table = np.array(rows).T
    best = max(float(fit.error), 2.0**-52 * float(np.abs(table[2] * table[3]).max()), 5e-300)
    return Sampled(exact, best, *table)


def _points(piece: Piece, reference: list[Fraction], samples: Any) -> list[Fraction]:
    if samples is not None:
        return [Fraction(float(x)) for x in samples[0]]
    inside = [x for x in reference if piece.lower < x < piece.upper]
    ends: list[End] = [piece.lower, *inside, piece.upper]
    cuts = [x for x in ends if isinstance(x, Fraction)]
    points = [a + (b - a) * Fraction(k, _BETWEEN) for a, b in pairwise(cuts) for k in range(_BETWEEN)]
    points += cuts[-1:]
    reach = max([abs(x) for x in cuts] + [Fraction(1)])
    # Half-lines, by powers of two well beyond the last peak.
    if not isinstance(piece.upper, Fraction):
        points += [points[-1] + reach * Fraction(2) ** k for k in range(-3, 24)]
    if not isinstance(piece.lower, Fraction):
        points = [points[0] - reach * Fraction(2) ** k for k in range(23, -4, -1)] + points
    return points
