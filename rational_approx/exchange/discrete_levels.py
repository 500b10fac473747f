"""References on samples and rationals that are level there: guesses, which :mod:`exchange.discrete` proves or not."""

from collections.abc import Iterator

import flint
import numpy as np

from rational_approx.arithmetic.alternation import alternating
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import to_fraction
from rational_approx.exchange.discrete_correction import Corrected, Table
from rational_approx.exchange.equations import interpolated

__all__ = ["Quotient", "dyadic", "guesses", "levelled"]

SEEN = (1e-6, 1e-9, 1e-12)
"""Multipliers above one of these shares of the largest are taken for positive."""

Quotient = tuple[flint.fmpq_poly, flint.fmpq_poly]
Guess = tuple[list[int], list[int], list[int]]
"""Indices of points of level error, the signs of the error there, and Z."""


def guesses(table: Table, degree: tuple[int, int], state: Corrected) -> Iterator[Guess]:
    """References as multipliers show them, and as peaks of the error do."""
    largest = max(state.above.max(), state.below.max())
    sides = np.array([1 if state.q(flint.arb(t)) > 0 else -1 for t in table.t])
    for share in SEEN:
        above, below = state.above > share * largest, state.below > share * largest
        dropped = np.flatnonzero(above & below).tolist()
        chosen = np.flatnonzero(above ^ below).tolist()
        if len(dropped) <= min(degree) and len(chosen) == sum(degree) + 2 - 2 * len(dropped):
            yield chosen, [int(sides[k]) if above[k] else -int(sides[k]) for k in chosen], dropped
    # Where some multipliers vanish: the highest peaks of the error that alternate.
    values = ([flint.arb(value) for value in column] for column in table)
    errors = np.array([float(u * (f - state.p(t) / state.q(t))) for t, f, u in zip(*values, strict=True)])
    seen = np.flatnonzero(errors)
    peaks = alternating((sides * errors)[seen].tolist(), sum(degree) + 2)
    if peaks is not None:
        yield seen[peaks].tolist(), np.sign(errors[seen[peaks]]).astype(int).tolist(), []


def levelled(table: Table, degree: tuple[int, int], state: Corrected, guess: Guess) -> Quotient | None:
    """P_0 and Q_0 with errors of equal size and given signs at the points chosen.

    ``f_i Q(t_i) - P(t_i) = h s_i / u_i Q(t_i)``. Divided differences with the weights ``d_i = 1 / prod (t_i - t_j)`` of
    polynomials up to the degree of P take P away; in the Lagrange basis of Q, tested with itself, there is left

        L^T diag(d f) L v = h L^T diag(d s / u) L v,

    which inverse iteration solves from the Q and the h of the programme.
    """
    chosen, signs, dropped = guess
    p, q = degree[0] - len(dropped), degree[1] - len(dropped)
    t, f, u = ([flint.arb(column[k]) for k in chosen] for column in table)
    if any(not weight > 0 for weight in u):
        return None
    size = len(chosen)
    d = [(1 / _product([t[i] - t[j] for j in range(size) if j != i])).mid() for i in range(size)]
    at = np.round(np.linspace(0, size - 1, q + 1)).astype(int).tolist()
    nodes = [t[k] for k in at]
    slopes = [_product([node - other for j, other in enumerate(nodes) if j != k]) for k, node in enumerate(nodes)]
    lagrange = flint.arb_mat(
        [
            [_product([x - b for j, b in enumerate(nodes) if j != k]) / slope for k, slope in enumerate(slopes)]
            for x in t
        ]
    ).mid()
    sides = []
    for values in (f, [s / weight for s, weight in zip(signs, u, strict=True)]):
        rows = [[d[i] * values[i] * lagrange[i, k] for k in range(q + 1)] for i in range(size)]
        sides.append((lagrange.transpose() * flint.arb_mat(rows)).mid())
    taken = [state.q(x) / _product([x - flint.arb(table.t[k]) for k in dropped]) for x in nodes]
    found = _eigenpair(sides[0], sides[1], state.error, flint.arb_mat([[value.mid()] for value in taken]))
    if found is None:
        return None
    h, v = found
    q_values = lagrange * v
    p_values = [(f[i] - h * signs[i] / u[i]) * q_values[i, 0] for i in range(size)]
    above = np.round(np.linspace(0, size - 1, p + 1)).astype(int).tolist()
    top = interpolated([t[i] for i in above], [p_values[i].mid() for i in above])
    bottom = interpolated(nodes, [v[k, 0].mid() for k in range(q + 1)])
    return dyadic(top), dyadic(bottom)


def _eigenpair(
    m: flint.arb_mat, b: flint.arb_mat, h: flint.arb, v: flint.arb_mat
) -> tuple[flint.arb, flint.arb_mat] | None:
    """``M v = h B v`` by Rayleigh quotients; None where that leads nowhere."""
    if m.nrows() == 1:
        return ((m[0, 0] / b[0, 0]).mid(), flint.arb_mat([[1]])) if b[0, 0] != 0 else None
    h = h.mid()
    for _ in range(16):
        before = h
        try:
            v = (m - b * h).mid().solve((b * v).mid(), algorithm="approx").mid()
        except ZeroDivisionError:  # h is the eigenvalue to the last bit, and v its vector
            break
        size = max((abs(v[k, 0]) for k in range(v.nrows())), key=float)
        if not (size.is_finite() and size > 0):
            return None
        v = (v * (1 / size)).mid()
        below = (v.transpose() * b * v)[0, 0].mid()
        if below == 0:
            return None
        h = ((v.transpose() * m * v)[0, 0] / below).mid()
        if not h.is_finite():
            return None
        if abs(h - before) <= abs(h) * flint.arb(2) ** (16 - flint.ctx.prec):
            break
    return h, v


def dyadic(poly: flint.arb_poly) -> flint.fmpq_poly:
    """The midpoints of the coefficients."""
    return flint.fmpq_poly([fmpq(to_fraction(c.mid())) for c in poly.coeffs()])


def _product(factors: list[flint.arb]) -> flint.arb:
    total = flint.arb(1)
    for factor in factors:
        total *= factor
    return total
