"""What the languages share: pieces with both ends, and the statements of a piece."""

from collections.abc import Callable
from fractions import Fraction
from math import inf

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import Piece
from rational_approx.programs.program import Constant, Input, Operand

__all__ = ["FORMS", "scales", "statements", "with_lowers"]

FORMS = {"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}"}
"""Operations of most languages."""


def scales(value: Implementation) -> bool:
    """Whether a piece scales by powers of two."""
    return any(op == "scale" for piece in value.kernel.pieces for op, _ in piece.steps)


def with_lowers(value: Implementation) -> list[tuple[float, Piece]]:
    """The pieces with their lower ends, from left to right."""
    lowers = [-inf, *(piece.upper for piece in value.kernel.pieces)]
    return list(zip(lowers, value.kernel.pieces))


def _float(constant: Fraction) -> float:
    return float(round_to(constant, "float32"))


def statements(
    piece: Piece, forms: dict[str, str], constant: Callable[[float], str]
) -> tuple[list[tuple[str, str]], str]:
    """Names and values of the steps, and the result."""

    def operand(which: Operand) -> str:
        if isinstance(which, Constant):
            return constant(_float(which.value))
        return "x" if isinstance(which, Input) else f"v{which.step}"

    lines = [(f"v{k}", forms[op].format(*map(operand, names))) for k, (op, names) in enumerate(piece.steps)]
    return lines, operand(piece.result)
