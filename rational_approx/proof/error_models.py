"""The error ``e = w (f - P/Q)`` of a rational on one piece of its target, as Taylor models with rigorous remainders.

On a box of midpoint m and half-width h, ``e(m + t) = sum_{k < n} e_k t^k + t^n V(t)`` for every abs(t) <= h, where the
``e_k`` are the coefficients at the point m, and V is known by enclosures of ``V^(j) / j!`` on the box. For f and w
these are the coefficients ``n + j`` of their series over the whole box: V is the divided difference
``f[m, ..., m, m + t]``. For the rational they are exact: with C the Taylor polynomial of P/Q, ``P - C Q = t^n S`` for a
polynomial S, so that ``V = S/Q``, where Q is enclosed by balls, or by its Bernstein coefficients. A division of series
over the whole box would lose a factor that is exponential in n and in the number of poles nearby.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial
from typing import Any

import flint
from flint import arb, arb_poly, arb_series

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import series_length, to_arb, to_fraction
from rational_approx.expressions.enclosures import Undecided, hull, quotient
from rational_approx.expressions.nodes import Node
from rational_approx.expressions.rays import beyond
from rational_approx.proof.shared_zeros import divided

__all__ = ["ErrorCurve", "Formula", "Jet", "curves", "order_for"]

LEAST_ORDER, LARGEST_ORDER = 9, 80
BEYOND = 4
"""How many Taylor coefficients of V are kept: enough for three derivatives of the error."""
NARROW = 0.25
"""Where balls alone enclose Q with a radius of no larger share, its Bernstein coefficients would gain nothing."""
Model = tuple[list[arb], arb_series]
"""Coefficients at the midpoint, and a series of V over the box."""


def order_for(error: arb) -> int:
    """How many Taylor coefficients pay: the more, the smaller the error against which remainders count."""
    size = error.mid().man_exp() if error > 0 else (1, 0)
    bits = -int(size[1]) - int(size[0]).bit_length()
    return min(LARGEST_ORDER, max(LEAST_ORDER, 4 + bits // 6))


Formula = Any
"""An expression, or a constant ball that encloses a function on the whole of a half-line."""


@dataclass(frozen=True)
class Jet:
    """A Taylor model on a box: coefficients at the midpoint, enclosures of ``V^(j) / j!``, and the half-width."""

    coefficients: list[arb]
    rest: list[arb]
    half: arb

    def bound(self) -> arb:
        """An upper bound of ``abs(e)`` on the box."""
        return self.tail(0)

    def tail(self, start: int, derivative: int = 0) -> arb:
        """An upper bound of the terms from degree ``start`` on, of the ``derivative``-th scaled derivative."""
        n, total = len(self.coefficients), arb(0)
        powers = [arb(1)]
        for _ in range(n):
            powers.append(powers[-1] * self.half)
        for k in range(start, n):
            total += abs(self.coefficients[k]).upper() * powers[k - derivative] * comb(k, derivative)
        for i in range(derivative + 1):  # the product rule for t^n V
            total += abs(self.rest[derivative - i]).upper() * powers[n - i] * comb(n, i)
        return total.upper()

    def derivative(self) -> "Jet":
        """The model of the derivative, one coefficient shorter on both sides."""
        n, spread = len(self.coefficients), arb(0, self.half)
        slopes = [k * c for k, c in enumerate(self.coefficients)][1:]
        # (t^n V)' = t^(n - 1) (n V + t V')
        rest = [(n + j) * v + (j + 1) * spread * above for j, (v, above) in enumerate(pairwise(self.rest))]
        return Jet(slopes, rest, self.half)

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


class ErrorCurve:
    """The error on one piece, in x itself, or on a half-line beyond a point in ``y = 1/x``.

    The working precision at construction is the one at which it is evaluated. ``order`` coefficients make a Taylor
    model, and one more its remainder. At ``zeros`` target, rational and weight were divided: see ``shared_zeros.py``.
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
        zeros: tuple[Fraction, ...] = (),
    ) -> None:
        self.formula, self.weight, self.lower, self.upper, self.inverted = formula, weight, lower, upper, inverted
        self.zeros, self.order = zeros, LEAST_ORDER
        self.piece = 0
        """Which piece of the target."""
        self.cuts: list[arb] = []
        """Where the boxes begin with which a search begins, besides the lower end."""
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
        variable = arb_series([x, 1], prec=order)
        shift = arb_poly([x, 1])
        top, bottom = (arb_series(p(shift), prec=order) for p in self.polynomials)
        value = self._weighted(self._target(variable) - quotient(top, bottom), variable)
        return [value[k] for k in range(order)]

    def weight_positive(self, x: arb) -> bool:
        """Whether the weight is provably positive at a point."""
        return bool((self._constant if self._constant is not None else self.weight.ball(x)) > 0)

    def jet(self, lower: arb, upper: arb) -> Jet:
        """The Taylor model on a box with exact ends; not finite where none exists."""
        middle = ((lower + upper) / 2).mid()
        half = (upper - middle).max(middle - lower).upper()
        with series_length(self.order + BEYOND):
            return self._model(middle, half)

    def _model(self, middle: arb, half: arb) -> Jet:
        try:
            points, rest = self._smooth(self._target, middle, half)
            quotients, quotient_rest = self._quotient(middle, half)
            points, rest = [a - b for a, b in zip(points, quotients)], rest - quotient_rest
            if self._constant is not None:
                points, rest = [c * self._constant for c in points], rest * self._constant
            else:
                points, rest = _product(self._smooth(self.weight.ball, middle, half), (points, rest), half)
        except (Undecided, ValueError, ZeroDivisionError):  # python-flint raises where a series has no value
            points, rest = [arb.nan()], arb_series([arb.nan()])
        beyond = [rest[j] for j in range(BEYOND)]
        if not all(c.is_finite() for c in (*points, *beyond)):
            points, beyond = [arb.nan()] * self.order, [arb.nan()] * BEYOND
        return Jet(points, beyond, half)

    def _smooth(self, function: Callable[[Any], Any], middle: arb, half: arb) -> Model:
        # The model of the target or the weight.
        n = self.order
        point = function(arb_series([middle, 1], prec=n))
        over = function(arb_series([middle + arb(0, half), 1], prec=n + BEYOND))
        if isinstance(over, arb):  # a constant
            return [point, *[arb(0)] * (n - 1)], arb_series([0], prec=BEYOND)
        if min(point.prec, over.prec - BEYOND) < n:
            raise Undecided("a series was cut off")
        # The function must be smooth on the whole box: one coefficient that is not finite, and there is no model.
        smooth = all(over[k].is_finite() for k in range(n + BEYOND))
        rest = [over[n + j] if smooth else arb.nan() for j in range(BEYOND)]
        return [point[k] for k in range(n)], arb_series(rest, prec=BEYOND)

    def _quotient(self, middle: arb, half: arb) -> Model:
        n, shift, spread = self.order, arb_poly([middle, 1]), arb_poly([arb(0, half), 1])
        top, bottom = (p(shift) for p in self.polynomials)
        value = quotient(arb_series(top, prec=n), arb_series(bottom, prec=n))
        points = [value[k] for k in range(n)]
        over = arb_poly((top - arb_poly(points) * bottom).coeffs()[n:])
        under = bottom(spread).coeffs()[:BEYOND]
        if not under[0].rad() < abs(under[0].mid()) * NARROW:
            under[0] = _range(bottom, half)
        return points, quotient(arb_series(over(spread), prec=BEYOND), arb_series(under, prec=BEYOND))

    def plain(self, lower: arb, upper: arb) -> arb:
        """An upper bound of ``abs(e)`` on a box by balls alone: for the ends where derivatives are infinite."""
        middle = ((lower + upper) / 2).mid()
        half = (upper - middle).max(middle - lower).upper()
        box, shift = arb(middle, half), arb_poly([middle, 1])
        top, bottom = (p(shift)(arb(0, half)) for p in self.polynomials)
        weight = self._constant if self._constant is not None else self.weight.ball(box)
        value = abs(weight * (self._target(box) - top / bottom)).upper()
        return value if value.is_finite() else arb.pos_inf()


