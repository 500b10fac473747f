"""The error curve of a rational: sampled so that peaks and digits are seen, and drawn."""

import os
from collections.abc import Sequence
from math import isinf
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

from rational_approx import plot
from rational_approx.arithmetic.precision import working_precision
from rational_approx.rationals.rational import Rational
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["error_curve", "sampled_error"]

_FLOAT_NOISE = 1e-11
"""Below this share of the target's size, errors are computed in multiprecision."""


def error_curve(
    target: Target,
    rational: Rational,
    reference: Sequence[Any],
    level: float,
    path: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw the weighted error over the domain, with its reference points and the ``level`` that it reaches.

    Returns the matplotlib figure, and with ``path`` also writes it; raises as :func:`rational_approx.plot.values` does.
    """
    parts = [sampled_error(piece, rational, reference, level) for piece in target.pieces]
    p, q = rational.type
    label = "error" if str(getattr(target.weight, "text", "")) == "1" else "weighted error"
    title = f"{target.name}: type ({p}, {q}), error {level:.6g}"
    return plot.error(parts, [float(t) for t in reference], level, title, label, path)


def sampled_error(
    piece: Piece, rational: Rational, reference: Sequence[Any], level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points of a piece, dense at its ends and with its reference points among them, and the weighted error there.

    Where the level is so small that float64 would draw noise, values are computed in multiprecision. An infinite end is
    replaced by three times the outermost reference point.
    """
    known = [float(t) for t in reference if not isinf(float(t)) and piece.lower <= float(t) <= piece.upper]
    outermost = 3 * max([abs(t) for t in known], default=1.0)
    lower = float(piece.lower) if not isinf(piece.lower) else -outermost
    upper = float(piece.upper) if not isinf(piece.upper) else outermost
    x = (lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.linspace(0, np.pi, plot.POINTS))
    x[0], x[-1] = lower, upper
    x = np.unique(np.concatenate([x, known]))
    f = piece.function(x)
    if level > _FLOAT_NOISE * max(1e-300, float(np.abs(f).max())) or piece.expression is None:
        return x, piece.error(rational, x)
    digits = 20 + max(0, round(-np.log10(max(level, 1e-300))))
    with working_precision(digits):
        exact = piece.expression
        errors = [float(exact.mpf(mpmath.mpf(t)) - rational(mpmath.mpf(t))) for t in x]
    return x, piece.weight(x) * np.asarray(errors)
