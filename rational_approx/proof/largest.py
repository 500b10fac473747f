"""The largest error of a rational over its target's domain, enclosed from both sides, and where it is."""

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction, to_arb, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.proof.certificate import COMPETITORS
from rational_approx.proof.error_models import order_for
from rational_approx.proof.prover import _PRECISIONS, _Asked, _identical, _place, _rounded, _seeded
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["Largest", "largest_error"]


class Largest(NamedTuple):
    """A proved lower and upper bound of the largest error; each point that was looked at with a lower bound there."""

    lower: Fraction
    upper: Fraction | None
    points: tuple[tuple[End, Fraction], ...]


def largest_error(
    target: Target, rational: Rational, reference: Sequence[Any], gap: Fraction, allowed: Fraction
) -> Largest | None:
    """The bounds to a relative gap, or as far as they show that it exceeds ``allowed``; None where nothing can be
    enclosed. The ``reference`` is looked at first, and as many points a piece.
    """
    top, bottom = rational.polynomials
    known = sorted({fraction(x) for x in reference if not (isinstance(x, float) and abs(x) == inf)})
    degree = (max(0, len(reference) - 2), 0)
    asked = _Asked(target, top, bottom, degree, known, gap, COMPETITORS[False], [], ())
    for piece in target.pieces:
        for formula in (piece.expression, piece.weight_expression):
            if formula is None or not formula.defined(piece.lower, piece.upper):
                return None
    if _identical(asked):
        return Largest(Fraction(0), Fraction(0), ())
    for bits in _PRECISIONS:
        with working_bits(bits):
            try:
                search = _seeded(asked)
            except Undecided:
                return None
            if not search.samples:
                return None
            widest = max((sample.value.rad() for sample in search.samples), key=float)
            if bits < _PRECISIONS[-1] and not widest.upper() < search.lower * to_arb(gap / 16):
                continue
            search.allowed = to_arb(allowed)
            for curve in search.curves:
                curve.order = order_for(search.lower)
            reached = search.run()
            points = tuple(
                (_place(target, search.curves[sample.curve], sample.x), _rounded(abs(sample.value).lower(), -1))
                for sample in search.samples
            )
            upper = _rounded(search.upper, 1) if reached and search.upper.is_finite() else None
            return Largest(_rounded(search.lower, -1), upper, points)
    return None
