"""A dense look at the error of a fit."""

import numpy as np

from rational_approx import Fit


def largest_error(found: Fit, count: int = 40_001) -> float:
    """The largest error in float64 on a dense grid of each piece of the target."""
    largest = 0.0
    for piece in found.target.pieces:
        lower, upper = max(float(piece.lower), -50.0), min(float(piece.upper), 50.0)
        x = lower + (upper - lower) * (1 - np.cos(np.linspace(0, np.pi, count))) / 2
        largest = max(largest, float(np.nanmax(np.abs(found.error_at(np.clip(x, lower, upper))))))
    return largest
