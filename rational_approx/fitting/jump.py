"""A jump fitted with both one-sided limits: nothing continuous comes closer to it than half of its weighted height.

Where two pieces meet at b with different limits (or b is a root of the factor, ``W(b) = 0``, and S has a limit H
there, as an odd target with a jump at 0 has), ``S_1 - W_1 R(b)`` and ``S_2 - W_2 R(b)`` cannot both be smaller than

    H = abs(S_1 W_2 - S_2 W_1) / (W_1 + W_2),      reached only by   R(b) = m = (S_1 + S_2) / (W_1 + W_2).

So a rational with ``R(b) = m`` and no error above H is a best one, though it need not alternate and is not the only
one. For a fixed level that is the linear programme of :mod:`exchange.correction`,

    minimise z   subject to   abs(S Q - W P) - H Q <= z g Q_k   on a grid,   P(b) = m Q(b),

where ``g`` grows from 0 at b to 1, so that z < 0 means that the error falls from H on both sides of the jump.
"""

from fractions import Fraction
from typing import NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.exchange.correction import Grid, Improved, improved, in_powers
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["half_jump"]

STEPS = 12
REACH = 0.1
"""Share of the domain within which the error has to fall off."""


class Jump(NamedTuple):
    """Where the largest jump is, half of its weighted height, and the value between, if it is not free."""

    at: Fraction
    h: flint.arb
    middle: flint.arb | None


def half_jump(problem: Reduced, digits: int) -> Finished | None:
    """A rational whose largest error is half of the largest jump; None where there is no jump, or no such rational."""
    bits = int(3.33 * digits) + 256
    with working_bits(bits):
        jump = _largest(problem)
        if jump is None:
            return None
        degree = problem.degree
        grid = Grid.of(problem, degree)
        found = _below(grid, degree, jump)
        if found is None:
            return None
        p, q = in_powers(grid.t, found.p, degree[0]), in_powers(grid.t, found.q, degree[1])
        if jump.middle is not None:
            at = to_arb(jump.at)
            p = p + (jump.middle * q(at) - p(at)).mid()
        return Finished.of(p, q, jump.h, [jump.at], 0.0, bits, 1)


def _largest(problem: Reduced) -> Jump | None:
    limits: dict[Fraction, list[tuple[flint.arb, flint.arb]]] = {}
    for piece in problem.pieces:
        for end in (piece.lower, piece.upper):
            s, w = (jet[0].mid() for jet in piece.jets(to_arb(end).mid(), 1))
            limits.setdefault(end, []).append((s, w))
    found = []
    for end, sides in limits.items():
        found += [Jump(end, abs(s), None) for s, w in sides if w == 0]
        if len(sides) == 2 and all(w > 0 for _, w in sides):
            (s_1, w_1), (s_2, w_2) = sides
            h = abs(s_1 * w_2 - s_2 * w_1) / (w_1 + w_2)
            found.append(Jump(end, h.mid(), ((s_1 + s_2) / (w_1 + w_2)).mid()))
    if not found:
        return None
    largest = max(found, key=lambda jump: float(jump.h))
    size = max(abs(float(s)) for sides in limits.values() for s, _ in sides)
    return largest if float(largest.h) > 1e-12 * size else None


def _below(grid: Grid, degree: tuple[int, int], jump: Jump) -> Improved | None:
    """A rational with an error that is smaller than H everywhere but at the jump."""
    t = grid.t
    distance = np.abs(t - float(jump.at))
    slack = np.minimum(1.0, distance / (REACH * (t[-1] - t[0])))
    through = None if jump.middle is None else (int(np.argmin(distance)), float(jump.middle))
    q_now = np.ones_like(t)
    for _ in range(STEPS):
        step = improved(grid, degree, q_now, float(jump.h), room=np.where(slack > 1e-6, slack, 0.0), through=through)
        if step is None or step.z < -1e-7:
            return step
        q_now = step.q
    return None
