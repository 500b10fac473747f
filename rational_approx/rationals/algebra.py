"""Arithmetic of rationals: sums, products, quotients and changes of variable, exact in their exact coefficients."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import inf
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import flint
import mpmath
import numpy as np

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import Coefficients, as_chebyshev, common_factor_removed, fmpq, fractions
from rational_approx.arithmetic.precision import fraction, working_precision

__all__ = ["Algebra", "spread"]

Side = tuple[flint.fmpq_poly, flint.fmpq_poly]


class Algebra:
    """What can be calculated with a rational, as a base of `Rational`.

    The other operand is a rational or a number. A result is in lowest terms, in the basis of the left one (in powers of
    x where its domain is unbounded), for the points that are in both domains.
    """

    if TYPE_CHECKING:
        numerator: Coefficients
        denominator: Coefficients
        domain: Domain
        basis: str
        support: Coefficients

        @property
        def polynomials(self) -> Side:
            """Numerator and denominator."""

    __array_ufunc__ = None
    """A NumPy number on the left leaves the operation to the rational."""

    def __neg__(self) -> Self:
        return replace(self, numerator=tuple(-c for c in self.numerator))  # type: ignore[type-var]

    def __add__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (p * t + s * q, q * t))

    def __sub__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (p * t - s * q, q * t))

    def __rsub__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (s * q - p * t, q * t))

    def __mul__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (p * s, q * t))

    def __truediv__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (p * t, q * s))

    def __rtruediv__(self, other: object) -> Self:
        return self._with(other, lambda p, q, s, t: (q * s, p * t))

    __radd__, __rmul__ = __add__, __mul__

    def _with(self, other: object, combined: Any) -> Self:
        if isinstance(other, Algebra):
            sides, domain, support = other.polynomials, _shared(self.domain, other.domain), other.support
        elif isinstance(other, Real | mpmath.mpf) and not isinstance(other, bool):
            sides, domain, support = (flint.fmpq_poly([fmpq(fraction(other))]), flint.fmpq_poly([1])), self.domain, ()
        else:
            return NotImplemented
        top, bottom = combined(*self.polynomials, *sides)
        if bottom == 0:
            raise ZeroDivisionError("a rational was divided by zero")
        return self._of(top, bottom, domain, {*self.support, *support})

    def composed(self, a: object, b: object, c: object = 0, d: object = 1) -> Self:
        """``r((a x + b) / (c x + d))``: the rational after a Möbius map, for the x that the map takes to its domain.

        ``r.composed(2, 1)`` is ``r(2 x + 1)``; ``r.composed(0, 1, 1, 0)`` is ``r(1 / x)``.

        Raises
        ------
        ValueError
            where ``a d = b c``: such a map is constant.

        >>> from rational_approx import Rational
        >>> Rational([0, 1], [1], (0, "1/3"), "monomial").composed(1, -1, 1, 1)
        Rational(type (1, 1), monomial, exact, Domain([1, 2]))
        """
        a, b, c, d = (fraction(value) for value in (a, b, c, d))
        if a * d == b * c:
            raise ValueError(f"the map ({a} x + {b}) / ({c} x + {d}) is constant: a d - b c must not be zero")
        over, under = flint.fmpq_poly([fmpq(b), fmpq(a)]), flint.fmpq_poly([fmpq(d), fmpq(c)])
        n = max(poly.degree() for poly in self.polynomials)
        top, bottom = (
            sum((poly[k] * over**k * under ** (n - k) for k in range(n + 1)), flint.fmpq_poly([0]))
            for poly in self.polynomials
        )
        support = {(d * y - b) / (a - c * y) for y in self.support if a != c * y}
        return self._of(top, bottom, _preimage(self.domain, a, b, c, d), support)

    def normalised(self) -> Self:
        """The same function in powers of x with ``Q(0) = 1``: exact coefficients.

        Raises
        ------
        ValueError
            where 0 is a pole.

        >>> from rational_approx import Rational
        >>> Rational([1, 2], [4, 0, 2], (0, 1), "monomial").normalised().decimals(5)
        (('0.25', '0.5'), ('1.0', '0.0', '0.5'))
        """
        top, bottom = self.polynomials
        if bottom[0] == 0:
            top, bottom = common_factor_removed(top, bottom)
        if bottom[0] == 0:
            raise ValueError("Q(0) is zero, a pole: no multiple of Q is 1 there")
        p, q = fractions(top / bottom[0]), fractions(bottom / bottom[0])
        return self._made(p, q, self.domain, "monomial", self.support)

    def floats(self) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients in float64, in the basis and the scale that they have."""
        top, bottom = (np.array([float(c) for c in side]) for side in (self.numerator, self.denominator))
        return top, bottom

    def decimals(self, digits: int = 17) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The coefficients as decimal texts of so many digits, in the basis and the scale that they have."""
        if not isinstance(digits, int) or digits < 1:
            raise ValueError(f"digits= is a positive number of decimal digits, not {digits!r}")

        def text(c: Fraction) -> str:
            return str(mpmath.nstr(mpmath.mpf(c.numerator) / c.denominator, digits))

        with working_precision(digits + 5):
            return tuple(map(text, self.numerator)), tuple(map(text, self.denominator))

    def _of(self, top: flint.fmpq_poly, bottom: flint.fmpq_poly, domain: Domain, support: Iterable[Fraction]) -> Self:
        top, bottom = common_factor_removed(top, bottom)
        basis = self.basis if domain.bounded else "monomial"
        p, q = (as_chebyshev(poly, domain) if basis == "chebyshev" else fractions(poly) for poly in (top, bottom))
        return self._made(p, q, domain, basis, spread(support, max(len(p), len(q))))

    def _made(self, top: Coefficients, bottom: Coefficients, domain: Domain, basis: str, support: Coefficients) -> Self:
        changes = {"numerator": top, "denominator": bottom, "domain": domain, "basis": basis, "support": support}
        return replace(self, format="exact", **changes)  # type: ignore[type-var]


def spread(points: Iterable[Fraction], count: int) -> Coefficients:
    """``count`` of some points with points between them, spread evenly over their order; none of fewer than two."""
    known = sorted(set(points))
    if len(known) < 2:
        return ()
    while len(known) < count:
        known = sorted({*known, *((a + b) / 2 for a, b in pairwise(known))})
    return tuple(known[k] for k in np.round(np.linspace(0, len(known) - 1, count)).astype(int))


def _shared(first: Domain, second: Domain) -> Domain:
    pairs = ((max(a, c), min(b, d)) for a, b in first.intervals for c, d in second.intervals)
    if not (found := [(lower, upper) for lower, upper in pairs if lower < upper]):
        raise ValueError(f"the domains {first} and {second} have no interval in common")
    return Domain(tuple(found))


def _preimage(domain: Domain, a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> Domain:
    # x = (d y - b) / (a - c y) is monotone on each side of y = a / c, where it is infinite; y = +-inf has x = -d / c.
    def x(y: End, infinite: float) -> End:
        if isinstance(y, float):
            return -d / c if c else (y if a * d > 0 else -y)
        return infinite if a == c * y else (d * y - b) / (a - c * y)

    found = []
    for lower, upper in domain.split([a / c] if c else []):
        first, last = (lower, upper) if a * d > b * c else (upper, lower)
        found.append((x(first, -inf), x(last, inf)))
    joined: list[tuple[End, End]] = []
    for lower, upper in sorted(found):
        if joined and lower <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(upper, joined[-1][1])
        else:
            joined.append((lower, upper))
    return Domain(tuple(joined))
