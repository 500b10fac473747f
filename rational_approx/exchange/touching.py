"""Level equations in which the value at some points is known: where a rational touches a bound of its range.

At such a point ``S - W R = 0`` with the bound in place of f in S, and the level h does not occur. So its row of B in
``M v = h B v`` (:mod:`exchange.finish`) vanishes; with B perhaps singular the pencil is solved for ``1 / h``.
"""

import copy
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import flint

from rational_approx.exchange.equations import Equations
from rational_approx.exchange.stationary import Point, Unfinished
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import number
from rational_approx.problem.reduction import ReducedPiece

__all__ = ["Touch", "Touching", "constant", "with_new"]


class Touch(NamedTuple):
    """Where R touches the lower (sign +1) or upper (-1) envelope: ``bound`` is that bound, None for the error's own."""

    t: flint.arb
    piece: int
    sign: int
    bound: Fraction | None


def constant(piece: ReducedPiece, value: Fraction) -> ReducedPiece:
    """The piece with a constant in place of f.

    On a half-line with p < q every r vanishes at infinity, and touches a bound 0 there whatever it does before. So
    that bound is put on R and not on ``(1 - t)**(q - p) R``.
    """
    if not value:
        piece = replace(piece, change=replace(piece.change, drop=0))
    source = replace(piece.source, expression=Expression(number(value)), function=Expression(number(value)))
    return replace(piece, source=source)


def with_new(touches: list[Touch], new: Touch) -> list[Touch]:
    """The reference with one point exchanged for a new one, so that the signs still alternate."""
    after = sum(touch.t < new.t for touch in touches)
    for i in (after - 1, after):
        if 0 <= i < len(touches) and touches[i].sign == new.sign:
            return [*touches[:i], new, *touches[i + 1 :]]
    return [new, *touches[:-1]] if after == 0 else [*touches[1:], new]


class Touching(Equations):
    """The level equations in which some points have a known value in place of the level h."""

    def __init__(self, points: list[Point], degree: tuple[int, int], touches: list[Touch]) -> None:
        super().__init__(points, degree)
        self.free = [touch.bound is None for touch in touches]
        if touches[0].sign < 0:
            self.m, self.signs = -self.m, [-sign for sign in self.signs]
        weights = []
        for i, t in enumerate(self.t):
            size = flint.arb(1)
            for j, other in enumerate(self.t):
                size *= t - other if j != i else 1
            weights.append((abs(1 / size) / self.w[i]).mid() if self.free[i] else flint.arb(0))
        rows = self.lagrange.table()
        weighted = flint.arb_mat([[weight * x for x in row] for weight, row in zip(weights, rows)])
        self.b = (self.lagrange.transpose() * weighted).mid()

    def one_signed(self) -> tuple[flint.arb, list[flint.arb]]:
        """The positive level whose Q has one sign on the reference; of several, the smallest."""
        m, b = self.m, self.b
        if m.nrows() == 1:
            mu = (b[0, 0] / m[0, 0]).mid()
            if not mu > 0:
                raise Unfinished("the reference levels nothing")
            return (1 / mu).mid(), [flint.arb(1)] * len(self.t)
        values, vectors = flint.acb_mat(m.solve(b, algorithm="approx").mid()).eig(right=True, algorithm="approx")
        found: list[tuple[float, flint.arb, list[flint.arb]]] = []
        for k, value in enumerate(values):
            if not value.real.mid() > flint.arb(2) ** (-flint.ctx.prec // 2):
                continue
            column = [vectors[i, k] for i in range(m.nrows())]
            largest = max(column, key=lambda z: float(abs(z).mid()))
            v = flint.arb_mat([[(z / largest).real.mid()] for z in column])  # a complex factor is free
            q_values = [(self.lagrange * v)[i, 0].mid() for i in range(len(self.t))]
            if all(x > 0 for x in q_values) or all(x < 0 for x in q_values):
                h = (1 / value.real.mid()).mid()
                found.append((float(h), h, [abs(x) for x in q_values]))
        if not found:
            raise Unfinished("no eigenvector of the level equations has one sign on the reference")
        return min(found, key=lambda item: item[0])[1:]

    def polynomials(self, h: flint.arb, q_values: list[flint.arb]) -> tuple[flint.arb_poly, flint.arb_poly]:
        known = copy.copy(self)  # S - s h is to be the known value S there
        known.s = [s if free else (s + sign * h).mid() for s, free, sign in zip(self.s, self.free, self.signs)]
        return Equations.polynomials(known, h, q_values)
