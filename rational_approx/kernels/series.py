"""Polynomials that stand in code for a power series: how far they are from it, and the errors of Horner's rule."""

from fractions import Fraction

from flint import arb, arb_poly

from rational_approx.arithmetic.precision import to_arb

__all__ = ["gap", "horner_error"]

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


def horner_error(p: tuple[Fraction, ...], reach: arb, off: arb, share: arb) -> arb:
    """A bound of the error of ``p(z)`` by Horner's rule, for ``abs(z) <= reach``: z is off by the share ``off`` of
    itself, and every operation rounds by ``share`` at most."""
    size, error = abs(to_arb(p[-1])), arb(0)
    for c in reversed(p[:-1]):
        product, error = size * reach, (error * (1 + off) + size * off) * reach
        error += share * (product + error)
        size = product + abs(to_arb(c))
        error += share * (size + error)
    return error.upper()
