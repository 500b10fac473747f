"""Working precision: the only place that touches the global precision of mpmath and python-flint."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil, log2

import flint
import mpmath

__all__ = ["fraction", "series_length", "to_arb", "to_fraction", "working_bits", "working_precision"]


LARGEST_EXPONENT = 1 << 22
"""No exact number has a binary exponent beyond this: half a megabyte for one coefficient."""


@contextmanager
def working_bits(bits: int) -> Iterator[int]:
    """Set mpmath and python-flint to ``bits`` binary digits, and restore both afterwards, also on an exception.

    >>> with working_bits(200):
    ...     mpmath.mp.prec, flint.ctx.prec
    (200, 200)
    """
    before = mpmath.mp.prec, flint.ctx.prec
    mpmath.mp.prec = flint.ctx.prec = bits
    try:
        yield bits
    finally:
        mpmath.mp.prec, flint.ctx.prec = before


@contextmanager
def working_precision(digits: int) -> Iterator[int]:
    """Set mpmath and python-flint to ``digits`` decimal digits, and restore both afterwards.

    >>> with working_precision(40):
    ...     str(mpmath.mpf(1) / 3)
    '0.3333333333333333333333333333333333333333'
    """
    with working_bits(ceil(digits * log2(10)) + 2) as bits:
        yield bits


@contextmanager
def series_length(length: int) -> Iterator[None]:
    """Let power series carry up to ``length`` coefficients, and restore the former limit afterwards."""
    before = flint.ctx.cap
    flint.ctx.cap = length
    try:
        yield
    finally:
        flint.ctx.cap = before


def fraction(value: object) -> Fraction:
    """The exact number that a user means: a float is read as its shortest decimal, everything else exactly.

    ``0.05`` is the nearest float to one twentieth, and whoever types it means one twentieth; with that reading a
    domain typed in a script and the same domain in a JSON file or on a command line are the same domain, to any
    number of digits. A ``Fraction``, an ``mpf`` or a NumPy scalar of higher precision is taken for what it is.

    >>> fraction(0.05), fraction("1e-3"), fraction(2)
    (Fraction(1, 20), Fraction(1, 1000), Fraction(2, 1))
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool):
        raise TypeError(f"a number was expected, not {value!r}")
    if isinstance(value, mpmath.mpf):
        if not mpmath.isfinite(value):
            raise ValueError(f"a finite number was expected, not {value}")
        sign, mantissa, exponent, _ = value._mpf_
        return Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** exponent
    try:
        if isinstance(value, str):
            return Fraction(value.strip())
        if isinstance(value, int):
            return Fraction(value)
        return Fraction(repr(float(value)))  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise ValueError(f"a finite number was expected, not {value!r}") from None


def to_arb(value: Fraction) -> flint.arb:
    """The ball around a fraction: exact for dyadic numbers that fit the working precision."""
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def to_fraction(ball: flint.arb) -> Fraction:
    """The exact dyadic midpoint of a ball.

    Raises
    ------
    OverflowError
        where its exponent is so large that the fraction would fill the memory.
    """
    mantissa, exponent = ball.mid().man_exp()
    if abs(int(exponent)) > LARGEST_EXPONENT:
        raise OverflowError("a number is too large or too small to be held as a fraction: scale the problem")
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
