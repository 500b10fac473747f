"""Symmetry of a target about 0: even, odd, a constant plus an odd function, or a linear function plus an even one."""

from fractions import Fraction
from math import inf

import flint
import numpy as np

from rational_approx.arithmetic.domain import finite
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.targets.callables import scan_points
from rational_approx.targets.target import Target

__all__ = ["symmetry_of"]


def symmetry_of(target: Target, degree: tuple[int, int]) -> tuple[str, Fraction]:
    """``"even"``, ``"odd"``, ``"constant"`` (with its value: ``f = c + odd``), ``"linear"`` (with its slope:
    ``f = slope x + even``) or ``"none"``, of the weighted problem: domain and weight must be even as well.

    A constant is added within the type for p >= q, a linear function for p > q.
    """
    intervals = target.domain.intervals
    mirrored = tuple((-upper, -lower) for lower, upper in reversed(intervals))
    if mirrored != intervals or {-b for b in target.breakpoints} != set(target.breakpoints):
        return "none", Fraction(0)
    x, plus, minus, w_plus, w_minus = [], [], [], [], []
    for piece, twin in zip(target.pieces, reversed(target.pieces), strict=True):
        if piece.upper <= 0:
            continue
        points = scan_points(max(piece.lower, Fraction(0)), piece.upper, 64)
        points = points[(np.abs(points) < 1e8)]
        x.append(points)
        plus.append(piece.function(points))
        minus.append(twin.function(-points))
        with np.errstate(divide="ignore"):
            w_plus.append(piece.weight(points))
            w_minus.append(twin.weight(-points))
    points, f, g, w, v = (np.concatenate(part) for part in (x, plus, minus, w_plus, w_minus))
    regular = np.isfinite(w) & np.isfinite(v)
    if not np.allclose(w[regular], v[regular], rtol=1e-13, atol=0):
        return "none", Fraction(0)
    size = 1e-14 * np.maximum(np.abs(f), np.abs(g)) + 1e-15 * float(np.abs(f).max())
    if (np.abs(f - g) <= size).all() and _confirmed(target, 1, Fraction(0)):
        return "even", Fraction(0)
    constant = _simple((f[0] + g[0]) / 2) if degree[0] >= degree[1] else Fraction(0)
    if (np.abs(f + g - 2 * float(constant)) <= size).all() and _confirmed(target, -1, constant):
        return ("constant", constant) if constant else ("odd", constant)
    if degree[0] <= degree[1] or not target.domain.bounded:
        return "none", Fraction(0)
    at = int(np.argmax(points))
    slope = _simple((f[at] - g[at]) / (2 * points[at]))
    size += 1e-14 * abs(float(slope)) * points
    if (np.abs(f - g - 2 * float(slope) * points) <= size).all() and _confirmed(target, 1, slope):
        return "linear", slope
    return "none", Fraction(0)


def _simple(value: float) -> Fraction:
    return Fraction(value).limit_denominator(10**6)


def _confirmed(target: Target, sign: int, part: Fraction) -> bool:
    """``f(x) = sign f(-x) + 2 part`` (times x for the sign 1) at a few points to 40 digits, where the target gives
    them: floats may hide a small difference."""
    if not all(piece.precise for piece in target.pieces):
        return True
    with working_bits(140):
        for piece, twin in zip(target.pieces, reversed(target.pieces), strict=True):
            low, high = max(piece.lower, Fraction(0)), min(piece.upper, Fraction(100))
            if high <= low or inf in (low, high):
                continue
            for share in (Fraction(1, 7), Fraction(5, 9)):
                x = to_arb(finite(low) + (finite(high) - finite(low)) * share)
                f, g = piece.jets(x, 1)[0][0], twin.jets(-x, 1)[0][0]
                gap = f - g * sign - to_arb(2 * part) * (x if sign == 1 else 1)
                if abs(gap.mid()) > flint.arb("1e-35") * (1 + abs(f.mid())):
                    return False
    return True
