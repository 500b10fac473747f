"""A jump fitted with both one-sided limits: nothing continuous comes closer to it than half of its weighted height.

Where two pieces meet at b with different limits (or b is a root of the factor, ``W(b) = 0``, and S has a limit H
there, as an odd target with a jump at 0 has), ``S_1 - W_1 R(b)`` and ``S_2 - W_2 R(b)`` cannot both be smaller than

    H = abs(S_1 W_2 - S_2 W_1) / (W_1 + W_2),      reached only by   R(b) = m = (S_1 + S_2) / (W_1 + W_2).

So a rational with ``R(b) = m`` and no error above H is a best one, though it need not alternate and is not the only
one. For a fixed level that is a linear problem,

    maximise z   subject to   abs(S Q - W P) + z g Q_k <= H abs(Q)   on a grid,   P(b) = m Q(b),   abs(q_j) <= 1,

where ``g`` grows from 0 at b to 1, so that z > 0 means that the error falls from H on both sides of the jump. The signs
of Q are given. ``Q_k`` only scales the rows, as in :mod:`exchange.correction`, and is Q of the step before.
"""

from fractions import Fraction
from typing import NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.exchange.correction import PRECISE, orthonormal
from rational_approx.exchange.equations import interpolated
from rational_approx.exchange.extrema import looks
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


def half_jump(problem: Reduced, degree: tuple[int, int], digits: int) -> Finished | None:
    """A rational whose largest error is half of the largest jump; None where there is no jump, or no such rational."""
    bits = int(3.33 * digits) + 256
    with working_bits(bits):
        jump = _largest(problem)
        if jump is None:
            return None
        found = _below(problem, degree, jump)
        if found is None:
            return None
        t, p_values, q_values = found
        p, q = (
            interpolated([flint.arb(t[k]) for k in at], [flint.arb(values[k]) for k in at])
            for at, values in ((_spread(t.size, degree[0] + 1), p_values), (_spread(t.size, degree[1] + 1), q_values))
        )
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


def _below(problem: Reduced, degree: tuple[int, int], jump: Jump) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """A grid with P and Q on it, of an error that is smaller than H everywhere but at the jump."""
    from scipy.optimize import linprog

    p, q = degree
    grids = looks(problem, 16 * (p + q + 2) // len(problem.pieces) + 48)
    signals = [piece.floats(t) for piece, t in zip(problem.pieces, grids, strict=True)]
    t, s, w = (np.concatenate(part) for part in (grids, *zip(*signals, strict=True)))
    side = np.concatenate([np.full(t.size, piece.q_sign) for piece, t in zip(problem.pieces, grids, strict=True)])
    b, level = float(jump.at), float(jump.h)
    at = int(np.argmin(np.abs(t - b)))
    slack = np.minimum(1.0, np.abs(t - b) / (REACH * (t[-1] - t[0])))
    used = slack > 1e-6
    cost = np.r_[np.zeros(p + q + 2), -1.0]
    bounds = [(None, None)] * (p + 1) + [(-1.0, 1.0)] * (q + 1) + [(None, None)]
    q_now = np.ones_like(t)
    for _ in range(STEPS):
        basis = orthonormal(t, 1 / q_now, max(p, q))
        top, bottom = basis[:, : p + 1], basis[:, : q + 1]
        error = np.hstack([-w[:, None] * top / level, s[:, None] * bottom / level])[used]
        room = np.hstack([np.zeros_like(top), side[:, None] * bottom])[used]
        rows = np.block([[error - room, slack[used, None]], [-error - room, slack[used, None]]])
        through = np.zeros((1, p + q + 3))
        if jump.middle is not None:
            through[0, :-1] = np.r_[top[at], -float(jump.middle) * bottom[at]]
        zeros = np.zeros(rows.shape[0])
        found = linprog(cost, rows, zeros, through, np.zeros(1), bounds, method="highs", options=PRECISE)
        if found.status != 0:
            return None
        ratio = side * (bottom @ found.x[p + 1 : -1])
        if not (ratio > 0).all():
            return None
        if found.x[-1] > 1e-7:
            return t, (top @ found.x[: p + 1]) * q_now, side * ratio * q_now
        q_now = q_now * ratio / (q_now * ratio).max()
    return None


def _spread(n: int, count: int) -> np.ndarray:
    """``count`` of ``n`` indices, as a Chebyshev polynomial spreads its extrema."""
    share = (1 - np.cos(np.pi * np.arange(count) / max(1, count - 1))) / 2
    return np.unique(np.round(share * (n - 1)).astype(int))
