"""The change of variable between the user's x and the t in which a problem is solved, and the form of its answer."""

from dataclasses import dataclass
from fractions import Fraction
from math import isinf
from typing import Any

import flint
import numpy as np

from rational_approx.arithmetic.domain import End, finite
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import to_arb, working_bits

__all__ = ["HUGE", "Change"]

HUGE = 2.0**500
"""Where a half-line ends for floats: every function of the zoo has reached its limit long before."""


@dataclass(frozen=True)
class Change:
    """``t -> y -> x``, with ``y`` affine or Möbius in t and ``x = y`` or ``sqrt(y)``; and the form of the approximant,
    ``r(x) = offset(x) + prod (x - root) R``, with ``R`` the rational that is looked for. A half-line that goes to
    minus infinity has a negative scale."""

    origin: Fraction
    scale: Fraction
    moebius: bool = False
    symmetric: bool = False  # y = x**2
    offset: tuple[Fraction, ...] = ()  # coefficients in powers of x
    roots: tuple[Fraction, ...] = ()
    drop: int = 0  # q - p in the variable t, the exponent of (1 - t)

    def y(self, t: np.ndarray) -> np.ndarray:
        if not self.moebius:
            return float(self.origin) + float(self.scale) * t
        with np.errstate(divide="ignore"):
            far = np.clip((1 + t) / (1 - t), -HUGE, HUGE)
        return float(self.origin) + float(self.scale) * far

    def x(self, t: np.ndarray) -> np.ndarray:
        y = self.y(t)
        return y if not self.symmetric else np.sqrt(np.maximum(y, 0.0))

    def x_jet(self, t: flint.arb_series) -> flint.arb_series:
        if not self.moebius:
            y = t * to_arb(self.scale) + to_arb(self.origin)
        elif t[0] == 1:
            y = flint.arb_series([flint.arb(2) ** 2000 * (1 if self.scale > 0 else -1)], prec=1)
        else:
            y = (t + 1) / (1 - t) * to_arb(self.scale) + to_arb(self.origin)
        if not self.symmetric:
            return y
        if y[0] == 0:  # only the value is asked for at the end of a piece
            return flint.arb_series([0], prec=1)
        return y.sqrt()

    def t_of(self, end: End) -> Fraction:
        """The exact t of an end of a piece."""
        if isinstance(end, float) and isinf(end):
            return Fraction(1)
        x = finite(end)
        y = x if not self.symmetric else x * x
        z = (y - self.origin) / self.scale
        return (z - 1) / (z + 1) if self.moebius else z

    def offset_at(self, x: Any, number: Any) -> Any:
        """``offset(x)``; ``number`` makes floats or balls of its coefficients."""
        total = x * 0
        for c in reversed(self.offset):
            total = total * x + number(c)
        return total

    def factor_at(self, x: Any, number: Any) -> Any:
        """``prod (x - root) (1 - t)**drop``.

        Towards infinity ``x - root`` grows and ``1 - t = 2 s / (y - origin + s)`` falls: they are multiplied in turn.
        """
        total, falls = x * 0 + 1, []
        if self.drop:
            y = x * x if self.symmetric else x
            scale = number(self.scale)
            falls = [2 * scale / (y - number(self.origin) + scale)] * self.drop
        for root in self.roots:
            total = total * (x - number(root))
            if falls:
                total = total * falls.pop()
        for fall in falls:
            total = total * fall
        return total

    def sign_on(self, lower: End, upper: End) -> int:
        """The sign of the factor between two ends, between which it has no root: ``1 - t`` is negative on the lower of
        two half-lines."""
        negative = sum(1 for root in self.roots if root >= upper) + (self.drop if self.t_of(upper) > 1 else 0)
        return -1 if negative % 2 else 1

    def restored(
        self, p: flint.fmpq_poly, q: flint.fmpq_poly, degree: tuple[int, int]
    ) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        """Numerator and denominator in powers of x from those of ``R``, of type ``degree``, in powers of t."""
        origin, scale = fmpq(self.origin), fmpq(self.scale)
        if not self.moebius:
            inner = flint.fmpq_poly([-origin / scale, 1 / scale])
            p, q = p(inner), q(inner)
        else:  # t = (z - s) / (z + s) and 1 - t = 2 s / (z + s) with z = y - origin: multiply both sides by (z + s)**n
            top, bottom = flint.fmpq_poly([-origin - scale, 1]), flint.fmpq_poly([-origin + scale, 1])
            p = _homogeneous(p, top, bottom, degree[0]) * (2 * scale) ** self.drop
            q = _homogeneous(q, top, bottom, degree[1])
        if self.symmetric:
            square = flint.fmpq_poly([0, 0, 1])
            p, q = p(square), q(square)
        for root in self.roots:
            p = p * flint.fmpq_poly([-fmpq(root), 1])
        if self.offset:
            p = p + q * flint.fmpq_poly([fmpq(c) for c in self.offset])
        return p, q

    def x_of(self, t: Fraction) -> Fraction:
        """The user's x at a point t that is not at infinity, to the precision of a float."""
        with working_bits(128):
            return Fraction(float(self.x_jet(flint.arb_series([to_arb(t)], prec=1))[0]))

    def mirrored_points(self, points: list[End]) -> list[End]:
        """All points of a symmetric problem from those with x >= 0, increasing.

        An error that is even has the same sign at the innermost two mirrored points: one of them is left out.
        """
        odd = len(self.roots) == 1
        drop = 1 if points[0] == 0 or not odd else 0
        return [-x for x in reversed(points)][: len(points) - drop] + points


def _homogeneous(poly: flint.fmpq_poly, top: flint.fmpq_poly, bottom: flint.fmpq_poly, n: int) -> flint.fmpq_poly:
    total = flint.fmpq_poly([0])
    for k, c in enumerate(poly.coeffs()):
        total += top**k * bottom ** (n - k) * c
    return total
