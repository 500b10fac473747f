"""A near-best rational of a type for weighted values at some points, with more digits than float64 has.

The steps are those of :mod:`kernels.estimate`. Where it becomes code the coefficients of the numerator are rounded one
after the other, the lowest power first, and those that are left are fitted again: what one loses the others make up
for.
"""

from fractions import Fraction
from math import log2

from flint import arb, arb_mat

from rational_approx.arithmetic.floats import round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction

__all__ = ["chebyshev_points", "near_best", "rounded_polynomial"]

Coefficients = tuple[Fraction, ...]


def chebyshev_points(low: arb, high: arb, count: int) -> list[arb]:
    """So many points of an interval, dense at both ends."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [(middle - half * (arb.pi() * (2 * k + 1) / (2 * count)).cos()).mid() for k in range(count)]


def _solved(rows: list[list[arb]], right: list[arb]) -> list[arb]:
    """Least squares: with so many digits the normal equations lose none that count."""
    a, b = arb_mat(rows), arb_mat([[each] for each in right])
    turned = a.transpose()
    found = (turned * a).solve(turned * b)
    return [found[k, 0].mid() for k in range(len(rows[0]))]


def near_best(
    v: list[arb], g: list[arb], weight: list[arb], type: tuple[int, int], steps: int
) -> tuple[float, list[arb], list[arb]]:
    """The largest weighted error, infinite where the denominator may vanish, and the coefficients of both sides."""
    p, q = type
    unit = _unit(v)
    v = [each / unit for each in v]
    scale, lawson = [arb(1)] * len(v), [arb(1)] * len(v)
    best: tuple[float, list[arb], list[arb]] = float("inf"), [arb(0)], [arb(1)]
    powers = [_powers(each, max(p, q)) for each in v]
    for _ in range(steps):
        rows, right = [], []
        for x, value, w, s, more in zip(powers, g, weight, scale, lawson):
            factor = (w * s * more.sqrt()).mid()
            rows.append([factor * each for each in x[: p + 1]] + [-(factor * value) * each for each in x[1 : q + 1]])
            right.append(factor * value)
        try:
            found = _solved(rows, right)
        except ZeroDivisionError:
            break
        if not all(each.is_finite() for each in found):
            break
        top, bottom = found[: p + 1], [arb(1), *found[p + 1 :]]
        below = [sum((c * each for c, each in zip(bottom, x)), arb(0)).mid() for x in powers]
        if not all(each > 0 for each in below):
            scale = [1 / abs(each).max(arb(2) ** -20) for each in below]
            continue
        errors = [
            (w * abs(value - sum((c * each for c, each in zip(top, x)), arb(0)) / under)).mid()
            for x, value, w, under in zip(powers, g, weight, below)
        ]
        largest = max(map(float, errors))
        if largest < best[0]:
            best = largest, top, bottom
        if not largest > 0:
            break
        scale = [1 / each for each in below]
        lawson = [(each * (error / largest + arb("0.001"))).mid() for each, error in zip(lawson, errors)]
    error, top, bottom = best
    return error, [c / unit**k for k, c in enumerate(top)], [c / unit**k for k, c in enumerate(bottom)]


def _unit(v: list[arb]) -> arb:
    """A power of two by which the variable is divided, so that its powers are all of about the same size."""
    largest = max((abs(each) for each in v), key=float)
    return arb(2) ** round(log2(float(largest) or 1.0))


def rounded_polynomial(v: list[arb], g: list[arb], weight: list[arb], degree: int, format: str) -> Coefficients:
    """Coefficients in a format, the lowest power first, each rounded before those of higher powers are chosen."""
    out: list[Fraction] = []
    unit = _unit(v)
    powers = [_powers(each / unit, degree) for each in v]
    rest = list(g)
    for first in range(degree + 1):
        rows = [[w * each for each in x[first:]] for x, w in zip(powers, weight)]
        found = _solved(rows, [w * each for w, each in zip(weight, rest)])
        out.append(round_to(to_fraction(found[0] / unit**first), format))
        rest = [each - to_arb(out[-1]) * unit**first * x[first] for each, x in zip(rest, powers)]
    return tuple(out)


def _powers(x: arb, most: int) -> list[arb]:
    out = [arb(1)]
    for _ in range(most):
        out.append((out[-1] * x).mid())
    return out
