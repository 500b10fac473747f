"""A rigorous two-sided bound of the largest error of the derivative, ``sup abs(f' - r')``, one-sided at breakpoints.

``r' = (P' Q - P Q') / Q^2`` is a rational with exact coefficients, and the series of ``f'`` is that of f, term by term:
the search that bounds ``f - r`` then bounds ``f' - r'`` as well.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import flint
from flint import arb

from rational_approx.arithmetic.domain import finite
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.expression import Expression, parse
from rational_approx.proof.error_models import ErrorCurve, order_for
from rational_approx.proof.shared_zeros import taylor
from rational_approx.proof.supremum import Search
from rational_approx.targets.target import Target

__all__ = ["SlopeError", "slope_error"]

_BITS = 320
_GAP = Fraction(1, 10**9)


class SlopeError(NamedTuple):
    """``lower <= sup abs(f' - r') <= upper``, and a point where it is at least ``lower``."""

    lower: Fraction
    upper: Fraction
    witness: Fraction


class _Derivative:
    """The derivative of an expression, at balls and at series ``x + t``."""

    def __init__(self, formula: Expression) -> None:
        self.formula = formula

    def ball(self, x: Any) -> Any:
        start, order = (x, 1) if isinstance(x, arb) else (x[0], x.prec)
        slope = taylor(self.formula.ball, start, order + 1).derivative()  # one coefficient more than the function's
        return slope[0] if isinstance(x, arb) else slope


def slope_error(target: Target, top: flint.fmpq_poly, bottom: flint.fmpq_poly) -> SlopeError | None:
    """Bound the error of the derivative of ``top / bottom``; None where no bound is found.

    None for samples, for a Python function, on a half-line, and where a derivative is infinite.

    >>> found = slope_error(Target("x^2", (-1, 1)), flint.fmpq_poly([0, 1]), flint.fmpq_poly([1]))
    >>> found.witness, 0 <= found.upper - 3 < Fraction(1, 10**8)
    (Fraction(-1, 1), True)
    """
    formulas = [piece.expression for piece in target.pieces]
    if not target.domain.bounded or any(formula is None for formula in formulas):
        return None
    sides = top.derivative() * bottom - top * bottom.derivative(), bottom * bottom
    with working_bits(_BITS):
        curves = []
        for formula, piece in zip(formulas, target.pieces):
            ends = (to_arb(finite(end)) for end in (piece.lower, piece.upper))
            curves.append(ErrorCurve(_Derivative(formula), parse("1"), *sides, *ends))  # type: ignore[arg-type]
        search = Search(curves, to_arb(_GAP))
        for index, curve in enumerate(curves):
            if not all(search.evaluate(index, end)[0].is_finite() for end in (curve.lower, curve.upper)):
                return None
            for k in range(1, 32):
                search.evaluate(index, (curve.lower + (curve.upper - curve.lower) * k / 32).mid())
        for curve in curves:
            curve.order = order_for(search.lower)
        search.run()
        if not search.upper.is_finite():
            return None
        worst = max(search.samples, key=lambda sample: float(abs(sample.value).lower()))
        lower = max(Fraction(0), to_fraction(abs(worst.value).lower()))
        return SlopeError(lower, to_fraction(search.upper), to_fraction(worst.x))
