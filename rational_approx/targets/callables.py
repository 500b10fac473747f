"""What a user may call a function: reading it, vectorising it, and refusing what is not a real function."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import mpmath
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import held_precision, working_precision
from rational_approx.arithmetic.values import Value
from rational_approx.expressions import expression
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.from_sympy import from_sympy
from rational_approx.targets.interpolant import Interpolant

__all__ = ["as_expression", "multiprecision", "samples", "scan_points", "vectorised"]


def as_expression(function: object) -> Expression | None:
    """The expression behind a string, a sympy expression or an expression; None for anything else."""
    if isinstance(function, Expression):
        return function
    if isinstance(function, str):
        return expression.parse(function)
    if type(function).__module__.split(".")[0] == "sympy":
        return from_sympy(function)
    return None


def samples(function: object) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Samples ``(x, y)`` sorted by x, and the order that sorts them; None where the argument is neither a pair of
    arrays nor an array of shape (n, 2)."""
    if isinstance(function, np.ndarray) and function.ndim > 0:
        if function.ndim != 2 or function.shape[1] != 2:
            raise ValueError(f"an array of samples has a row (x, y) for each, not the shape {function.shape}")
        function = function[:, 0], function[:, 1]
    if not isinstance(function, tuple | list) or len(function) != 2 or callable(function[0]):
        return None
    if any(np.iscomplexobj(side) for side in function):
        raise ValueError("samples must be real; the approximants here are: fit the real and the imaginary part apart")
    x, y = (np.asarray(side, dtype=np.float64) for side in function)
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise ValueError(f"samples are two arrays of equal length, not shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("samples must be finite: remove the pairs that hold NaN or infinity")
    order = np.argsort(x, kind="stable")
    if (np.diff(x[order]) == 0).any():
        raise ValueError("samples must have distinct x: average the y of equal ones")
    return x[order], y[order], order


def sample_weights(weight: Any, x: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Positive weights of samples sorted by x; an array of them comes in the order that ``order`` sorts."""
    if isinstance(weight, str) and weight != "relative":
        weight = expression.parse(weight)
    if weight is None:
        weights = np.ones_like(x)
    elif isinstance(weight, str):
        with np.errstate(divide="ignore"):
            weights = 1.0 / np.abs(y)
    elif callable(weight):
        weights = np.asarray(weight(x), dtype=float)
    else:
        given = np.asarray(weight, dtype=float)
        weights = given[order] if given.shape == x.shape else given
    if weights.shape != x.shape:
        raise ValueError(f"the weight of {x.size} samples is as many numbers, not an array of shape {weights.shape}")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("the weight must be positive and finite at every sample: leave out samples where it is not")
    return weights


MANY = 64
"""So many points of a function of one number are worth an interpolant."""


def vectorised(
    function: Callable[[Any], Any],
    lower: End,
    upper: End,
    breakpoints: tuple[Fraction, ...],
    called: str = "the target",
) -> Callable[[np.ndarray], np.ndarray]:
    """A callable of float64 arrays from one that may know only scalars, with one-sided limits at breakpoints.

    ``called`` is its name in errors. At a breakpoint the callable's own value may belong to the other side, so the
    piece's end is moved inwards by one unit in the last place; elsewhere the end is taken as it is.
    """
    low = float(np.nextafter(float(lower), np.inf)) if lower in breakpoints else float(lower)
    high = float(np.nextafter(float(upper), -np.inf)) if upper in breakpoints else float(upper)

    return Vectorised(function, low, high, called)


@dataclass(frozen=True)
class Vectorised(Value):
    """A callable on an interval, of arrays of float64."""

    function: Callable[[Any], Any]
    low: float
    high: float
    called: str

    @cached_property
    def interpolant(self) -> Interpolant:
        """Values of a function of one number, to rounding."""
        return Interpolant(partial(_scalar, self.function, called=self.called), self.low, self.high)

    @held_precision()  # the function may calculate with mpmath, whose functions change the precision on their way
    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The function at points, which are moved into the interval."""
        inside = np.clip(np.asarray(x, dtype=np.float64), self.low, self.high)
        try:
            if "interpolant" in self.__dict__:  # it has failed on arrays before
                raise TypeError
            values = self.function(inside)
            if np.shape(values) != inside.shape:
                raise TypeError
        except Exception:  # a scalar function may fail on arrays in any way; below it speaks for itself
            values = self.one_by_one(inside.ravel())
        if np.iscomplexobj(values):
            raise ValueError(f"{self.called} is complex on its domain: give a real function, or another domain")
        return np.asarray(values, dtype=np.float64).reshape(inside.shape)

    def one_by_one(self, x: np.ndarray) -> np.ndarray:
        """Values of a function that takes one number at a time."""
        if x.size >= MANY and np.isfinite([self.low, self.high]).all():
            return self.interpolant(x)
        return np.array([_scalar(self.function, v, self.called) for v in x])


def _scalar(function: Callable[[Any], Any], x: float, called: str) -> float:
    watch.check()
    try:
        value = function(float(x))
    except Exception as problem:
        raise ValueError(f"{called} raised {type(problem).__name__} at x = {x:.6g}: {problem}") from problem
    if isinstance(value, complex) or np.iscomplexobj(value):
        raise ValueError(f"{called} is complex at x = {x:.6g}: give a real function, or another domain")
    if np.size(value) != 1:
        raise ValueError(f"{called} returned {np.size(value)} values for one x = {x:.6g}: it must return one number")
    try:
        return float(np.asarray(value, dtype=object).item() if not isinstance(value, mpmath.mpf) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{called} returned {value!r} at x = {x:.6g}: it must return one number") from None


def multiprecision(function: Any, lower: End, upper: End) -> Callable[[mpmath.mpf], mpmath.mpf] | None:
    """The callable itself if it works on mpmath numbers to their precision, else None.

    A callable that secretly rounds to float64 gives the same value at 40 and at 80 digits, with an argument that
    float64 cannot hold; one that truly follows the precision gives values that differ in the 41st digit at most
    and in the last one at least, or an exact one.
    """
    if not callable(function):
        return None
    low, high = max(float(lower), -1e3), min(float(upper), 1e3)
    for share in (0.377, 0.619):
        try:
            with working_precision(80):
                x = mpmath.mpf(low) + (mpmath.mpf(high) - low) * mpmath.mpf(share) + mpmath.mpf(10) ** -25
                fine, moved = function(x), function(x + mpmath.mpf(10) ** -40)
            with working_precision(40):
                coarse = function(x)
        except Exception:  # whatever it raises on an mpmath number, it is not a multiprecision function
            return None
        if not all(isinstance(v, mpmath.mpf | int) for v in (fine, moved, coarse)):
            return None
        scale = max(1, abs(fine))
        if abs(fine - coarse) > scale * mpmath.mpf(10) ** -35:
            return None
        if isinstance(fine, mpmath.mpf) and fine == mpmath.mpf(float(fine)) and fine == moved and fine != round(fine):
            return None
    return function


def scan_points(lower: End, upper: End, count: int) -> np.ndarray:
    """Points of a piece for a look at a function: Chebyshev points, and denser ones towards both ends.

    Half-lines are mapped from [-1, 1] by ``x = lower + (1 + t) / (1 - t)``.
    """
    t = np.cos(np.pi * np.arange(count, -1, -1) / count)
    close = np.geomspace(1e-12, 0.1, count // 4)
    t = np.unique(np.concatenate([t, -1 + close, 1 - close]))
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        low, high = float(lower), float(upper)
        return np.clip(low + (high - low) * (1 + t) / 2, low, high)
    t = t[1:-1]
    if isinstance(lower, Fraction):
        return np.concatenate([[float(lower)], float(lower) + (1 + t) / (1 - t)])
    if isinstance(upper, Fraction):
        return np.concatenate([float(upper) - (1 - t) / (1 + t), [float(upper)]])
    return t / (1 - t * t)
