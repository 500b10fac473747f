"""Whether code gives the same bits, but for the sign, on both sides of zero: then vectors need one side of it alone."""

from fractions import Fraction
from math import inf

import numpy as np
from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import parse
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.programs.program import Constant, Input, Operand

__all__ = ["parity"]

TRIED = 13
"""Outputs of numbers up to so many powers of two above the least one are compared one by one."""
BITS = 128


def parity(value: Implementation) -> int:
    """1 where ``y(-x)`` has the bits of ``y(x)``, -1 where it has those of ``-y(x)`` but perhaps at zeros, else 0.

    Rounding to nearest knows no sign: operations on operands of other signs give the same but for the sign. Sums that
    are exactly zero are the exception, which is +0 on both sides. So it has to be seen that no output is zero.
    """
    kernel = value.kernel
    if kernel.format not in ("float32", "float64"):
        return 0
    pieces, number = kernel.pieces, np.dtype(kernel.format).type
    ends = [piece.upper for piece in pieces[:-1]]
    with np.errstate(over="ignore"):
        mirrored = [float(np.nextafter(number(-end), number(-inf))) for end in reversed(ends)]
    signs = {_sign(one, other, kernel) for one, other in zip(pieces, reversed(pieces))}
    if len(pieces) < 3 or ends != mirrored or len(signs) > 1 or 0 in signs:
        return 0
    sign = signs.pop()
    if sign > 0 and len(set(np.signbit(kernel(np.array([-0.0, 0.0]))))) > 1:
        return 0
    return sign if _without_zeros(value, sign) else 0


def _sign(one: Piece, other: Piece, kernel: Kernel) -> int:
    """The sign between what two pieces give for x and -x; 0 where they are no mirror images."""
    signs: list[int] = []

    def between(a: Operand | None, b: Operand | None) -> int:
        if isinstance(a, Constant) and isinstance(b, Constant):
            return 0 if not a.value or abs(a.value) != abs(b.value) else 1 if a.value == b.value else -1
        if a is None or a != b:
            return 0
        return -1 if isinstance(a, Input) else signs[a.step]  # type: ignore[union-attr]

    if [op for op, _ in one.steps] != [op for op, _ in other.steps]:
        return 0
    for (op, names), (_, others) in zip(one.steps, other.steps):
        a, *rest = map(between, names, others)
        if op in ("add", "sub"):
            found = a if a == rest[0] else 0
        elif op in ("mul", "div"):
            found = a * rest[0]
        elif op == "fma":
            found = rest[1] if a * rest[0] == rest[1] else 0
        else:  # scalings, roots and functions
            found = 1 if {a, *rest} == {1} else 0
        if not found:
            return 0
        signs.append(found)
    return between(one.result, other.result)


def _without_zeros(value: Implementation, sign: int) -> bool:
    """Whether no output is zero where x is not, or those of the least numbers are mirror images, too."""
    kernel = value.kernel
    _, smallest, top = FORMATS[kernel.format]
    target, least = parse(value.expression), to_arb((value.facts.ulp + 1) * Fraction(2) ** smallest)
    last = kernel.pieces[-2].upper
    with working_bits(BITS):
        for k in reversed(range(smallest, top)):
            box = (arb(2) ** k).union(arb(2) ** (k + 1))
            if k > smallest + TRIED and 2.0**k > last:  # the last piece: a constant or a line that is not zero
                continue
            try:
                sure = bool(abs(target.ball(box)) > least)
            except (Undecided, ValueError, ZeroDivisionError):
                sure = False
            if not sure:
                break
        else:
            return True
    if k > smallest + TRIED:  # too many numbers
        return False
    codes = np.arange(1, 2 ** (k + 1 - smallest), dtype=f"uint{8 * np.dtype(kernel.format).itemsize}")
    x = codes.view(kernel.format)
    return bool((sign * kernel(x)).tobytes() == kernel(-x).tobytes())
