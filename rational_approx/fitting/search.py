"""`Search`: the best errors of types, each found once, that a choice among types asks for."""

from collections.abc import Sequence
from math import inf

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.domain import End
from rational_approx.exchange.relaxed import Exceeds
from rational_approx.fitting.best import Question
from rational_approx.fitting.patterns import best
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.ansatz import Ansatz, Type
from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.target import Target

__all__ = ["Search", "out_of_reach"]


def _limit(target: Target) -> float:
    """The size of the weighted target at infinity, where a rational with p < q vanishes."""
    ends = [(target.pieces[0], target.domain.lower), (target.pieces[-1], target.domain.upper)]
    far = [(piece, np.array([np.copysign(2.0**200, end)])) for piece, end in ends if isinstance(end, float)]
    return max(abs(float((piece.function(x) * piece.weight(x))[0])) for piece, x in far)


class Search:
    """The fits of one target that a search has asked for, each made once."""

    def __init__(self, question: Question, denominator: str, allowed: float) -> None:
        self.question, self.denominator, self.allowed = question, denominator, allowed
        self.target = target = question.target
        self.free = not question.interpolate and question.bounds == (-inf, inf) and denominator == "one sign"
        self.symmetry = symmetry_of(target) if self.free else Ansatz()
        self.fits: dict[Type, Fit | None] = {}
        self.exceeding: dict[Type, Exceeds] = {}
        self.decays = target.domain.bounded or _limit(target) <= allowed

    def possible(self, m: int, n: int) -> bool:
        """Whether a type can be the answer to anything: other types are equal to smaller ones, or too large."""
        p, q = self.symmetry.outer(m, n)
        if p < len(self.target.zeros):
            return False
        if self.target.samples is not None:
            return p + q + 2 <= len(self.target.samples[0])
        if not self.target.domain.bounded:
            return m == n or (m < n and self.decays)
        return self.symmetry.inner((p, q)) == (m, n)

    def error(self, m: int, n: int, allowed: float = inf) -> float:
        """The best error of a type, infinite where none was found; or what it is at least, above the allowed one."""
        degree = self.symmetry.outer(m, n)
        if not self.possible(m, n):
            return inf
        if degree in self.exceeding:
            return self.exceeding[degree].least
        if degree not in self.fits:
            watch.check()
            watch.report("choice of a type", degree)
            try:
                asked = self.question._replace(degree=degree, digits=None)
                self.fits[degree] = best(asked, self.denominator, self.beside(degree), allowed)
            except Exceeds as decided:
                self.exceeding[degree] = decided
                return decided.least
            except DidNotConverge as missed:
                if missed.cause == "time":
                    raise
                self.fits[degree] = None
            except ValueError:  # too few coefficients for the conditions
                if self.free:
                    raise
                self.fits[degree] = None
        found = self.fits[degree]
        return inf if found is None else float(found.error)

    def beside(self, degree: Type) -> tuple[End, ...]:
        """The reference of the nearest type that was looked at."""
        known: dict[Type, Sequence[End]] = {
            type_: fit.reference for type_, fit in self.fits.items() if fit and fit.converged and fit.error > 0
        }
        known |= {type_: decided.reference for type_, decided in self.exceeding.items()}
        nearest = min(known, key=lambda of: abs(sum(of) - sum(degree)) + abs(of[0] - degree[0]), default=None)
        return () if nearest is None else tuple(known[nearest])

    def meets(self, m: int, n: int) -> bool:
        """Whether the best error of a type is within the tolerance: that it is not is often clear before the best is
        found."""
        return self.error(m, n, self.allowed) <= self.allowed

    def smallest(self, m: int, n: int) -> Type:
        """The smallest type that holds the best approximant of a type, which may be degenerate."""
        found = self.fits.get(self.symmetry.outer(m, n))
        if found is None:
            return m, n
        p, q = found.rational.type
        lower = self.symmetry.inner((max(p, len(self.symmetry.roots)), q))
        return lower if self.possible(*lower) and lower <= (m, n) else (m, n)

    def best(self) -> Fit | None:
        """The fit with the smallest error so far."""
        return min((found for found in self.fits.values() if found), key=lambda found: found.error, default=None)


def out_of_reach(search: Search) -> DidNotConverge:
    """The exception where no type that was tried meets the tolerance."""
    best = search.best()
    message = f"no type of {search.target!r} that was tried meets the tolerance {search.allowed:g}"
    if best is not None:
        message += f"; the smallest error found is {float(best.error):.3g}, at type {best.degree}"
    return DidNotConverge(message + ": raise the tolerance, or shrink the domain", best, "tolerance")
