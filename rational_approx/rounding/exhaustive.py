"""`exhaustive_error`: the error of exported code at every number of a format, by running it at all of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.programs.program import Constant, Input, Operand, Program, program
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["Exhaustive", "exhaustive_error"]

_CHUNK = 1 << 20

_WIDTHS = {"float32": 32, "bfloat16": 16, "float16": 16}


@dataclass(frozen=True)
class Exhaustive:
    """What was measured at every input of the domain: how many inputs (one at a breakpoint counts on
    both sides), the largest weighted error, and where.

    It is a measurement of this computer's arithmetic, with the target and the difference in float64: exact to about
    1e-16 relative to the target's values. ``error`` is not a number where any output was none.
    """

    inputs: int
    error: float
    worst: float
    format: str
    scheme: str
    dtype: str


def exhaustive_error(
    rational: Rational,
    target: Target,
    format: str,
    scheme: str | None = None,
    dtype: str = "float32",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Exhaustive:
    """Run the operations of the exported NumPy code at every number of a format in the target's domain.

    Parameters
    ----------
    format:
        The format of the inputs: ``"bfloat16"``, ``"float16"`` or ``"float32"`` (2.1 billion numbers in [-1, 1]).
    scheme, dtype:
        See :func:`programs.rounding_errors.evaluation_error`; inputs are converted to ``dtype``, which is exact.
    progress:
        Called after each part with the number of inputs done and their total.

    Raises
    ------
    ValueError
        for an unknown format or type, an unbounded domain, a target given as samples, or no input in the domain.

    >>> from rational_approx import fit
    >>> best = fit("relu", (3, 2))
    >>> found = exhaustive_error(best.rounded("float32"), best.target, "bfloat16")
    >>> found.inputs, abs(found.error / best.error - 1) < 1e-3
    (32514, True)
    """
    if format not in _WIDTHS:
        raise ValueError(f"the inputs must be in {', '.join(_WIDTHS)}, not {format!r}: others are too many to try")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"code calculates in 'float32' or 'float64', not {dtype!r}")
    if not target.domain.bounded:
        raise ValueError("every input can be tried on a bounded domain only: give the target such a domain")
    if target.samples is not None:
        raise ValueError("a target given as samples has no value at other inputs: give it as a function")
    steps = program(rational, scheme)
    code = _runner(steps, dtype)
    parts = [
        (piece, sign, _code_range(piece, sign, format)) for piece in target.pieces for sign in (-1, 1)
    ]  # numbers of one sign are consecutive codes
    total = sum(len(codes) for _, _, codes in parts)
    if not total:
        raise ValueError(f"no number of {format} lies in {target.domain}")
    done, largest, worst = 0, -1.0, float("nan")
    for piece, sign, codes in parts:
        for x in _numbers(codes, sign, format):
            exact = x.astype(np.float64)
            with np.errstate(all="ignore"):
                error = np.abs(piece.weight(exact) * (piece.function(exact) - code(x).astype(np.float64)))
            error[np.isnan(error)] = np.inf
            k = int(error.argmax())
            if error[k] > largest:
                largest, worst = float(error[k]), float(exact[k])
            done += x.size
            if progress is not None:
                progress(done, total)
    return Exhaustive(total, largest if np.isfinite(largest) else float("nan"), worst, format, steps.scheme, dtype)


def _code_range(piece: Any, sign: int, format: str) -> range:
    # The codes (bit patterns without the sign) of all numbers of one sign in a piece, zero among the positive ones.
    lower, upper = (piece.lower, piece.upper) if sign > 0 else (-piece.upper, -piece.lower)
    if upper < 0 or (sign < 0 and upper == 0):
        return range(0)
    bits, _, _ = FORMATS[format]
    finite = range(((1 << (_WIDTHS[format] - bits)) - 1) << (bits - 1))  # codes are in the order of their numbers
    first, last = (
        place(finite, end, key=lambda code: _value(code, format))
        for place, end in ((bisect_left, max(lower, 0)), (bisect_right, upper))
    )
    return range(max(first, 1 if sign < 0 else 0), last)


def _value(code: int, format: str) -> Fraction:
    bits, smallest, _ = FORMATS[format]
    exponent, mantissa = code >> (bits - 1), code & ((1 << (bits - 1)) - 1)
    if exponent:
        mantissa += 1 << (bits - 1)
    return mantissa * Fraction(2) ** (max(exponent, 1) - 1 + smallest)


def _numbers(codes: range, sign: int, format: str) -> Iterator[np.ndarray]:
    for start in range(codes.start, codes.stop, _CHUNK):
        part = np.arange(start, min(start + _CHUNK, codes.stop), dtype=np.uint32)
        if format == "float16":
            numbers = part.astype(np.uint16).view(np.float16).astype(np.float32)
        else:
            numbers = (part << np.uint32(16) if format == "bfloat16" else part).view(np.float32)
        yield numbers if sign > 0 else -numbers


def _runner(code: Program, dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    # The steps of the exported NumPy code: constants rounded to the type, one rounding each.
    kind = np.float32 if dtype == "float32" else np.float64
    operations: dict[str, Any] = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}

    def run(x: np.ndarray) -> np.ndarray:
        variable = x.astype(kind)
        values: list[Any] = []

        def operand(which: Operand) -> Any:
            if isinstance(which, Constant):
                return kind(float(round_to(which.value, dtype)))
            return variable if isinstance(which, Input) else values[which.step]

        for op, operands in code.steps:
            values.append(operations[op](*map(operand, operands)))
        return np.broadcast_to(values[-1], x.shape)  # a constant rational has one value for all

    return run
