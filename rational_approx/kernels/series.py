"""Polynomials that stand in code for a power series: how far they are from it, and the rounding errors of a scheme."""

from collections.abc import Iterator
from fractions import Fraction

from flint import arb, arb_poly

from rational_approx.arithmetic.precision import to_arb
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.scheme import ORDERS, Scheme
from rational_approx.programs.program import INPUT, Constant, Operand, Result

__all__ = ["gap", "polynomial_error", "read_scheme"]

PARTS = 12


def gap(p: tuple[Fraction, ...], series: list[arb], rest: arb, reach: arb) -> arb:
    """A bound of ``abs(p(z) - S(z))`` for z from 0 to ``reach``.

    The first coefficients of S are ``series``, and the others together add at most ``rest``. The difference is a
    polynomial, which is moved to the middle of each of some parts: there its terms are as small as itself.
    """
    length = max(len(p), len(series))
    terms = [
        (to_arb(p[k]) if k < len(p) else arb(0)) - (series[k] if k < len(series) else arb(0)) for k in range(length)
    ]
    worst, h = arb(0), (reach / (2 * PARTS)).upper()
    for k in range(PARTS):
        moved = arb_poly(terms)(arb_poly([(h * (2 * k + 1)).mid(), 1]))
        width = h * (1 + arb(2) ** -60)
        worst = worst.max(sum((abs(moved[j]) * width**j for j in range(length)), arb(0)))
    return (worst + rest).upper()


def polynomial_error(
    p: tuple[Fraction, ...], reach: arb, off: arb, share: arb, scheme: Scheme, tiny: arb | None = None
) -> arb:
    """A bound of the error of ``p(z)`` as a scheme calculates it, for ``abs(z) <= reach``: z is off by the share
    ``off`` of itself, and every operation rounds by ``share`` at most, and by ``tiny`` besides."""
    writer = scheme.writer()
    result, values = writer.polynomial(p, INPUT), list[tuple[arb, arb]]()

    def operand(which: Operand) -> tuple[arb, arb]:
        if isinstance(which, Constant):
            return abs(to_arb(which.value)), arb(0)
        return values[which.step] if isinstance(which, Result) else (reach, reach * off)

    for op, names in writer.steps:
        (a, a_off), (b, b_off), *more = map(operand, names)
        size, error = (a + b, a_off + b_off) if op == "add" else (a * b, a * b_off + b * a_off + a_off * b_off)
        for c, c_off in more:
            size, error = size + c, error + c_off
        values.append((size, error + share * (size + error) + (tiny or 0)))
    return operand(result)[1].upper()


def read_scheme(function: Function, found: list[Fraction]) -> Iterator[tuple[Scheme, tuple[Fraction, ...]]]:
    """Schemes that a function may have, and the coefficients of its polynomial, whose constants were found in this
    order."""
    fma = any(op == "fma" for op, _ in function.steps)
    for order in ORDERS if len(found) > 1 else ():
        p = found[::-1]
        if order == "estrin":  # pairs begin with the higher coefficient
            p = [c for k in range(0, len(found), 2) for c in reversed(found[k : k + 2])]
        yield Scheme(order, fma), tuple(p)
