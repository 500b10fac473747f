"""A rational with a chosen continuation outside of its domain: constant or linear on each side, without a jump."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from math import isinf
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import flint
import mpmath
import numpy as np

from rational_approx import plot
from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.floats import float_points, in_the_type_of
from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.arithmetic.precision import fraction, held_precision, to_arb
from rational_approx.arithmetic.signs import sign_on
from rational_approx.arithmetic.values import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Function", "Saturated", "saturated"]


class Function(Protocol):
    """What is continued: a `Rational`, of which only these are used."""

    @property
    def domain(self) -> Domain:
        """Where it is what it should be."""

    @property
    def polynomials(self) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        """Numerator and denominator."""

    @property
    def type(self) -> tuple[int, int]:
        """Their degrees."""

    def __call__(self, x: Any) -> Any:
        """The value."""

    def derivative(self) -> "Function":
        """Its derivative."""


Continued = TypeVar("Continued", bound=Function)


@dataclass(frozen=True)
class Saturated(Value, Generic[Continued]):
    """``r`` between the outer ends of its domain, and beyond them ``r(end) + slope (x - end)``.

    The value at an end is that of the rational itself, an exact number, so that nothing jumps there. Beyond an infinite
    end there is nothing. In the gaps of a union of intervals the rational is taken as it is.

    Attributes
    ----------
    rational:
        What is continued.
    slopes:
        The exact slopes on the left and on the right; 0 for a constant.
    """

    rational: Continued
    slopes: tuple[Fraction, ...] = (Fraction(0), Fraction(0))

    def __post_init__(self) -> None:
        if len(self.slopes) != 2:
            raise ValueError("a saturated rational has two slopes, left and right")
        lower, upper = self.ends
        if not sign_on(self.rational.polynomials[1], lower, upper).sign:
            raise ValueError(f"the rational has a pole between the ends of {self.rational.domain}: take another fit")

    @property
    def ends(self) -> tuple[Any, Any]:
        """The outer ends of the domain."""
        return self.rational.domain.lower, self.rational.domain.upper

    @cached_property
    def values(self) -> tuple[Fraction | None, Fraction | None]:
        """The exact values at the ends, from which the continuations start; None at an infinite end."""
        left, right = (_value(self.rational, end) for end in self.ends)
        return left, right

    def __call__(self, x: Any) -> Any:
        """The value at a float, an array (float64 result), an mpmath number or a ball (same kind, rigorous)."""
        if isinstance(x, flint.arb):
            return self._ball(x)
        if isinstance(x, mpmath.mpf):
            return self._mpf(x)
        points = float_points(x)
        lower, upper = (float(end) for end in self.ends)
        out = np.asarray(self.rational(np.clip(points, lower, upper)))
        for end, value, slope, outside in zip(self.ends, self.values, self.slopes, (points <= lower, points >= upper)):
            if value is not None:
                beyond = float(value) + float(slope) * (points - float(end)) if slope else float(value)
                out = np.where(outside, beyond, out)
        out = np.where(np.isnan(points), np.nan, out)
        return in_the_type_of(x, out)

    def _side(self, x: Fraction) -> int | None:
        return 0 if x < self.ends[0] else 1 if x > self.ends[1] else None

    @held_precision()
    def _mpf(self, x: mpmath.mpf) -> Any:
        if mpmath.isnan(x):
            return x
        if mpmath.isinf(x):
            side = int(x > 0)
            value, slope = self.values[side], self.slopes[side]
            if value is None:
                return self.rational(x)
            return mpmath.mpf(value.numerator) / value.denominator if not slope else x * (1 if slope > 0 else -1)
        point = fraction(x)
        side_of = self._side(point)
        if side_of is None:
            return self.rational(x)
        total = self.values[side_of] + self.slopes[side_of] * (point - self.ends[side_of])
        return mpmath.mpf(total.numerator) / total.denominator

    def _ball(self, x: flint.arb) -> flint.arb:
        parts, inside, outside = [], x, False
        for side, (end, value) in enumerate(zip(self.ends, self.values)):
            if value is None:
                continue
            at = to_arb(end)
            within, beyond = (x > at, x < at) if side == 0 else (x < at, x > at)
            if not within:  # some of the ball may lie beyond this end, or on it
                rest = x.min(at) if side == 0 else x.max(at)
                parts.append(to_arb(value) + to_arb(self.slopes[side]) * (rest - at))
                inside = inside.max(at) if side == 0 else inside.min(at)
            outside = outside or beyond
        return reduce(flint.arb.union, parts if outside else [*parts, self.rational(inside)])

    def plot(self, path: str | None = None) -> "Figure":
        """Draw the function, and its continuations over half the length of the domain on each side (needs matplotlib).

        An infinite end is replaced by 10.
        """
        lower, upper = (float(end) if not isinf(end) else (-10.0 if end < 0 else 10.0) for end in self.ends)
        reach, (p, q) = (upper - lower) / 2, self.rational.type
        spans = [(lower - reach, lower, "--"), (lower, upper, "-"), (upper, upper + reach, "--")]
        return plot.values(self, spans, f"type ({p}, {q}), continued outside [{lower:g}, {upper:g}]", path, self.ends)

    def _repr_html_(self) -> str:
        """The function and its picture, for notebooks."""
        return plot.in_notebook(str(self), self.plot)

    def __str__(self) -> str:
        lines = [str(self.rational)]
        for name, end, value, slope in zip(("left", "right"), self.ends, self.values, self.slopes):
            if value is not None:
                tail = f" {float(slope):+.6g} (x - {float(end):g})" if slope else ""
                lines.append(f"  {name} of {float(end):g}: {float(value):.9g}{tail}")
        return "\n".join(lines)


def saturated(rational: Continued, left: object = "constant", right: object = "constant") -> Saturated[Continued]:
    """Continue a rational beyond the ends of its domain.

    Parameters
    ----------
    left, right:
        ``"constant"``: the value at the end. ``"linear"``: the tangent at the end. A number: that constant, which the
        rational must take at the end exactly: fit it with ``interpolate={end: value}``. A pair ``(value, slope)``: a
        line of that slope, from the same.

    Raises
    ------
    ValueError
        where a fixed value is not that of the rational, or it has a pole between the ends (in a gap of its domain).

    >>> from rational_approx import fit
    >>> gate = fit("sigmoid(x)", (5, 4), (-16, 16), interpolate={-16: 0, 16: 1}, bounds=(0, 1)).rational
    >>> f = saturated(gate, left=0, right=1)
    >>> f(-1e9), f(1e9), f.values
    (0.0, 1.0, (Fraction(0, 1), Fraction(1, 1)))
    """
    slopes, plain = [], Saturated(rational)
    for name, how, end, value in zip(("left", "right"), (left, right), plain.ends, plain.values):
        slope = Fraction(0)
        if value is None or how == "constant":
            if how not in ("constant", "linear") and value is None:
                raise ValueError(f"the domain has no end on the {name}: leave {name}= out")
        elif how == "linear":
            slope = _value(rational.derivative(), end) or slope
        else:
            wanted, slope = map(fraction, how) if isinstance(how, tuple | list) else (fraction(how), slope)
            if wanted != value:
                raise ValueError(
                    f"r is {float(value):.9g} at its {name} end {float(end):g}, not exactly {float(wanted):.9g}: fit "
                    f"it with interpolate={{{float(end):g}: {float(wanted):g}}}, or continue it by {name}='constant'"
                )
        slopes.append(slope)
    return Saturated(rational, (slopes[0], slopes[1]))


def _value(rational: Function, end: End) -> Fraction | None:
    top, bottom = rational.polynomials
    return exact(top(fmpq(end)) / bottom(fmpq(end))) if isinstance(end, Fraction) else None
