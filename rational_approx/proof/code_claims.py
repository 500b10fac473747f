"""Claims about the code of a rational: the format of its coefficients, and its rounding error."""

from fractions import Fraction
from math import ceil
from typing import Any

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.floats import FORMATS, in_format
from rational_approx.arithmetic.precision import fraction
from rational_approx.expressions.expression import Expression
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.rationals.rational import Rational

__all__ = ["decide_format", "decide_rounding", "read_code_claim"]

ROOM = Fraction(21, 20)
"""A stated bound is at least so many times the proved one: whoever checks it has boxes and enclosures of their own."""


def read_code_claim(name: str, arguments: list[Any]) -> tuple[Any, ...]:
    """Check the arguments of a claim ``format`` or ``rounding``; ``no-fma`` is a spelling of ``no fma``."""
    first = arguments[0]
    if name == "format":
        if first not in FORMATS:
            raise ValueError(f"coefficients are in one of {', '.join(FORMATS)}, not {first!r}")
        return (first,)
    _, scheme, fma, *bound = arguments
    if first not in ("float32", "float64"):
        raise ValueError(f"code calculates in 'float32' or 'float64', not {first!r}")
    if scheme not in ("horner", "estrin", "clenshaw"):
        raise ValueError(f"scheme must be 'horner', 'estrin' or 'clenshaw', not {scheme!r}")
    if fma not in ("fma", "no fma", "no-fma"):
        raise ValueError(f"a claim on rounding says 'fma' or 'no fma' (or 'no-fma'), not {fma!r}")
    return (first, scheme, "fma" if fma == "fma" else "no fma", *map(fraction, bound))


def decide_format(arguments: tuple[Any, ...], rational: Rational) -> str:
    """Whether every coefficient, in the basis in which it is written, is a number of the format."""
    held = (in_format(c, arguments[0]) for c in rational.numerator + rational.denominator)
    return "proved" if all(held) else "refuted"


def decide_rounding(
    arguments: tuple[Any, ...], rational: Rational, weight: Expression | None, domain: Domain | None = None
) -> tuple[str, tuple[Any, ...]]:
    """Prove a bound on the weighted rounding error; without a bound one is filled in.

    Parameters
    ----------
    arguments:
        The type, the scheme, ``"fma"`` or ``"no fma"``, and a bound or nothing.
    weight:
        The weight of the certificate; without an expression (samples, Python functions) nothing is decided.
    domain:
        The domain of the certificate, by default that of the rational.
    """
    dtype, scheme, fma, *stated = arguments
    if weight is None:
        return "undecided", arguments
    try:
        error = evaluation_error(rational, scheme, dtype, fma == "fma", weight=weight, domain=domain)
    except (ArithmeticError, ValueError):  # no bound, or a scheme for the other basis
        return "undecided", arguments
    if error.beyond:  # the claim is one about every number of the type
        return "undecided", arguments
    found = error.bound * ROOM
    if stated:
        return "proved" if found <= stated[0] else "undecided", arguments
    if not found:
        return "proved", (*arguments, Fraction(0))
    unit = Fraction(2) ** (found.numerator.bit_length() - found.denominator.bit_length() - 12)
    return "proved", (*arguments, ceil(found / unit) * unit)
