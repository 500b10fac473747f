"""Where a target varies: a partition of a piece into boxes on each of which a short polynomial follows it.

A fixed look at a function misses what is narrower than the look. An expression tells where it varies. On a box of
midpoint m and half-width h, Taylor's theorem gives

    abs(f(m + t) - sum_{k < n} f_k t**k)  <=  max over the box of abs(f^(n)) / n!  h**n,

and ball arithmetic encloses the right-hand side over the *whole* box. A box where that is not small is halved. So the
boxes become narrow at a peak, however narrow it is, and dyadic towards a singularity. Of an opaque callable values are
all that is known: there the interpolant through a few points is compared with a few others, which proves nothing.

A half-line is looked at in ``v``, with ``x = end +- (1 + v) / (1 - v)``.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from math import inf

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import End, finite
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression

__all__ = ["FloatFunction", "mesh"]

FloatFunction = Callable[[np.ndarray], np.ndarray]

ORDER = 8
"""Coefficients of the polynomial that shall follow the target on a box."""

BOXES = 400
NARROWEST = 2.0**-100
"""Boxes are halved down to this share of a piece, where floats reach so far: towards 0 they do."""

_NODES = np.cos(np.pi * (np.arange(ORDER) + 0.5) / ORDER)
_BETWEEN = np.cos(np.pi * np.arange(ORDER + 1) / ORDER)
_POINTS = (1 - np.cos(np.pi * np.arange(5) / 4)) / 2


def mesh(
    lower: End, upper: End, sides: Sequence[tuple[Expression | None, FloatFunction]], tolerance: float
) -> np.ndarray:
    """Points x, increasing, that sample functions on each box of a partition of an interval.

    ``sides`` are an expression, where there is one, and a function of arrays for each. ``tolerance`` is the share of a
    function's size to which a polynomial of degree ``ORDER - 1`` follows it on a box. At most ``BOXES`` are made, those
    first that are followed worst.

    >>> from fractions import Fraction
    >>> from rational_approx.expressions.expression import parse
    >>> narrow = parse("exp(-((x - 1/3) * 1e6)^2)")
    >>> x = mesh(Fraction(-1), Fraction(1), [(narrow, narrow)], 1e-3)
    >>> bool(np.abs(x - 1 / 3).min() < 1e-6)
    True
    """
    way = _Way(lower, upper)
    varying = [side for side in sides if side[0] is None or side[0].tree.value is None]  # a constant is followed
    sizes = [_size(function, way) for _, function in varying]

    def unfollowed(low: float, high: float) -> float:
        shares = (_unfollowed(way, *each, low, high) / size for each, size in zip(varying, sizes, strict=True))
        return max(shares, default=0.0)

    number = count()
    queue = [(-unfollowed(way.low, way.high), next(number), way.low, way.high)]
    done: list[tuple[float, float]] = []
    while queue and len(queue) + len(done) < BOXES and -queue[0][0] > tolerance:
        watch.check()
        _, _, low, high = heapq.heappop(queue)
        middle = low / 2 + high / 2
        if not low < middle < high or high - low < NARROWEST * (way.high - way.low):
            done.append((low, high))
            continue
        for a, b in ((low, middle), (middle, high)):
            heapq.heappush(queue, (-unfollowed(a, b), next(number), a, b))
    done += [(low, high) for _, _, low, high in queue]
    # The upper end as it is: low + (high - low) may be the float beside it, and two marks so near tell a singularity.
    v = np.unique(np.concatenate([np.append(low + (high - low) * _POINTS[:-1], high) for low, high in done]))
    return np.unique(way.x(v))


class _Way:
    """The variable v on an interval: x itself, or on a half-line one that is bounded."""

    def __init__(self, lower: End, upper: End) -> None:
        self.turn = 1 if upper == inf else -1 if lower == -inf else 0
        self.whole = lower == -inf and upper == inf
        self.end = 0.0 if self.whole or not self.turn else float(finite(lower if self.turn > 0 else upper))
        self.low, self.high = (-1.0, 1.0) if self.turn else (float(lower), float(upper))

    def series(self, v: flint.arb_series) -> flint.arb_series:
        """x as a series in v."""
        if not self.turn:
            return v
        if self.whole:
            return v / (1 - v * v)
        return (1 + v) / (1 - v) * self.turn + flint.arb(self.end)

    def x(self, v: np.ndarray) -> np.ndarray:
        """x at points v; infinity is left out."""
        if not self.turn:
            return v
        inner = v[np.abs(v) < 1] if self.whole else v[v < 1]
        return inner / (1 - inner * inner) if self.whole else self.end + self.turn * (1 + inner) / (1 - inner)


def _size(function: FloatFunction, way: _Way) -> float:
    v = way.low + (way.high - way.low) * (1 - np.cos(np.pi * (np.arange(64) + 0.5) / 64)) / 2
    with np.errstate(all="ignore"):
        values = function(way.x(v))
    values = np.abs(values[np.isfinite(values)])
    return float(values.max()) if values.size and values.max() > 0 else 1.0


def _unfollowed(way: _Way, formula: Expression | None, function: FloatFunction, low: float, high: float) -> float:
    """How far a polynomial may be from a function on a box; infinite where nothing is known."""
    if formula is None:
        return _sampled(way, function, low, high)
    half = (high - low) / 2
    with working_bits(64):
        box = flint.arb(low / 2 + high / 2, half)
        try:
            series = formula.ball(way.series(flint.arb_series([box, 1], prec=ORDER + 1)))
        except (Undecided, ArithmeticError, ValueError):
            return inf
        if not isinstance(series, flint.arb_series) or series.prec <= ORDER:
            return inf
        last = abs(series[ORDER])
        bound = float(last.upper()) * half**ORDER if last.is_finite() else inf
    return bound if bound == bound else inf


def _sampled(way: _Way, function: FloatFunction, low: float, high: float) -> float:
    middle, half = low / 2 + high / 2, (high - low) / 2
    with np.errstate(all="ignore"):
        values, others = function(way.x(middle + half * _NODES)), function(way.x(middle + half * _BETWEEN[1:-1]))
    if not (np.isfinite(values).all() and np.isfinite(others).all()):
        return inf
    through = np.polynomial.chebyshev.chebval(
        _BETWEEN[1:-1], np.polynomial.chebyshev.chebfit(_NODES, values, ORDER - 1)
    )
    return float(np.abs(through - others).max())
