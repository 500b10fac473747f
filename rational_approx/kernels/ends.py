"""Where code ends: at infinite inputs, and beside numbers at which the target has no value."""

from dataclasses import replace
from fractions import Fraction
from math import inf, isinf

import numpy as np

from rational_approx.kernels.facts import FLUSHED
from rational_approx.kernels.kernel import Function, Piece
from rational_approx.kernels.library import kind_of
from rational_approx.kernels.numbers import INNER, largest_number, neighbours
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.tails import infinite
from rational_approx.kernels.truth import Gap, Truth
from rational_approx.programs.program import Constant

__all__ = ["closed", "with_gaps"]


def with_gaps(pieces: list[Piece], known: Truth) -> list[Piece]:
    """The pieces, and between them what there is in gaps of the target."""
    out = list(pieces)
    for gap in known.gaps:
        last = float(known.x[np.searchsorted(known.x, gap.number) - 1])
        place = next(k for k, piece in enumerate(out) if piece.upper >= last)
        out[place + 1 : place + 1] = _in_gap(gap, known.format)
    return out


def _in_gap(gap: Gap, format: str) -> list[Piece]:
    """No number between numbers at which the target has a value, or infinities beside them."""
    nothing, (left, right) = Piece(inf, (), None, "no real value"), gap[1:]
    if left.number == right.number:
        same = isinf(left.value) and left.value == right.value
        return [replace(infinite(left.value, format) if same else nothing, upper=left.number)]
    out = [replace(infinite(left.value, format), upper=left.number)] if isinf(left.value) else []
    if not isinf(right.value):
        return [*out, replace(nothing, upper=right.number)]
    last = _before(right.number, format)
    out += [replace(nothing, upper=last)] if last > left.number or not out else []
    return [*out, replace(infinite(right.value, format), upper=right.number)]


def closed(pieces: list[Piece], known: Truth, functions: tuple[Function, ...], scheme: Scheme) -> tuple[Piece, ...]:
    """The pieces, and infinite inputs: a reduction by powers of two would make an integer of one.

    A sine has no value there, as its operations say by themselves.
    """
    out = list(pieces)
    kinds = {function.name: kind_of(function) for function in functions}
    for place, x, side, edge in ((0, known.x[:1], -1, known.edges[0]), (-1, known.x[-1:], 1, known.edges[1])):
        if edge is not None:
            continue
        called = {kinds[op] for op, _ in out[place].steps if op in kinds}
        if called <= {"sin", "cos"}:
            continue
        value = float(out[place](x.astype(INNER[known.format]), functions)[0])
        beyond = Piece(inf, (), Constant(Fraction(value)), f"{value:g}, that of the outermost number")
        with np.errstate(all="ignore"):
            limit = float(known.target(side * inf))
        if isinf(limit):
            beyond = infinite(limit, known.format)
        elif called & {"sin", "cos"}:
            beyond = Piece(inf, (), None, "no limit")
        if side > 0:
            out[-1] = replace(out[-1], upper=largest_number(known.format))
        out.insert(0 if side < 0 else len(out), replace(beyond, upper=side * inf))
    out[-1] = replace(out[-1], upper=inf)
    return _with_edges(_with_normal_ends(out) if scheme.flush else out, known)


def _with_normal_ends(pieces: list[Piece]) -> list[Piece]:
    """The pieces, none of which ends at a subnormal number, which a comparison may take for zero."""
    out: list[Piece] = []
    for piece in pieces:
        end = piece.upper
        if 0 < abs(end) < FLUSHED:
            end = 0.0 if end > 0 else -FLUSHED
        if not out or out[-1].upper < end:
            out.append(replace(piece, upper=end))
    return out


def _with_edges(pieces: list[Piece], known: Truth) -> tuple[Piece, ...]:
    """The pieces, and no number beside those at which the target has a value, or an infinity at the first one."""
    left, right = known.edges
    out, nothing = list(pieces), Piece(inf, (), None, "no real value")
    if left is not None:
        before = [replace(nothing, upper=left.number)]
        if isinf(left.value):
            last = _before(left.number, known.format)
            before = [replace(nothing, upper=last), replace(infinite(left.value, known.format), upper=left.number)]
        out = before + out
    if right is not None:
        out[-1] = replace(out[-1], upper=float(known.x[-1]))
        out += [replace(infinite(right.value, known.format), upper=right.number)] if isinf(right.value) else []
        out.append(nothing)
    return tuple(out)


def _before(number: float, format: str) -> float:
    """The number of a format next below another."""
    return float(neighbours(np.array([number]), format)[0][0])
