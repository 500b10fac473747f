"""Boxes on which a smooth formula is near a polynomial: its Taylor polynomial, with coefficients rounded to integers.

Nothing here is trusted. Coq's tactic `interval` proves each box again; the enclosures below only choose the boxes so
that it will, and refuse before anything is written where they see that it will not.
"""

from fractions import Fraction
from math import ceil
from typing import NamedTuple

import flint

from rational_approx.arithmetic.precision import series_length, to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import ENCLOSURES, Undecided, ball_between, series_variable
from rational_approx.expressions.nodes import Node, evaluate

__all__ = ["Box", "bits_below", "boxes", "degree_for", "size", "taylor"]

MOST_BOXES = 1000
DEEPEST = 24
SLICES = 16


class Box(NamedTuple):
    """The points within ``half`` of ``middle``."""

    middle: Fraction
    half: Fraction

    @property
    def upper(self) -> Fraction:
        """The upper end."""
        return self.middle + self.half


def bits_below(small: Fraction) -> int:
    """How many bits behind the point a small number needs before it shows."""
    return max(small.denominator.bit_length() - small.numerator.bit_length() + 1, 0)


def degree_for(small: Fraction) -> int:
    """The degree of the Taylor polynomials for a wanted distance: about four bits for each power."""
    return min(max(ceil(bits_below(small) / 4), 6), 40)


def _rest(node: Node, lower: Fraction, upper: Fraction, degree: int) -> flint.arb | None:
    # A bound for the size of what the Taylor polynomial around the middle leaves, None where there is none. Enclosures
    # of a high derivative are wide on wide balls, so that the interval is enclosed bit by bit.
    largest, width = flint.arb(0), (upper - lower) / SLICES
    for i in range(SLICES):
        try:
            ball = ball_between(lower + i * width, lower + (i + 1) * width)
            series = evaluate(node, series_variable(ball, degree + 2), ENCLOSURES)
        except Undecided:
            return None
        if not isinstance(series, flint.arb_series):
            return flint.arb(0)
        if not series[degree + 1].is_finite():
            return None
        largest = max(largest, abs(series[degree + 1]).upper())
    return largest * to_arb((upper - lower) / 2) ** (degree + 1)


def boxes(nodes: list[Node], lower: Fraction, upper: Fraction, small: list[Fraction], degree: int) -> list[Box]:
    """Cut an interval into boxes on which each formula is that near its Taylor polynomial of the degree.

    Raises
    ------
    ValueError
        where a formula is not smooth enough, as a square root is at zero.
    """
    found: list[Box] = []
    todo = [(lower, upper, 0)]
    with working_bits(256 + 4 * degree), series_length(degree + 2):
        while todo:
            a, b, depth = todo.pop()
            rests = [_rest(node, a, b, degree) for node in nodes]
            if all(rest is not None and rest < to_arb(s / 8) for rest, s in zip(rests, small, strict=True)):
                found.append(Box((a + b) / 2, (b - a) / 2))
                continue
            if depth == DEEPEST or len(found) + len(todo) > MOST_BOXES:
                raise ValueError(
                    f"near x = {float((a + b) / 2):.6g} the target or the weight is no function that Taylor "
                    "polynomials follow closely enough: no Coq file can be written for its error"
                )
            middle = (a + b) / 2
            todo += [(middle, b, depth + 1), (a, middle, depth + 1)]
    return found


def taylor(node: Node, box: Box, degree: int, small: Fraction) -> tuple[list[int], int]:
    """Integers and a power of two: their quotients are the Taylor coefficients, rounded to well below ``small``."""
    unit = 2 ** (bits_below(small) + 12 + degree * ceil(box.half).bit_length())
    with working_bits(256 + 4 * degree + unit.bit_length()), series_length(degree + 1):
        variable = flint.arb_series([to_arb(box.middle), 1], prec=degree + 1)
        series = evaluate(node, variable, ENCLOSURES)
        balls = [series[k] for k in range(degree + 1)] if isinstance(series, flint.arb_series) else [series]
        return [round(to_fraction(ball.mid()) * unit) for ball in balls], unit


def size(node: Node, box: Box) -> int:
    """A whole number that the formula's size hardly exceeds on a box."""
    with working_bits(128):
        value = abs(evaluate(node, ball_between(box.middle - box.half, box.upper), ENCLOSURES))
        return ceil(to_fraction(value.upper())) + 1 if value.is_finite() else 2**20
