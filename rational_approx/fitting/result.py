"""`Fit`: the answer to a fit, with its question; `DidNotConverge`: that there is none."""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from rational_approx import plot, watch
from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import held_precision
from rational_approx.arithmetic.signs import denominator_sign
from rational_approx.exchange.relaxed import Record
from rational_approx.fitting.error_curve import error_curve
from rational_approx.problem.competitors import Pattern, marks, signs_of
from rational_approx.problem.conditions import Bounds, Conditions
from rational_approx.problem.prescribed import Prescribed
from rational_approx.rationals.rational import Rational
from rational_approx.rounding.quantize import Formats, quantize
from rational_approx.targets.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LOOKED_AT", "DidNotConverge", "Fit"]

LOOKED_AT = 40
"""The points of a last look in floats, for each point of the reference."""


@dataclass(frozen=True, repr=False)
class Fit:
    """The answer to a fit, with its question.

    Attributes
    ----------
    rational:
        The best approximant found, with exact coefficients.
    error:
        The levelled weighted error: a float, or an ``mpf`` where ``digits`` were asked for.
    reference:
        Points, increasing, at which the error alternates and is largest; with bounds, at some of them r touches a
        bound instead.
    converged:
        Whether every peak of the error agrees with the levelled one.
    target, degree, digits, interpolate, bounds:
        The question; without a bound on a side, it is infinite.
    history:
        One record per exchange.
    denominator, patterns:
        The class of competitors, and for ``"any"`` the best of every pattern of signs on the intervals of the domain.
        Of samples, where no rational of the type is best: the rational that the best ones tend to away from outliers,
        and the infimum as its error.
    upper:
        A proved upper bound of the error on the whole domain; None where the target cannot be enclosed (a callable was
        looked at in samples, and nothing is known between them).
    form, lower:
        The prescribed form of P and Q, where there is one; and a proved lower bound of the error of all rationals of
        that form without a pole, and monotone where the fit shall be.
    monotone:
        ``"increasing"`` or ``"decreasing"`` where that was asked for, and is proved.
    """

    rational: Rational
    error: Any
    reference: tuple[End, ...]
    converged: bool
    target: Target
    degree: tuple[int, int]
    digits: int | None = None
    interpolate: Conditions = ()
    bounds: Bounds = (-inf, inf)
    history: tuple[Record, ...] = field(default=(), repr=False)
    denominator: str = "one sign"
    patterns: tuple[Pattern, ...] = field(default=(), repr=False)
    upper: Fraction | None = field(default=None, repr=False)
    form: Prescribed | None = None
    lower: Fraction | None = field(default=None, repr=False)
    monotone: str = ""

    def __call__(self, x: Any) -> Any:
        """The approximant at ``x``."""
        return self.rational(x)

    def error_at(self, x: np.ndarray) -> np.ndarray:
        """The weighted error ``w (f - r)`` in float64; not a number outside the domain or where w is infinite."""
        x = np.asarray(x, dtype=np.float64)
        out = np.full(x.shape, np.nan)
        for piece in self.target.pieces:
            here = (x >= float(piece.lower)) & (x <= float(piece.upper))
            out[here] = piece.error(self.rational, x[here])
        return out

    def rounded(self, format: Formats, basis: str | None = None, *, progress: watch.Listener | None = None) -> Rational:
        """Near-best coefficients in a floating-point format, or in formats by coefficient; see
        :func:`rational_approx.rounding.quantize.quantize`. ``progress`` is told of every step, as in
        :func:`rational_approx.fit`."""
        if progress is None:
            return quantize(self, format, basis)
        with watch.watched(progress, None):
            return quantize(self, format, basis)

    def plot(self, path: str | None = None) -> "Figure":
        """Draw the error curve with its reference (needs matplotlib); see `error_curve`."""
        return error_curve(self.target, self.rational, self.reference, float(self.error), path)

    def _repr_html_(self) -> str:
        """The fit and its error curve, for notebooks."""
        return plot.in_notebook(str(self), self.plot)

    @held_precision()
    def __repr__(self) -> str:
        state = f"error {mpmath.nstr(mpmath.mpf(self.error), 10)}{'' if self.converged else ', NOT converged'}"
        return f"Fit({self.target.name} on {self.target.domain}, type {self.degree}, {state})"

    @held_precision()
    def __str__(self) -> str:
        state = "best approximation" if self.converged else "NOT converged"
        state = state if self.infimum is None else "within 1e-12 of the best error"
        if self.form is not None and self.converged:
            state = "best of its form" + (" (proved to 2e-9)" if self.lower is not None else "")
        lines = [
            f"{self.target.name} on {self.target.domain}",
            f"  type {self.degree}, {state}, levelled error {mpmath.nstr(mpmath.mpf(self.error), 10)} at "
            f"{len(self.reference)} points",
        ]
        gaps = [gap for gap in self.target.left_out if gap.inside]
        if len(self.target.domain.intervals) > 1 + len(gaps) and self.denominator == "one sign":
            # Two half-lines are one interval through infinity: a Q of odd degree has two signs there.
            one = len(set(signs_of(self.rational, self.target.domain))) == 1
            through = "" if one else " through infinity (as functions of x, of opposite signs on the two half-lines)"
            lines.append(f"  among denominators of one sign{through}")
        elif self.denominator == "any":
            signs = marks(signs_of(self.rational, self.target.domain))
            lines.append(f"  best among denominators of any sign on each interval; its own has the signs {signs}")
        values = (f"r({float(a):g}) = {'f' if b is None else format(float(b), 'g')}" for a, b in self.interpolate)
        if conditions := ", ".join(values):
            lines.append(f"  with {conditions}")
        lines += [f"  left out: {gap}" for gap in gaps]
        if self.form is not None:
            lines.append(f"  with {self.form}")
        if self.monotone:
            lines.append(f"  {self.monotone} on the domain: proved")
        if self.bounds != (-inf, inf):
            lines.append(f"  with values in [{float(self.bounds[0]):g}, {float(self.bounds[1]):g}]: proved")
        if known := self._known:
            lines.append(f"  {known}")
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])

    @property
    def _known(self) -> str:
        # What is known of the error at all the other points; a fit that was read from a file does not bring it.
        if not self.converged or self.target.samples is not None:
            return ""
        if self.upper is not None:
            return f"proved: the error is nowhere larger than {_upwards(self.upper)}"
        opaque = [piece for piece in self.target.pieces if piece.expression is None or piece.weight_expression is None]
        if not opaque:
            return ""
        points = sum(piece.marks.size for piece in opaque) + LOOKED_AT * len(self.reference)
        return f"sampled: the callable was looked at in about {points} points; between them nothing is known of it"

    @property
    def infimum(self) -> Any:
        """Of samples, where no rational of the type is best: what the errors of all of them exceed, and that of this
        one by at most 1e-12 of it. Otherwise None."""
        return self.patterns[0].error if self.target.samples is not None and self.patterns else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user of samples must know: no best approximant, and a pole between samples."""
        if self.target.samples is None:
            return ()
        remarks = []
        if self.infimum is not None:
            remarks.append(
                f"no rational of this type is best: the infimum {float(self.infimum):.10g} is approached by rationals "
                "that pass through an outlier by a zero and a pole beside it; leave it out, or lower the type"
            )
        _, free, zero = denominator_sign(self.rational.polynomials[1], self.target.domain)
        if not free:
            at = "" if zero is None else f", the first at x = {float(zero):.6g}"
            remarks.append(f"the denominator has zeros between samples{at}: lower its degree to have no pole there")
        return tuple(remarks)


def _upwards(bound: Fraction) -> str:
    """A bound with ten digits, rounded up."""
    shown = Context(prec=10, rounding=ROUND_CEILING).divide(Decimal(bound.numerator), Decimal(bound.denominator))
    return f"{shown:.9e}" if 0 < shown < Decimal("1e-4") else str(shown)


class DidNotConverge(ArithmeticError):
    """No best approximant was found.

    Attributes
    ----------
    fit:
        The best attempt, None where there was none without a pole.
    cause:
        Why, as far as that is known; the message says more, and what to try. ``"noise"``: the values of the callable
        are less exact than the error is large. ``"digits"``: float64 is. ``"jump"``, ``"pole"``: the target has one.
        ``"peak"``: the error has a peak narrower than the distance of the points that were looked at. ``"clusters"``:
        of a large type the peaks crowd at several places. ``"degenerate"``: the best of a smaller type is as good.
        ``"time"``: the ``time_limit`` was over. ``"tolerance"``: no type that was tried meets it. ``"condition"``: a
        required value is so far from f that the best is not unique.
        ``"bounds"``: the best without bounds was found, and the one within them was not. ``"unknown"``.
    """

    def __init__(self, message: str, fit: Fit | None = None, cause: str = "unknown") -> None:
        super().__init__(message)
        self.fit, self.cause = fit, cause
