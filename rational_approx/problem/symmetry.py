"""Symmetry of a target about 0: even or odd, but for a linear function or a constant; as the ansatz that it allows."""

from fractions import Fraction
from math import inf

import flint
import numpy as np

from rational_approx.arithmetic.domain import finite
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.problem.ansatz import Ansatz
from rational_approx.targets.callables import scan_points
from rational_approx.targets.target import Target

__all__ = ["symmetry_of"]


def symmetry_of(target: Target) -> Ansatz:
    """The symmetry of the weighted problem: domain and weight must be even as well. Samples have none."""
    intervals = target.domain.intervals
    mirrored = tuple((-upper, -lower) for lower, upper in reversed(intervals))
    breakpoints = set(target.breakpoints)
    if target.samples is not None or mirrored != intervals or {-b for b in breakpoints} != breakpoints:
        return Ansatz()
    x, plus, minus, w_plus, w_minus = [], [], [], [], []
    for piece, twin in zip(target.pieces, reversed(target.pieces), strict=True):
        if piece.upper <= 0:
            continue
        points = scan_points(max(piece.lower, Fraction(0)), piece.upper, 64)
        # Where the target varies, on either side: a narrow peak on one of them is no symmetry.
        points = np.unique(np.abs(np.concatenate([points, piece.marks, twin.marks])))
        points = points[(points >= float(max(piece.lower, Fraction(0)))) & (points <= min(float(piece.upper), 1e8))]
        x.append(points)
        plus.append(piece.function(points))
        minus.append(twin.function(-points))
        with np.errstate(divide="ignore"):
            w_plus.append(piece.weight(points))
            w_minus.append(twin.weight(-points))
    points, f, g, w, v = (np.concatenate(part) for part in (x, plus, minus, w_plus, w_minus))
    regular = np.isfinite(w) & np.isfinite(v)
    if not np.allclose(w[regular], v[regular], rtol=1e-13, atol=0):
        return Ansatz()
    size = 1e-14 * np.maximum(np.abs(f), np.abs(g)) + 1e-15 * float(np.abs(f).max())
    far = int(np.argmax(points))
    found = [Ansatz(2), Ansatz(2, (Fraction(0),), _simple((f[0] + g[0]) / 2))]
    if target.domain.bounded:
        found.append(Ansatz(2, (), (Fraction(0), *_simple((f[far] - g[far]) / (2 * points[far])))))
    for symmetry in found:
        part = symmetry.offset_at(points, float)
        gap = f - (-1) ** len(symmetry.roots) * g - 2 * part
        if (np.abs(gap) <= size + 1e-14 * np.abs(part)).all() and _confirmed(target, symmetry):
            return symmetry
    return Ansatz()


def _simple(value: float) -> tuple[Fraction, ...]:
    """A coefficient as a simple fraction, left out where it is zero."""
    simple = Fraction(value).limit_denominator(10**6)
    return (simple,) if simple else ()


def _confirmed(target: Target, symmetry: Ansatz) -> bool:
    """``f(x) -+ f(-x) = 2 offset(x)`` at a few points to 40 digits, where the target gives them: floats may hide a
    small difference."""
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
                gap = f - g * (-1) ** len(symmetry.roots) - 2 * symmetry.offset_at(x, to_arb)
                if abs(gap.mid()) > flint.arb("1e-35") * (1 + abs(f.mid())):
                    return False
    return True
