"""Targets on unbounded domains: whether a rational can follow them to infinity, and on what scale they vary."""

from fractions import Fraction

import numpy as np

from rational_approx.problem.change import HUGE
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["centre_of_variation", "check_bounded", "check_line"]


def check_line(target: Target) -> None:
    """A rational has one limit for both ends of the line, so the target must have."""
    low, high = check_bounded(target.pieces[0], -1), check_bounded(target.pieces[-1], 1)
    if abs(high - low) > 1e-9 * max(1.0, abs(low), abs(high)):
        raise ValueError(
            f"the target tends to {low:g} and to {high:g} at the two ends of the whole line, and a rational to one "
            f"value at both, so that no error is below {abs(high - low) / 2:g}: choose a half-line or a bounded domain"
        )


def check_bounded(piece: Piece, side: int) -> float:
    """The limit at plus or minus infinity, refused where there is none that a rational of a fixed type could follow."""
    with np.errstate(all="ignore"):
        value = float(piece.function(np.array([side * HUGE]))[0])
    if not abs(value) < 1e30:
        raise ValueError(
            f"the target does not stay bounded towards {'' if side > 0 else '-'}infinity, so no rational of a fixed "
            "type is near it there: choose a bounded domain"
        )
    return value


def centre_of_variation(target: Target, origin: Fraction, side: int) -> Fraction:
    """The distance from the end within which half of the total variation of the target lies, times the side."""
    z = np.geomspace(1e-3, 1e4, 400)
    x = float(origin) + side * z
    values = np.concatenate([p.function(x[(x >= float(p.lower)) & (x <= float(p.upper))]) for p in target.pieces])[
        : z.size
    ]
    travelled = np.cumsum(np.abs(np.diff(values)))
    if travelled[-1] == 0:
        return Fraction(side)
    half = z[int(np.searchsorted(travelled, travelled[-1] / 2))]
    return side * Fraction(2) ** round(float(np.log2(half)))
