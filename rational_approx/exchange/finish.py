"""The high-precision finish: the same exchange in multiprecision arithmetic, where it converges quadratically.

On a reference that float64 has found, (2) of :mod:`exchange.levelled` is solved again, now in the Lagrange basis
of q + 1 points of the reference and by Rayleigh quotient iteration, which triples the number of correct digits:

    (M - h B) v_new = B v,    h = (v M v) / (v B v),    M = L^T diag(s d S / W) L,    B = L^T diag(d / W) L.

Then every point of the reference moves to the peak beside it by one Newton step on the error's derivative. P and Q are
kept in powers of t: with guard digits that cost is a few microseconds, and afterwards the error at the reference is
compared with h, so that too few guard digits are noticed and doubled.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import flint
import numpy as np

from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.exchange.stationary import Point, Unfinished, moved, placed
from rational_approx.problem.reduction import Reduced

__all__ = ["Equations", "Finished", "finish", "interpolated"]

ROUNDS = 12


@dataclass(frozen=True)
class Finished:
    """The best rational in powers of t, with the levelled error and the reference, all to ``bits`` bits."""

    p: flint.fmpq_poly
    q: flint.fmpq_poly
    h: Fraction
    reference: tuple[Fraction, ...]
    deviation: float
    bits: int
    rounds: int

    @classmethod
    def of(
        cls,
        p: flint.arb_poly,
        q: flint.arb_poly,
        h: flint.arb,
        reference: list[Fraction],
        deviation: float,
        bits: int,
        rounds: int,
    ) -> "Finished":
        """From balls, of which the midpoints are kept."""
        return cls(_exact(p), _exact(q), to_fraction(h), tuple(reference), deviation, bits, rounds)


def finish(
    problem: Reduced, degree: tuple[int, int], reference: np.ndarray, h: float, q_values: np.ndarray, digits: int
) -> Finished:
    """Finish to ``digits`` correct digits of the levelled error.

    ``h`` and ``q_values`` (``Q`` on the reference) are the float64 solution, from which the iteration starts.

    Raises
    ------
    Unfinished
        where the peaks do not level out, or a point leaves its gap.
    """
    guard = 64 + 8 * reference.size
    for _ in range(3):
        bits = int(3.33 * digits) + guard
        with working_bits(bits):
            found = _attempt(problem, degree, reference, h, q_values, digits, bits)
        if found is not None:
            return found
        guard *= 3
    raise Unfinished("the error at the reference does not settle, even with many guard digits")


def _attempt(
    problem: Reduced,
    degree: tuple[int, int],
    reference: np.ndarray,
    h: float,
    q_values: np.ndarray,
    digits: int,
    bits: int,
) -> Finished | None:
    points = [placed(problem, t) for t in reference]
    levelled, q_start = flint.arb(h), [flint.arb(float(v)) for v in q_values]
    wanted = flint.arb(10) ** -(digits + 2)
    deviations: list[flint.arb] = []
    for rounds in range(1, ROUNDS + 1):
        equations = Equations(points, degree)
        levelled, values = equations.solve(levelled, q_start)
        p, q = equations.polynomials(levelled, values)
        if not equations.residual(p, q, levelled) < wanted:
            return None
        if not problem.precise:  # float64 values: the reference is as good as it can be
            deviations.append(flint.arb(0))
            break
        sizes = [moved(point, p, q) for point in points]
        if any(not a.t < b.t for a, b in pairwise(points)):
            raise Unfinished("two points of the reference met")
        deviations.append(max((abs(abs(size) / abs(levelled) - 1) for size in sizes), key=float))
        q_start = [q(point.t).mid() for point in points]
        if deviations[-1] < wanted:
            break
        if rounds > 4 and not deviations[-1] < deviations[-2]:
            raise Unfinished("the peaks do not level out in multiprecision arithmetic")
    else:
        raise Unfinished("the peaks do not level out in multiprecision arithmetic")
    reference_t = [to_fraction(point.t) for point in points]
    return Finished.of(p, q, levelled, reference_t, float(deviations[-1]), bits, rounds)


def _exact(poly: flint.arb_poly) -> flint.fmpq_poly:
    fractions = [to_fraction(c) for c in poly.coeffs()]
    return flint.fmpq_poly([flint.fmpq(c.numerator, c.denominator) for c in fractions])


class Equations:
    """The level equations on a reference in the Lagrange basis of Q: ``M v = h B v``."""

    def __init__(self, points: list[Point], degree: tuple[int, int]) -> None:
        n = len(points)
        self.points, self.degree = points, degree
        self.t = t = [point.t for point in points]
        values = [point.piece.jets(point.t, 1) for point in points]
        self.s, self.w = [value[0][0].mid() for value in values], [value[1][0].mid() for value in values]
        self.signs = [(-1) ** i for i in range(n)]
        self.sides = [point.piece.q_sign for point in points]
        d = [abs(1 / _product([t[i] - t[j] for j in range(n) if j != i])).mid() for i in range(n)]
        self.q_at = _every(n, degree[1] + 1)
        nodes = [t[k] for k in self.q_at]
        slopes = [_product([node - other for j, other in enumerate(nodes) if j != k]) for k, node in enumerate(nodes)]
        rows = []
        for i in range(n):
            if i in self.q_at:
                rows.append([flint.arb(int(at == i)) for at in self.q_at])
                continue
            whole = _product([t[i] - node for node in nodes])
            rows.append([(whole / ((t[i] - node) * slope)).mid() for node, slope in zip(nodes, slopes, strict=True)])
        self.lagrange = flint.arb_mat(rows)
        plain = [(d[i] / self.w[i]).mid() for i in range(n)]
        weighted = flint.arb_mat([[plain[i] * x for x in rows[i]] for i in range(n)])
        signed = flint.arb_mat([[(plain[i] * self.s[i] * self.signs[i]).mid() * x for x in rows[i]] for i in range(n)])
        self.m = (self.lagrange.transpose() * signed).mid()
        self.b = (self.lagrange.transpose() * weighted).mid()

    def solve(self, h: flint.arb, q_start: list[flint.arb]) -> tuple[flint.arb, list[flint.arb]]:
        """The eigenvalue near ``h`` and ``Q`` on the reference, by Rayleigh quotient iteration."""
        m, b = self.m, self.b
        if m.nrows() == 1:
            return (m[0, 0] / b[0, 0]).mid(), self.signed([flint.arb(1)] * len(self.t))
        v = flint.arb_mat([[q_start[k]] for k in self.q_at])
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
            if abs(h - before) < abs(h) * flint.arb(2) ** -(flint.ctx.prec // 2):
                break
        q_values = [(self.lagrange * v)[i, 0].mid() for i in range(len(self.t))]
        return h, self.signed(q_values)

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
        p_values = [((self.s[i] - self.signs[i] * h) / self.w[i] * q_values[i]).mid() for i in p_at]
        p = interpolated([self.t[i] for i in p_at], p_values)
        return p, interpolated([self.t[i] for i in self.q_at], [q_values[i] for i in self.q_at])

    def residual(self, p: flint.arb_poly, q: flint.arb_poly, h: flint.arb) -> flint.arb:
        """The largest relative difference between the error on the reference and ``h``: a check of the precision."""
        errors = [self.s[i] - self.w[i] * p(t) / q(t) for i, t in enumerate(self.t)]
        return max((abs(e.mid() - sign * h) / abs(h) for e, sign in zip(errors, self.signs, strict=True)), key=float)


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
