"""The samples of a target, exact: samples are floats, and floats are fractions."""

from fractions import Fraction

import numpy as np

from rational_approx.targets.target import Target

__all__ = ["Triple", "exact_samples"]

Triple = tuple[Fraction, Fraction, Fraction]
"""A point, the value there, and its weight."""


def exact_samples(target: Target) -> tuple[Triple, ...]:
    """The samples that a target consists of; none where it is a function.

    >>> exact_samples(Target(([0.0, 0.5], [1.0, 2.0])))[1]
    (Fraction(1, 2), Fraction(2, 1), Fraction(1, 1))
    """
    columns = () if target.samples is None else (*target.samples, np.asarray(target.weight))
    return tuple(zip(*([Fraction(float(v)) for v in column] for column in columns)))
