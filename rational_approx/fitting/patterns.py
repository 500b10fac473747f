"""The best over all patterns of signs that a denominator may have on the intervals of a domain with gaps.

A denominator without a zero on the domain may still change its sign in a gap. Among all P/Q of one type whose Q has
given signs on the intervals the best one is found as it is for one sign: of two of them ``Q Q'`` is positive on the
domain, so that the error of the best alternates on ``p + q + 2`` points, and (2) of :mod:`exchange.levelled` has
one eigenvector with these signs. So one pattern is solved after the other; q changes of sign are the most there are.

Where the best approximant has a smaller type (p - d, q - d), P and Q have been divided by a common factor of degree at
most d, whose zeros may lie in gaps as well. The pattern then is that of the factor times that of its own Q, and what
alternates, at ``p + q + 2 - d`` points, is the error times the signs of the factor (docs/approximation/semantics.md).
So such approximants are looked for among the best of smaller types with *all* patterns.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from math import inf

import flint
import numpy as np

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.exchange.extrema import looks, peaks
from rational_approx.exchange.identity import Failure
from rational_approx.exchange.stationary import moved, placed
from rational_approx.fitting.best import DEFAULT_DIGITS, Question, fitted
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.ansatz import Type
from rational_approx.problem.answer import Finished
from rational_approx.problem.competitors import Pattern, Signs, marks, patterns, signs_of
from rational_approx.problem.reduction import Reduced, reduced

__all__ = ["best"]

FULL = 1e-9
"""How far, relatively, a peak of full height may be from the level: peaks are found to 1e-5 of their gap, and a curve
that is flat there is off by the square of that."""


def best(question: Question, denominator: str, near: Sequence[End] = (), allowed: float = inf) -> Fit:
    """The best fit in a class of competitors: "one sign", or "any" for all patterns of signs; `Exceeds` where it is
    soon clear that its error is larger than the allowed one."""
    return _of_patterns(question) if denominator == "any" else fitted(question, near, allowed)


def _of_patterns(question: Question) -> Fit:
    """The best fit over all patterns of signs, with that of every pattern.

    Raises
    ------
    DidNotConverge
        where the best of some pattern was not found.
    """
    search = _Search(question)
    found, missed = [], []
    for signs in patterns(len(question.target.domain.intervals), question.degree[1]):
        best = search.best(signs)
        if best is None or not best.converged:
            missed.append(signs)
        if best is not None:
            found.append(Pattern(signs, best.rational, best.error, best.reference, best.converged))
            search.fits[signs] = best
    fits = sorted(search.fits.values(), key=lambda fit: (not fit.converged, fit.error))
    winner = (
        replace(fits[0], degree=question.degree, denominator="any", patterns=tuple(found), converged=not missed)
        if fits
        else None
    )
    question.check_forced(winner)
    if missed:
        names = " and ".join(f"({marks(signs)})" for signs in missed)
        raise DidNotConverge(
            f"no best approximant of type {question.degree} was found for {question.target!r} among the denominators "
            f"with the signs {names} on the intervals: try another type, or denominator='one sign'",
            winner,
            next((cause for cause in search.causes if cause != "unknown"), "unknown"),
        )
    assert winner is not None
    return winner


class _Search:
    """The best of each pattern for one question; every pattern and type is solved once."""

    def __init__(self, question: Question) -> None:
        self.question, self.target = question, question.target
        self.fits: dict[Signs, Fit] = {}
        self.tried: dict[tuple[Signs, Type], Fit | None] = {}
        self.causes: list[str] = []

    def best(self, signs: Signs) -> Fit | None:
        """The best approximant of a pattern, or the best attempt (``converged`` False), or None."""
        degree = self.question.degree
        problem = reduced(self.target, degree, self.question.interpolate, signs=signs)
        for known in list(self.tried.values()):
            if known is not None and (again := self._as_degenerate(problem, known, signs)) is not None:
                return again
        found = self._tried(signs, degree)
        if found is not None and found.converged:
            # Of a smaller type the reference may lack points: all at which the error alternates are wanted.
            short = found.error != 0 and len(found.reference) < sum(problem.degree) + 2
            return (self._as_degenerate(problem, found, signs) if short else None) or found
        for other in self._smaller(problem, degree):
            if (again := self._as_degenerate(problem, other, signs)) is not None:
                return again
        return found

    def _tried(self, signs: Signs, degree: Type) -> Fit | None:
        if (signs, degree) not in self.tried:
            self.tried[signs, degree] = self._attempt(signs, degree)
        return self.tried[signs, degree]

    def _attempt(self, signs: Signs, degree: Type) -> Fit | None:
        asked = self.question._replace(degree=degree)
        try:
            if -1 not in signs:  # here a symmetry of the target may be divided out
                return fitted(asked)
            return asked.solved(reduced(self.target, degree, asked.interpolate, signs=signs))[1]
        except DidNotConverge as missed:
            if missed.cause == "time":
                raise
            self.causes.append(missed.cause)
            return missed.fit
        except ValueError:  # a smaller type has too few coefficients for the conditions
            if degree == self.question.degree:
                raise
            return None

    def _smaller(self, problem: Reduced, degree: Type) -> Iterator[Fit]:
        """What a degenerate best approximant may be: zero, or one of a smaller type with any signs."""
        with suppress(*Failure):
            yield self.question.answer(problem, _zero(problem, self.question.digits or DEFAULT_DIGITS), True, [])
        for d in range(1, min(degree) + 1):
            smaller = degree[0] - d, degree[1] - d
            for signs in patterns(len(self.target.domain.intervals), smaller[1]):
                found = self._tried(signs, smaller)
                if found is not None:
                    yield found

    def _as_degenerate(self, problem: Reduced, found: Fit, signs: Signs) -> Fit | None:
        """The fit with the reference that proves it best for a pattern of signs, if it is."""
        if not found.converged:
            return None
        p, q = problem.degree
        top, bottom = found.rational.polynomials
        top = top - bottom * problem.change.ansatz.polynomial
        defect = q if top == 0 else min(p + len(problem.change.ansatz.roots) - top.degree(), q - bottom.degree())
        factor = [a * b for a, b in zip(signs_of(found.rational, self.target.domain), signs, strict=True)]
        twisted = problem.with_signs(self.target.domain, factor)
        if defect < twisted.changes:
            return None
        if found.error == 0:
            return found
        t, e = peaks(twisted, _Shown(twisted, found), looks(twisted, 40 * (p + q + 2)))
        h, noise = float(found.error), 1e-12 * max(abs(float(found.error)), _size(twisted))
        if not np.abs(e).max() <= h * (1 + FULL) + noise:
            return None
        order = np.argsort(t)
        t, e = t[order], (e * twisted.signs_at(t))[order]
        t, e = t[np.abs(e) >= h * (1 - FULL) - noise], e[np.abs(e) >= h * (1 - FULL) - noise]
        runs = np.cumsum(np.r_[0, np.sign(e[1:]) != np.sign(e[:-1])])
        if runs[-1] + 1 < p + q + 2 - defect:
            return None
        chosen = [max(np.flatnonzero(runs == run), key=lambda k: abs(e[k])) for run in range(runs[-1] + 1)]
        reference = problem.points_in_x([Fraction(float(t[k])) for k in chosen])
        return replace(found, reference=tuple(reference))


def _size(problem: Reduced) -> float:
    grids = looks(problem, 16)
    return max(float(np.abs(piece.floats(t)[0]).max()) for piece, t in zip(problem.pieces, grids, strict=True))


class _Shown:
    """A fit as :func:`rational_approx.exchange.extrema.peaks` looks at it: its R in the variable t."""

    def __init__(self, problem: Reduced, found: Fit) -> None:
        self.problem, self.found = problem, found
        self.reference = np.sort([float(problem.change.t_of(x)) for x in found.reference])

    def __call__(self, t: np.ndarray) -> np.ndarray:
        change = self.problem.change
        x = change.x(t)
        value = self.found.rational(x) - change.ansatz.offset_at(x, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(value / change.factor_at(x, float))


def _zero(problem: Reduced, digits: int) -> Finished:
    """R = 0 with its error, at the largest peak of the target."""

    class Nothing:
        reference = np.empty(0)

        def __call__(self, t: np.ndarray) -> np.ndarray:
            return np.zeros_like(t)

    t, e = peaks(problem, Nothing(), looks(problem, 640))
    bits = int(3.33 * digits) + 128
    with working_bits(bits):
        p, q = flint.arb_poly([0]), flint.arb_poly([1])
        point = placed(problem, float(t[np.abs(e).argmax()]))
        for _ in range(6 if problem.precise else 1):
            h = abs(moved(point, p, q))
        return Finished.of(p, q, h, [to_fraction(point.t)], 0.0, bits, 1)
