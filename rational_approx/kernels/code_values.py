"""The target, enclosed, at every code of a fixed-point format.

Codes are taken in blocks. On a block the target is its Taylor polynomial at the centre, with a remainder that is
enclosed over the whole block; a block that says too little is halved, and where few codes are left each is looked at
alone.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.enclosures import AT_POINT, ENCLOSURES
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import evaluate
from rational_approx.kernels.fixed_point import FixedPoint
from rational_approx.proof.shared_zeros import taylor

__all__ = ["SLACK", "CodeValues", "code_values"]

SLACK = 2.0**-26
"""How far a value may be from the true one, in units in the last place."""
ORDER = 10
"""Taylor coefficients before the one that is enclosed over the block."""
FEW = 4
"""So few codes are looked at one by one."""
BITS = (80, 320, 1280)
"""The precisions that are tried, one after the other, at a single code."""
BLOCK_BITS = 96


@dataclass(frozen=True)
class CodeValues:
    """The target at every code of a format, in units in the last place, off by at most ``SLACK``; beyond the largest
    or the least code these themselves, since outputs are moved there."""

    target: Expression
    point: FixedPoint
    value: np.ndarray


def code_values(target: Expression, point: FixedPoint) -> CodeValues:
    """Enclose the target at every code.

    Raises
    ------
    ValueError
        where it has no real value at one of them, or none is seen.
    """
    value = np.empty(1 << point.bits)
    step = max(1, value.size // 16)
    blocks = [(start, min(start + step, value.size)) for start in range(0, value.size, step)][::-1]
    while blocks:
        start, stop = blocks.pop()
        watch.check()
        watch.report(f"the target is enclosed: {start} of {value.size} inputs", (0, 0))
        first, last = start + point.lowest, stop - 1 + point.lowest
        if stop - start <= FEW:
            value[start:stop] = [_single(target, point, code) for code in range(first, last + 1)]
            continue
        found = _block(target, point, first, last)
        if found is None:
            middle = (start + stop) // 2
            blocks += [(middle, stop), (start, middle)]
        else:
            value[start:stop] = found
    return CodeValues(target, point, np.clip(value, point.lowest, point.highest))


def _block(target: Expression, point: FixedPoint, first: int, last: int) -> np.ndarray | float | None:
    """The values at codes of a block, or one for all that are beyond the format; None where they are not known."""

    def enclosed(x: object) -> object:
        return evaluate(target.tree, x, ENCLOSURES)

    with working_bits(BLOCK_BITS):
        unit = arb(2) ** -point.fraction
        middle, half = Fraction(first + last, 2), Fraction(last - first, 2)
        centre, reach = to_arb(middle) * unit, to_arb(half) * unit
        box = to_arb(Fraction(first)).union(to_arb(Fraction(last))) * unit
        over = taylor(enclosed, box, ORDER + 1)
        if not over[0].is_finite():
            return None
        if over[0] > (point.highest + 1) * unit:
            return float(point.highest)
        if over[0] < (point.lowest - 1) * unit:
            return float(point.lowest)
        at = taylor(enclosed, centre, ORDER)
        parts = [(at[k] * reach**k / unit) for k in range(ORDER)]
        rest = abs(over[ORDER]) * reach**ORDER / unit
        exact = sum((part.rad() for part in parts), rest)
        if not all(part.is_finite() for part in parts) or not exact < SLACK / 4:
            return None
        numbers = [float(part.mid()) for part in parts]
    # Rounding to float64, and Horner's rule in it, are off by 3 (ORDER + 1) 2**-53 of the sum of all sizes at most.
    if not sum(map(abs, numbers)) * 3 * (ORDER + 1) * 2.0**-53 < SLACK / 2:
        return None
    t = (np.arange(first, last + 1) - float(middle)) / float(half)
    return np.polynomial.polynomial.polyval(t, numbers)


def _single(target: Expression, point: FixedPoint, code: int) -> float:
    number, scale = point.number(code), 1 << point.fraction
    for bits in BITS:
        with working_bits(bits):
            value = evaluate(target.tree, to_arb(number), AT_POINT) * scale
            if value > point.highest + 1 or value < point.lowest - 1:
                return float(point.highest if value > 0 else point.lowest)
            if value.is_finite() and value.rad() < SLACK / 4:
                return float(value.mid())
    raise ValueError(
        f"the target {target.text} has no real value at x = {float(number)!r}, or none that is seen, and code "
        "must say something at every number: give an expression that has one everywhere, as where(x > 0, log(x), 0)"
    )
