"""The level equations on a reference in multiprecision arithmetic: (2) of `levelled`, in the Lagrange basis of Q.

In that basis, with N the polynomial that vanishes at its nodes n_j, the rows of a point t that is no node are
``N(t) / ((t - n_j) N'(n_j))``. So the entries of ``L^T diag(c) L`` are divided differences of one sum over the points,

    g(n) = sum_i c_i N(t_i)^2 / (t_i - n),      (g(n_j) - g(n_k)) / ((n_j - n_k) N'(n_j) N'(n_k)),

and take ``(q + 1)^2`` operations in place of ``(q + 1)^3``.

Where a rational touches a bound of its range, ``S - W R = 0`` with the bound in place of f in S, and the level h does
not occur: the point's row of B vanishes.
"""

from collections.abc import Sequence
from contextlib import suppress

import flint
import numpy as np

from rational_approx import watch
from rational_approx.exchange.stationary import Point, Unfinished

__all__ = ["Equations", "interpolated"]

POWERS = 200
SETTLED = 2.0**-40
"""The relative change of a level below which it is near: farther away steps may grow before they shrink."""


class Equations:
    """The level equations on a reference in the Lagrange basis of Q: ``M v = h B v``.

    The error is h at the first point, or minus h for a ``first`` of -1, and alternates. At points that are not ``free``
    it is 0.
    """

    def __init__(
        self, points: list[Point], degree: tuple[int, int], first: int = 1, free: Sequence[bool] | None = None
    ) -> None:
        n = len(points)
        self.points, self.degree = points, degree
        self.t = t = [point.t for point in points]
        values = [point.piece.jets(point.t, 1) for point in points]
        self.s, self.w = [value[0][0].mid() for value in values], [value[1][0].mid() for value in values]
        self.signs = [first * (-1) ** i for i in range(n)]
        self.levels = [sign * is_free for sign, is_free in zip(self.signs, free or [True] * n, strict=True)]
        self.sides = [point.piece.q_sign for point in points]
        d = [abs(1 / _product([t[i] - t[j] for j in range(n) if j != i])).mid() for i in range(n)]
        self.q_at = _every(n, degree[1] + 1)
        self.rest = [i for i in range(n) if i not in set(self.q_at)]
        self.nodes = [t[k] for k in self.q_at]
        self.slopes = [
            _product([node - other for j, other in enumerate(self.nodes) if j != k])
            for k, node in enumerate(self.nodes)
        ]
        self.cauchy = [[(1 / (t[i] - node)).mid() for node in self.nodes] for i in self.rest]
        self.whole = [_product([t[i] - node for node in self.nodes]) for i in self.rest]
        plain = [(d[i] / self.w[i]).mid() for i in range(n)]
        above = [(plain[i] * self.s[i] * self.signs[i]).mid() for i in range(n)]
        self.m, self.b = self.summed([above, [plain[i] * abs(self.levels[i]) for i in range(n)]])

    def summed(self, weights: list[list[flint.arb]]) -> list[flint.arb_mat]:
        """``L^T diag(c) L`` for some c."""
        size, nodes = len(self.nodes), self.nodes
        inverse = [(1 / slope).mid() for slope in self.slopes]
        made = [[[flint.arb(0)] * size for _ in range(size)] for _ in weights]
        g = own = flint.arb_mat(len(weights), size)
        if self.rest:
            square = [(whole * whole).mid() for whole in self.whole]
            c = flint.arb_mat([[each[i] * x for i, x in zip(self.rest, square, strict=True)] for each in weights]).mid()
            g = (c * flint.arb_mat(self.cauchy)).mid()
            own = c * flint.arb_mat([[x * x for x in row] for row in self.cauchy])
        for j in range(size):
            for k in range(j):
                factor = inverse[j] * inverse[k] / (nodes[j] - nodes[k])
                for i, rows in enumerate(made):
                    rows[j][k] = rows[k][j] = (g[i, j] - g[i, k]) * factor
            for i, each in enumerate(weights):
                made[i][j][j] = own[i, j] * inverse[j] ** 2 + each[self.q_at[j]]
        return [flint.arb_mat(rows).mid() for rows in made]

    def levelled(self) -> tuple[flint.arb, list[flint.arb]]:
        """The level whose Q has its signs on the reference, and this Q there.

        At most one has where all points are free: a negative one is that of an error that begins with the other sign.
        Otherwise it is the smallest positive one. B may be singular there, so that the pencil is solved for ``1 / h``.
        """
        unseen = flint.arb(2) ** (-4 * flint.ctx.prec)  # a shift that keeps M regular where the target is zero
        quotient = (self.m + self.b * unseen).mid().solve(self.b, algorithm="approx").mid()
        only = all(self.levels)  # else several may have the signs
        dominant = self.dominant(quotient) if only else None
        if dominant is not None:
            return (1 / dominant[0] - unseen).mid(), dominant[1]
        values, vectors = flint.acb_mat(quotient).eig(right=True, algorithm="approx")
        best = flint.arb(2) ** (-flint.ctx.prec // 2)
        found: list[flint.arb] = []
        for k, value in enumerate(values):
            size = value.real.mid()
            if not (abs(size) if only else size) > abs(best):
                continue
            column = [vectors[i, k] for i in range(quotient.nrows())]
            largest = max(column, key=lambda z: float(abs(z).mid()))
            v = flint.arb_mat([[(z / largest).real.mid()] for z in column])  # a complex factor is free
            try:
                found = self.signed(self.q_values(v))
            except Unfinished:
                continue
            best = size
        if not found:
            raise Unfinished("no eigenvector of the level equations has the signs of the denominator on the reference")
        return (1 / best - unseen).mid(), found

    def dominant(self, quotient: flint.arb_mat) -> tuple[flint.arb, list[flint.arb]] | None:
        """The eigenvalue of largest size, by powers, if its Q has the signs: so it is where few digits of f are
        left, and to find all eigenvalues takes a hundred times as long."""
        v, size = flint.arb_mat([[flint.arb(1)] for _ in range(quotient.nrows())]), flint.arb(0)
        largest = max((abs(s) for s in self.s), key=float)
        for _ in range(POWERS):
            watch.check()
            image = (quotient * v).mid()
            k = max(range(image.nrows()), key=lambda i: float(abs(image[i, 0] / (abs(size) + abs(image[0, 0])))))
            before, size = size, image[k, 0]
            if not size.is_finite() or size == 0:
                return None
            v = (image * (1 / size)).mid()
            # Half of the digits; and what is left of Q's error is small beside h.
            step = abs(size - before)
            if step < abs(size) * flint.arb(2) ** (-flint.ctx.prec // 2) and step * largest < flint.arb(2) ** -40:
                with suppress(Unfinished):
                    return size.mid(), self.signed(self.q_values(v))
                return None
        return None

    def solve(self, h: flint.arb, q_start: list[flint.arb]) -> tuple[flint.arb, list[flint.arb]]:
        """The eigenvalue near ``h`` and ``Q`` on the reference, by Rayleigh quotient iteration."""
        m, b = self.m, self.b
        if m.nrows() == 1:
            return (m[0, 0] / b[0, 0]).mid(), self.signed([flint.arb(1)] * len(self.t))
        v, step = flint.arb_mat([[q_start[k]] for k in self.q_at]), abs(h)
        for _ in range(12):
            before = h
            try:
                v = (m - b * h).solve((b * v).mid(), algorithm="approx").mid()
            except ZeroDivisionError:  # h is the eigenvalue to the last bit, and v its vector from the step before
                break
            size = max((abs(v[k, 0]) for k in range(v.nrows())), key=float)
            v = (v * (1 / size)).mid() if size > 0 else v
            h = ((v.transpose() * m * v)[0, 0] / (v.transpose() * b * v)[0, 0]).mid()
            if not h.is_finite():
                raise Unfinished("the level equations have no solution near the one that was found")
            last, step = step, abs(h - before)
            # Half of the digits, or as many as there are of a small h: then steps are rounding, and cease to shrink.
            if step < abs(h) * flint.arb(2) ** -(flint.ctx.prec // 2) or abs(h) * SETTLED > step >= last:
                break
        return h, self.signed(self.q_values(v))

    def q_values(self, v: flint.arb_mat) -> list[flint.arb]:
        """Q on the reference, from its values at the points of its own basis."""
        shares = [v[k, 0] / slope for k, slope in enumerate(self.slopes)]
        found = dict(zip(self.q_at, v.entries(), strict=True))
        for i, whole, row in zip(self.rest, self.whole, self.cauchy, strict=True):
            found[i] = whole * sum((a * b for a, b in zip(shares, row, strict=True)), flint.arb(0))
        return [found[i].mid() for i in range(len(self.t))]

    def signed(self, q_values: list[flint.arb]) -> list[flint.arb]:
        """The values of Q on the reference, turned to the signs that it shall have there; Unfinished if it has not."""
        if q_values[0] * self.sides[0] < 0:
            q_values = [-x for x in q_values]
        if not all(x * side > 0 for x, side in zip(q_values, self.sides, strict=True)):
            raise Unfinished("the levelled rational has a pole between two points of the reference")
        return q_values

    def polynomials(self, h: flint.arb, q_values: list[flint.arb]) -> tuple[flint.arb_poly, flint.arb_poly]:
        """P and Q in powers of t from the values of Q on the reference."""
        p_at = _every(len(self.t), self.degree[0] + 1)
        p_values = [((self.s[i] - self.levels[i] * h) / self.w[i] * q_values[i]).mid() for i in p_at]
        p = interpolated([self.t[i] for i in p_at], p_values)
        return p, interpolated([self.t[i] for i in self.q_at], [q_values[i] for i in self.q_at])

    def residual(self, p: flint.arb_poly, q: flint.arb_poly, h: flint.arb) -> flint.arb:
        """How far the error on the reference is from its level, as a share of ``h``: a check of the precision."""
        errors = [self.s[i] - self.w[i] * p(t) / q(t) for i, t in enumerate(self.t)]
        return max((abs(e.mid() - sign * h) / abs(h) for e, sign in zip(errors, self.levels, strict=True)), key=float)


def _product(factors: list[flint.arb]) -> flint.arb:
    total = flint.arb(1)
    for factor in factors:
        total *= factor
    return total


def _every(n: int, count: int) -> list[int]:
    """``count`` of ``n`` indices, spread as evenly as they go."""
    return [int(k) for k in np.unique(np.round(np.linspace(1 if count < n else 0, n - 1, count)).astype(int))]


def interpolated(nodes: list[flint.arb], values: list[flint.arb]) -> flint.arb_poly:
    """The polynomial through values at nodes, in powers of t."""
    poly = flint.arb_poly.interpolate(nodes, values, algorithm="newton")
    return flint.arb_poly([c.mid() for c in poly.coeffs()])
