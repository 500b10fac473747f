"""A proved bound on the rounding error of evaluating a rational by a given sequence of operations.

On a box of inputs every step has an enclosure of its exact value, a bound ``d_i`` of its own rounding error (half a
last place of the largest number it may give), and a bound on how far the computed value may be from the exact one
(running error analysis, Higham 2002, section 3.3). With the computed values enclosed, the derivatives ``g_i`` of the
result by every step's rounding error are enclosed too, backwards through the steps (Linnainmaa 1976), and by the mean
value theorem ``abs(computed - exact) <= sum_i abs(g_i) d_i``: a rounding error that reaches the result on several ways
counts with the sum of their signs, not of their sizes. The boxes where the bound is largest are halved until the bound
of a box no longer exceeds the same bound at a point by much.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any

from flint import arb, arb_poly

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression, parse
from rational_approx.programs.program import Constant, Input, Operand, Program, Result, Step, program
from rational_approx.rationals.rational import Rational

__all__ = ["EvaluationError", "evaluation_error"]

BITS = 160
MAX_BOXES = 3000
SLACK = arb("1.05")
START = 16
ABOVE = 26
"""A relative bound through 0 begins so many powers of two above the smallest normal number."""
PATIENCE = 800
"""So many boxes are halved in the hope that an infinite bound becomes finite, and a quarter where it is at a point."""


@dataclass(frozen=True)
class EvaluationError:
    """``abs(weight * (computed - exact)) <= bound`` for every input of the type in the domain, rounded to nearest.

    The bound also holds where products are contracted into sums and differences, and where subnormal numbers are
    flushed to zero. ``boxes`` says how many boxes the proof took. With a weight that is infinite at 0, where exact and
    computed value are 0, it is one for inputs of at least ``beyond`` in size: nearer to 0 a number may be subnormal,
    and no relative bound can hold.
    """

    bound: Fraction
    scheme: str
    dtype: str
    fma: bool
    operations: int
    boxes: int
    weight: str = "1"
    beyond: Fraction = Fraction(0)


def evaluation_error(
    rational: Rational,
    scheme: str | None = None,
    dtype: str = "float32",
    fma: bool = False,
    *,
    weight: str | Expression = "1",
    domain: Domain | None = None,
) -> EvaluationError:
    """Bound the rounding error of the exported code over the domain (constants rounded to ``dtype`` included).

    Parameters
    ----------
    scheme:
        ``"horner"``, ``"estrin"`` or ``"clenshaw"``; by default the one for the rational's basis.
    dtype:
        ``"float32"`` or ``"float64"``: the type in which the code calculates.
    fma:
        Whether ``a * b + c`` is one operation with one rounding.
    weight:
        An expression in x, such as ``Certificate.weight``: then the bound is one of the weighted error. It may be
        infinite at 0, as that of the relative error of ``sin``, where the numerator has no constant term.
    domain:
        The inputs, by default those of the rational's domain (from whose hull Chebyshev polynomials are mapped).

    Raises
    ------
    ValueError
        for an unknown scheme or type, an unbounded domain, or a weight that cannot be read.
    ArithmeticError
        where the computed denominator may vanish, a step may overflow or the weight is not bounded, so that there is
        no bound.

    >>> from rational_approx import Domain
    >>> one = Fraction(1)
    >>> r = Rational((one, one), (2 * one, 0 * one, one), Domain.of((-1, 1)), basis="monomial")
    >>> 1e-8 < float(evaluation_error(r).bound) < 3e-7
    True
    >>> float(evaluation_error(r, weight="8").bound / evaluation_error(r).bound)
    8.0
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"code calculates in 'float32' or 'float64', not {dtype!r}")
    domain = rational.domain if domain is None else domain
    if not domain.bounded:
        raise ValueError("the rounding error is bounded on a bounded domain only: give the rational such a domain")
    formula = parse(weight) if isinstance(weight, str) else weight
    code = program(rational, scheme, fma)
    with working_bits(BITS):
        domain, beyond = _without_zero(rational, domain, formula, dtype)
        bound, boxes = _supremum(_Analysis(rational, code, dtype), domain, formula)
    if bound is None:
        raise ArithmeticError(
            f"no bound was found for {code.scheme} in {dtype}: its denominator may vanish, a step may overflow, or the "
            "weight is not bounded; take float64, the other basis, or another weight"
        )
    return EvaluationError(bound, code.scheme, dtype, fma, len(code.steps), boxes, formula.text, beyond)


