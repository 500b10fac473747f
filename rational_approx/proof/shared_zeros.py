"""Zeros that the target and the rational share, at ends of a piece, where the weight is infinite: relative errors.

With ``d = abs(x - z)`` the error ``w (f - P/Q)`` is ``(w d) (f / d - (P / d) / Q)``, and every factor is smooth at z.
P is divided exactly. ``g = f / (x - z)`` is the integral of ``f'(z + s (x - z))`` over s from 0 to 1, and so

    ``g^(k)(x) / k! = (k + 1) * (integral of s^k F(z + s (x - z)) over s from 0 to 1)``,   ``F = f^(k + 1) / (k + 1)!``,

so that an enclosure of F on an interval that holds x and z encloses it: on boxes that touch z the series of g is that
of f without its first coefficient. Elsewhere it is a quotient of series. That ``f(z) = 0`` must be known exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import flint
from flint import arb, arb_series

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import series_length, to_arb
from rational_approx.expressions.enclosures import Undecided, constant, quotient
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.holes import vanishes
from rational_approx.expressions.nodes import Node

__all__ = ["Divided", "Weighted", "divided", "taylor"]


def taylor(function: Callable[[Any], Any], start: arb, order: int) -> arb_series:
    """The first Taylor coefficients of a function around a ball, not finite where there are none."""
    try:
        with series_length(order):
            value = function(arb_series([start, 1], prec=order))
    except (Undecided, ValueError, ZeroDivisionError):  # python-flint raises where a series has no value
        return arb_series([arb.nan()] * order, prec=order)
    return value if isinstance(value, arb_series) else arb_series([value], prec=order)


@dataclass(frozen=True)
class Divided:
    """``f(x) / abs(x - z)`` on the side of z that ``side`` names, for a function with ``f(z) = 0``."""

    function: Callable[[Any], Any]
    zero: Fraction
    side: int
    tree: Node

    def ball(self, x: Any) -> Any:
        """An enclosure for a ball, or for a series ``start + t``."""
        start, zero = constant(x), to_arb(self.zero)
        if not start.overlaps(zero):
            return quotient(self.function(x), (x - zero) * self.side)
        order = 1 if isinstance(x, arb) else x.prec
        series = taylor(self.function, start.union(zero), order + 1)
        shifted = [series[k + 1] * self.side for k in range(order)]
        return shifted[0] if isinstance(x, arb) else arb_series(shifted, prec=order)


class Weighted(NamedTuple):
    """A weight times the distances from the zeros at which it is infinite, and its tree as it was."""

    ball: Callable[[Any], Any]
    tree: Node


def _chain(tree: Node, zeros: dict[Fraction, int]) -> Any:
    function: Any = Expression(tree)
    for zero, side in zeros.items():
        function = Divided(function.ball, zero, side, tree)
    return function


def _times(node: Node, zeros: dict[Fraction, int]) -> Callable[[Any], Any] | None:
    # A tree times the distances from the zeros, where they are zeros of one denominator in it.
    kind, parts = node.operator, node.arguments
    if kind == "/" and all(vanishes(parts[1], zero) for zero in zeros):
        top, bottom = Expression(parts[0]), _chain(parts[1], zeros)
        return lambda x: quotient(top.ball(x), bottom.ball(x))
    found = [_times(part, zeros) for part in (parts if kind in ("neg", "*") else parts[:1] if kind == "/" else ())]
    at = next((k for k, inner in enumerate(found) if inner is not None), None)
    if at is None:
        return None
    inner, others = found[at], [Expression(part) for k, part in enumerate(parts) if k != at]

    def product(x: Any) -> Any:
        value = -inner(x) if kind == "neg" else inner(x)  # type: ignore[misc]
        for other in others:
            value = quotient(value, other.ball(x)) if kind == "/" else value * other.ball(x)
        return value

    return product


def divided(
    formula: Expression, weight: Expression, top: flint.fmpq_poly, lower: End, upper: End
) -> tuple[Any, Any, flint.fmpq_poly, tuple[Fraction, ...]]:
    """The target, the weight and the numerator on a piece, without the zeros that they share, and these zeros.

    As given where there is none, or where it is not proved that ``f(z) = 0`` and that the weight grows as
    ``1 / abs(x - z)``, so that every rational with a finite error vanishes at z.

    Raises
    ------
    Undecided
        where this one does not.
    """
    zeros = {
        end: side
        for end, side in ((lower, 1), (upper, -1))
        if isinstance(end, Fraction) and vanishes(formula.tree, end) and not weight.ball(to_arb(end)).is_finite()
    }
    times = _times(weight.tree, zeros) if zeros else None
    if times is None or not all(times(to_arb(zero)) > 0 for zero in zeros):
        return formula, weight, top, ()
    for zero in zeros:
        if top(fmpq(zero)) != 0:
            raise Undecided(
                f"the error is infinite at x = {float(zero):g}, where the weight is and r is not zero as f is"
            )
    for zero, side in zeros.items():
        top //= flint.fmpq_poly([-side * fmpq(zero), side])
    return _chain(formula.tree, zeros), Weighted(times, weight.tree), top, tuple(zeros)
