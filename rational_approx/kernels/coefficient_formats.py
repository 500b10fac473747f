"""`CoefficientFormats`: the formats of the coefficients that code has.

The first coefficients of a polynomial count most, and may have more digits than the others. As a list of formats goes
with one of monomials in Sollya's ``fpminimax``, so it goes here with the coefficients that the code has: those of a
polynomial in one variable, the lowest power first, without zeros and without those of powers that are added as they
are (the first one in ``x + c x^3``). The last format stands for all further ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rational_approx.arithmetic.floats import FORMATS

__all__ = ["CoefficientFormats", "coefficient_formats"]


@dataclass(frozen=True)
class CoefficientFormats:
    """Formats of numerators, and of denominators, the lowest coefficient's first; the last one stands for all further
    ones."""

    top: tuple[str, ...]
    bottom: tuple[str, ...]

    def of(self, bottom: bool, count: int) -> tuple[str, ...]:
        """The formats of so many coefficients of a side."""
        given = self.bottom if bottom else self.top
        return (*given, *[given[-1]] * count)[:count]

    @property
    def widest(self) -> str:
        """The one with the most digits."""
        return max((*self.top, *self.bottom), key=lambda name: FORMATS[name][0])

    @property
    def text(self) -> Any:
        """As a file writes it: a name, or the formats by side."""
        if self.top == self.bottom and len(self.top) == 1:
            return self.top[0]
        return {"P": list(self.top), "Q": list(self.bottom)}

    def __str__(self) -> str:
        if self.top == self.bottom:
            return ",".join(self.top)
        return f"P={','.join(self.top)},Q={','.join(self.bottom)}"

    @property
    def words(self) -> str:
        """For readers."""
        if self.top == self.bottom:
            return _listed(self.top)
        return f"{_listed(self.top)} above the line, {_listed(self.bottom)} below"


def _listed(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and then {names[-1]} (lowest power first)"


def coefficient_formats(given: Any) -> CoefficientFormats:
    """What ``coefficients=`` says: a format, several by coefficient, or both by side.

    Raises
    ------
    ValueError
        where it says nothing of the kind.

    >>> str(coefficient_formats(["float32", "bfloat16"])), str(coefficient_formats({"P": "float32", "Q": "bfloat16"}))
    ('float32,bfloat16', 'P=float32,Q=bfloat16')
    """
    if isinstance(given, CoefficientFormats):
        return given
    sides = given if isinstance(given, Mapping) else {"P": given, "Q": given}
    if set(sides) != {"P", "Q"}:
        given = ", ".join(map(repr, sides)) or "none"
        raise ValueError(f"formats of coefficients by side have the keys 'P' and 'Q', not {given}")
    return CoefficientFormats(_side(sides["P"]), _side(sides["Q"]))


def _side(given: Any) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Sequence) else []
    if not names or not all(isinstance(name, str) and name in FORMATS for name in names):
        raise ValueError(
            f"coefficients= is a format, or several by coefficient, of {', '.join(FORMATS)}, not {given!r}"
        )
    while len(names) > 1 and names[-1] == names[-2]:
        names.pop()
    return tuple(names)
