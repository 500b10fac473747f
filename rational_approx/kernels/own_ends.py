"""Where code in its own format ends: at infinite inputs, and where the target has no value."""

from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np

from rational_approx.expressions.expression import Expression
from rational_approx.kernels.kernel import NoKernel, Piece
from rational_approx.kernels.library import Library
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.truth import infinity_at
from rational_approx.kernels.undefined import nowhere
from rational_approx.programs.program import Constant, Writer

__all__ = ["Edges", "closed", "extent", "with_edges"]

Edges = tuple[Fraction | None, Fraction | None]
"""The numbers next to the first and to the last one with a value, where there are others."""


def extent(target: Expression, numbers: Numbers) -> tuple[Fraction, Fraction, Edges]:
    """The first and the last number with a value, and those next to them, where there are others."""
    powers = [Fraction(2) ** k for k in range(numbers.smallest, numbers.top, 1 if numbers.top < 200 else 7)]
    points = [-numbers.largest, *(-each for each in reversed(powers)), Fraction(0), *powers, numbers.largest]
    missing = [nowhere(target.tree, point, point) for point in points]
    if not any(missing):
        return points[0], points[-1], (None, None)
    inside = [k for k, none in enumerate(missing) if not none]
    if not inside or inside[-1] - inside[0] + 1 != len(inside):
        raise NoKernel("the target has values on no interval of numbers: write where(...) for one that has")
    ends: list[Fraction] = []
    edges: list[Fraction | None] = []
    for at, side in ((inside[0], -1), (inside[-1], 1)):
        if not 0 <= at + side < len(points):
            ends, edges = [*ends, points[at]], [*edges, None]
            continue
        end = numbers.halved(points[at], points[at + side], lambda x: not nowhere(target.tree, x, x))
        ends, edges = [*ends, end], [*edges, numbers.beside(end, side)]
    return ends[0], ends[1], (edges[0], edges[1])


def with_edges(target: Expression, numbers: Numbers, pieces: list[Piece], edges: Edges) -> list[Piece]:
    """The pieces, and no number, or an infinity, beside those at which the target has a value."""
    out = list(pieces)
    nothing = Piece(inf, (), None, "no real value")
    for edge, side in zip(edges, (-1, 1)):
        if edge is None:
            continue
        value = infinity_at(target, float(edge), -side)
        beyond = []
        if np.isinf(value):
            beyond = [replace(infinite(numbers, value), upper=float(edge))]
            edge = numbers.beside(edge, side)
        if side < 0:
            out = [replace(nothing, upper=float(edge)), *beyond, *out]
        else:
            out = [*out, *beyond, nothing]
    return out


def infinite(numbers: Numbers, sign: float) -> Piece:
    """An infinite result: a product that is too large."""
    writer = Writer(fma=False)
    large = Constant(numbers.largest * (1 if sign > 0 else -1))
    result = writer.do("mul", large, Constant(Fraction(2)))
    return Piece(inf, tuple(writer.steps), result, "infinite")


def closed(
    target: Expression,
    numbers: Numbers,
    library: Library,
    pieces: list[Piece],
    edges: Edges,
) -> list[Piece]:
    """The pieces, and infinite inputs: a function that the outermost piece calls would make integers of them."""
    out = list(pieces)
    for at, side in ((0, -1), (-1, 1)):
        called = {op for op, _ in out[at].steps} & {function.name for function in library.made.values()}
        if edges[at] is not None or not called:
            continue
        with np.errstate(all="ignore"):
            limit = float(target(side * inf))
        if np.isnan(limit):
            beyond = Piece(inf, (), None, "no limit")
        elif np.isinf(limit):
            beyond = infinite(numbers, limit)
        else:
            beyond = Piece(inf, (), Constant(numbers.near(Fraction(limit))), f"the limit {limit:g}")
        if side > 0:
            out[-1] = replace(out[-1], upper=float(numbers.largest))
        out.insert(0 if side < 0 else len(out), replace(beyond, upper=side * inf))
    return out
