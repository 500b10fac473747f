"""`Piece`: one smooth piece of a target, the weighted error on it, and what is refused of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import mpmath
import numpy as np

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction, to_arb
from rational_approx.arithmetic.values import Value
from rational_approx.expressions.expression import Expression
from rational_approx.targets.callables import scan_points
from rational_approx.targets.mesh import FloatFunction, mesh

__all__ = ["Piece", "check_one_sign", "check_piece", "largest_error", "steepest"]

VARIATION = 1e-4
"""The share of its size to which target and weight are followed between two points of :attr:`Piece.marks`."""

LARGE = 2.0**20
"""A weight that grows so much at an end grows beyond all bounds beside it."""


@dataclass(frozen=True)
class Piece(Value):
    """One smooth piece of a target: values at its ends are the limits from inside.

    ``expression`` and ``weight_expression`` are already resolved on the piece (no branch is left in them), and None
    for an opaque callable, for which ``multiprecision`` may hold a function of mpmath numbers.
    """

    lower: End
    upper: End
    function: FloatFunction
    weight: FloatFunction
    expression: Expression | None = None
    weight_expression: Expression | None = None
    multiprecision: Callable[[mpmath.mpf], mpmath.mpf] | None = None
    multiprecision_weight: Callable[[mpmath.mpf], mpmath.mpf] | None = None

    @cached_property
    def marks(self) -> np.ndarray:
        """Points, increasing, that lie densely where target and weight vary: see :mod:`targets.mesh`."""
        target = mesh(self.lower, self.upper, [(self.expression, self.function)], VARIATION)
        lower, upper = (self._off_zero(end, way) for end, way in ((self.lower, 1), (self.upper, -1)))
        weight = mesh(lower, upper, [(self.weight_expression, self.weight)], VARIATION)
        return np.union1d(target, weight)

    def _off_zero(self, end: End, inwards: int) -> End:
        # Beside a zero of f the weight of a relative error is as good as infinite: there w (f - r) varies as f does.
        if not isinstance(end, Fraction):
            return end
        step = inwards * self.length / 64
        with np.errstate(all="ignore"):
            at, beside = np.abs(self.weight(np.array([float(end), float(end + step)])))
        return end if at < LARGE * beside else end + step

    @property
    def length(self) -> Fraction:
        """The length; of a half-line the size of its end, or 1."""
        if isinstance(self.lower, Fraction) and isinstance(self.upper, Fraction):
            return self.upper - self.lower
        return max([Fraction(1), *(abs(end) for end in (self.lower, self.upper) if isinstance(end, Fraction))])

    @property
    def precise(self) -> bool:
        """Whether values to any number of digits are to be had."""
        return (self.expression is not None or self.multiprecision is not None) and (
            self.weight_expression is not None or self.multiprecision_weight is not None
        )

    def error(self, r: FloatFunction, x: np.ndarray) -> np.ndarray:
        """``w (f - r)`` in float64; not a number where w is infinite, at a zero that f and r share."""
        with np.errstate(all="ignore"):
            weight = self.weight(x)
            return np.where(np.isinf(weight), np.nan, weight * (self.function(x) - r(x)))

    def jets(self, x: flint.arb, order: int) -> tuple[flint.arb_series, flint.arb_series]:
        """Taylor coefficients of the function and of the weight around a point, ``order`` of each.

        Rigorous for expressions. For a multiprecision callable they are central differences, good enough to find
        an extremum, with the value itself as precise as the callable.
        """
        variable = flint.arb_series([x, 1], prec=order) if order > 1 else x
        return (
            _jet(self.expression, self.multiprecision, self.function, variable, x, order),
            _jet(self.weight_expression, self.multiprecision_weight, self.weight, variable, x, order),
        )


def _jet(
    formula: Expression | None, callable_: Any, floats: FloatFunction, variable: Any, x: flint.arb, order: int
) -> flint.arb_series:
    if formula is not None:
        value = formula.ball(variable)
        return value if isinstance(value, flint.arb_series) else flint.arb_series([value], prec=order)
    if callable_ is None:  # float64 values only; the caller knows and asks for no derivative
        return flint.arb_series([flint.arb(float(floats(np.array([float(x)]))[0]))], prec=1)
    centre = mpmath.mpf(x.mid().str(mpmath.mp.dps + 5, radius=False))

    def value_at(point: mpmath.mpf) -> mpmath.mpf:
        return mpmath.mpf(callable_(point))

    values = [value_at(centre)]
    if order > 1:
        step = mpmath.mpf(2) ** (-(mpmath.mp.prec // 3)) * max(1, abs(centre))
        left, right = value_at(centre - step), value_at(centre + step)
        values += [(right - left) / (2 * step), (right - 2 * values[0] + left) / (2 * step**2)]
    return flint.arb_series([to_arb(fraction(v)) for v in values[:order]], prec=order)


def largest_error(pieces: Sequence[Piece], r: FloatFunction, count: int) -> tuple[float, int, float]:
    """The largest size of the error on so many Chebyshev points of each piece; which piece, and where."""
    best = (-1.0, 0, 0.0)
    for k, piece in enumerate(pieces):
        lower, upper = max(float(piece.lower), -1e3), min(float(piece.upper), 1e3)
        x = np.clip((lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.linspace(0, np.pi, count)), lower, upper)
        size = np.nan_to_num(np.abs(piece.error(r, x)), nan=0.0, posinf=np.inf)
        worst = int(size.argmax())
        if size[worst] > best[0]:
            best = float(size[worst]), k, float(x[worst])
    return best


def check_piece(piece: Piece, zeros: tuple[Fraction, ...], jumps_allowed: bool) -> None:
    """Refuse a piece on which the function or its weight is not finite, or on which an opaque function jumps."""
    x = scan_points(piece.lower, piece.upper, 256)
    with np.errstate(all="ignore"):
        values, weights = piece.function(x), piece.weight(x)
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"the target is {values[bad][0]} at x = {x[bad][0]:.6g}: it must be finite and real on its whole domain; "
            "where a limit is meant, write it as one quotient, as (x - sin(x)) / (x * sin(x)) for 1 / sin(x) - 1 / x"
        )
    inner = (weights > 0) & np.isfinite(weights)
    for zero in zeros:  # there the weight is infinite, and the approximant will be made to vanish
        inner |= np.abs(x - float(zero)) <= 1e-9 * max(1.0, abs(float(zero)))
    if not inner.all():
        where = x[~inner][0]
        raise ValueError(
            f"the weight is {weights[~inner][0]:g} at x = {where:.6g}: it must be positive and finite on the domain; "
            "with weight='relative' leave a gap around every zero of the target"
        )
    k = int(weights.argmin())
    if weights[k] < 0.1 * weights.max():  # it may vanish between two points of the scan
        at, around = x[max(k - 1, 0) : k + 2], float(weights[max(k - 1, 0) : k + 2].max())
        for _ in range(6):
            at = np.linspace(at[0], at[-1], 65)
            with np.errstate(all="ignore"):
                size = piece.weight(at)
            k = int(size.argmin())
            least, where = float(size[k]), float(at[k])
            at = at[max(k - 1, 0) : k + 2]
        if not least > 1e-8 * around and not any(abs(where - float(zero)) < 1e-9 for zero in zeros):
            raise ValueError(f"the weight vanishes at x = {where:.6g}: it must be positive on the domain")
    if jumps_allowed:
        return
    # A jump keeps its height however close two points around it come: bisect the steepest steps.
    steps = np.abs(np.diff(values))
    for k in np.argsort(steps)[-3:]:
        left, right = x[k], x[k + 1]
        height = steps[k]
        if height <= 1e-6 * max(1.0, float(np.abs(values).max())):
            continue
        left, right, rest = steepest(piece.function, left, right)
        if rest > 0.25 * height and right - left <= 1e-9 * max(1.0, abs(left)):
            raise ValueError(
                f"the target jumps at x = {left:.6g}: leave a gap around it in the domain, or give "
                f"breakpoints=[{left:.6g}] to fit both one-sided limits"
            )


def check_one_sign(piece: Piece) -> None:
    """Refuse a callable that changes its sign on a piece, where its relative error is infinite: what is known of its
    zero is the floats beside it."""
    x = scan_points(piece.lower, piece.upper, 256)
    signs = np.sign(piece.function(x))
    turns = np.flatnonzero(signs[1:] * signs[:-1] < 0)
    if turns.size == 0:
        return
    left, right = x[turns[0]], x[turns[0] + 1]
    for _ in range(60):
        middle = (left + right) / 2
        if piece.function(np.array([middle]))[0] * signs[turns[0]] > 0:
            left = middle
        else:
            right = middle
    raise ValueError(
        f"the callable changes its sign at x = {left:.10g}, where its relative error is infinite: give the target as "
        "an expression, whose zeros are found and taken care of, or leave a gap around it in the domain"
    )


def steepest(function: FloatFunction, left: float, right: float) -> tuple[float, float, float]:
    """Where a function steps between two points, by bisection: two points next to each other, and its step there."""
    for _ in range(60):
        middle = (left + right) / 2
        f_left, f_middle, f_right = function(np.array([left, middle, right]))
        if abs(f_middle - f_left) > abs(f_right - f_middle):
            right = middle
        else:
            left = middle
    ends = function(np.array([left, right]))
    return left, right, float(abs(ends[1] - ends[0]))