class _Analysis:
    """The steps of one program in one type, with all that does not depend on the box."""

    def __init__(self, rational: Rational, code: Program, dtype: str) -> None:
        self.bits, smallest, top = FORMATS[dtype]
        self.code = code
        self.tiny = arb(2) ** (smallest + self.bits - 1)  # the smallest normal number: flushing loses at most that
        self.largest = arb(2) ** (top - 1)
        self.polynomials = [arb_poly(p) for p in rational.polynomials]
        self.constants: dict[Constant, tuple[arb, arb]] = {}
        for step in code.steps:
            for which in step.operands:
                if isinstance(which, Constant) and which not in self.constants:
                    c = which.value
                    gap = abs(to_arb(c - round_to(c, dtype))).upper()
                    self.constants[which] = to_arb(c), gap + (self.tiny if abs(c) < to_fraction(self.tiny) else 0)
        self.rounds = [not _is_exact(step) for step in code.steps]
        # A product with several uses may be contracted into one of them and be rounded for another.
        self.splits = [_may_split(number, code.steps) for number in range(len(code.steps))]

    def bound(self, lower: Fraction, upper: Fraction) -> arb:
        """A bound of the error for all inputs between two numbers; infinite where there is none."""
        x = to_arb(lower).union(to_arb(upper))
        values = self._forward(x)
        if values is None:
            return arb.pos_inf()
        by_derivatives = self._backward(x, values)
        return by_derivatives.min(values[-1][1]) if by_derivatives.is_finite() else values[-1][1]

    def _forward(self, x: arb) -> list[tuple[arb, arb, arb]] | None:
        # Of each step: an enclosure of its exact value, a bound of its error, and a bound of its own rounding error.
        middle = x.mid()
        spread = x - middle
        # P and Q from their Taylor form about the middle: by balls alone their terms would not cancel.
        shifted = [p(arb_poly([middle, 1]))(spread) for p in self.polynomials]
        sharp: dict[Operand, arb] = dict(zip((self.code.top, self.code.bottom), shifted))
        values: list[tuple[arb, arb, arb]] = []
        flushed = self._flushed(x)

        def operand(which: Operand) -> tuple[arb, arb]:
            if isinstance(which, Result):
                return values[which.step][:2]
            return (x, flushed) if isinstance(which, Input) else self.constants[which]

        for number, (op, names) in enumerate(self.code.steps):
            (a, da), (b, db), *rest = (operand(name) for name in names)
            if op == "div":
                free = abs(b).lower() - db
                if not free > 0:
                    return None
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
            exact = sharp.get(Result(number), exact) if op != "div" else exact
            own = self._flushed(exact, error)
            if self.rounds[number]:
                own = own + self._half_last_place((abs(exact).upper() + error).upper())
            error = (error + own).upper()
            if not (abs(exact).upper() + error).upper() < self.largest:
                return None
            values.append((exact, error, own))
        return values

    def _flushed(self, exact: arb, error: arb | int = 0) -> arb:
        # What flushing a subnormal number to zero, or its coarser rounding, takes at most: nothing of normal numbers.
        return arb(0) if abs(exact).lower() - error > self.tiny else self.tiny

    def _half_last_place(self, size: arb) -> arb:
        # Rounding to nearest moves a number below 2**(e + 1) by at most 2**(e - bits).
        mantissa, exponent = size.man_exp()
        return arb(2) ** (int(exponent) + int(mantissa).bit_length() - 1 - self.bits) if mantissa else arb(0)

    def _backward(self, x: arb, values: list[tuple[arb, arb, arb]]) -> arb:
        computed = [exact + arb(0, error) for exact, error, _ in values]
        slopes = [arb(0)] * (len(values) - 1) + [arb(1)]
        sizes = list(slopes)  # sums of the sizes of the slopes of all uses
        others: dict[Constant, arb] = {}
        inputs, flushed = arb(0), self._flushed(x)  # the sum of the sizes, for the input

        def value(which: Operand) -> arb:
            if isinstance(which, Constant):
                c, gap = self.constants[which]
                return c + arb(0, gap)
            return x + arb(0, flushed) if isinstance(which, Input) else computed[which.step]

        def add(which: Operand, slope: arb) -> None:
            nonlocal inputs
            if isinstance(which, Result):
                slopes[which.step] += slope
                sizes[which.step] += abs(slope)
            elif isinstance(which, Constant):
                others[which] = others.get(which, arb(0)) + slope
            else:
                inputs += abs(slope)

        for number in range(len(values) - 1, -1, -1):
            (op, names), slope = self.code.steps[number], slopes[number]
            a, b, *rest = names
            if op == "div":
                add(a, slope / value(b))
                add(b, -slope * computed[number] / value(b))
            elif op in ("add", "sub"):
                add(a, slope)
                add(b, slope if op == "add" else -slope)
            else:
                add(a, slope * value(b))
                add(b, slope * value(a))
                for c in rest:
                    add(c, slope)
        total = arb(0)
        for number, (_, _, own) in enumerate(values):
            total += (sizes[number] if self.splits[number] else abs(slopes[number])) * own
        for which, slope in others.items():
            total += abs(slope) * self.constants[which][1]
        return (total + inputs * flushed).upper()


