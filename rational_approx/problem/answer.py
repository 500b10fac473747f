"""From the polynomials of a finished exchange to the rational that is handed out, with exact side conditions."""

from dataclasses import dataclass, replace
from fractions import Fraction

import flint
import numpy as np

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import as_chebyshev, common_factor_removed, exact, fmpq, fractions, through
from rational_approx.arithmetic.precision import to_fraction
from rational_approx.problem.reduction import Reduced
from rational_approx.rationals.rational import Rational

__all__ = ["Finished", "restored"]


SIMPLE = 100
"""Coefficients of a target that is a rational itself are kept as fractions with denominators of so few bits."""


@dataclass(frozen=True)
class Finished:
    """The best rational in powers of t, with the levelled error and the reference, all to ``bits`` bits."""

    p: flint.fmpq_poly
    q: flint.fmpq_poly
    h: Fraction
    reference: tuple[Fraction, ...]
    deviation: float
    bits: int
    rounds: int

    @classmethod
    def of(
        cls,
        p: flint.arb_poly,
        q: flint.arb_poly,
        h: flint.arb,
        reference: list[Fraction],
        deviation: float,
        bits: int,
        rounds: int,
    ) -> "Finished":
        """From balls, of which the midpoints are kept."""
        return cls(_exact_poly(p), _exact_poly(q), to_fraction(h), tuple(reference), deviation, bits, rounds)


def _exact_poly(poly: flint.arb_poly) -> flint.fmpq_poly:
    return flint.fmpq_poly([fmpq(to_fraction(c)) for c in poly.coeffs()])


def restored(problem: Reduced, done: Finished, domain: Domain, reference: list[End]) -> Rational:
    """The approximant in the user's variable, its coefficients dyadic with far more digits than the error needs.

    Rounding them one by one would miss the conditions ``r(a) = f(a)`` by a hair. So P is corrected by the polynomial
    of lowest degree that takes what is missing at these points; then they hold exactly.
    """
    p, q = problem.change.restored(done.p, done.q, problem.degree)
    if done.h == 0:  # the target itself
        p, q = common_factor_removed(p, q)
    basis = "chebyshev" if domain.bounded else "monomial"
    top, bottom = _coefficients(p, domain), _coefficients(q, domain)
    if len(top) == len(bottom) == 1 and abs(top[0] / bottom[0]) < abs(done.h) / (1 << done.bits // 2):
        top = (Fraction(0),)  # the zero function, but for the rounding of the finish: its type has a defect of q
    # Q is made positive on the first interval, its largest coefficient 1 in size, and all are rounded to dyadic numbers
    # well beyond the precision of the finish.
    finite = [x for x in reference if isinstance(x, Fraction)]
    if not finite:  # a jump at infinity
        finite = [x for x in (domain.lower, domain.upper, Fraction(0)) if isinstance(x, Fraction)][:1]
    first = domain.intervals[0][1]
    largest = max(map(abs, bottom)) * (1 if q(fmpq(first if isinstance(first, Fraction) else finite[0])) > 0 else -1)
    smallest = min(abs(exact(q(fmpq(x)))) for x in finite)  # near a kink Q falls by hundreds of orders of magnitude
    unit = 1 << (done.bits + 64 + max(0, int(abs(largest) / smallest).bit_length()))

    top, bottom = tuple(c / largest for c in top), tuple(c / largest for c in bottom)
    if done.h != 0 or max(c.denominator for c in top + bottom) > 1 << SIMPLE:
        top, bottom = (tuple(Fraction(round(c * unit), unit) for c in side) for side in (top, bottom))
    rational = Rational(top, bottom, domain, basis)
    ansatz = problem.change.ansatz
    if ansatz.roots:
        top_now, bottom_now = rational.polynomials
        # An odd target vanishes at 0 in a gap as well, unless P and Q shared the factor x.
        inside = [a for a in ansatz.roots if a in domain]
        missing = {a: exact((ansatz.polynomial * bottom_now - top_now)(fmpq(a))) for a in inside}
        if any(missing.values()):
            corrected = _coefficients(top_now + through(missing), domain)
            rational = Rational(corrected, rational.denominator, domain, basis)
    # As many support points as the barycentric form needs, and no more: with a surplus its weights would cancel.
    wanted = max(rational.type) + 1
    spread = np.unique(np.round(np.linspace(min(1, len(finite) - 1), len(finite) - 1, wanted)).astype(int))
    support = tuple(dict.fromkeys(Fraction(float(finite[k])) for k in spread))
    return replace(rational, support=support) if len(support) == wanted else rational


def _coefficients(poly: flint.fmpq_poly, domain: Domain) -> tuple[Fraction, ...]:
    return as_chebyshev(poly, domain) if domain.bounded else fractions(poly)
