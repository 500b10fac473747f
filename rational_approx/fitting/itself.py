"""A target that is written as a rational of the type: it is its own best approximant, with the error zero."""

from fractions import Fraction

import flint

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import as_chebyshev, common_factor_removed, exact, fmpq, fractions
from rational_approx.arithmetic.signs import in_range
from rational_approx.expressions.quotients import quotient_of
from rational_approx.problem.conditions import Bounds, Conditions
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["itself"]


def itself(target: Target, degree: tuple[int, int], conditions: Conditions, bounds: Bounds) -> Rational | None:
    """The target as a rational, where its formula is a quotient of polynomials of the type that meets all that is
    asked, and whose denominator keeps one sign on the domain; else None.

    >>> print(itself(Target("1 / (1 + x^2) - 1", (-1, 1)), (4, 4), (), (-1, 1)))
    type (2, 2) rational on Domain([-1, 1])
      P = -0.333333 T0(t) +0 T1(t) -0.333333 T2(t)
      Q = +1 T0(t) +0 T1(t) +0.333333 T2(t)
    """
    # The branches of a piece's expression are decided.
    known = [None if piece.expression is None else quotient_of(piece.expression.tree) for piece in target.pieces]
    first = known[0]
    if first is None or first[1] == 0 or any(other is None or other != first for other in known):
        return None
    p, q = common_factor_removed(*first)
    if p.degree() > degree[0] or q.degree() > degree[1]:
        return None
    signs = {exact(q(fmpq(_inside(*interval)))) > 0 for interval in target.domain.intervals}
    met = all(value is None or q(fmpq(a)) * fmpq(value) == p(fmpq(a)) for a, value in conditions)
    if len(signs) > 1 or not met or not in_range(p, q, target.domain, bounds):
        return None
    return _scaled(p if True in signs else -p, q if True in signs else -q, target.domain)


def _inside(lower: End, upper: End) -> Fraction:
    finite = [end for end in (lower, upper) if isinstance(end, Fraction)]
    return sum(finite, Fraction(0)) / max(1, len(finite))


def _scaled(p: flint.fmpq_poly, q: flint.fmpq_poly, domain: Domain) -> Rational:
    # The largest coefficient of Q is 1 in size.
    top, bottom = (as_chebyshev(side, domain) if domain.bounded else fractions(side) for side in (p, q))
    largest = max(map(abs, bottom))
    basis = "chebyshev" if domain.bounded else "monomial"
    return Rational(tuple(c / largest for c in top), tuple(c / largest for c in bottom), domain, basis)
