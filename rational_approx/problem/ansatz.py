"""The form in which the approximant is looked for: ``r(x) = offset(x) + prod (x - root) R(x**step)``.

Symmetry and values at points are two uses of it. An even target on a symmetric domain has an even best approximant, by
uniqueness: ``R(x**2)``, of half the type. An odd one is ``x R(x**2)``; ``c + odd`` (the sigmoid) is ``c + x R(x**2)``,
and ``c x + even`` (ReLU, GELU, SiLU, softplus) is ``c x + R(x**2)``. Zeros at -a and a are two more
roots. With values required at some points the offset is the polynomial through them, and the points are the roots.
"""

from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import flint

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.polynomials import fmpq, horner

__all__ = ["Ansatz", "Type"]

Type = tuple[int, int]


class Ansatz(NamedTuple):
    """``r(x) = offset(x) + prod (x - root) R(x**step)``; without arguments ``R`` itself. The offset has coefficients in
    powers of x."""

    step: int = 1
    roots: tuple[Fraction, ...] = ()
    offset: tuple[Fraction, ...] = ()

    def __str__(self) -> str:
        if self.step == 1:
            return "no symmetry"
        return ("", "c + ", "c x + ")[len(self.offset)] + ("even", "odd")[len(self.roots) % 2]

    @property
    def operations(self) -> int:
        """What evaluating a symmetric one takes besides ``R``: the square, the factor and the offset."""
        return self.step - 1 + len(self.roots) + len(self.offset)

    @property
    def polynomial(self) -> flint.fmpq_poly:
        """The offset."""
        return flint.fmpq_poly([fmpq(c) for c in self.offset])

    def offset_at(self, x: Any, number: Any) -> Any:
        """``offset(x)``; ``number`` makes floats or balls of its coefficients."""
        return horner([number(c) for c in self.offset or (Fraction(0),)], x)

    def needed(self, q: int) -> int:
        """The degree that a numerator over a denominator of degree q has at least."""
        return max(len(self.roots), q + len(self.offset) - 1 if self.offset else 0)

    def inner(self, degree: Type) -> Type:
        """The type of ``R``, of which ``r`` has type ``degree``."""
        return (degree[0] - len(self.roots)) // self.step, degree[1] // self.step

    def outer(self, m: int, n: int) -> Type:
        """The smallest type of ``r`` for which ``R`` has type (m, n)."""
        q = self.step * n
        return max(self.step * m + len(self.roots), self.needed(q)), q

    def keeps(self, bounds: tuple[End, End]) -> bool:
        """Whether the reflection under which a symmetric one stays itself takes bounds to themselves."""
        if not self.roots:
            return not self.offset or bounds == (-inf, inf)
        twice, (lower, upper) = 2 * sum(self.offset), bounds
        return (twice - upper, twice - lower) == bounds
