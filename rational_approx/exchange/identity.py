"""Targets that are themselves a rational of the type, or as floats show them a polynomial: there is no error to level.

Then (2) of :mod:`exchange.levelled` has the eigenvalue zero on every reference, which says nothing about the
points between: an error of zero is looked for there too, and the coefficients are read as the simple fractions that
they are.
"""

from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np

from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.exchange.equations import Equations
from rational_approx.exchange.exploration import Explored, explored
from rational_approx.exchange.extrema import looks
from rational_approx.exchange.levelled import Inadmissible
from rational_approx.exchange.relaxed import sampled
from rational_approx.exchange.start import spread_starts
from rational_approx.exchange.stationary import Unfinished, error_jet, placed
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["Failure", "without_error"]

# python-flint says ValueError where a power series is divided by one that vanishes.
Failure = (Inadmissible, Unfinished, ArithmeticError, ValueError, np.linalg.LinAlgError)


def without_error(problem: Reduced, digits: int) -> tuple[Finished, tuple[int, int]] | None:
    """The target as a rational, in the smallest type that still holds it, where P and Q have no common factor and so
    are unique; and that type. None where the target is no rational of the type."""
    degree = problem.degree
    if not problem.precise:
        return _polynomial(problem, degree)
    for k in range(min(degree), -1, -1):
        smaller = (degree[0] - k, degree[1] - k)
        try:
            attempt = explored(problem, smaller, next(iter(spread_starts(problem, smaller))), digits)
            done = _without_error(problem, smaller, attempt, digits) if attempt.exact else None
        except Failure:
            continue
        if done is not None:  # else no error on the reference, by some symmetry of it, but between its points
            return done, smaller
    return None


def _without_error(problem: Reduced, degree: tuple[int, int], found: Explored, digits: int) -> Finished | None:
    bits = int(6.7 * digits) + 128 + 10 * len(found.reference)
    with working_bits(bits):
        equations = Equations([placed(problem, t) for t in found.reference], degree)
        zero = equations.s[0] * 0
        q_values = [zero + 1] * len(found.reference)
        if degree[1] > 0:  # one step of inverse iteration, with a shift that is not quite the eigenvalue zero
            _, q_values = equations.solve(zero + 2.0 ** (-bits // 2), [zero + float(v) for v in found.q_values])
        p, q = equations.polynomials(zero, q_values)
        if not _vanishes(problem, p, q, digits):
            return None
        done = Finished.of(p, q, zero, [to_fraction(t) for t in equations.t], 0.0, bits, 1)
        return replace(done, p=_simplest(done.p, done.q, bits), q=_simplest(done.q, done.q, bits))


def _simplest(poly: flint.fmpq_poly, q: flint.fmpq_poly, bits: int) -> flint.fmpq_poly:
    """The coefficients over the largest of Q, as the simple fractions that they seem to be: above all the zeros, which
    rounding would hide, and with them the type."""
    largest = max((exact(c) for c in q.coeffs()), key=abs)
    values = [exact(c) / largest for c in poly.coeffs()]
    simple = [value.limit_denominator(1 << (bits // 4)) for value in values]
    near = all(abs(a - b) * 2 ** (2 * bits // 3) < 1 for a, b in zip(simple, values, strict=True))
    return flint.fmpq_poly([fmpq(c) for c in (simple if near else values)])


def _polynomial(problem: Reduced, degree: tuple[int, int]) -> tuple[Finished, tuple[int, int]] | None:
    """Where the values of a float64 callable are those of a polynomial of at most half the degree, as on a straight
    piece of a gate: that polynomial, with the rounding errors that are left as its error."""
    t = np.concatenate(looks(problem, 64))
    s, w = sampled(problem, t)
    size = float(np.abs(s).max())
    for k in range(degree[0] // 2 + 1):
        powers = w[:, None] * np.vander(t, k + 1, increasing=True)
        c = np.linalg.lstsq(powers, s, rcond=None)[0] if size else np.zeros(k + 1)
        error = float(np.abs(s - powers @ c).max())
        if error <= 1e-15 * size:
            p = flint.fmpq_poly([flint.fmpq(*value.as_integer_ratio()) for value in c.tolist()])
            at = tuple(map(Fraction, np.linspace(float(t[0]), float(t[-1]), k + 2).tolist()))
            return Finished(p, flint.fmpq_poly([1]), Fraction(error), at, 0.0, 128, 1), (k, 0)
    return None


def _vanishes(problem: Reduced, p: flint.arb_poly, q: flint.arb_poly, digits: int) -> bool:
    """Whether the error is zero, to the working precision, away from the reference as well."""
    for piece in problem.pieces:
        low, high = to_arb(piece.lower), to_arb(piece.upper)
        for share in range(1, 12):
            t = (low + (high - low) * share / 12).mid()
            e = error_jet(piece, t, p, q, 1)[0].mid()
            if not abs(e) < flint.arb(10) ** -(digits + 10) * (1 + abs(piece.jets(t, 1)[0][0].mid())):
                return False
    return True
