"""Taylor models: what exact operations make of a function near the centre of a box, and on all of it."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from flint import arb, arb_poly, arb_series

from rational_approx.arithmetic.precision import series_length
from rational_approx.expressions.enclosures import quotient
from rational_approx.kernels.barycentric import Barycentric
from rational_approx.proof.shared_zeros import taylor

__all__ = ["ORDER", "SERIES", "Model", "applied", "quotient_at", "series"]

ORDER = 12
"""Taylor coefficients before the last one."""


class Model(NamedTuple):
    """The Taylor series of a step at the centre of a box and over all of it, and the largest distance between."""

    at: arb_series
    over: arb_series
    reach: arb

    @staticmethod
    def of(at: list[arb], over: list[arb], reach: arb, order: int = ORDER) -> "Model":
        return Model(arb_series(at, prec=order), arb_series(over, prec=order + 1), reach)

    def coefficients(self) -> list[arb]:
        """Those at the centre, and the last one over the box."""
        order = self.at.prec
        return [*(self.at[k] for k in range(order)), self.over[order]]

    def range(self) -> arb:
        """The values on the box."""
        rest = (abs(c) * self.reach**j for j, c in enumerate(self.coefficients()) if j)
        return self.at[0] + arb(0, sum(rest, arb(0)).upper())

    def narrowed(self) -> "Model":
        """The same, of a polynomial the series over the box from that at the centre, so that its terms cancel."""
        order = self.at.prec
        if not self.over[order].is_zero():
            return self
        with series_length(order + 1):
            moved = arb_poly(self.coefficients())(arb_poly([arb(0, self.reach), 1]))
        return Model.of([self.at[k] for k in range(order)], [moved[k] for k in range(order + 1)], self.reach, order)


def applied(op: str, given: list[Model]) -> Model:
    """An exact operation on models."""
    if op == "div":
        given = [model.narrowed() for model in given]
    done, order = [], given[0].at.prec
    for parts, count in (([m.at for m in given], order), ([m.over for m in given], order + 1)):
        with series_length(count):
            done.append(SERIES[op](*parts))
    return Model(done[0], done[1], given[0].reach)


def quotient_at(z: Model, parts: Barycentric) -> Model:
    """The exact value of a barycentric form, as a quotient of polynomials."""
    sides = []
    for side in parts.sides():
        coefficients = [Model.of([arb(c)], [arb(c)], z.reach) for c in side.coeffs()[::-1]]
        total = coefficients[0]
        for c in coefficients[1:]:
            total = applied("add", [applied("mul", [total, z]), c])
        sides.append(total)
    return applied("div", sides)


SERIES: dict[str, Callable[..., Any]] = {
    "exp": lambda u: u.exp(),
    "log": lambda u: u.log(),
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": quotient,
    "fma": lambda a, b, c: a * b + c,
}


def series(function: Callable[[Any], Any], start: arb, order: int) -> list[arb]:
    """The Taylor coefficients of a function, so many."""
    found = taylor(function, start, order)
    return [found[k] for k in range(order)]
