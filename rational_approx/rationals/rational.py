"""`Rational`: the quotient of two polynomials with exact coefficients."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import isinf
from typing import TYPE_CHECKING, Any

import flint
import mpmath
import numpy as np

from rational_approx import plot
from rational_approx.arithmetic.domain import Domain, finite
from rational_approx.arithmetic.floats import FORMATS, float_points, in_the_type_of, round_to
from rational_approx.arithmetic.polynomials import (
    Coefficients,
    Root,
    as_chebyshev,
    as_powers,
    clenshaw,
    common_factor_removed,
    exact,
    fmpq,
    fractions,
    horner,
    isolated_roots,
    quotient_of_powers,
)
from rational_approx.arithmetic.precision import fraction, held_precision, to_arb, to_fraction, working_bits
from rational_approx.arithmetic.values import Value
from rational_approx.rationals.algebra import Algebra, spread
from rational_approx.rationals.antiderivative import Antiderivative
from rational_approx.rationals.forms import Barycentric, SafePade, losses, safe_pade
from rational_approx.rationals.partial_fractions import PartialFractions, Residue, partial_fractions, residues
from rational_approx.rationals.saturation import Saturated, saturated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Rational"]


@dataclass(frozen=True, repr=False)
class Rational(Algebra, Value):
    """``r = P / Q`` with exact rational coefficients.

    Parameters
    ----------
    numerator, denominator:
        Coefficients, lowest degree first: fractions, or numbers that are read as such (a float as its shortest
        decimal).
    domain:
        Where the rational is meant to be used: a `Domain`, a pair, or a list of pairs.
    basis:
        ``"chebyshev"``: coefficients of ``T_k`` on the hull of the domain, mapped to [-1, 1].
        ``"monomial"``: coefficients of ``x**k``.
    format:
        ``"exact"``, or the floating-point format that holds every coefficient.
    support:
        Optional interpolation points. Where they are given, floats are evaluated by the barycentric formula on
        them, which stays accurate when ``Q`` varies over many orders of magnitude (Berrut & Trefethen 2004); without
        them by Clenshaw's or Horner's rule on the coefficients rounded to float64, as exported code would.

    Sums, products and quotients of rationals, and of rationals with numbers, are exact, in lowest terms, and meant for
    the points that both domains have.

    >>> r = Rational([0, 1], [1, 0, 1], (-1, 1), basis="monomial")
    >>> r(0.5), r.type
    (0.4, (1, 2))
    >>> (r / (1 - r)).denominator
    (Fraction(1, 1), Fraction(-1, 1), Fraction(1, 1))
    """

    numerator: Coefficients
    denominator: Coefficients
    domain: Domain
    basis: str = "chebyshev"
    format: str = "exact"
    support: Coefficients = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("numerator", "denominator", "support"):
            object.__setattr__(self, name, _exact(getattr(self, name), name))
        object.__setattr__(self, "domain", Domain.of(self.domain))
        if self.basis not in ("chebyshev", "monomial"):
            raise ValueError(f"basis must be 'chebyshev' or 'monomial', not {self.basis!r}")
        if self.basis == "chebyshev" and not self.domain.bounded:
            raise ValueError("the Chebyshev basis needs a bounded domain: use basis='monomial' on a half-line")
        if not self.numerator or not any(self.denominator):
            raise ValueError("a rational needs a numerator coefficient and a denominator that is not zero")

    @property
    def type(self) -> tuple[int, int]:
        """Degrees of numerator and denominator, as stored."""
        return len(self.numerator) - 1, len(self.denominator) - 1

    # -- evaluation ---------------------------------------------------------------------------------------------

    def __call__(self, x: Any) -> Any:
        """``r(x)`` for floats, mpmath numbers or balls (same kind, the latter rigorous), and arrays of them.

        Floats are calculated in float64; the answer is in float32 or float16 where x is."""
        if isinstance(x, flint.arb | flint.arb_series):
            top, bottom = self.parts(x)
            return top / bottom
        if isinstance(x, mpmath.mpf):
            return self._mpf(x)
        if isinstance(x, np.ndarray | list | tuple) and np.asarray(x).dtype == object:
            points = np.asarray(x)
            return np.array([self(point) for point in points.ravel()], dtype=object).reshape(points.shape)
        return in_the_type_of(x, self._floats(float_points(x)))

    def parts(self, x: Any) -> tuple[Any, Any]:
        """Enclosures of ``P(x)`` and ``Q(x)`` for a ball or a power series over balls."""
        # Not cached: balls carry the working precision at which they were made.
        top, bottom = (list(map(to_arb, side)) for side in (self.numerator, self.denominator))
        if self.basis == "monomial":
            return horner(top, x), horner(bottom, x)
        lower, upper = to_arb(finite(self.domain.lower)), to_arb(finite(self.domain.upper))
        t = (x * 2 - (lower + upper)) / (upper - lower)
        return clenshaw(top, t), clenshaw(bottom, t)

    @held_precision()
    def _mpf(self, x: mpmath.mpf) -> mpmath.mpf:
        top, bottom = (poly(fmpq(fraction(x))) for poly in self.polynomials)
        if bottom == 0:
            raise ZeroDivisionError(f"the rational has a pole at {mpmath.nstr(x)}")
        value = exact(top / bottom)
        return mpmath.mpf(value.numerator) / value.denominator

    def _floats(self, x: np.ndarray) -> np.ndarray:
        if not self.support:
            top, bottom = self._float_coefficients
            if self.basis == "monomial":
                return quotient_of_powers(top, bottom, x)
            lower, upper = float(self.domain.lower), float(self.domain.upper)
            t = (2 * x - (lower + upper)) / (upper - lower)
            value = np.polynomial.chebyshev.chebval
            return value(t, top) / value(t, bottom)
        return np.asarray(self._barycentric(x))

    @cached_property
    def _float_coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        largest = max(map(abs, self.denominator)) if self.format == "exact" else Fraction(1)
        top, bottom = (np.array([float(c / largest) for c in side]) for side in (self.numerator, self.denominator))
        return top, bottom

    @cached_property
    def _barycentric(self) -> Barycentric:
        # P(x) = L(x) sum_k P(x_k) l_k / (x - x_k), l_k = 1 / prod_{j != k} (x_k - x_j), and the same for Q: the node
        # polynomial L cancels. The sums are formed once, in high precision, from the exact coefficients.
        bits = 256 + 12 * len(self.support) + 2 * max(abs(c.denominator.bit_length()) for c in self.denominator)
        with working_bits(bits):
            nodes = [to_arb(x) for x in self.support]
            alpha, beta = [], []
            for k, node in enumerate(nodes):
                top, bottom = self.parts(node)
                for j, other in enumerate(nodes):
                    if j != k:
                        top, bottom = top / (node - other), bottom / (node - other)
                alpha.append(to_fraction(top))
                beta.append(to_fraction(bottom))
        largest = max(map(abs, beta))
        top, bottom = ([value / largest for value in values] for values in (alpha, beta))
        return Barycentric(*(np.array([float(v) for v in values]) for values in (self.support, top, bottom)))

    # -- algebra ------------------------------------------------------------------------------------------------

    @cached_property
    def polynomials(self) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        """``P`` and ``Q`` as exact polynomials in powers of x."""
        top, bottom = (as_powers(side, self.basis, self.domain) for side in (self.numerator, self.denominator))
        return top, bottom

    def monomial(self) -> "Rational":
        """The same function in powers of x: exact, and badly scaled where the domain is not near [-1, 1]."""
        top, bottom = (fractions(poly) for poly in self.polynomials)
        return replace(self, numerator=top, denominator=bottom, basis="monomial", format="exact")

    def chebyshev(self) -> "Rational":
        """The same function in Chebyshev polynomials on the hull of its domain (exact)."""
        if self.basis == "chebyshev":
            return self
        if not self.domain.bounded:
            raise ValueError(f"Chebyshev polynomials need a bounded domain, not {self.domain}")
        top, bottom = (as_chebyshev(poly, self.domain) for poly in self.polynomials)
        return replace(self, numerator=top, denominator=bottom, basis="chebyshev", format="exact")

    def plot(self, path: str | None = None) -> "Figure":
        """Draw the function on each interval of its domain (needs matplotlib); an infinite end is one ten away."""
        spans = []
        for lower, upper in self.domain.intervals:
            start = float(lower) if not isinf(lower) else min(-10.0, float(upper) - 10)
            end = float(upper) if not isinf(upper) else max(10.0, float(lower) + 10)
            spans.append((start, end, "-"))
        return plot.values(self, spans, f"type {self.type} on {self.domain}", path)

    def _repr_html_(self) -> str:
        """The function and its picture, for notebooks."""
        return plot.in_notebook(str(self), self.plot)

    def without_support(self) -> "Rational":
        """The same coefficients, evaluated by Clenshaw's or Horner's rule and not by the barycentric formula."""
        return replace(self, support=())

    def barycentric(self) -> Barycentric:
        """The barycentric form in float64, on the support points, or on Chebyshev points of the hull of the domain.

        Raises
        ------
        ValueError
            without support points on an unbounded domain.
        """
        if self.support:
            return self._barycentric
        if not self.domain.bounded:
            raise ValueError("a barycentric form without support points needs a bounded domain")
        lower, upper, count = float(self.domain.lower), float(self.domain.upper), max(self.type) + 1
        t = np.sin(np.pi * (np.arange(count) - (count - 1) / 2) / max(count - 1, 1))
        nodes = (lower + upper) / 2 + (upper - lower) / 2 * t
        return replace(self, support=tuple(Fraction(float(x)) for x in nodes))._barycentric

    def losses(self) -> dict[str, float]:
        """What rounding to float64 costs in each form, measured; see :func:`rational_approx.rationals.forms.losses`.

        A form that the rational does not have is left out: Chebyshev, safe-Padé and barycentric need a bounded domain.

        >>> from rational_approx import fit
        >>> found = fit("abs(x)", (20, 20), (-1, 1)).rational.losses()
        >>> found["barycentric"] < 1e-14, found["chebyshev"] > 1  # Q falls by 34 orders at the kink
        (True, True)
        """
        known: dict[str, Any] = {"monomial": self.monomial().without_support()}
        if self.domain.bounded:
            known |= {"chebyshev": self.chebyshev().without_support(), "safe_pade": self.safe_pade()}
            known["barycentric"] = self.barycentric()
        return losses(known, self, self.domain)

    def derivative(self) -> "Rational":
        """``r' = (P' Q - P Q') / Q**2``, with exact coefficients in the same basis.

        >>> Rational((Fraction(0), Fraction(1)), (Fraction(1),), Domain.of((-1, 1))).derivative()(0.3)
        1.0
        """
        p, q = self.polynomials
        top, bottom = p.derivative() * q - p * q.derivative(), q * q
        powers = Rational(fractions(top), fractions(bottom), self.domain, "monomial")
        slope = powers if self.basis == "monomial" else powers.chebyshev()
        # Near a kink Q falls by orders of magnitude, and its square by twice as many: floats need support points too.
        return replace(slope, support=spread(self.support, max(slope.type) + 1))

    def antiderivative(self) -> Antiderivative:
        """``F`` with ``F' = r``, and ``F = 0`` at the lowest finite end of the domain (at 0 on the whole line)."""
        ends = [end for interval in self.domain.intervals for end in interval if isinstance(end, Fraction)]
        top, bottom = map(fractions, self.polynomials)
        return Antiderivative(top, bottom, ends[0] if ends else Fraction(0))

    def poles(self) -> tuple[Root, ...]:
        """Zeros of the denominator after common factors are removed, each with multiplicity and error bound."""
        return isolated_roots(common_factor_removed(*self.polynomials)[1])

    def residues(self) -> tuple[Residue, ...]:
        """The residue at each pole, the coefficient of ``1 / (x - pole)``, with an error bound; ordered by real part.

        >>> [residue.value for residue in Rational([1], [1, 0, 1], (0, 1), "monomial").residues()]
        [0.5j, -0.5j]
        """
        return residues(*self.polynomials)

    def partial_fractions(self, digits: int = 17) -> PartialFractions:
        """The same function as a polynomial and terms ``c / (x - pole)**j`` over its complex poles; raises and works as
        :func:`rational_approx.rationals.partial_fractions.partial_fractions`."""
        return partial_fractions(*self.polynomials, digits)

    def zeros(self) -> tuple[Root, ...]:
        """Zeros of the numerator after common factors are removed, each with multiplicity and error bound."""
        return isolated_roots(common_factor_removed(*self.polynomials)[0])

    def safe_pade(self) -> SafePade:
        """The equal form ``P / (1 + abs(S))`` on the domain; see :func:`rational_approx.rationals.forms.safe_pade`."""
        return safe_pade(*self.polynomials, self.domain)

    def saturated(self, left: object = "constant", right: object = "constant") -> "Saturated[Rational]":
        """The rational with a constant or linear continuation outside of its domain; see
        :func:`rational_approx.rationals.saturation.saturated`."""
        return saturated(self, left, right)

    def rounded(self, format: str) -> "Rational":
        """Each coefficient rounded to the nearest number of a format, after scaling the largest of Q to 1.

        A rational does not know its target, and rounding coefficients one by one may cost much more than the format
        must: ``Fit.rounded`` rounds them together, near-best.

        Raises
        ------
        ValueError
            for an unknown format, or where a coefficient is too large for it.
        """
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
        largest = max(self.denominator, key=abs)
        top = tuple(round_to(c / largest, format) for c in self.numerator)
        bottom = tuple(round_to(c / largest, format) for c in self.denominator)
        return replace(self, numerator=top, denominator=bottom, format=format, support=())

    def __repr__(self) -> str:
        return f"Rational(type {self.type}, {self.basis}, {self.format}, {self.domain})"

    def __str__(self) -> str:
        def side(coefficients: Coefficients) -> str:
            name = "T{}(t)" if self.basis == "chebyshev" else "x^{}"
            return " ".join(f"{float(c):+.6g} {name.format(k)}" for k, c in enumerate(coefficients))

        return (
            f"type {self.type} rational on {self.domain}\n  P = {side(self.numerator)}\n  Q = {side(self.denominator)}"
        )


def _exact(values: Any, name: str) -> Coefficients:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name}= is a sequence of numbers, lowest degree first, not {values!r}")
    return tuple(c if isinstance(c, Fraction) else fraction(c) for c in values)
