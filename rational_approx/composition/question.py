"""What a user may ask of a composition: a depth, an error, degrees, noise, and how long coefficients may be."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rational_approx.arithmetic.precision import fraction
from rational_approx.composition.degrees import DEEPEST

__all__ = ["HIGHEST", "Question", "checked_gap", "checked_question"]

HIGHEST = 127


class Question(NamedTuple):
    depth: int | None
    error: Fraction | None
    degrees: tuple[int, ...] | None
    highest: int
    noise: Fraction
    unit: Fraction | None


def checked_gap(gap: object) -> Fraction:
    """The gap, a number between 0 and 1."""
    return _positive(gap, "gap", 1)


def checked_question(
    depth: object,
    error: object,
    degrees: Sequence[int] | None,
    highest: object,
    noise: object,
    decimals: object,
    bits: object,
) -> Question:
    """The arguments, checked."""
    if degrees is None and depth is None and error is None:
        raise ValueError("give a depth= (levels), or an error= to be reached")
    if degrees is not None and (depth is not None or error is not None):
        raise ValueError("give degrees= alone, or a depth= and an error=: degrees have one depth and one least error")
    if decimals is not None and bits is not None:
        raise ValueError("give decimals= or bits=, not both: one of them is the step of the coefficients")
    _check_integer(highest, "highest", 3, HIGHEST)
    for name, value, most in (("depth", depth, DEEPEST), ("decimals", decimals, 300), ("bits", bits, 1000)):
        if value is not None:
            _check_integer(value, name, 2 if name == "depth" else 1, most)
    chosen = None if degrees is None else tuple(degrees)
    if chosen is not None:
        for d in chosen:
            _check_integer(d, "each of degrees", 3, HIGHEST)
        if not chosen or any(d % 2 == 0 for d in chosen):
            raise ValueError(f"degrees= are odd numbers from 3 to {HIGHEST}, such as (7, 15), not {degrees!r}")
    sound = Fraction(0) if noise == 0 else _positive(noise, "noise", Fraction(1, 4))
    unit = Fraction(1, 10**decimals) if decimals else Fraction(1, 2**bits) if bits else None  # type: ignore[operator]
    wanted = None if error is None else _positive(error, "error", 1)
    if wanted is not None and wanted <= sound:
        raise ValueError(f"the error {float(wanted):g} includes the noise {float(sound):g}: ask for a larger one")
    return Question(depth, wanted, chosen, highest, sound, unit)  # type: ignore[arg-type]


def _check_integer(value: object, name: str, least_: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least_ <= value <= most:
        raise ValueError(f"{name} must be an integer from {least_} to {most}, not {value!r}")


def _positive(value: object, name: str, below: object) -> Fraction:
    try:
        number = fraction(value)
    except (TypeError, ValueError):
        number = Fraction(0)
    if not 0 < number < below:  # type: ignore[operator]
        raise ValueError(f"{name} must be a number above 0 and below {below}, not {value!r}")
    return number
