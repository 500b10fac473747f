"""What the languages share: types, pieces with both ends, and the statements of a piece or a function."""

from collections.abc import Callable
from fractions import Fraction
from math import inf, nan
from typing import NamedTuple

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import Function, Piece
from rational_approx.programs.program import Constant, Input, Operand

__all__ = ["BITS", "FORMS", "HELPERS", "Bits", "called", "constant_of", "statements", "used", "with_lowers"]

FORMS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "sqrt": "sqrt({})",
    "fma": "fma({}, {}, {})",
}
"""Operations of most languages."""
HELPERS = {"scale": "scaled({}, {})", "round": "whole({})", "exponent": "exponent({})"}
"""Operations that the code brings along, by the ends of their names."""


class Bits(NamedTuple):
    """How a format lies in memory: bits in all, bits behind the point, and the exponent that stands for 0."""

    whole: int
    shift: int
    bias: int


BITS = {"float32": Bits(32, 23, 127), "float64": Bits(64, 52, 1023)}


def used(value: Implementation) -> set[str]:
    """The operations of all pieces and functions."""
    codes: tuple[Piece | Function, ...] = (*value.kernel.pieces, *value.kernel.functions)
    return {op for code in codes for op, _ in code.steps}


def called(value: Implementation, forms: dict[str, str], helper: str) -> dict[str, str]:
    """Operations, with those that are helpers of the code's own, and functions."""
    own = {function.name: helper + function.name + "({})" for function in value.kernel.functions}
    return {**forms, **{op: helper + form for op, form in HELPERS.items()}, **own}


def with_lowers(value: Implementation) -> list[tuple[float, Piece]]:
    """The pieces with their lower ends, from left to right."""
    lowers = [-inf, *(piece.upper for piece in value.kernel.pieces)]
    return list(zip(lowers, value.kernel.pieces))


def constant_of(piece: Piece, inner: str) -> float | None:
    """The value of a piece that does not depend on x; None of another one."""
    if any(isinstance(which, Input) for _, names in piece.steps for which in names) or isinstance(piece.result, Input):
        return None
    return float(piece(np.zeros((), dtype=inner)))


def statements(
    code: Piece | Function, inner: str, forms: dict[str, str], constant: Callable[[float], str]
) -> tuple[list[tuple[str, str]], str]:
    """Names and values of the steps, and the result."""

    def number(value: Fraction) -> float:
        return float(round_to(value, inner))

    def operand(which: Operand | None) -> str:
        if which is None:
            return constant(nan)
        if isinstance(which, Constant):
            return constant(number(which.value))
        return "x" if isinstance(which, Input) else f"v{which.step}"

    lines = [(f"v{k}", forms[op].format(*map(operand, names))) for k, (op, names) in enumerate(code.steps)]
    return lines, operand(code.result)
