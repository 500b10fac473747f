"""The verifier: the piece of code about zero, and the form that a file states for it.

With exact operations the piece is a quotient of polynomials in x, multiplied out here. Standard library only.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from .polynomials import combined, product, trimmed
from .reading import must, need, number

__all__ = ["Constraints", "stated_constraints"]

Quotient = tuple[list[Fraction], list[Fraction]]
ONE = [Fraction(1)]
MOST = 80
"""The highest degree that is multiplied out."""


class Constraints(NamedTuple):
    """Coefficients of P and Q in powers of x, lowest first; None where anything may stand. Q begins with 1."""

    p: tuple[Fraction | None, ...]
    q: tuple[Fraction | None, ...]

    @property
    def words(self) -> str:
        """For a reader."""
        return f"P = {formula(self.p, 'p')}, Q = {formula(self.q, 'q')}"

    def held(self, steps: list[tuple[str, list[Any]]], result: Any) -> bool:
        """Whether steps, with exact operations, are such a quotient."""
        top, bottom = map(trimmed, exactly(steps, result))
        must(bottom[0] != 0, "the denominator of the piece about zero vanishes there")
        # Divided by Q(0) it is the one quotient that could be meant, but for a factor that both sides share.
        sides = [[c / bottom[0] for c in side] for side in (top, bottom)]
        return all(
            len(side) <= len(wanted) and all(c is None or c == (*side, *ZEROS)[k] for k, c in enumerate(wanted))
            for side, wanted in zip(sides, self)
        )


ZEROS = (Fraction(0),) * 400


def formula(side: tuple[Fraction | None, ...], letter: str) -> str:
    """A polynomial for a reader."""
    terms = []
    for k, c in enumerate(side):
        power = "" if k == 0 else " x" if k == 1 else f" x^{k}"
        if c != 0:
            terms.append((f"{letter}{k}" if c is None else str(c)) + power)
    return " + ".join(terms) or "0"


def stated_constraints(entry: Any) -> Constraints:
    """The constraints that a file states."""
    must(isinstance(entry, dict) and set(entry) == {"P", "Q"}, "the constraints have other keys than they should")
    for side in entry.values():
        must(isinstance(side, list) and side, "a side of the constraints is no list")
        need(len(side) <= 100, "the constraints are too long for the verifier")
    p, q = (tuple(None if c is None else number(c) for c in entry[name]) for name in ("P", "Q"))
    must(q[0] == 1, "the denominator of the constraints does not begin with 1")
    return Constraints(p, q)


def exactly(steps: list[tuple[str, list[Any]]], result: Any) -> Quotient:
    """Numerator and denominator of the result with exact operations."""
    values: list[Quotient] = []

    def of(name: Any) -> Quotient:
        if isinstance(name, float):
            return [Fraction(name)], ONE
        return values[name] if isinstance(name, int) else ([Fraction(0), Fraction(1)], ONE)

    for op, names in steps:
        must(op in ("add", "sub", "mul", "div", "fma"), f"the piece about zero is no rational: it has {op}")
        a, b, *rest = map(of, names)
        if op == "div":
            must(any(b[0]), "the piece about zero divides by zero")
            done = product(a[0], b[1]), product(a[1], b[0])
        elif op in ("mul", "fma"):
            done = product(a[0], b[0]), product(a[1], b[1])
            done = total(done, rest[0], 1) if rest else done
        else:
            done = total(a, b, 1 if op == "add" else -1)
        need(max(map(len, done)) <= MOST, "the piece about zero is too long for the verifier")
        values.append((trimmed(done[0]), trimmed(done[1])))
    return of(result)


def total(a: Quotient, b: Quotient, sign: int) -> Quotient:
    """``a + sign b``."""
    if a[1] == b[1]:
        return combined(a[0], b[0], Fraction(sign)), a[1]
    return combined(product(a[0], b[1]), product(b[0], a[1]), Fraction(sign)), product(a[1], b[1])
