"""The sequence of operations that evaluates a rational: one description for the proof and for every language."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from rational_approx.arithmetic.domain import finite
from rational_approx.rationals.rational import Rational

__all__ = ["INPUT", "Constant", "Input", "Operand", "Program", "Result", "Step", "Writer", "program"]


@dataclass(frozen=True)
class Input:
    """The number x."""


@dataclass(frozen=True)
class Constant:
    """An exact number, which a language rounds to its type."""

    value: Fraction


@dataclass(frozen=True)
class Result:
    """What an earlier step gave."""

    step: int


# Three classes, since as plain numbers the constant 1 and the result of step 1 would compare equal. Objects of two
# data classes never do (named tuples would).
Operand = Input | Constant | Result

INPUT = Input()


class Step(NamedTuple):
    """One rounded operation: ``add``, ``sub``, ``mul``, ``div``, or ``fma`` for ``a * b + c`` with one rounding."""

    op: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Program:
    """Steps in order. The last one divides ``top`` by ``bottom``; where that is the constant 1, it gives ``top``."""

    steps: tuple[Step, ...]
    top: Operand
    bottom: Operand
    scheme: str


class Writer:
    """Writes down steps, each once; polynomials in powers by a scheme, ``"horner"`` or ``"estrin"``."""

    def __init__(self, fma: bool, scheme: str = "horner") -> None:
        self.fma, self.scheme = fma, scheme
        self.steps: list[Step] = []
        self.known: dict[Step, Result] = {}

    def do(self, op: str, *operands: Operand) -> Operand:
        """The result of a step; the same step is not taken twice."""
        step = Step(op, operands)
        if step not in self.known:
            self.known[step] = Result(len(self.steps))
            self.steps.append(step)
        return self.known[step]

    def contracted(self, op: str, *operands: Operand) -> Operand:
        """As `do`, but with FMA a sum takes a product that is one of its operands, the second one first, in itself."""
        if self.fma and op == "add":
            for which, other in (operands[::-1], operands):
                if isinstance(which, Result) and self.steps[which.step].op == "mul":
                    return self.do("fma", *self.steps[which.step].operands, other)
        return self.do(op, *operands)

    def needed(self, result: Operand) -> tuple[tuple[Step, ...], Operand]:
        """The steps that a result needs, and the result among them."""
        wanted = {result.step} if isinstance(result, Result) else set()
        for index in reversed(range(len(self.steps))):
            if index in wanted:
                wanted |= {which.step for which in self.steps[index].operands if isinstance(which, Result)}
        place = {index: Result(number) for number, index in enumerate(sorted(wanted))}

        def moved(which: Operand) -> Operand:
            return place[which.step] if isinstance(which, Result) else which

        steps = (Step(op, tuple(map(moved, names))) for op, names in (self.steps[k] for k in sorted(wanted)))
        return tuple(steps), moved(result)

    def multiply_add(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """``a b + c``; an addition of zero is left out."""
        if _zero(c):
            return self.do("mul", a, b)
        return self.do("fma", a, b, c) if self.fma else self.do("add", self.do("mul", a, b), c)

    def multiply_sub(self, a: Operand, b: Operand, factor: Fraction) -> Operand:
        """``a - factor b``."""
        if self.fma:
            return self.do("fma", b, Constant(-factor), a)
        return self.do("sub", a, self.do("mul", b, Constant(factor)))

    def polynomial(self, c: tuple[Fraction, ...], x: Operand) -> Operand:
        """``c_0 + c_1 x + ...`` by the scheme."""
        return self.estrin(c, x) if self.scheme == "estrin" else self.horner(c, x)

    def horner(self, c: tuple[Fraction, ...], x: Operand) -> Operand:
        total: Operand = Constant(c[-1])
        for coefficient in reversed(c[:-1]):
            total = self.multiply_add(total, x, Constant(coefficient))
        return total

    def estrin(self, c: tuple[Fraction, ...], x: Operand) -> Operand:
        terms: list[Operand] = [Constant(coefficient) for coefficient in c]
        while len(terms) > 1:
            pairs = [self.multiply_add(high, x, low) for low, high in zip(terms[::2], terms[1::2])]
            terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
            if len(terms) > 1:
                x = self.do("mul", x, x)
        return terms[0]

    def clenshaw(self, c: tuple[Fraction, ...], t: Operand, twice: Operand) -> Operand:
        if len(c) == 1:
            return Constant(c[0])
        ahead: Operand = Constant(c[-1])
        further: Operand = Constant(Fraction(0))
        for coefficient in reversed(c[1:-1]):
            lead = self.multiply_add(twice, ahead, Constant(coefficient))
            ahead, further = (lead if _zero(further) else self.do("sub", lead, further)), ahead
        lead = self.multiply_add(t, ahead, Constant(c[0]))
        return lead if _zero(further) else self.do("sub", lead, further)


def program(rational: Rational, scheme: str | None = None, fma: bool = False) -> Program:
    """The operations of Horner's or Estrin's scheme (powers of x), or of Clenshaw's (Chebyshev polynomials).

    Without a scheme it is Horner's or Clenshaw's. There is no division by a denominator 1. A
    polynomial without odd or even powers is evaluated in ``x * x``.

    Raises
    ------
    ValueError
        for an unknown scheme, or one for the other basis.

    >>> one = Fraction(1)
    >>> from rational_approx import Domain
    >>> r = Rational((one, one), (one, 0 * one, one), Domain.of((-1, 1)), basis="monomial")
    >>> [step.op for step in program(r).steps]
    ['mul', 'add', 'mul', 'mul', 'add', 'div']
    """
    usual = "clenshaw" if rational.basis == "chebyshev" else "horner"
    scheme = scheme or usual
    wanted = "chebyshev" if scheme == "clenshaw" else "monomial"
    if scheme not in ("horner", "estrin", "clenshaw"):
        raise ValueError(f"scheme must be 'horner', 'estrin' or 'clenshaw', not {scheme!r}")
    if rational.basis != wanted:
        raise ValueError(
            f"{scheme} evaluates the {wanted} basis and this rational is in the {rational.basis} basis: take "
            f"scheme={usual!r}, or convert it before rounding"
        )
    writer = Writer(fma, scheme)
    # Coefficients may be given as integers.
    sides = [tuple(map(Fraction, side)) for side in (rational.numerator, rational.denominator)]
    if scheme == "clenshaw":
        lower, upper = finite(rational.domain.lower), finite(rational.domain.upper)
        width = upper - lower
        t = writer.multiply_add(INPUT, Constant(2 / width), Constant(-(lower + upper) / width))
        twice = writer.do("add", t, t)
        top, bottom = (writer.clenshaw(side, t, twice) for side in sides)
    else:
        done: list[Operand] = []
        for side in map(_trimmed, sides):
            odd, even = any(side[1::2]), any(side[0::2])
            if len(side) > 2 and not (odd and even):
                inner = writer.polynomial(side[1::2] if odd else side[0::2], writer.do("mul", INPUT, INPUT))
                done.append(writer.do("mul", INPUT, inner) if odd else inner)
            else:
                done.append(writer.polynomial(side, INPUT))
        top, bottom = done
    # A polynomial is not divided by 1. A constant alone is, so that it has the shape of x in languages of arrays.
    if bottom != Constant(Fraction(1)) or not isinstance(top, Result):
        writer.do("div", top, bottom)
    return Program(tuple(writer.steps), top, bottom, scheme)


def _zero(operand: Operand) -> bool:
    return isinstance(operand, Constant) and not operand.value


def _trimmed(side: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    while len(side) > 1 and not side[-1]:
        side = side[:-1]
    return side
