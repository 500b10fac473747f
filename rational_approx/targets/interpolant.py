"""A slow callable of one number, asked once: Chebyshev interpolants on boxes, as exact as floats are.

A fit looks at its target at some hundred thousand points. A function of arrays answers in milliseconds; one that
takes a number at a time, as the functions of mpmath do, in minutes. So it is asked at the Chebyshev points of a box,
and the box is halved until the interpolant's last coefficients are rounding (Battles & Trefethen 2004). Where that
never happens, beside a kink or in noise, the function itself is asked again.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev

__all__ = ["Interpolant"]

DEGREE = 24
DEPTH = 12
BOXES = 200
ROUNDING = 4e-16
"""The size of coefficients that are rounding, as a share of the largest value on the box."""

_POINTS = -np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))


class Interpolant:
    """Values of a function on an interval, by interpolants on boxes.

    >>> import math
    >>> sine = Interpolant(math.sin, 0.0, 3.0)
    >>> abs(float(sine(np.array([0.7]))[0]) - math.sin(0.7)) < 1e-15
    True
    """

    def __init__(self, function: Callable[[float], float], lower: float, upper: float) -> None:
        self.function = function
        done: list[tuple[float, float, np.ndarray | None]] = []
        stack = [(lower, upper, 0)]
        function(lower)  # what fails everywhere is said of the first point
        while stack:
            low, high, depth = stack.pop()
            middle, half = low / 2 + high / 2, (high - low) / 2
            values = np.array([function(float(x)) for x in np.clip(middle + half * _POINTS, low, high)])
            coefficients = chebyshev.chebfit(_POINTS, values, DEGREE) if np.isfinite(values).all() else None
            if coefficients is not None:
                tail = np.abs(coefficients[-4:]).max()
                if tail <= ROUNDING * np.abs(values).max():
                    done.append((low, high, coefficients))
                    continue
            if depth == DEPTH or not low < middle < high or len(done) + len(stack) >= BOXES:
                done.append((low, high, None))
                continue
            stack += [(middle, high, depth + 1), (low, middle, depth + 1)]
        done.sort(key=lambda box: box[0])
        self.ends = np.array([low for low, _, _ in done] + [upper])
        self.coefficients = [each for _, _, each in done]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at points of the interval."""
        box = np.clip(np.searchsorted(self.ends, x, side="right") - 1, 0, len(self.coefficients) - 1)
        out = np.empty_like(x)
        for k in np.unique(box):
            here, coefficients = box == k, self.coefficients[k]
            if coefficients is None:
                out[here] = [self.function(float(v)) for v in x[here]]
            else:
                low, high = self.ends[k], self.ends[k + 1]
                out[here] = chebyshev.chebval((2 * x[here] - low - high) / (high - low), coefficients)
        return out
