"""Working precision: the only place that touches the global precision of mpmath and python-flint.

Both libraries have one precision for all threads. So it belongs to one thread at a time: whoever changes it, or depends
on it, holds it until it is as it was. Little is lost, because both hold the interpreter's lock while they calculate.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil, log2
from threading import RLock

import flint
import mpmath

__all__ = [
    "fraction",
    "held_precision",
    "series_length",
    "to_accuracy",
    "to_arb",
    "to_fraction",
    "working_bits",
    "working_precision",
]

_HELD = RLock()

LARGEST_EXPONENT = 1 << 22
"""No exact number has a binary exponent beyond this: half a megabyte for one coefficient."""


# A child of a fork has only the thread that forked: it must not begin with the precision of another one.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_HELD.acquire, after_in_parent=_HELD.release, after_in_child=_HELD.release)


@contextmanager
def held_precision() -> Iterator[int]:
    """Let no other thread change a precision; gives that of mpmath in bits, which is the caller's own."""
    with _HELD:
        yield mpmath.mp.prec


@contextmanager
def working_bits(bits: int) -> Iterator[int]:
    """Set mpmath and python-flint to ``bits`` binary digits, and restore both afterwards, also on an exception.

    >>> with working_bits(200):
    ...     mpmath.mp.prec, flint.ctx.prec
    (200, 200)
    """
    with _HELD:
        before = mpmath.mp.prec, flint.ctx.prec
        try:
            mpmath.mp.prec = flint.ctx.prec = bits
            yield bits
        finally:
            try:
                mpmath.mp.prec, flint.ctx.prec = before
            finally:  # Ctrl-C may fall into the setter of mpmath, which is written in Python: then this one restores
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
    with _HELD:
        before = flint.ctx.cap
        try:
            flint.ctx.cap = length
            yield
        finally:
            flint.ctx.cap = before


def to_accuracy(function: Callable[[], flint.arb], bits: int, negligible: object = 0) -> flint.arb:
    """A ball with so many correct bits, or within ``negligible`` of zero: the precision is raised until it suffices.

    ``function`` calculates at the working precision. Where none suffices, its last ball is returned, finite or not.

    >>> to_accuracy(lambda: 1 - flint.arb(20).erf(), 53).rel_accuracy_bits() >= 53
    True
    """
    for working in (bits + 40, 2 * bits + 128, 8 * bits + 1024, 32 * bits + 8192):
        with working_bits(working):
            value = function()
            if value.is_finite() and (value.rel_accuracy_bits() >= bits or abs(value) <= negligible):
                break
    return value


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