def _product(left: Model, right: Model, half: arb) -> Model:
    # (A + t^n V) (B + t^n W) = (A B below t^n) + t^n ((A B from t^n on) / t^n + A W + B V + t^n V W)
    n, spread = len(left[0]), arb_poly([arb(0, half), 1])
    (a, b), (v, w) = (arb_poly(side[0]) for side in (left, right)), (left[1], right[1])
    whole = (a * b).coeffs()
    whole += [arb(0)] * (n - len(whole))
    a_over, b_over, power, beyond = (
        arb_series(p(spread), prec=BEYOND) for p in (a, b, arb_poly([0] * n + [1]), arb_poly(whole[n:]))
    )
    return whole[:n], beyond + a_over * w + b_over * v + power * v * w


def _range(poly: arb_poly, half: arb) -> arb:
    # A ball around the values on [-half, half], by Bernstein coefficients: with t = half (2 s - 1) and coefficients a_j
    # in powers of s they are sum_j (i over j) / (n over j) a_j = i!/n! sum_j (n - j)! a_j / (i - j)!, a convolution.
    n = poly.degree()
    powers = poly(arb_poly([-half, 2 * half])).coeffs()
    factorials = [arb(factorial(k)) for k in range(n + 1)]
    scaled = arb_poly([a * factorials[n - j] for j, a in enumerate(powers)])
    sums = (scaled * arb_poly([1 / f for f in factorials])).coeffs()
    return hull(*(sums[i] * factorials[i] / factorials[n] for i in range(n + 1)))


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
    if out:  # what branches are open on the half-line may be decided on its bounded part
        near, far = (end if isinstance(end, Fraction) else to_fraction(x) for end, x in zip((lower, upper), inner))
        formula, weight = formula.on(near, far), weight.on(near, far)
    formula, weight, top, zeros = divided(formula, weight, top, lower, upper)
    return [ErrorCurve(formula, weight, top, bottom, inner[0], inner[1], zeros=zeros), *out]


def _settled(trees: list[Node], side: int, other: End, scale: arb) -> tuple[arb, list[arb]]:
    least = abs(other) if isinstance(other, Fraction) else Fraction(1)
    trouble: Undecided | None = None
    for exponent in (*range(2, 120), *range(120, 1025, 16)):
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
