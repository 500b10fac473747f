"""The change of variable between the user's x and the t in which a problem is solved: half-lines become intervals.

A half-line is mapped by the Möbius map ``y = end + s (1 + t) / (1 - t)``, under which a rational of type (n, n) stays
one; of type (p, q) with p < q it gains the known factor ``(1 - t)**(q - p)``. Of two half-lines the lower one lies at
t > 1, beyond infinity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import inf, isinf, prod
from typing import Any

import flint
import numpy as np

from rational_approx.arithmetic.domain import End, finite
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.problem.ansatz import Ansatz, Type
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["HUGE", "Change", "NoGap", "change_for", "drawn_to", "varying"]

HUGE = 2.0**500
"""Where a half-line ends for floats: every function of the zoo has reached its limit long before."""


@dataclass(frozen=True)
class Change:
    """``t -> y -> x``, with ``y`` affine or Möbius in t and ``y = x**step``; and the ansatz, whose ``R`` is wanted.

    A half-line that goes to minus infinity has a negative scale.
    """

    origin: Fraction
    scale: Fraction
    ansatz: Ansatz
    moebius: bool = False
    drop: int = 0  # q - p in the variable t, the exponent of (1 - t)

    @property
    def symmetric(self) -> bool:
        """Whether x is ``sqrt(y)``."""
        return self.ansatz.step == 2

    def x(self, t: np.ndarray) -> np.ndarray:
        """The points in floats, infinity at ``HUGE``."""
        if self.moebius:
            with np.errstate(divide="ignore"):
                t = np.clip((1 + t) / (1 - t), -HUGE, HUGE)
        y = float(self.origin) + float(self.scale) * t
        return y if not self.symmetric else np.sqrt(np.maximum(y, 0.0))

    def t(self, x: np.ndarray) -> np.ndarray:
        """The points t of finite points x, in floats: the inverse of :meth:`x`."""
        y = x * x if self.symmetric else x
        z = (y - float(self.origin)) / float(self.scale)
        return (z - 1) / (z + 1) if self.moebius else z

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
        z = (x**self.ansatz.step - self.origin) / self.scale
        return (z - 1) / (z + 1) if self.moebius else z

    def factor_at(self, x: Any, number: Any) -> Any:
        """``prod (x - root) (1 - t)**drop``.

        Towards infinity ``x - root`` grows and ``1 - t = 2 s / (y - origin + s)`` falls: they are multiplied in turn.
        """
        total, falls = x * 0 + 1, []
        if self.drop:
            y = x * x if self.symmetric else x  # a power of a series that may be zero is no number
            scale = number(self.scale)
            falls = [2 * scale / (y - number(self.origin) + scale)] * self.drop
        for root in self.ansatz.roots:
            total = total * (x - number(root))
            if falls:
                total = total * falls.pop()
        return prod(falls, start=total)

    def sign_on(self, lower: End, upper: End) -> int:
        """The sign of the factor between two ends, between which it has no root: ``1 - t`` is negative on the lower of
        two half-lines."""
        negative = sum(1 for root in self.ansatz.roots if root >= upper) + (self.drop if self.t_of(upper) > 1 else 0)
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
        power = flint.fmpq_poly([0, 1]) ** self.ansatz.step
        p, q = p(power), q(power)
        for root in self.ansatz.roots:
            p = p * flint.fmpq_poly([-fmpq(root), 1])
        return p + q * self.ansatz.polynomial, q

    def x_of(self, t: Fraction, ends: tuple[End, End]) -> End:
        """The user's x at a point t that is not at infinity, between two ends: a float, where that does not change its
        distance from them much."""
        with working_bits(256):
            x = to_fraction(self.x_jet(flint.arb_series([to_arb(t)], prec=1))[0].mid())
        rounded, (lower, upper) = Fraction(float(x)), ends
        beside = abs(rounded - x) * 2**20
        if lower < x < upper and (x - lower < beside or upper - x < beside):
            return Fraction(round(x * 2**200), 2**200)
        return min(max(rounded, lower), upper)

    def mirrored_points(self, points: list[End]) -> list[End]:
        """All points of a symmetric problem from those with x >= 0, increasing.

        An error that is even has the same sign at the innermost two mirrored points: one of them is left out.
        """
        drop = 1 if points[0] == 0 or len(self.ansatz.roots) % 2 == 0 else 0
        return [-x for x in reversed(points)][: len(points) - drop] + points


def _homogeneous(poly: flint.fmpq_poly, top: flint.fmpq_poly, bottom: flint.fmpq_poly, n: int) -> flint.fmpq_poly:
    total = flint.fmpq_poly([0])
    for k, c in enumerate(poly.coeffs()):
        total += top**k * bottom ** (n - k) * c
    return total


DRAWN = 1e-6
"""Marks so near to an end, as a share of the domain, show a singularity there."""


def drawn_to(target: Target) -> Fraction | None:
    """The end of a piece at which the target has a singularity that draws peaks to it; None without one."""
    gaps: dict[Fraction, float] = {}
    for piece in target.pieces:
        x = piece.marks
        for end, gap in ((piece.lower, x[1] - x[0]), (piece.upper, x[-1] - x[-2])):
            if isinstance(end, Fraction):
                gaps[end] = min(float(gap), gaps.get(end, inf))
    size = float(target.domain.upper) - float(target.domain.lower)
    drawn = min(gaps, key=lambda end: gaps[end], default=None)
    return drawn if drawn is not None and gaps[drawn] < DRAWN * size else None


def _centre(target: Target, lower: Fraction, upper: Fraction) -> Fraction:
    # Where t is 0: floats lie densest there, so it is where peaks crowd, the only breakpoint, or else the middle.
    drawn = drawn_to(target)
    if drawn is not None:
        return drawn
    return target.breakpoints[0] if len(target.breakpoints) == 1 else (lower + upper) / 2


class NoGap(ValueError):
    """The whole line, and no symmetry that makes half of it enough."""


def change_for(target: Target, degree: Type, ansatz: Ansatz, pieces: Sequence[Piece]) -> tuple[Change, Type]:
    """The change of variable that takes pieces of a target to a bounded interval, and the type of ``R`` that is of use
    there.

    Raises
    ------
    ValueError
        where no rational can follow the target to infinity.
    NoGap
        where the pieces are the whole line.
    """
    p, q = ansatz.inner(degree)
    lower, upper = pieces[0].lower, pieces[-1].upper
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        if ansatz.step == 2:
            return Change(Fraction(0), upper * upper, ansatz), (p, q)
        origin = _centre(target, lower, upper)
        return Change(origin, max(upper - origin, origin - lower), ansatz), (p, q)
    _check_limits(target)
    if isinstance(lower, Fraction) or isinstance(upper, Fraction):
        origin, side = (lower, 1) if isinstance(lower, Fraction) else (finite(upper), -1)
        half = varying(target, float(origin) + side * np.geomspace(1e-3, 1e4, 400), 0.5)
        # The distance within which half of the target's variation lies, or 1.
        scale = side * (Fraction(2) ** round(float(np.log2(abs(half[0] - float(origin))))) if half else Fraction(1))
    else:
        between = ((finite(a.upper), finite(b.lower)) for a, b in pairwise(pieces))
        before, origin = max(between, key=lambda ends: ends[1] - ends[0], default=(Fraction(0), Fraction(0)))
        if before == origin:
            raise NoGap("the whole line, and a target that is neither even nor odd, up to a constant")
        scale = (origin - before) / 2
    p = min(p, q - len(ansatz.roots))  # a bounded target: a larger numerator cannot help
    if p < 0:
        raise ValueError(f"type {degree} has only constants that are bounded there: choose a larger denominator")
    return Change(origin**ansatz.step, scale**ansatz.step, ansatz, True, q - p), (p, q)


def _check_limits(target: Target) -> None:
    """A rational has one limit for both ends of the line, so the target must have."""
    ends = (target.pieces[0], target.domain.lower), (target.pieces[-1], target.domain.upper)
    limits = [_limit(piece, np.copysign(HUGE, end)) for piece, end in ends if isinstance(end, float)]
    low, high = limits[0], limits[-1]
    if abs(high - low) > 1e-9 * max(1.0, abs(low), abs(high)):
        raise ValueError(
            f"the target tends to {low:g} and to {high:g} at the two ends of the whole line, and a rational to one "
            f"value at both, so that no error is below {abs(high - low) / 2:g}: choose a half-line or a bounded domain"
        )


def _limit(piece: Piece, far: float) -> float:
    """The limit towards infinity, refused where there is none that a rational of a fixed type could follow."""
    with np.errstate(all="ignore"):
        value = float(piece.function(np.array([far]))[0])
    if not abs(value) < 1e30:
        raise ValueError(
            f"the target does not stay bounded towards {'-' if far < 0 else ''}infinity, so no rational of a fixed "
            "type is near it there: choose a bounded domain"
        )
    return value


def varying(target: Target, x: np.ndarray, *shares: float) -> list[float]:
    """The points on a way along which these shares of the target's variation lie; none where it is constant."""
    values = np.full_like(x, np.nan)
    for piece in target.pieces:
        here = (x >= float(piece.lower)) & (x <= float(piece.upper))
        values[here] = piece.function(x[here])
    x, values = x[~np.isnan(values)], values[~np.isnan(values)]
    travelled = np.cumsum(np.abs(np.diff(values)))
    return [float(x[np.searchsorted(travelled, share * travelled[-1])]) for share in shares if travelled[-1] > 0]
