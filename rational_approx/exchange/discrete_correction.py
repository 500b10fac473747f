"""Differential correction on samples: linear programmes whose coefficients are made in multiprecision arithmetic.

With an approximant ``P_k/Q_k`` of largest error D, a step solves for new P, Q and z

    minimise z   subject to   abs(u (F Q - P)) - D Q <= z D N   at every sample,

with ``N = Q_k`` (Cheney & Loeb 1961) or, where Q_k comes so close to zero at a sample that this stalls, ``N = 1``
(Dinkelbach 1967). On a finite set D falls to the infimum from any start, whether or not the infimum is attained, and
with ``N = Q_k`` quadratically at last (Barrodale, Powell & Roberts 1972). Where it has far to fall, as beside an
outlier that costs nothing in the end, steps alternate with such as ask for half of it; where both are slow, D is
bisected.

Two things would spoil that in float64, and both are gone once the rows are formed in balls and only then rounded: F Q
and P cancel to the size of the error, which may be that of the last bit of the samples; and P and Q may be badly
conditioned. With ``G`` the matrix of ``u (F Q - P) / (D N)`` and ``X^T G^T G X = 1``, the programme's unknowns are
``y = X^-1 c`` for the coefficients c, so that the columns of ``G X`` are orthonormal, and the tolerance of the
programme is one relative to D.
"""

from collections.abc import Iterator
from typing import NamedTuple

import flint
import numpy as np

from rational_approx import watch

__all__ = ["Corrected", "Table", "corrected"]

STEPS = 100
SLOW = 1e-2
"""A step that lowers the error by a smaller share is followed by one of the other kind."""
FAST = 0.5
"""A step that lowers it by a smaller share is followed by one that asks for half of it, as long as it can be had."""
SETTLED = 1e-11
PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "presolve": False}


class Table(NamedTuple):
    """Samples in the variable t in [-1, 1], increasing: points, values, and weights of which none is negative.

    Where the weight is zero Q shall be positive, and the value does not matter.
    """

    t: list[flint.fmpq]
    f: list[flint.fmpq]
    u: list[flint.fmpq]

    def at(self, chosen: list[int]) -> "Table":
        """Some of the samples."""
        return Table(*([column[k] for k in chosen] for column in self))


class Corrected(NamedTuple):
    """Where a sequence of programmes has come to: P and Q in powers of t and their largest error; and the multipliers
    of the programme at each sample, for an error that is too large there and for one that is too small."""

    p: flint.arb_poly
    q: flint.arb_poly
    error: flint.arb
    above: np.ndarray
    below: np.ndarray


ONE = flint.fmpq_poly([1])


def corrected(table: Table, degree: tuple[int, int], first: flint.fmpq_poly = ONE) -> Iterator[Corrected]:
    """Approximants whose largest errors fall to the infimum, from the first that may be near it.

    Q has the signs of ``first``, of degree at most 1, at the samples.
    """
    rows = _Rows(table, degree, first)
    kind, slow, low, far = "correction", 0, 0.0, True
    for _ in range(STEPS):
        if not rows.worst > 0:
            return
        before = rows.worst
        if slow < 2:
            share = 0.5 if kind == "half" else 1.0
            above, below, better = rows.step(share, rows.ones if kind == "even" else rows.q)
            far = far and (better or kind != "half")
        else:  # share of D that is tried
            if low > 1 - SETTLED:
                return
            share = (1 + low) / 2
            above, below, better = rows.step(share, rows.ones)
            low = low if better else share
        progress = float(1 - rows.worst / before)
        low = low / (1 - progress) if progress < 1 else 0.0
        if progress < SLOW and kind != "half":
            slow += 1
            kind = "even" if kind == "correction" else "correction"
            if above is not None and below is not None:
                yield Corrected(*rows.polynomials(), rows.worst, above, below)
        elif slow < 2:
            slow = 0
            kind = "half" if kind == "correction" and progress < FAST and far else "correction"


