"""`Kernel`: what code computes, operation by operation, for every number of a format.

Inputs are split into pieces, and each piece has its own sequence of operations in float32. Every operation is rounded
to nearest, ties to even, by itself; subnormal numbers are kept. The result is rounded once to the format. Besides the
operations of :mod:`programs.program` there is ``scale``: ``v * 2**k`` for an integral number k, as two products with
powers of two, ``2**h`` first and ``2**(k - h)`` then, with h half of k towards zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.numbers import rounded
from rational_approx.programs.program import Constant, Input, Operand, Step

__all__ = ["Kernel", "Piece", "operations"]

COSTS = {"div": 4, "scale": 2}
"""What an operation counts; every other one counts 1."""
BRANCH = 1
"""What a piece counts beside its operations: a comparison."""


@dataclass(frozen=True)
class Piece:
    """The operations for inputs up to ``upper`` (a number of the format, or infinity), beyond the piece before.

    ``about`` says in words what they calculate.
    """

    upper: float
    steps: tuple[Step, ...]
    result: Operand
    about: str

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The result in float32, before it is rounded to the format."""
        values: list[Any] = []

        def operand(which: Operand) -> Any:
            if isinstance(which, Constant):
                return np.float32(float(round_to(which.value, "float32")))
            return x if isinstance(which, Input) else values[which.step]

        with np.errstate(all="ignore"):
            for op, names in self.steps:
                values.append(OPERATIONS[op](*map(operand, names)))
        return np.broadcast_to(operand(self.result), x.shape)


@dataclass(frozen=True)
class Kernel:
    """A function of one number of a format: pieces from left to right; NaN gives NaN."""

    format: str
    pieces: tuple[Piece, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs, numbers of the format as float32, for inputs that are numbers of the format as float32."""
        x = np.asarray(x, dtype=np.float32)
        out, left = np.full(x.shape, np.nan, dtype=np.float32), ~np.isnan(x)
        for piece in self.pieces:
            here = left & (x <= piece.upper)
            out[here] = piece(x[here])
            left &= ~here
        return rounded(out, self.format)


def operations(piece: Piece) -> int:
    """The operations of a piece, a division counted as four and a scaling as two."""
    return sum(COSTS.get(op, 1) for op, _ in piece.steps)


def _scaled(value: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    whole = exponent.astype(np.int32)
    half = np.trunc(whole / 2).astype(np.int32)
    first, second = (np.ldexp(np.float32(1), k) for k in (half, whole - half))
    return value * first * second


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "scale": _scaled,
}
