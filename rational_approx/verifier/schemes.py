"""The verifier: the scheme of code, fused operations, and polynomials as a scheme evaluates them.

Standard library only.
"""

import struct
from fractions import Fraction
from math import ceil, copysign, inf, isfinite, nextafter
from typing import Any, NamedTuple

from .machines import KEPT, MACHINES, Machine
from .reading import must, need, shown
from .steps import alike

__all__ = ["Evaluated", "Scheme", "evaluated", "fused_exactly", "odd_sum", "scheme_of"]


class Scheme(NamedTuple):
    """In which order polynomials are evaluated, whether a product and a sum are one operation, and whether claims are
    also about machines that flush subnormal numbers to zero."""

    order: str
    fma: bool
    flush: bool

    @property
    def machines(self) -> tuple[Machine, ...]:
        """What claims are about."""
        return MACHINES if self.flush else (KEPT,)

    def obeyed(self, steps: list[tuple[str, list[Any]]], sine: bool = False) -> bool:
        """Whether steps are as the scheme says; a sine adds products that are exact."""
        fused = [op for op, _ in steps if op == "fma"]
        if not self.fma:
            return not fused and not any(self.breaks(steps, k) for k in range(len(steps)))
        alone = any(op == "add" and any(product(steps, name) for name in names) for op, names in steps)
        return (bool(fused) if sine else not alone) and not any(self.breaks(steps, k) for k in range(len(steps)))

    def breaks(self, steps: list[Any], index: int) -> bool:
        """Whether a step belongs to another order: in barycentric form to Horner's or Estrin's."""
        found = term(steps, index)
        if found is None:
            return False
        inner, z, end = found
        if self.order != "horner":  # (k z + c) z + c'
            before = term(steps, inner)
            if isinstance(end, float) and before is not None and alike(before[1], z) and isinstance(before[2], float):
                return True
        if self.order == "estrin":
            return False
        before = term(steps, end)  # u z^2 + (k z + c)
        if before is None or not isinstance(before[2], float) or not isinstance(z, int):
            return False
        return alike(steps[z], ("mul", [before[1], before[1]]))


def scheme_of(entry: Any) -> Scheme:
    """The scheme that a file states."""
    must(isinstance(entry, dict) and set(entry) == set(Scheme._fields), "the scheme has other keys than it should")
    must(
        entry["order"] in ("horner", "estrin", "barycentric"),
        f"an unknown order of operations: {shown(entry['order'])}",
    )
    must(all(type(entry[name]) is bool for name in ("fma", "flush")), "a part of the scheme is neither true nor false")
    return Scheme(**entry)


def product(steps: list[Any], which: Any) -> bool:
    """Whether an operand is a product."""
    return isinstance(which, int) and steps[which][0] == "mul"


def term(steps: list[Any], which: Any) -> tuple[Any, Any, Any] | None:
    """The operands a, z, c of a step ``a z + c``, fused or not; None of another one."""
    if not isinstance(which, int):
        return None
    op, names = steps[which]
    if op == "fma":
        return tuple(names)
    if op == "add" and product(steps, names[0]):
        return *steps[names[0]][1], names[1]
    return None


# -- fused operations ------------------------------------------------------------------------------------------------


def odd_sum(a: float, b: float, c: float) -> float:
    """``a b + c`` for numbers of float32, as a double whose last bit is odd where it is not exact.

    Rounded once more, to float32, it is what one rounding gives (Boldo & Melquiond 2008).
    """
    p = a * b
    total = p + c
    if not isfinite(total):
        return total
    part = total - p
    error = (p - (total - part)) + (c - part)
    if error == 0 or struct.pack("<d", total)[0] & 1:
        return total
    return nextafter(total, copysign(inf, error))


def fused_exactly(a: float, b: float, c: float) -> float:
    """``a b + c`` rounded once to a double."""
    if not (isfinite(a) and isfinite(b)) or a == 0 or b == 0:
        return a * b + c
    if not isfinite(c):
        return c
    total = Fraction(a) * Fraction(b) + Fraction(c)
    try:
        return float(total) if total else 0.0
    except OverflowError:
        return inf if total > 0 else -inf


# -- polynomials -----------------------------------------------------------------------------------------------------


class Evaluated(NamedTuple):
    """A polynomial that steps evaluate: its coefficients, the lowest first, and a bound of the rounding error."""

    coefficients: list[Fraction]
    size: Fraction
    error: Fraction


def evaluated(
    steps: list[Any], first: int, result: Any, variable: int, errors: tuple[Fraction, Fraction, Fraction, Fraction]
) -> Evaluated:
    """What steps from ``first`` on make of a variable, by exact arithmetic of polynomials.

    ``errors``: the largest size of the variable, the share of itself by which it is off, the share by which an
    operation rounds, and by how much it does besides.
    """
    reach, off, share, tiny = errors
    known: dict[int, Evaluated] = {variable: Evaluated([Fraction(0), Fraction(1)], reach, reach * off)}

    def of(which: Any) -> Evaluated:
        if isinstance(which, float):
            return Evaluated([Fraction(which)], abs(Fraction(which)), Fraction(0))
        need(which in known, "a polynomial of more than one variable")
        return known[which]

    for index in range(first, result + 1):
        op, names = steps[index]
        need(op in ("mul", "add", "fma"), "a step that is none of a polynomial")
        done = (plus if op == "add" else times)(of(names[0]), of(names[1]))
        done = plus(done, of(names[2])) if op == "fma" else done
        error = done.error + share * (done.size + done.error) + tiny
        known[index] = done._replace(error=Fraction(ceil(error * 2**240), 2**240))
        need(len(done.coefficients) < 60, "a polynomial that is too long")
    return of(result)


def plus(a: Evaluated, b: Evaluated) -> Evaluated:
    """The exact sum."""
    count = max(len(a.coefficients), len(b.coefficients))
    p, q = ([*v.coefficients, *[Fraction(0)] * (count - len(v.coefficients))] for v in (a, b))
    return Evaluated([x + y for x, y in zip(p, q)], a.size + b.size, a.error + b.error)


def times(a: Evaluated, b: Evaluated) -> Evaluated:
    """The exact product."""
    out = [Fraction(0)] * (len(a.coefficients) + len(b.coefficients) - 1)
    for j, x in enumerate(a.coefficients):
        for k, y in enumerate(b.coefficients):
            out[j + k] += x * y
    return Evaluated(out, a.size * b.size, a.size * b.error + b.size * a.error + a.error * b.error)
