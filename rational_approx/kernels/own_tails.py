"""The outermost pieces of code in its own format: a constant or a line, and the number from which on it is good."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf

from flint import arb

from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.boxes import Judge
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import INPUT, Constant, Writer

__all__ = ["tail"]

STARTS = (500, 100, 20, 12, 10, 8)
"""Powers of two at which a tail is looked for."""


def tail(
    target: Expression, numbers: Numbers, wanted: float, scheme: Scheme, cut: Fraction, side: int
) -> tuple[Piece, Fraction] | None:
    """The piece that takes over at an end, and its number next to the others."""
    outer = side * numbers.largest
    innermost = numbers.beside(cut, side)
    best: tuple[Piece, Fraction] | None = None
    for piece in _lines(target, numbers, outer):
        kernel = Kernel(numbers.format, numbers.format, (piece,), (), scheme)
        formula = target.on(*sorted((innermost, outer)))
        judge = Judge(piece, formula.ball, kernel, {})

        holds = _holding(judge, formula, side, wanted)
        # Of functions that grow fast nothing is known at the outermost numbers themselves.
        starts = [numbers.beside(outer, -side), *(side * Fraction(2) ** k for k in STARTS if 2**k < abs(outer))]
        start = next((each for each in starts if abs(each) >= abs(innermost) and holds(each)), None)
        if start is None:
            continue
        found = numbers.halved(start, innermost, holds)
        if best is None or abs(found) < abs(best[1]):
            best = piece, found
    if best is None or side > 0:
        return best
    return replace(best[0], upper=float(best[1])), best[1]


def _holding(judge: Judge, formula: Expression, side: int, wanted: float) -> Callable[[Fraction], bool]:
    """Whether a tail is good from a number on. A constant is off by all that it may be over many numbers: it is
    given less."""
    most = wanted if judge.piece.steps else (wanted + 0.5) / 2

    def holds(x: Fraction) -> bool:
        try:
            return judge.beyond(formula.tree, x, side).ulp <= most
        except (Undecided, ValueError, ZeroDivisionError, OverflowError):
            return False

    return holds


def _lines(target: Expression, numbers: Numbers, outer: Fraction) -> Iterator[Piece]:
    """A constant, x, a multiple of x, and an infinite multiple."""
    value = (
        target.on(outer / 2, outer).ball(to_arb(outer))
        if outer > 0
        else target.on(outer, outer / 2).ball(to_arb(outer))
    )
    if not abs(value).lower() <= to_arb(numbers.largest):
        # How large it is at the end is perhaps not known; its sign is seen nearer.
        seen = (target.ball(to_arb(Fraction(2) ** k * (1 if outer > 0 else -1))) for k in (12, 10, 8))
        sign = next((1 if each > 0 else -1 for each in seen if each > 0 or each < 0), 1)
        slope = Fraction(2) ** (numbers.top - 1) * sign * (1 if outer > 0 else -1)
        yield _line(slope, "larger than every number of the format")
        return
    near = to_fraction(value.mid()) if abs(value) > arb(2) ** (numbers.smallest - 2) else Fraction(0)
    yield Piece(inf, (), Constant(numbers.near(near)), f"the limit {float(near):g}")
    slope = numbers.near(near / outer)
    if slope:
        yield _line(slope, f"{float(slope):g} x")


def _line(slope: Fraction, about: str) -> Piece:
    writer = Writer(fma=False)
    result = INPUT if slope == 1 else writer.do("mul", INPUT, Constant(slope))
    return Piece(inf, tuple(writer.steps), result, about)
