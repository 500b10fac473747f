"""The error ``e = w (f - P/Q)`` of a rational on one piece of its target, as Taylor jets with rigorous remainders.

On a box of midpoint m and half-width h, ``e(m + t) = sum_{k < n} e_k t^k + R t^n`` for every abs(t) <= h, where the
``e_k`` are the coefficients at the point m, and R is enclosed by the n-th coefficient of the same series taken over
the whole box. The polynomials are first shifted to m, so that a wide box does not blow up their evaluation.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
from flint import arb, arb_poly, arb_series

from rational_approx.domain import End
from rational_approx.enclosures import Undecided, quotient
from rational_approx.nodes import Node
from rational_approx.precision import to_arb
from rational_approx.rays import beyond

__all__ = ["ErrorCurve", "Formula", "Jet", "curves", "order_for"]

LEAST_ORDER, LARGEST_ORDER = 9, 40


def order_for(error: arb) -> int:
    """How many Taylor coefficients pay: the more, the smaller the error against which remainders count."""
    size = error.mid().man_exp() if error > 0 else (1, 0)
    bits = -int(size[1]) - int(size[0]).bit_length()
    return min(LARGEST_ORDER, max(LEAST_ORDER, 4 + bits // 6))


Formula = Any
"""An expression, or a constant ball that encloses a function on the whole of a half-line."""


@dataclass(frozen=True)
class Jet:
    """A Taylor model on a box: coefficients at the midpoint, the remainder's coefficient, and the half-width."""

    coefficients: list[arb]
    remainder: arb
    half: arb

    def bound(self) -> arb:
        """An upper bound of ``abs(e)`` on the box."""
        return self.tail(0)

    def tail(self, start: int, derivative: int = 0) -> arb:
        """An upper bound of the terms from degree ``start`` on, of the ``derivative``-th scaled derivative."""
        total, power = arb(0), self.half ** max(start - derivative, 0)
        for k in range(start, len(self.coefficients) + 1):
            size = abs(self.coefficients[k] if k < len(self.coefficients) else self.remainder).upper()
            total += size * power * _binomial(k, derivative)
            power = power * self.half
        return total.upper()

    @property
    def monotone(self) -> bool:
        """Whether the derivative keeps one strict sign on the box."""
        return bool(abs(self.coefficients[1]).lower() > self.tail(2, 1))

    @property
    def curvature(self) -> arb:
        """A lower bound of ``abs(e'')`` on the box; positive where the second derivative has one sign."""
        return 2 * (abs(self.coefficients[2]).lower() - self.tail(3, 2))

    def stationary(self) -> arb:
        """An approximate zero of the derivative of the Taylor polynomial, inside the box (exact, not rigorous)."""
        slope = arb_poly([c.mid() for c in self.coefficients]).derivative()
        bend, t = slope.derivative(), arb(0)
        for _ in range(6):
            step = slope(t) / bend(t)
            if not step.is_finite():
                break
            t = (t - step).mid()
            if abs(t) > self.half:
                t = self.half.mid() if t > 0 else -self.half.mid()
        return t


def _binomial(k: int, derivative: int) -> int:
    return 1 if derivative == 0 else k if derivative == 1 else k * (k - 1) // 2


