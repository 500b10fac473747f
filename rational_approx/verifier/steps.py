"""The verifier: the numbers of a format, and the operations of code that evaluates a rational.

Standard library only. The operations of each scheme are those that ``docs/measured/evaluation.md`` writes down.
"""

from fractions import Fraction
from typing import Any

from .reading import need

__all__ = ["FORMATS", "Operand", "Step", "X", "alike", "exact", "is_format_number", "rounded", "splits", "written"]

FORMATS = {
    "float64": (53, -1074, 1024),
    "float32": (24, -149, 128),
    "bfloat16": (8, -133, 128),
    "float16": (11, -24, 16),
}
"""Significant bits, the exponent of the smallest number, and the power of two above the largest."""
Operand = tuple[str, Any]
"""``("x", None)``, ``("constant", number)`` or ``("result", number of a step)``: the tag keeps 1 from step 1."""
Step = tuple[str, tuple[Operand, ...]]

X: Operand = ("x", None)


def alike(given: Any, wanted: Any) -> bool:
    """Whether steps or operands are the same, where an int is the number of a step and a float a constant: Python finds
    1 and 1.0 equal, and a constant in the place of a step is other code."""
    if isinstance(given, list | tuple) and isinstance(wanted, list | tuple):
        return len(given) == len(wanted) and all(map(alike, given, wanted))
    return bool(given == wanted) and isinstance(given, float) == isinstance(wanted, float)


def is_format_number(value: Fraction, name: str) -> bool:
    """Whether a number is a finite one of a format; subnormal numbers are."""
    need(name in FORMATS, "the format is not known")
    bits, smallest, top = FORMATS[name]
    n, d = abs(value.numerator), value.denominator
    if n == 0:
        return True
    zeros = (n & -n).bit_length() - 1
    odd, exponent = n >> zeros, zeros - (d.bit_length() - 1)
    return d & (d - 1) == 0 and odd.bit_length() <= bits and exponent >= smallest and odd.bit_length() + exponent <= top


def rounded(value: Fraction, name: str) -> Fraction:
    """The nearest number of a format, of two the one whose last bit is zero."""
    bits, smallest, top = FORMATS[name]
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()  # of value, or one too high
    unit = Fraction(2) ** max(exponent - bits, smallest)
    while abs(value) >= unit * 2**bits:
        unit *= 2
    out = round(value / unit) * unit
    need(abs(out) < Fraction(2) ** top, "a constant is too large for the type")
    return out


# -- the operations of each scheme -----------------------------------------------------------------------------------


class Code:
    """The steps of a rational in one scheme."""

    def __init__(self, fused: bool) -> None:
        self.fused = fused
        self.steps: list[Step] = []

    def take(self, kind: str, *operands: Operand) -> Operand:
        """The result of a step, which is taken once."""
        step = (kind, operands)
        if step not in self.steps:
            self.steps.append(step)
        return ("result", self.steps.index(step))

    def plus(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """``a b + c``."""
        if c == ("constant", 0):
            return self.take("mul", a, b)
        if self.fused:
            return self.take("fma", a, b, c)
        return self.take("add", self.take("mul", a, b), c)

    def minus(self, a: Operand, b: Operand) -> Operand:
        """``a - b``."""
        return a if b == ("constant", 0) else self.take("sub", a, b)

    def horner(self, c: list[Operand], y: Operand) -> Operand:
        out = c[-1]
        for k in range(len(c) - 2, -1, -1):
            out = self.plus(out, y, c[k])
        return out

    def estrin(self, c: list[Operand], y: Operand) -> Operand:
        while len(c) > 1:
            alone = c[len(c) - len(c) % 2 :]
            c = [self.plus(c[k + 1], y, c[k]) for k in range(0, len(c) - 1, 2)] + alone
            if len(c) > 1:
                y = self.take("mul", y, y)
        return c[0]

    def powers(self, scheme: str, side: list[Fraction]) -> Operand:
        """A polynomial in powers of x, in those of ``x * x`` where it has only odd or only even ones."""
        while len(side) > 1 and side[-1] == 0:
            side = side[:-1]
        rule = self.horner if scheme == "horner" else self.estrin
        c: list[Operand] = [("constant", number) for number in side]
        if len(c) <= 2 or (any(side[0::2]) and any(side[1::2])):
            return rule(c, X)
        square = self.take("mul", X, X)
        return rule(c[0::2], square) if any(side[0::2]) else self.take("mul", X, rule(c[1::2], square))

    def clenshaw(self, side: list[Fraction], t: Operand, twice: Operand) -> Operand:
        c: list[Operand] = [("constant", number) for number in side]
        if len(c) == 1:
            return c[0]
        ahead, further = c[-1], ("constant", Fraction(0))
        for k in range(len(c) - 2, 0, -1):
            ahead, further = self.minus(self.plus(twice, ahead, c[k]), further), ahead
        return self.minus(self.plus(t, ahead, c[0]), further)


def written(sides: list[list[Fraction]], hull: list[Any], scheme: str, fused: bool) -> tuple[list[Step], list[Operand]]:
    """The steps, and numerator and denominator among them; the last step divides, unless by the constant 1."""
    code = Code(fused)
    if scheme == "clenshaw":
        width = hull[1] - hull[0]
        t = code.plus(X, ("constant", 2 / width), ("constant", -(hull[0] + hull[1]) / width))
        twice = code.take("add", t, t)
        ends = [code.clenshaw(side, t, twice) for side in sides]
    else:
        ends = [code.powers(scheme, side) for side in sides]
    if ends[1] != ("constant", 1) or ends[0][0] != "result":
        code.steps.append(("div", tuple(ends)))
    return code.steps, ends


def exact(step: Step) -> bool:
    """Whether a step is not rounded: a product with a power of two, and the sum of a number and itself."""
    kind, names = step
    if kind == "add":
        return names[0] == names[1] and names[0][0] != "constant"
    return kind == "mul" and any(tag == "constant" and power_of_two(value) for tag, value in names)


def power_of_two(value: Fraction) -> bool:
    n, d = abs(value.numerator), value.denominator
    return n > 0 and n & (n - 1) == 0 and d & (d - 1) == 0


def splits(number: int, steps: list[Step]) -> bool:
    """Whether a product has several uses, of which a sum is one."""
    uses = [kind for kind, names in steps for which in names if which == ("result", number)]
    return steps[number][0] == "mul" and len(uses) > 1 and not {"add", "sub"}.isdisjoint(uses)
