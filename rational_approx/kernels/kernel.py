"""`Kernel`: what code computes, operation by operation, for every number of a format.

Inputs are split into pieces, and each piece has its own sequence of operations: in float32 for 16-bit formats, in
float64 or float32 for float32, in float64 for float64. Every operation is rounded to nearest, ties to even, by itself;
subnormal numbers are kept. The result is rounded once to the format. Besides the operations of
:mod:`programs.program` there is ``scale``:
``v * 2**k`` for an integral number k, as two products with powers of two, ``2**h`` first and ``2**(k - h)`` then, with
h half of k towards zero; ``sqrt``; ``round``, to an integer, which is ``(v + M) - M`` with ``M = 1.5 2**(p - 1)`` in a
format of p bits where ``abs(v) < 2**(p - 2)``, and v elsewhere; ``exponent``, for a normal positive number v the
integer k with ``c <= v 2**-k < 2 c``, c the number next to ``sqrt(1/2)``, read from the bits; and the name of a
function, whose own operations are those of `Function`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.fused import fused
from rational_approx.kernels.machines import KEPT, Machine
from rational_approx.kernels.numbers import carrier, rounded
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.programs.program import Constant, Input, Operand, Step

__all__ = ["ARITY", "BRANCH", "MIDDLE", "OPERATIONS", "Function", "Kernel", "NoKernel", "Piece", "operations"]

COSTS = {"div": 4, "sqrt": 4, "scale": 2, "round": 2, "exponent": 2}
"""What an operation counts; every other one counts 1, and a function what its own operations count."""
BRANCH = 1
"""What a piece counts beside its operations: a comparison."""
MIDDLE = {"float32": (0x3F3504F3, 23), "float64": (0x3FE6A09E667F3BCD, 52)}
"""The bits of the number next to ``sqrt(1/2)``, and how many of them lie behind the point."""
ARITY = {"add": 2, "sub": 2, "mul": 2, "div": 2, "fma": 3, "scale": 2, "sqrt": 1, "round": 1, "exponent": 1}
"""Operations, with the number of their operands."""


class NoKernel(ArithmeticError):
    """No pieces were found within the wanted error."""


@dataclass(frozen=True)
class Function:
    """A function of one number, which steps call by its name.

    ``about`` says in words what it calculates.
    """

    name: str
    steps: tuple[Step, ...]
    result: Operand
    about: str


@dataclass(frozen=True)
class Piece:
    """The operations for inputs up to ``upper`` (a number of the format, or infinity), beyond the piece before.

    ``about`` says in words what they calculate. Without a result it is no number (NaN): there the function has no
    value.
    """

    upper: float
    steps: tuple[Step, ...]
    result: Operand | None
    about: str

    def __call__(self, x: np.ndarray, functions: tuple[Function, ...] = (), machine: Machine = KEPT) -> np.ndarray:
        """The result before it is rounded to the format, in the wider one, in which x is given."""
        return _calculated(self, x, {function.name: function for function in functions}, machine)


@dataclass(frozen=True)
class Kernel:
    """A function of one number of a format: pieces from left to right, which calculate in the format ``inner`` and may
    call ``functions``; NaN gives NaN. ``scheme`` says how the operations were chosen."""

    format: str
    inner: str
    pieces: tuple[Piece, ...]
    functions: tuple[Function, ...] = ()
    scheme: Scheme = PLAIN
    rounds: ClassVar[bool] = True
    """Whether the result is rounded to the format."""

    def __call__(self, x: np.ndarray, machine: Machine = KEPT) -> np.ndarray:
        """The outputs, numbers of the format as `carrier` says, for inputs that are given in the same way.

        ``machine`` says what becomes of numbers that are subnormal in the format of the operations.
        """
        return rounded(self.unrounded(x, machine), self.format)

    def unrounded(self, x: np.ndarray, machine: Machine = KEPT) -> np.ndarray:
        """The same before they are rounded, in the format of the operations."""
        x = np.asarray(x, dtype=carrier(self.format))
        out, left = np.full(x.shape, np.nan, dtype=self.inner), ~np.isnan(x)
        with np.errstate(invalid="ignore"):  # of a signalling NaN
            compared = machine.given(x.astype(self.inner))
        for piece in self.pieces:
            here = left & (compared <= machine.given(np.array(piece.upper, self.inner)))
            out[here] = piece(x[here].astype(self.inner), self.functions, machine)
            left &= ~here
        return out


def operations(code: Piece | Function, functions: tuple[Function, ...] = ()) -> int:
    """The operations of a piece or a function, each counted as `COSTS` says."""
    costs = {**COSTS, **{function.name: operations(function) for function in functions}}
    return sum(costs.get(op, 1) for op, _ in code.steps)


def _calculated(code: Piece | Function, x: np.ndarray, functions: dict[str, Function], machine: Machine) -> np.ndarray:
    values: list[Any] = []
    number = x.dtype.type

    def operand(which: Operand | None) -> Any:
        if which is None:
            return number(np.nan)
        if isinstance(which, Constant):
            return number(float(round_to(which.value, x.dtype.name)))
        return x if isinstance(which, Input) else values[which.step]

    with np.errstate(all="ignore"):
        for op, names in code.steps:
            given = [operand(name) for name in names]
            values.append(
                _calculated(functions[op], given[0], {}, machine) if op in functions else _done(op, given, machine)
            )
    return np.broadcast_to(operand(code.result), x.shape)


def _done(op: str, given: list[Any], machine: Machine) -> Any:
    """The result of an operation on a machine; a scaling is two products."""
    if op == "scale":
        value = given[0]
        for factor in _powers(given[1], value.dtype.type):
            value = _done("mul", [value, factor], machine)
        return value
    if machine == KEPT:
        return OPERATIONS[op](*given)
    given = [machine.given(each) for each in given]
    return machine.done(op, OPERATIONS[op](*given), given)


def _powers(exponent: np.ndarray, number: Callable[[int], Any]) -> tuple[np.ndarray, np.ndarray]:
    whole = exponent.astype(np.int32)
    half = np.trunc(whole / 2).astype(np.int32)
    return np.ldexp(number(1), half), np.ldexp(number(1), whole - half)


def _whole(value: np.ndarray) -> np.ndarray:
    value = np.asarray(value)
    number, digits = value.dtype.type, np.finfo(value.dtype).nmant + 1
    magic = number(1.5 * 2.0 ** (digits - 1))
    return np.where(np.abs(value) < number(2.0 ** (digits - 2)), (value + magic) - magic, value)


def _exponent(value: np.ndarray) -> np.ndarray:
    value = np.asarray(value)
    middle, shift = MIDDLE[value.dtype.name]
    whole = np.dtype(f"int{value.dtype.itemsize * 8}").type
    return ((value.view(whole) - whole(middle)) >> whole(shift)).astype(value.dtype)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "fma": fused,
    "sqrt": np.sqrt,
    "round": _whole,
    "exponent": _exponent,
}
"""What each operation does but ``scale``."""