class ErrorCurve:
    """The error on one piece, in x itself, or on a half-line beyond a point in ``y = 1/x``.

    The working precision at construction is the one at which it is evaluated. ``order`` coefficients make a Taylor
    model, and one more its remainder.
    """

    def __init__(
        self,
        formula: Formula,
        weight: Formula,
        top: flint.fmpq_poly,
        bottom: flint.fmpq_poly,
        lower: arb,
        upper: arb,
        inverted: bool = False,
    ) -> None:
        self.formula, self.weight, self.lower, self.upper, self.inverted = formula, weight, lower, upper, inverted
        self.order = LEAST_ORDER
        self.polynomials = arb_poly(top), arb_poly(bottom)
        constant = isinstance(weight, arb) or weight.tree.value is not None
        self._constant = (weight if isinstance(weight, arb) else to_arb(weight.tree.value)) if constant else None

    def _weighted(self, difference: Any, x: Any) -> Any:
        if self._constant is not None:
            return difference * self._constant
        return difference * self.weight.ball(x)

    def _target(self, x: Any) -> Any:
        return self.formula if isinstance(self.formula, arb) else self.formula.ball(x)

    def at(self, x: arb, order: int = 1) -> list[arb]:
        """Coefficients of the error at a point (or a very small ball)."""
        if order == 1:  # balls alone: a series has no value where a derivative is infinite
            quotient_there = self.polynomials[0](x) / self.polynomials[1](x)
            return [self._weighted(self._target(x) - quotient_there, x)]
        shift = arb_poly([x, 1])
        return self._series(x, [p(shift) for p in self.polynomials], order)

    def weight_positive(self, x: arb) -> bool:
        """Whether the weight is provably positive at a point."""
        return bool((self._constant if self._constant is not None else self.weight.ball(x)) > 0)

    def _series(self, x: arb, shifted: list[arb_poly], order: int) -> list[arb]:
        variable = arb_series([x, arb(1)], prec=order)
        top, bottom = (arb_series(p, prec=order) for p in shifted)
        value = self._weighted(self._target(variable) - quotient(top, bottom), variable)
        return [value[k] for k in range(order)]

    def jet(self, lower: arb, upper: arb) -> Jet:
        """The Taylor model on a box with exact ends; not finite where none exists."""
        middle = ((lower + upper) / 2).mid()
        half = (upper - middle).max(middle - lower).upper()
        spread = arb(0, half)
        shift = arb_poly([middle, 1])
        shifted = [p(shift) for p in self.polynomials]
        try:
            point = self._series(middle, shifted, self.order)
            wide = arb_poly([spread, 1])
            over = self._series(middle + spread, [p(wide) for p in shifted], self.order + 1)
        except (Undecided, ValueError, ZeroDivisionError):  # python-flint raises where a series has no value
            return Jet([arb.nan()] * self.order, arb.nan(), half)
        # The model needs a smooth function on the whole box: one coefficient that is not finite, and there is none.
        remainder = over[self.order] if all(c.is_finite() for c in over) else arb.nan()
        return Jet(point, remainder, half)

    def plain(self, lower: arb, upper: arb) -> arb:
        """An upper bound of ``abs(e)`` on a box by balls alone: for the ends where derivatives are infinite."""
        middle = ((lower + upper) / 2).mid()
        half = (upper - middle).max(middle - lower).upper()
        box, shift = arb(middle, half), arb_poly([middle, 1])
        top, bottom = (p(shift)(arb(0, half)) for p in self.polynomials)
        weight = self._constant if self._constant is not None else self.weight.ball(box)
        value = abs(weight * (self._target(box) - top / bottom)).upper()
        return value if value.is_finite() else arb.pos_inf()


def curves(
    formula: Any, weight: Any, top: flint.fmpq_poly, bottom: flint.fmpq_poly, lower: End, upper: End, scale: arb
) -> list[ErrorCurve]:
    """The error on a piece: one curve, and for each infinite end another one in ``1/x`` on its tail.

    A tail begins where the target and the weight vary by less than ``scale``.

    Raises
    ------
    Undecided
        where they do not settle down on a half-line, or are not bounded there.
    """
    out: list[ErrorCurve] = []
    inner = []
    for end, side in ((lower, -1), (upper, 1)):
        if isinstance(end, Fraction):
            inner.append(to_arb(end))
            continue
        start, values = _settled([formula.tree, weight.tree], side, lower if side > 0 else upper, scale)
        n = max(top.degree(), bottom.degree())
        flipped = [flint.fmpq_poly([p[n - k] for k in range(n + 1)]) for p in (top, bottom)]
        near, far = (arb(0), 1 / start) if side > 0 else (1 / start, arb(0))
        out.append(ErrorCurve(values[0], values[1], flipped[0], flipped[1], near, far, True))
        inner.append(start)
    return [ErrorCurve(formula, weight, top, bottom, inner[0], inner[1]), *out]


def _settled(trees: list[Node], side: int, other: End, scale: arb) -> tuple[arb, list[arb]]:
    least = abs(other) if isinstance(other, Fraction) else Fraction(1)
    trouble: Undecided | None = None
    for exponent in range(2, 120):
        start = arb(2) ** exponent
        if not start > 2 * to_arb(least):
            continue
        try:
            values = [beyond(tree, start * side, side) for tree in trees]
        except Undecided as problem:
            trouble = problem
            continue
        if all(value.rad() < scale for value in values):
            return start * side, values
    raise trouble or Undecided("the target does not settle on a half-line")
