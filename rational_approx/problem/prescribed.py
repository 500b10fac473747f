"""A prescribed form of P and Q: chosen powers of x, and coefficients that are fixed.

In powers of x, with ``Q(0) = 1`` as the unit of all coefficients,

    P(x) = sum v_j x^j  over fixed j  +  sum p_j x^j  over free j,      Q(x) = 1 + the same.

So a fixed coefficient is one of the written formula: with ``Q = 1 + O(x^2)`` a fixed ``c_1`` of P is ``r'(0)``. Times
one more unknown, ``q_0``, both are linear in the unknowns: the pairs (P, Q) are a linear space, with a free p_j, a free
q_k and q_0 for its coordinates, and r is the quotient of two functions of it (generalised rational approximation).
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import flint

from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import fraction, to_arb, working_bits
from rational_approx.problem.conditions import checked_degree
from rational_approx.targets.target import Target

__all__ = ["Prescribed", "checked_form", "read_form"]

Side = tuple[Fraction | None, ...]

NEAR_ZERO = 64
"""So many binary digits from a zero the order of an infinite weight is read off."""


class Prescribed(NamedTuple):
    """Coefficients in powers of x, lowest first: None where they are free. The first of Q is 1."""

    p: Side
    q: Side

    @property
    def degree(self) -> tuple[int, int]:
        """The type."""
        return len(self.p) - 1, len(self.q) - 1

    @property
    def free(self) -> tuple[list[int], list[int]]:
        """The powers of P and of Q whose coefficients are free."""
        p, q = ([k for k, c in enumerate(side) if c is None] for side in self)
        return p, q

    @property
    def size(self) -> int:
        """The dimension of the space: the free coefficients, and ``q_0``."""
        return len(self.free[0]) + len(self.free[1]) + 1

    def functions(self, x: Any) -> tuple[list[Any], list[Any]]:
        """What each coordinate adds to P and to Q at a ball or a power series: free ``p_j``, then ``q_0``, then free
        ``q_k``."""
        powers = [x * 0 + 1]
        for _ in range(max(self.degree)):
            powers.append(powers[-1] * x)
        top, bottom = self.free
        nothing = x * 0
        fixed = [sum((powers[k] * to_arb(c) for k, c in enumerate(side) if c is not None), nothing) for side in self]
        p = [*(powers[j] for j in top), fixed[0], *(nothing for _ in bottom)]
        q = [*(nothing for _ in top), fixed[1], *(powers[k] for k in bottom)]
        return p, q

    def filled(self, values: list[Fraction]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
        """P and Q with values for the free coefficients, those of P first."""
        left = iter(values)
        p, q = (tuple(next(left) if c is None else c for c in side) for side in self)
        return p, q

    def holds(self, p: flint.fmpq_poly, q: flint.fmpq_poly) -> bool:
        """Whether polynomials have the form."""
        return all(
            poly.degree() < len(side) and all(c is None or poly[k] == fmpq(c) for k, c in enumerate(side))
            for poly, side in zip((p, q), self, strict=True)
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_formula(side, name.lower())}" for name, side in zip("PQ", self, strict=True))


def _formula(side: Side, letter: str) -> str:
    terms = []
    for k, c in enumerate(side):
        if c == 0:
            continue
        power = "" if k == 0 else "x" if k == 1 else f"x^{k}"
        factor = f"{letter}{k}" if c is None else "" if c == 1 and k else str(c)
        terms.append(" ".join(filter(None, (factor, power))))
    return " + ".join(terms) or "0"


def checked_form(degree: Any, target: Target) -> tuple[tuple[int, int], Prescribed | None]:
    """The type; and the form, where a list of coefficients stands in place of a degree.

    A weight that is infinite at 0 lets the first coefficients of P vanish. All else that a form cannot be had for is
    refused.
    """
    given = read_form(degree)
    if given is None:
        return checked_degree(degree), None
    form = Prescribed(_vanishing(given.p, target), given.q)
    _free(form)
    if target.samples is not None or any(s.expression is None or s.weight_expression is None for s in target.pieces):
        raise ValueError(
            "fixed coefficients and chosen powers need a target and a weight that can be enclosed, for what is said of "
            "the best is proved: give expressions, not a callable or samples"
        )
    if not target.domain.bounded:
        raise ValueError(f"fixed coefficients and chosen powers need a bounded domain, not {target.domain}")
    return form.degree, form


def read_form(degree: Any) -> Prescribed | None:
    """The form that a list of coefficients in place of a degree says; None where there is no list.

    Raises
    ------
    ValueError
        for a form without sense.
    """
    try:
        sides = tuple(degree)
        lists = [isinstance(side, Iterable) and not isinstance(side, str) for side in sides]
    except TypeError:
        lists = []
    if len(lists) != 2 or not any(lists):
        return None
    numbers = tuple(0 if given else side for side, given in zip(sides, lists, strict=True))
    counts = checked_degree(numbers)
    p, q = (_side(side) if given else (None,) * (n + 1) for side, given, n in zip(sides, lists, counts, strict=True))
    if q[0] not in (None, 1):
        raise ValueError(
            f"the first coefficient of the denominator is the unit of all others: give 1 (or None) for it, not {q[0]}, "
            "and divide the fixed ones by it"
        )
    form = Prescribed(p, (Fraction(1), *q[1:]))
    _free(form)
    return form


def _free(form: Prescribed) -> None:
    if form.size == 1:
        raise ValueError(f"nothing is free in {form}: give None for coefficients to find, or certify what is fixed")


def _side(given: Any) -> Side:
    try:
        side = [None if c is None else fraction(c) for c in given]
    except TypeError as problem:
        raise ValueError(f"coefficients are numbers, or None for free ones, not {given!r}: {problem}") from None
    while len(side) > 1 and side[-1] == 0:
        side.pop()
    if not side:
        raise ValueError("a list of coefficients is empty: give [None] for a constant")
    return tuple(side)


def _vanishing(p: Side, target: Target) -> Side:
    """P with zeros for the powers that would make an error infinite."""
    if elsewhere := [x for x in target.zeros if x != 0]:
        raise ValueError(
            f"the weight is infinite at x = {float(elsewhere[0]):g}, and coefficients in powers of x cannot be "
            "prescribed there: shift the zero to x = 0, or leave a gap around it"
        )
    if not target.relative_zeros:
        return p
    piece = next(s for s in target.pieces if s.lower <= 0 <= s.upper)
    x = (1 if piece.upper > 0 else -1) * flint.arb(2) ** -NEAR_ZERO
    with working_bits(16 * NEAR_ZERO):
        size = piece.jets(x, 1)[1][0]
    order = max(0, round(float(abs(size).log() / flint.arb(2).log()) / NEAR_ZERO)) if size.is_finite() else 1
    for k, c in enumerate(p[:order]):
        if c is not None and c != 0:
            raise ValueError(
                f"the weight is infinite at x = 0, so that the coefficient of x^{k} in P must be 0 there, not {c}"
            )
    return (*(Fraction(0) for _ in p[:order]), *p[order:])