def _may_split(number: int, steps: tuple[Step, ...]) -> bool:
    uses = [op for op, names in steps for which in names if which == Result(number)]
    return steps[number].op == "mul" and len(uses) > 1 and ("add" in uses or "sub" in uses)


def _is_exact(step: Step) -> bool:
    # A product with a power of two, and t + t, are not rounded (overflow and underflow are counted apart).
    op, names = step
    if op == "add":
        return names[0] == names[1] and not isinstance(names[0], Constant)
    return op == "mul" and any(isinstance(c, Constant) and _power_of_two(c.value) for c in names)


def _power_of_two(c: Fraction) -> bool:
    n, d = abs(c.numerator), c.denominator
    return n > 0 and n & (n - 1) == 0 and d & (d - 1) == 0


def _without_zero(rational: Rational, domain: Domain, weight: Expression, dtype: str) -> tuple[Domain, Fraction]:
    """The domain without a neighbourhood of 0 where the weight is infinite there and P(0) = 0, and its half-width."""
    holds_zero = any(lower <= 0 <= upper for lower, upper in domain.intervals)
    if not holds_zero or rational.polynomials[0](0) != 0 or rational.basis != "monomial":
        return domain, Fraction(0)
    try:
        if weight.ball(arb(0)).is_finite():
            return domain, Fraction(0)
    except (Undecided, ValueError, ZeroDivisionError):
        pass
    beyond = Fraction(2) ** (FORMATS[dtype][1] + FORMATS[dtype][0] - 1 + ABOVE)
    parts = []
    for lower, upper in domain.intervals:
        below, above = (lower, min(upper, -beyond)), (max(lower, beyond), upper)
        parts += [part for part in (below, above) if part[0] < part[1]]
    return Domain.of(parts), beyond


def _boxes(lower: Fraction, upper: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Boxes to begin with: of equal widths, and towards a very small end each twice as wide as the one before."""
    if upper < 0:
        return [(-b, -a) for a, b in _boxes(-upper, -lower)]
    out = []
    while lower > 0 and 64 * lower < upper:
        out.append((lower, 2 * lower))
        lower *= 2
    width = (upper - lower) / START
    return out + [(lower + k * width, lower + (k + 1) * width) for k in range(START)]


def _supremum(analysis: _Analysis, domain: Domain, weight: Expression) -> tuple[Fraction | None, int]:
    """The largest bound over boxes that cover the domain, and their number; None where it is infinite."""
    order, reached, boxes = count(), arb(0), 0
    heap: list[tuple[float, int, Fraction, Fraction, Any, arb]] = []

    def bound(formula: Expression, lower: Fraction, upper: Fraction) -> arb:
        try:
            size = abs(formula.ball(to_arb(lower).union(to_arb(upper)))).upper()
        except (Undecided, ValueError, ZeroDivisionError):
            return arb.pos_inf()
        value = analysis.bound(lower, upper) * size
        return value.upper() if value.is_finite() else arb.pos_inf()

    def push(formula: Expression, lower: Fraction, upper: Fraction) -> None:
        value = bound(formula, lower, upper)
        # Infinite bounds come first, the widest box of them before the others.
        rank = -float(value) if value.is_finite() else -1e300 * (1 + float(upper - lower))
        heapq.heappush(heap, (rank, next(order), lower, upper, formula, value))

    cuts = sorted({b for interval in domain.intervals for b in weight.breakpoints(*interval)})
    for lower, upper in domain.split(cuts):
        assert isinstance(lower, Fraction)
        assert isinstance(upper, Fraction)
        for box in _boxes(lower, upper):
            push(weight.on(lower, upper), *box)
    while boxes < MAX_BOXES:
        boxes += 1
        _, _, lower, upper, formula, value = heap[0]
        middle = (lower + upper) / 2
        there = bound(formula, middle, middle)
        if boxes > (PATIENCE if value.is_finite() or there.is_finite() else PATIENCE // 4) and not value.is_finite():
            return None, boxes
        if there.is_finite() and there > reached:
            reached = there
        if value.is_finite() and value <= reached * SLACK:
            break
        heapq.heappop(heap)
        push(formula, lower, middle)
        push(formula, middle, upper)
    # A float comparison ordered the heap: the true maximum may differ from its first entry by rounding.
    worst = arb(0)
    for entry in heap:
        worst = worst.max(entry[-1])
    return (to_fraction(worst.upper()) if worst.is_finite() else None), boxes + len(heap)
