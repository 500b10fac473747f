"""A point of the reference in multiprecision arithmetic: its piece, its error, and the step to the peak beside it.

Inside a piece that is one Newton step on the error's derivative; at an end the error decides whether the peak is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from rational_approx.arithmetic.precision import to_arb
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = ["Point", "Reference", "Unfinished", "error_jet", "moved", "placed"]


Reference = Sequence[Fraction] | np.ndarray
"""Points of a reference: floats, or exact numbers where two pieces are nearer to each other than floats are."""


class Unfinished(ArithmeticError):
    """The multiprecision exchange did not settle."""


@dataclass
class Point:
    """One point of the reference: its piece, whether it is fixed at an end of it, and the pieces that meet this one."""

    t: flint.arb
    piece: ReducedPiece
    at_end: bool
    beside: tuple[ReducedPiece, ...] = ()


def placed(problem: Reduced, t: Fraction | float) -> Point:
    """The point of the reference at a number, on its piece: at the exact end where it is that, or the float next to
    it."""
    if isinstance(t, Fraction):
        for piece in problem.pieces:
            if piece.lower <= t <= piece.upper:
                return Point(to_arb(t).mid(), piece, t in (piece.lower, piece.upper), _touching(problem, piece))
    for piece in problem.pieces:
        for end, number in ((piece.lower, piece.low), (piece.upper, piece.high)):
            if number == t:
                return Point(to_arb(end).mid(), piece, True, _touching(problem, piece))
        if piece.low < t < piece.high:
            return Point(flint.arb(float(t)), piece, False, _touching(problem, piece))
    raise Unfinished(f"the point {t} of the reference lies on no piece")


def _touching(problem: Reduced, piece: ReducedPiece) -> tuple[ReducedPiece, ...]:
    return tuple(other for other in problem.pieces if piece.lower == other.upper or piece.upper == other.lower)


def moved(point: Point, p: flint.arb_poly, q: flint.arb_poly) -> flint.arb:
    """Move a point to the peak beside it by one Newton step, and return the error there."""
    if point.at_end and not _regular(point):
        _drawn_inside(point, p, q)
    else:
        jet = error_jet(point.piece, point.t, p, q, 3)
        value, slope, bend = jet[0].mid(), jet[1].mid(), jet[2].mid()
        inward = 1 if point.t < to_arb((point.piece.lower + point.piece.upper) / 2) else -1
        if point.at_end and value * slope * inward <= 0:
            return value  # the error falls from the end inwards: the end is the peak
        if value * bend < 0:
            t = (point.t - slope / (2 * bend)).mid()
            lower, upper = to_arb(point.piece.lower), to_arb(point.piece.upper)
            if lower < t < upper:
                point.t, point.at_end = t, False
            else:  # the float search stopped short of a peak at the end itself
                point.t, point.at_end = (upper if t >= upper else lower).mid(), True
        elif not point.at_end:
            _pushed_to_end(point, value, p, q, upwards=bool(value * slope > 0))
    return error_jet(point.piece, point.t, p, q, 1)[0].mid()


def _drawn_inside(point: Point, p: flint.arb_poly, q: flint.arb_poly) -> None:
    """At an end without a Taylor series there is no slope to follow: where the error grows away from it, on either
    side, the point goes uphill."""
    end, best = point.t, error_jet(point.piece, point.t, p, q, 1)[0].mid()
    sign = 1 if best > 0 else -1
    for piece in (point.piece, *point.beside):
        lower, upper = to_arb(piece.lower).mid(), to_arb(piece.upper).mid()
        if end not in (lower, upper):
            continue
        step = (upper - lower) if end < (lower + upper) / 2 else (lower - upper)
        for k in range(40, 3, -2):
            t = (end + step * flint.arb(2) ** -k).mid()
            e = error_jet(piece, t, p, q, 1)[0].mid()
            if not e * sign > best * sign:
                break
            point.t, point.piece, point.at_end, best = t, piece, False, e


def _pushed_to_end(point: Point, value: flint.arb, p: flint.arb_poly, q: flint.arb_poly, upwards: bool) -> None:
    """Rounding may have hidden a peak at an end behind a point beside it: where the error is not concave and is
    larger at the end that it grows towards, the point belongs there."""
    lower, upper = to_arb(point.piece.lower), to_arb(point.piece.upper)
    end = upper if upwards else lower
    if abs(end - point.t) > (upper - lower) * flint.arb("0.02"):
        return
    there = error_jet(point.piece, end.mid(), p, q, 1)[0].mid()
    if there * value > 0 and abs(there) >= abs(value):
        point.t, point.at_end = end.mid(), True


def _regular(point: Point) -> bool:
    """Whether the target has a Taylor series at the end of its piece."""
    try:
        s, w = point.piece.jets(point.t, 3)
    except (ArithmeticError, ValueError):
        return False
    return all(c.is_finite() for series in (s, w) for c in (series[0], series[1], series[2])) and bool(s.prec >= 3)


def error_jet(piece: ReducedPiece, t: flint.arb, p: flint.arb_poly, q: flint.arb_poly, order: int) -> flint.arb_series:
    """Taylor coefficients of the error ``S - W P / Q`` at a point."""

    s, w = piece.jets(t, order)

    def taylor(poly: flint.arb_poly) -> flint.arb_series:
        coefficients, factor = [], 1
        for k in range(order):
            coefficients.append(poly(t) / factor)
            poly, factor = poly.derivative(), factor * (k + 1)
        return flint.arb_series(coefficients, prec=order)

    return s - w * taylor(p) / taylor(q)
