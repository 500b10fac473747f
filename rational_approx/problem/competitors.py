"""The signs of a denominator on the intervals of a domain with gaps, and the class of competitors that they define."""

from fractions import Fraction
from itertools import pairwise, product
from typing import Any, NamedTuple

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.rationals.rational import Rational
from rational_approx.targets.target import Target

__all__ = ["MOST_GAPS", "Pattern", "Signs", "changes", "checked_class", "marks", "patterns", "signs_of"]

MOST_GAPS = 6
Signs = tuple[int, ...]


class Pattern(NamedTuple):
    """The best approximant whose denominator has given signs on the intervals of the domain, up to a common sign.

    Where it is degenerate, the rational is the one in lowest terms: its own denominator may have other signs, and a
    common factor with zeros in gaps would give it these. ``error`` is of the kind of ``Fit.error``.
    """

    signs: Signs
    rational: Rational
    error: Any
    reference: tuple[End, ...]
    converged: bool


def checked_class(denominator: object, target: Target, bounded: bool) -> str:
    """The class of competitors; ValueError where it makes no sense for the target, or with bounds."""
    if denominator not in ("one sign", "any"):
        raise ValueError(f"denominator must be 'one sign' or 'any', not {denominator!r}")
    if denominator == "any":
        if target.samples is not None:
            raise ValueError("between samples lie only gaps, so that denominator='any' has no meaning: give a function")
        if bounded:
            raise ValueError("bounds= are met among denominators of one sign only: leave out denominator='any'")
        ends = target.domain.lower, target.domain.upper
        if len(target.domain.intervals) > 1 and not any(isinstance(end, Fraction) for end in ends):
            raise ValueError(
                "denominator='any' takes one infinite end at most, for on two half-lines a denominator of odd degree "
                "changes its sign at infinity too: fit on one half-line, or on a bounded domain"
            )
        gaps = len(target.domain.intervals) - 1
        if gaps > MOST_GAPS:
            raise ValueError(
                f"denominator='any' on a domain with {gaps} gaps means {2**gaps} patterns of signs, and {MOST_GAPS} "
                "gaps are the most: join intervals, or fit with denominator='one sign'"
            )
    return str(denominator)


def patterns(intervals: int, most: int) -> list[Signs]:
    """All signs on the intervals with so many changes or fewer, the first of them positive.

    >>> patterns(3, 1)
    [(1, 1, 1), (1, 1, -1), (1, -1, -1)]
    """
    every = ((1, *rest) for rest in product((1, -1), repeat=intervals - 1))
    return [signs for signs in every if changes(signs) <= most]


def marks(signs: Signs) -> str:
    """Signs as they are printed."""
    return " ".join("+" if sign > 0 else "-" for sign in signs)


def signs_of(rational: Rational, domain: Domain) -> Signs:
    """The signs of a denominator without a zero on a domain on each of its intervals, the first of them positive."""
    ends = [next((x for x in pair if isinstance(x, Fraction)), Fraction(0)) for pair in domain.intervals]
    signs = [1 if rational.polynomials[1](fmpq(x)) > 0 else -1 for x in ends]
    return tuple(sign * signs[0] for sign in signs)


def changes(signs: Signs) -> int:
    """How often the sign changes from one interval to the next."""
    return sum(a != b for a, b in pairwise(signs))
