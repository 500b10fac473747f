"""The odd polynomial that is nearest to sign(x) on [-1, -g] u [g, 1], but for its scale.

On [g, 1] the functions ``x, x**3, ..., x**d`` are a Haar system of n = (d + 1)/2, so the best p is the one with n + 1
alternating peaks (Chebyshev). Its derivative has n - 1 zeros there at most: the peaks are both ends and every zero of
p'. Scaled so that its largest value is 1, p has the smallest value L in turn, beginning at g; on the other scale its
error is ``E = (1 - L)/(1 + L)``. Two steps alternate:

* level: ``p = x R(x**2)`` and L from linear equations, at points of a reference. In place of L, which is about as small
  as g, ``L/g`` is the unknown, and R is in Chebyshev polynomials of ``x**2`` on [g**2, 1]: all numbers are near 1.
* move: each inner point goes to the zero of p' beside it, by Newton's method; where that fails all zeros are isolated.

Composition is where the scale goes: p takes [g, 1] to [L, 1], on which the next stage is the nearest to sign(x) again.
Of all compositions of odd polynomials of such degrees this one has the least error (Lee, Lee, No and Kim, "Minimax
approximation of sign function by composite polynomial for homomorphic comparison", IEEE TDSC 2021).
"""

from itertools import pairwise
from typing import NamedTuple

import flint

from rational_approx.arithmetic.precision import working_bits

__all__ = ["Minimax", "minimax"]

ROUNDS, NEWTON = 60, 80
MOST_BITS = 1 << 14
CORRECT = 60
"""Bits of 1 - L, and of L."""


class Minimax(NamedTuple):
    """``p = x R(x**2)`` with largest value 1 and smallest L on [g, 1], and its inner peaks, in between."""

    r: flint.arb_poly
    low: flint.arb
    peaks: tuple[flint.arb, ...]

    @property
    def degree(self) -> int:
        """The degree, odd."""
        return 2 * len(self.peaks) + 1

    @property
    def error(self) -> flint.arb:
        """The error of the same polynomial that is scaled by ``2/(1 + L)``."""
        return (1 - self.low) / (1 + self.low)


def minimax(degree: int, gap: flint.arb) -> Minimax:
    """The nearest odd polynomial of an odd degree, with so many bits as L and 1 - L need.

    Raises
    ------
    ArithmeticError
        where g is so near to 1, or to 0, that no precision suffices.
    """
    bits = 128 + 4 * degree
    while bits <= MOST_BITS:
        with working_bits(bits):
            found = _attempt(degree, gap, bits)
        if found is not None:
            return found
        bits *= 2
    raise ArithmeticError(f"no polynomial of degree {degree} was found for the gap {gap.str(6, radius=False)}")


def _attempt(degree: int, gap: flint.arb, bits: int) -> Minimax | None:
    n = (degree + 1) // 2
    centre, half = (1 + gap * gap) / 2, (1 - gap * gap) / 2
    u = [flint.arb(-1), *(-flint.arb.cos_pi_fmpq(flint.fmpq(j, n)).mid() for j in range(1, n)), flint.arb(1)]
    settled = flint.arb(2) ** -(CORRECT // 2)
    for _ in range(ROUNDS):
        x = [gap, *((centre + half * t).sqrt() for t in u[1:-1]), flint.arb(1)]
        try:
            r, low = _level(u, x, gap)
        except ZeroDivisionError:
            return None
        # p' = R + 2 y dR/dy, with y = centre + half u.
        slope = _centred(r + r.derivative() * flint.arb_poly([centre, half]) * (2 / half))
        moved = [flint.arb(-1), *(_zero(slope, t, bits) for t in u[1:-1]), flint.arb(1)]
        if not all(a < b for a, b in pairwise(moved)):  # two points went to one zero
            moved = [flint.arb(-1), *_all_zeros(slope), flint.arb(1)]
            if len(moved) != n + 1 or not all(a < b for a, b in pairwise(moved)):
                return None
        step = max((abs(a - b) for a, b in zip(u, moved)), key=float)
        u = moved
        # The values at peaks are off by the square of the step, and L may be small.
        if step < settled * half * abs(low).sqrt():
            break
    else:
        return None
    if min(low.rel_accuracy_bits(), (1 - low).rel_accuracy_bits()) < CORRECT or not 0 < low < 1:
        return None
    powers = r(flint.arb_poly([-centre / half, 1 / half]))
    return Minimax(_centred(powers), low.mid(), tuple((centre + half * t).sqrt().mid() for t in u[1:-1]))


def _level(u: list[flint.arb], x: list[flint.arb], gap: flint.arb) -> tuple[flint.arb_poly, flint.arb]:
    """R in powers of u, and L, so that p is L and 1 in turn at the points."""
    n = len(u) - 1
    rows, right = [], []
    for j in range(n + 1):
        row = [flint.arb(1), u[j]]
        while len(row) < n:
            row.append(2 * u[j] * row[-1] - row[-2])
        below = j % 2 == 0
        rows.append([*row[:n], -gap / x[j] if below else flint.arb(0)])
        right.append([flint.arb(0) if below else 1 / x[j]])
    solution = flint.arb_mat(rows).solve(flint.arb_mat(right))
    before, now, r = flint.arb_poly([1]), flint.arb_poly([0, 1]), flint.arb_poly([])
    for k in range(n):
        r += before * solution[k, 0].mid()
        before, now = now, flint.arb_poly([0, 2]) * now - before
    return _centred(r), solution[n, 0] * gap


def _centred(poly: flint.arb_poly) -> flint.arb_poly:
    return flint.arb_poly([c.mid() for c in poly.coeffs()])


def _zero(poly: flint.arb_poly, start: flint.arb, bits: int) -> flint.arb:
    """The zero near a point, by Newton's method in points without radius."""
    slope, t = poly.derivative(), start
    small = flint.arb(2) ** -(bits // 2)
    for _ in range(NEWTON):
        step = (poly(t).mid() / slope(t).mid()).mid()
        t = (t - step).mid()
        if not abs(step) > small or not abs(t) < 2:
            break
    return t


def _all_zeros(poly: flint.arb_poly) -> list[flint.arb]:
    """Every zero. Between points where p is L and 1 in turn p' has as many real zeros as its degree."""
    try:
        return sorted((root.real.mid() for root in flint.acb_poly(poly).roots()), key=float)
    except ValueError:  # the precision does not suffice
        return []
