"""Tails: the constant or the line that takes over at an end of the inputs, as soon as it is near enough."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import working_bits
from rational_approx.kernels.boxes import Judge
from rational_approx.kernels.coefficients import in_short_format
from rational_approx.kernels.facts import ulp_errors
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.kernels.numbers import INNER, KINDS, largest_number, rounded
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.truth import Truth
from rational_approx.programs.program import INPUT, Constant, Operand

__all__ = ["Tail", "infinite", "proved", "tail"]

Tail = tuple[Piece, int] | None
BITS = 192
LIKE_ONE = 0.425
"""A tail takes over only where that is within 1 ulp, however much is allowed: relu(x) is no x below zero."""


def tail(known: Truth, room: float, side: int, scheme: Scheme, rounds: bool = True) -> tuple[Piece, int] | None:
    """The piece that takes over at an end, and where it begins (right) or ends (left); None where there is none.

    ``rounds`` says that its result will be rounded to the format, which may take half a unit in the last place.
    """
    order = slice(None, None, -1) if side > 0 else slice(None)
    x, value = known.x[order], known.value[order]
    best: tuple[int, Piece] | None = None
    for piece in _lines(x, value, known.format, scheme, rounds):
        if not in_short_format(piece, scheme.coefficients):
            continue
        y = piece(x.astype(INNER[known.format]))
        inside = ulp_errors(rounded(y, known.format), value, known.format) <= 0.5 + min(room, LIKE_ONE)
        # Between the numbers that are tried the last rounding adds half.
        if not rounds or (piece.steps and known.format not in KINDS):
            with np.errstate(invalid="ignore"):
                inside &= ~(np.abs(y - value) > min(room, LIKE_ONE) * known.units(value))
        if known.format not in KINDS and abs(limit := float(y[0])) >= 2.0 ** FORMATS[known.format][2]:
            inside &= np.sign(limit) * value > abs(limit)  # nearer ones are proved otherwise
        count = int(inside.argmin()) if not inside.all() else x.size
        if count > 1 and (best is None or count > best[0]):
            best = count, piece
    if best is None:
        return None
    count, piece = best
    if side > 0:
        return piece, known.x.size - count
    return replace(piece, upper=float(known.x[count - 1])), count


def proved(piece: Piece, known: Truth, side: int, begin: float) -> bool:
    """Whether there are bounds that show a tail to be near the target from some number on, beyond that at which it
    begins, where every number is not tried."""
    if known.format in KINDS:
        return True
    kernel = Kernel(known.format, INNER[known.format], (piece,))
    for start in (Fraction(largest_number(known.format)) / 2 * side, Fraction(begin)):
        tree = known.target.on(start, inf).tree if side > 0 else known.target.on(-inf, start).tree
        with working_bits(BITS):
            if start and Judge(piece, known.target.ball, kernel, {}).beyond(tree, start, side).ulp < inf:
                return True
    return False


def _lines(x: np.ndarray, value: np.ndarray, format: str, scheme: Scheme, rounds: bool) -> Iterator[Piece]:
    # From the outermost input on: a constant, x, a multiple of x, a line.
    number = np.dtype(INNER[format]).type
    limit = value[0]
    if abs(limit) >= 2.0 ** FORMATS[format][2]:
        yield infinite(limit, format)
        return
    most = float(np.finfo(np.float32).max)
    kind = np.float32 if rounds else number  # a number of float32 is not rounded again to float32
    constant = float(kind(np.clip(limit, -most, most)))
    yield _line(0.0, constant, f"the limit {constant:g}")
    slope = float(number(limit / float(x[0])))
    if slope:
        yield _line(slope, 0.0, f"{slope:g} x")
        near = int(np.argmin(np.abs(np.abs(x) - 64)))
        offset = float(number(value[near] - slope * float(x[near])))
        if offset:
            yield _line(slope, offset, f"{slope:g} x + {offset:g}", scheme)


def infinite(sign: float, format: str) -> Piece:
    """A constant that is rounded to the infinite number of a sign."""
    large = min(2.0 ** FORMATS[format][2], float(np.finfo(INNER[format]).max))
    return _line(0.0, large if sign > 0 else -large, "larger than every number of the format")


def _line(slope: float, offset: float, about: str, scheme: Scheme = PLAIN) -> Piece:
    """A constant or a line, for inputs without an end."""
    if slope == 0:
        return Piece(inf, (), Constant(Fraction(offset)), about)
    writer, end = scheme.writer(), Constant(Fraction(offset))
    if slope == 1:
        value: Operand = writer.do("add", INPUT, end) if offset else INPUT
    else:
        value = writer.multiply_add(INPUT, Constant(Fraction(slope)), end)
    return Piece(inf, tuple(writer.steps), value, about)
