"""Where a target has no finite value: poles and gaps of its formula, looked for before any work.

Ball arithmetic gives a finite enclosure on a box around every point at which the formula is continuous, once the box is
small enough. So boxes without one are halved: what stays is a pole, or a point without a value, however narrow it is.
"""

from fractions import Fraction
from itertools import pairwise
from math import inf

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.targets.piece import Piece
from rational_approx.targets.target import Target

__all__ = ["check_defined", "pole_of"]

BITS = 600
NARROWEST = Fraction(1, 2**200)
"""Boxes of this width, relative to the numbers in them, are small enough."""
MOST_BOXES = 4000

OFF = Fraction(1, 2**40)
"""The share of a piece beside a zero at its end on which the weight is not looked at."""


def pole_of(formula: Expression, lower: End, upper: End) -> Fraction | None:
    """A point of an interval at which a branch-free formula has no finite value, or None where none is found.

    The point is within ``2**-200`` of one, relative to its size. Half-lines are looked at up to ``2**40``.

    >>> from rational_approx.expressions.expression import parse
    >>> float(pole_of(parse("1 / tan(x)"), Fraction(-1), Fraction(2)))
    0.0
    >>> pole_of(parse("sin(x) / x"), Fraction(-1), Fraction(1)) is None
    True
    """
    stack = _windows(lower, upper)[::-1]
    left = MOST_BOXES
    with working_bits(BITS):
        while stack and left:
            (a, b), left = stack.pop(), left - 1
            try:
                if formula.ball(to_arb(a).union(to_arb(b))).is_finite():
                    continue
            except ArithmeticError:  # a branch that is not decided
                return None
            if b - a <= NARROWEST * max(Fraction(1), abs(a), abs(b)):
                return _shortest(a, b)
            middle = (a + b) / 2
            stack += [(middle, b), (a, middle)]
    return None


def _shortest(a: Fraction, b: Fraction) -> Fraction:
    # The number of the box that a user would write.
    middle = (a + b) / 2
    return next((x for k in range(0, 60, 3) if a <= (x := Fraction(round(middle * 10**k), 10**k)) <= b), middle)


def _windows(lower: End, upper: End) -> list[tuple[Fraction, Fraction]]:
    cuts = [Fraction(sign * 2**k) for sign in (-1, 1) for k in range(-1, 41, 3)]
    far = {inf: cuts[-1], -inf: -cuts[-1]}
    low, high = (end if isinstance(end, Fraction) else far[end] for end in (lower, upper))
    inner = [] if isinstance(lower, Fraction) and isinstance(upper, Fraction) else cuts
    return list(pairwise([low, *sorted(c for c in inner if low < c < high), high]))


def _check_weight(piece: Piece, target: Target) -> None:
    # A simple zero of the target is an end of a piece, or in a gap. Elsewhere the weight must be finite.
    formula = piece.weight_expression
    if formula is None or formula.tree.value is not None:
        return
    lower, upper = (
        end + way * piece.length * OFF if isinstance(end, Fraction) and end in target.relative_zeros else end
        for end, way in ((piece.lower, 1), (piece.upper, -1))
    )
    pole = pole_of(formula, lower, upper)
    if pole is not None:
        at = f"{float(pole):.10g}"
        raise ValueError(
            f"the weight is infinite at x = {at}, where the target has no simple zero (it may touch zero, or have two "
            f"zeros next to each other): leave a gap around {at}, as domain=[({piece.lower}, a), (b, {piece.upper})], "
            "or divide the target by a function that takes the zero away"
        )


def check_defined(target: Target) -> None:
    """Refuse a target given as an expression that is infinite or without a value somewhere on its domain.

    Raises
    ------
    ValueError
        with the place.
    """
    for piece in target.pieces:
        _check_weight(piece, target)
        if piece.expression is None:
            continue
        pole = pole_of(piece.expression, piece.lower, piece.upper)
        if pole is not None:
            at = f"{float(pole):.10g}"
            raise ValueError(
                f"the target {target.name} is infinite or has no value at x = {at}: it must be finite and real on its "
                f"whole domain; leave a gap around {at}, as domain=[({piece.lower}, a), (b, {piece.upper})], or write "
                "it with a value there, as gamma(x + 1) for x * gamma(x)"
            )
