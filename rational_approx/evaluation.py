"""A proved bound on the rounding error of evaluating a rational by a given sequence of operations.

Running error analysis (Higham 2002, section 3.3) in ball arithmetic: on a box of inputs every step has an enclosure of
its exact value and a bound on how far the computed one may be from it. The boxes where the bound is largest are halved
until the bound of a box no longer exceeds the same bound at a point by much.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

from flint import arb, arb_poly

from rational_approx.formats import FORMATS, round_to
from rational_approx.precision import to_arb, to_fraction, working_bits
from rational_approx.program import INPUT, Operand, Program, program
from rational_approx.rational import Rational

__all__ = ["EvaluationError", "evaluation_error"]

BITS = 160
MAX_BOXES = 6000
SLACK = arb("1.1")
START = 16


@dataclass(frozen=True)
class EvaluationError:
    """``abs(computed - exact) <= bound`` for every input of the type in the domain, rounded to nearest.

    The bound also holds where multiplications and additions are contracted, and where subnormal numbers are flushed
    to zero. ``boxes`` says how many boxes the proof took.
    """

    bound: Fraction
    scheme: str
    dtype: str
    fma: bool
    operations: int
    boxes: int


def evaluation_error(
    rational: Rational, scheme: str | None = None, dtype: str = "float32", fma: bool = False
) -> EvaluationError:
    """Bound the rounding error of the exported code over the domain (constants rounded to ``dtype`` included).

    Parameters
    ----------
    scheme:
        ``"horner"``, ``"estrin"`` or ``"clenshaw"``; by default the one for the rational's basis.
    dtype:
        ``"float32"`` or ``"float64"``: the type in which the code calculates.

    Raises
    ------
    ValueError
        for an unknown scheme or type, or an unbounded domain.
    ArithmeticError
        where the computed denominator may vanish or a step may overflow, so that there is no bound.

    >>> from rational_approx import Domain
    >>> one = Fraction(1)
    >>> r = Rational((one, one), (2 * one, 0 * one, one), Domain.of((-1, 1)), basis="monomial")
    >>> 1e-8 < float(evaluation_error(r).bound) < 4e-7
    True
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"code calculates in 'float32' or 'float64', not {dtype!r}")
    if not rational.domain.bounded:
        raise ValueError("the rounding error is bounded on a bounded domain only: give the rational such a domain")
    scheme = scheme or ("clenshaw" if rational.basis == "chebyshev" else "horner")
    code = program(rational, scheme, fma)
    with working_bits(BITS):
        analysis = _Analysis(rational, code, dtype)
        bound, boxes = analysis.supremum()
    if bound is None:
        raise ArithmeticError(
            f"no bound was found for {scheme} in {dtype}: its denominator may vanish or a step may overflow; take "
            "float64, or the other basis"
        )
    return EvaluationError(bound, scheme, dtype, fma, len(code.steps), boxes)


class _Analysis:
    def __init__(self, rational: Rational, code: Program, dtype: str) -> None:
        bits, smallest, top = FORMATS[dtype]
        self.domain, self.code, self.dtype = rational.domain, code, dtype
        self.unit = arb(2) ** -bits
        self.tiny = arb(2) ** (smallest + bits - 1)  # the smallest normal number: flushing to zero loses at most that
        self.largest = arb(2) ** (top - 1)
        self.polynomials = [arb_poly(p) for p in rational.polynomials]
        self.constants: dict[Fraction, tuple[arb, arb]] = {}
        for step in code.steps:
            for c in step.operands:
                if isinstance(c, Fraction) and c not in self.constants:
                    gap = abs(to_arb(c - round_to(c, dtype))).upper()
                    self.constants[c] = to_arb(c), gap + (self.tiny if abs(c) < to_fraction(self.tiny) else 0)

    def bound(self, lower: Fraction, upper: Fraction) -> arb:
        """A bound of the error for all inputs between two numbers; infinite where there is none."""
        ends = to_arb(lower), to_arb(upper)
        x = ends[0].union(ends[1])
        middle = x.mid()
        spread = x - middle
        # P and Q from their Taylor form about the middle: by balls alone their terms would not cancel.
        shifted = [p(arb_poly([middle, 1]))(spread) for p in self.polynomials]
        # Only steps, not constants: Fraction(1) and step 1 are the same key.
        sides = zip((self.code.top, self.code.bottom), shifted)
        sharp = {number: value for number, value in sides if isinstance(number, int)}
        values: list[tuple[arb, arb]] = []

        def operand(which: Operand) -> tuple[arb, arb]:
            if isinstance(which, Fraction):
                return self.constants[which]
            return (x, self.tiny) if which == INPUT else values[which]

        for number, (op, names) in enumerate(self.code.steps):
            (a, da), (b, db), *rest = (operand(name) for name in names)
            if op == "div":
                free = abs(b).lower() - db
                if not free > 0:
                    return arb.pos_inf()
                exact = a / b
                error = (da + abs(exact).upper() * db) / free
            elif op in ("add", "sub"):
                exact = a + b if op == "add" else a - b
                error = da + db
            else:
                exact = a * b
                error = abs(a).upper() * db + abs(b).upper() * da + da * db
                for c, dc in rest:
                    exact, error = exact + c, error + dc
            exact = sharp.get(number, exact) if op != "div" else exact
            size = (abs(exact).upper() + error).upper()
            error = (error + self.unit * size + self.tiny).upper()
            if not size + error < self.largest:
                return arb.pos_inf()
            values.append((exact, error))
        return values[-1][1]

    def supremum(self) -> tuple[Fraction | None, int]:
        """The largest bound over boxes that cover the domain, and their number; None where it is infinite."""
        order, reached, boxes = count(), arb(0), 0
        heap: list[tuple[float, int, Fraction, Fraction, arb]] = []

        def push(lower: Fraction, upper: Fraction) -> None:
            bound = self.bound(lower, upper)
            # Infinite bounds come first, the widest box of them before the others.
            rank = -float(bound) if bound.is_finite() else -1e300 * (1 + float(upper - lower))
            heapq.heappush(heap, (rank, next(order), lower, upper, bound))

        for lower, upper in self.domain.intervals:
            assert isinstance(lower, Fraction)
            assert isinstance(upper, Fraction)
            width = (upper - lower) / START
            for k in range(START):
                push(lower + k * width, lower + (k + 1) * width)
        while boxes < MAX_BOXES:
            boxes += 1
            _, _, lower, upper, bound = heap[0]
            middle = (lower + upper) / 2
            there = self.bound(middle, middle)
            if not there.is_finite() and boxes > 200:
                return None, boxes
            if there.is_finite() and there > reached:
                reached = there
            if bound.is_finite() and bound <= reached * SLACK:
                break
            heapq.heappop(heap)
            push(lower, middle)
            push(middle, upper)
        worst = heap[0][4]
        # A float comparison ordered the heap: the true maximum may differ from its first entry by rounding.
        for entry in heap:
            worst = worst.max(entry[4])
        return (to_fraction(worst.upper()) if worst.is_finite() else None), boxes + len(heap)
