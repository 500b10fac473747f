"""The error of a rational at samples, exact: samples are floats, and floats are fractions."""

from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.polynomials import exact, fmpq
from rational_approx.proof.certificate import Point
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["Triple", "exact_samples", "sample_errors"]

Triple = tuple[Fraction, Fraction, Fraction]
"""A point, the value there, and its weight."""


def exact_samples(target: Target) -> tuple[Triple, ...]:
    """The samples that a target consists of; none where it is a function.

    >>> exact_samples(Target(([0.0, 0.5], [1.0, 2.0])))[1]
    (Fraction(1, 2), Fraction(2, 1), Fraction(1, 1))
    """
    columns = () if target.samples is None else (*target.samples, np.asarray(target.weight))
    return tuple(zip(*([Fraction(float(v)) for v in column] for column in columns)))


def sample_errors(rational: Rational, samples: tuple[Triple, ...]) -> list[tuple[Point, int, Fraction]]:
    """Every place, the sign of the weighted error there, and its size."""
    top, bottom = rational.polynomials
    errors = [(x, weight * (y - exact(top(fmpq(x))) / exact(bottom(fmpq(x))))) for x, y, weight in samples]
    return [(Point(0, x), (error > 0) - (error < 0), abs(error)) for x, error in errors]