class _Rows:
    """The samples as rows of the programme, and the best approximant so far."""

    def __init__(self, table: Table, degree: tuple[int, int], first: flint.fmpq_poly) -> None:
        p, q = degree
        self.p, self.n, self.size = p, p + q + 2, len(table.t)
        t, f, u = ([flint.arb(value) for value in column] for column in table)
        self.powers = _chebyshev(max(p, q))
        basis = [[poly(x).mid() for poly in self.powers] for x in t]
        self.errors = [
            [(-w * b).mid() for b in at[: p + 1]] + [(w * y * b).mid() for b in at[: q + 1]]
            for at, y, w in zip(basis, f, u, strict=True)
        ]
        values = [flint.arb(first(x)) for x in table.t]
        sides = [1 if value > 0 else -1 for value in values]
        self.bottoms = [[flint.arb(0)] * (p + 1) + [k * b for b in at[: q + 1]] for k, at in zip(sides, basis)]
        self.error, self.bottom = flint.arb_mat(self.errors), flint.arb_mat(self.bottoms)
        self.ones = [flint.arb(1)] * self.size
        largest = max((abs(value) for value in values), key=float)
        self.now = flint.arb_mat([[flint.arb(first[k - p - 1]) / largest if k > p else 0] for k in range(self.n)])
        self.q = [(abs(value) / largest).mid() for value in values]
        self.worst = max((abs(a * b).mid() for a, b in zip(u, f, strict=True)), key=float)

    def step(self, share: float, normaliser: list[flint.arb]) -> tuple[np.ndarray | None, np.ndarray | None, bool]:
        """One programme at a share of the best error: its multipliers, and whether it found a better approximant."""
        from scipy.optimize import linprog  # here, since it takes longer to import than all the rest together

        watch.check()

        level, n, size = self.worst * share, self.n, self.size
        scales = [(1 / value).mid() for value in normaliser]
        room = flint.arb_mat([[a * b for b in row] for a, row in zip(scales, self.bottoms, strict=True)]).mid()
        scaled = flint.arb_mat([[a / level * b for b in row] for a, row in zip(scales, self.errors, strict=True)]).mid()
        inverse = _inverse_factor(scaled)
        left, right = (scaled * inverse).mid(), (room * inverse).mid()
        lengths = [max(1.0, *(abs(float(right[i, j])) for i in range(size))) for j in range(n)]
        lifted, risen = (
            np.array([[float(m[i, j] / lengths[j]) for j in range(n)] for i in range(size)]) for m in (left, right)
        )
        column = np.full((size, 1), -1.0)
        rows = np.block([[lifted - risen, column], [-lifted - risen, column]])
        bounds = [(-1.0, 1.0)] * n + [(None, None)]
        found = linprog(np.r_[np.zeros(n), 1.0], rows, np.zeros(2 * size), None, None, bounds, "highs", options=PRECISE)
        if found.status != 0:
            return None, None, False
        above, below = np.split(-found.ineqlin.marginals, 2)
        made = inverse * flint.arb_mat([[flint.arb(float(y)) / k] for y, k in zip(found.x[:-1], lengths, strict=True)])
        values = (self.bottom * made).mid()
        q = [values[i, 0] for i in range(size)]
        if not all(value > 0 for value in q):
            return above, below, False
        rest = self.error * made
        error = max((abs(rest[i, 0] / q[i]).mid() for i in range(size)), key=float)
        if not error < self.worst:
            return above, below, False
        largest = max(q, key=float)
        self.now, self.q, self.worst = made.mid(), [value / largest for value in q], error
        return above, below, True

    def polynomials(self) -> tuple[flint.arb_poly, flint.arb_poly]:
        """P and Q of the best approximant in powers of t."""
        sides = (range(self.p + 1), range(self.p + 1, self.n))
        top, bottom = (
            sum((self.powers[j] * self.now[k, 0] for j, k in enumerate(side)), flint.arb_poly([0])) for side in sides
        )
        return top, bottom


def _chebyshev(degree: int) -> list[flint.arb_poly]:
    table = [flint.arb_poly([1]), flint.arb_poly([0, 1])]
    while len(table) <= degree:
        table.append(2 * table[1] * table[-1] - table[-2])
    return table[: degree + 1]


def _inverse_factor(matrix: flint.arb_mat) -> flint.arb_mat:
    """A matrix X of which the columns of G X are orthonormal in the mean: ``X^T G^T G X = 1`` (times the rows).

    Gram and Schmidt's process on the coefficients, the column of G first that has most left: of samples that are nearly
    those of a polynomial the F Q come first that are not, and Q keeps independent columns. Directions in which G
    vanishes are lifted by the precision's square root, so that they are those along which only Q changes.
    """
    gram = (matrix.transpose() * matrix * (flint.arb(1) / matrix.nrows())).mid()
    n = gram.nrows()
    lift = flint.arb(2) ** -(flint.ctx.prec // 2)
    columns = [[flint.arb(int(i == j)) for i in range(n)] for j in range(n)]
    rest = {j: gram[j, j] for j in range(n)}
    while rest:
        at = max(rest, key=lambda j: (rest[j] / (gram[j, j] + lift)).mid())
        size = max(rest.pop(at), gram[at, at] * lift, lift, key=float).sqrt()
        columns[at] = unit = [(c / size).mid() for c in columns[at]]
        image = (gram * flint.arb_mat([[c] for c in unit])).entries()
        for j in rest:
            share = sum((a * b for a, b in zip(columns[j], image, strict=True)), flint.arb(0)).mid()
            columns[j] = [(a - share * b).mid() for a, b in zip(columns[j], unit, strict=True)]
            rest[j] = (rest[j] - share * share).mid()
    return flint.arb_mat(columns).transpose()
