"""The error of ``exp(u) (b + w)`` in the format of its results, whose operations are those of :mod:`kernels.exp_times`.

``f exp(-u)`` is compared with ``b + w``, which neither grows nor falls fast, on boxes of inputs; what the operations of
``exp(u)`` and of the product add is bounded for parts of the reduced argument, whatever x is.
"""

from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node
from rational_approx.kernels.boxes import UNKNOWN, Box, Call, Found, Judge, Value
from rational_approx.kernels.exp_times import (
    LOWEST,
    PLACES,
    REACHES,
    Exponent,
    ExpTimes,
    coefficients,
    constants,
    short,
)
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.kernels.reductions import FIRST_BITS, LOG2, exp_distance
from rational_approx.kernels.running import Ranged, Running
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.sums import BITS

__all__ = ["Bounds", "ExpTimesJudge", "exp_bounds"]

NEAREST = Fraction(1, 4)
"""The least size of the exact part of u."""
PARTS = 48
TERMS = 24
"""Taylor coefficients of ``f exp(-u)``: those of a product of what falls and what grows are known the worse, the wider
a box is."""


class Factor(Judge):
    """Judges ``b + w`` beside ``f exp(-u)``."""

    def step(self, op: str, given: list[Value], x: arb) -> Value | None:
        """As for others; the error of ``exp(u)`` is known for the exact u, which no step has."""
        if op == "exp":
            given = [given[0]._replace(error=arb(0), besides=arb(0))]
        return super().step(op, given, x)


class ExpTimesJudge(Judge):
    """Judges such a piece: its factor beside ``f exp(-u)``, and then the product."""

    def __init__(self, piece: Piece, formula: Expression, kernel: Kernel, known: ExpTimes) -> None:
        how, inner = known.how, kernel.inner
        self.known, self.inner_format = known, inner
        bounds = exp_bounds(how, inner, known.scheme)
        calls = {"exp": Call(Fraction(LOWEST[inner]), -NEAREST, bounds.share)}
        rate = to_arb(how.rate)
        super().__init__(piece, formula.ball, kernel, calls)

        def exponent_at(x: Any) -> Any:
            return x * x * rate if how.square else x * rate

        self.exponent_at, self.lost = exponent_at, bounds.lost
        self.factor = Factor(known.factor, lambda x: formula.ball(x) * (-exponent_at(x)).exp(), kernel, calls)
        self.factor.order = TERMS
        if not known.scheme.fma:
            digits = FORMATS[inner][0] // 2
            if known.base is not None and known.base != short(known.base, digits):
                raise ArithmeticError("a product is not exact")

    def found(self, box: Box) -> Found:
        """The error on a box."""
        if box.near or 0 in box[:2]:
            return UNKNOWN
        x = to_arb(box.lower).union(to_arb(box.upper))
        u = self.exponent_at(x)
        inside = u - self.lost > LOWEST[self.inner_format] and u + self.lost < -to_arb(NEAREST)
        if not inside or not abs(x) < REACHES[self.inner_format][self.known.how.square]:
            return UNKNOWN
        measured = self.factor.measured(box)
        try:
            value = self.target(x)
        except (Undecided, ValueError, ZeroDivisionError):
            return UNKNOWN
        if measured is None or not value.is_finite():
            return UNKNOWN
        share = self.relative(x, measured.value, measured.absolute)
        at = self.relative(x.mid(), measured.centre, measured.least)
        absolute = (share * abs(measured.value).upper() * u.exp()).upper()
        if not abs(value).lower() > 2 * self.normal:
            # Perhaps scaled to a subnormal number, and rounded once more, in units that are twice as large at least.
            share = share.max(share * (1 + arb(2) ** -20) / 2 + arb(2) ** (-2 - self.bits))
            absolute += self.least / 4
        return self.judged(value, share.upper(), absolute.upper(), float(at.upper()) if at.is_finite() else 0.0)

    def relative(self, x: arb, whole: arb, off: arb) -> arb:
        """A bound of the error before the last sum is rounded, relative to the value."""
        error, least = factor_error(self.known, self.inner_format, x, whole, off), abs(whole).lower()
        # So neither a product nor the sum is subnormal before it is scaled, nor the first of two scalings.
        moderate = least > arb(2) ** -40 and abs(whole) < arb(2) ** 60
        return error / least if moderate else arb.pos_inf()

    def beyond(self, tree: Node, start: Fraction, side: int) -> Found:
        """Nothing: results are 0 far out."""
        return UNKNOWN


class Bounds(NamedTuple):
    """Of ``exp(r)`` in parts: its values, those of the lead and the error of the rest, whose size is ``off``; and of
    ``exp(u)`` as a number, the relative error; how far u is from its exact part."""

    parts: tuple[tuple[arb, arb, Ranged], ...]
    share: Fraction
    lost: arb


@cache
def exp_bounds(how: Exponent, inner: str, scheme: Scheme) -> Bounds:
    """Bounds for all u between `LOWEST` and minus `NEAREST`.

    Raises
    ------
    ArithmeticError
        where a product is not exact.
    """
    inverse, first, rest = constants(inner, scheme)
    bits = FORMATS[inner][0]
    with working_bits(BITS):
        zero, log2, lowest = arb(0), arb(2).log(), -LOWEST[inner]
        run = _running(inner, scheme)
        most = int(lowest / LOG2) + 2
        long = bits if scheme.fma else FIRST_BITS[inner]
        if (first * 2**long).denominator > 1 or (not scheme.fma and most * first * 2**long >= 2**bits):
            raise ArithmeticError("n L1 is not exact")
        lost = _lost(run, how, inner, scheme)
        off = lowest * (abs(to_arb(inverse) - 1 / log2) + to_arb(inverse) * run.half) + run.half
        # n is the integer next to the exact part of u over log(2).
        widest = (log2 * (arb(1) / 2 + off) + lost.size).upper()
        apart = (most * abs(log2 - to_arb(first)) + lost.size).upper()
        # That part is a multiple of 2^(-1 - bits), and so is h = u - n L1, of less than 1/2: it is exact.
        if not widest + apart < arb(7) / 16:
            raise ArithmeticError("a reduced argument that is too large")
        slip = most * abs(log2 - to_arb(first) - to_arb(rest))
        small = Ranged(arb(0, (most * abs(to_arb(rest))).upper()), zero)
        low = Ranged(lost.ball + small.ball, lost.error)
        low = run.rounded(low) if scheme.fma else run.rounded(Ranged(low.ball, run.rounded(small).error + lost.error))
        q = coefficients(inner)
        missed = exp_distance((Fraction(1), Fraction(1), Fraction(1, 2), *q), widest)
        grid, unit = arb(2) ** -(bits // 2), arb(2) ** (1 - bits // 2)
        found, share = [], zero
        for k in range(PARTS):
            ball = widest * arb(2 * k + 1 - PARTS) / PARTS + arb(0, (widest / PARTS).upper())
            r = run.add(Ranged(ball + arb(0, apart), zero), low)
            r = Ranged(ball, (r.error + slip).upper())
            # r' is a number of few digits, and h - r' is exact: both are multiples of the same small number.
            left = run.rounded(Ranged(arb(0, (grid / 2 + r.error).upper()), (low.error + slip).upper()))
            near = Ranged(ball + left.ball, zero)
            if not near.size < arb(41) / 100:  # so that r' + r'^2 / 2 is below 1/2
                raise ArithmeticError("a short number that is too long")
            cube = run.mul(run.mul(r, r), r)
            rest_of = run.mul(cube, run.polynomial(q, r, scheme))
            mean = run.add(r, near)
            mean = Ranged(mean.ball / 2, mean.error / 2)
            total = run.add(run.mul(left, mean), run.add(rest_of, left))
            value = ball.exp()
            error = (total.error + missed * value + run.tiny).upper()
            s = run.rounded(Ranged(value - 1, error))
            # exp(r) less the lead, and what it is off by: its first part is exact.
            over = run.rounded(Ranged(arb(0, (unit / 2 + s.error).upper()), error))
            found.append((value, value + over.ball, over))
            share = share.max(run.rounded(Ranged(value, over.error)).error / abs(value).lower())
        return Bounds(tuple(found), to_fraction(share.upper()) * (1 + Fraction(1, 2**20)), lost.size)


def _running(inner: str, scheme: Scheme) -> Running:
    """Operations, of which each may lose what is subnormal. Nothing that is exact here is: all of it consists of
    multiples of the last places of numbers that are not small."""
    bits, smallest, _ = FORMATS[inner]
    return Running(bits, arb(2) ** (smallest + bits - 1 if scheme.flush else smallest))


def _lost(run: Running, how: Exponent, inner: str, scheme: Scheme) -> Ranged:
    """What the exact part of u leaves, with its error."""
    bits = FORMATS[inner][0]
    zero, lowest, first = arb(0), to_arb(Fraction(-LOWEST[inner])), abs(to_arb(how.first))
    if not how.square and not how.rest:
        return Ranged(zero, zero)
    farthest = (lowest / abs(to_arb(how.rate))).sqrt() if how.square else lowest / abs(to_arb(how.rate))
    x = Ranged(arb(0, farthest.upper()), zero)
    if scheme.fma:
        high = run.half * lowest * 2
        rest = Ranged(arb(0, (farthest * abs(to_arb(how.rest))).upper()), zero)
        out = run.rounded(Ranged(arb(0, high.upper()) + rest.ball, zero)) if how.rest else Ranged(arb(0, high), zero)
        return Ranged(out.ball, (out.error + 2 * run.tiny).upper())
    places, reach = PLACES[inner][how.square], REACHES[inner][how.square]
    few = reach * 2**places
    count = bits // 2
    if not how.square and how.first != short(how.first, count):
        raise ArithmeticError("a factor with too many digits")
    if few > 2**count or (how.square and few**2 > 2**bits) or not farthest < reach:
        raise ArithmeticError("the first part of x has too many digits")
    rest = Ranged(arb(0, arb(2) ** (-1 - places)), zero)
    if how.square:
        total = run.add(Ranged(x.ball + rest.ball, zero), x)
        return run.mul(Ranged(rest.ball * first, zero), total)
    return run.add(run.mul(rest, Ranged(first, zero)), run.mul(x, Ranged(to_arb(how.rest), zero)))


def factor_error(known: ExpTimes, inner: str, x: arb, whole: arb, off: arb) -> arb:
    """A bound of how far the result is from the target before its last sum is rounded, over ``exp(u)``.

    ``whole`` encloses ``f exp(-u)``, and ``b + w`` is off by ``off`` from it.
    """
    run, zero, fma = _running(inner, known.scheme), arb(0), known.scheme.fma
    beside = zero
    if not known.more:  # there is no w that could be off: b itself is
        beside, whole = off, whole + arb(0, off)
    exact = x if known.base is None else to_arb(known.base)
    w = Ranged(whole - exact, off)
    if known.base is None and not fma:
        half = arb(2) ** (-1 - PLACES[inner][known.how.square])
        exact = x + arb(0, half)
        w = run.rounded(Ranged(w.ball + arb(0, half), off)) if known.more else Ranged(arb(0, half), zero)
    more = known.more or (known.base is None and not fma)
    total = run.rounded(Ranged(whole, w.error)) if known.more else Ranged(whole, zero)
    worst = zero
    for value, lead, over in exp_bounds(known.how, inner, known.scheme).parts:
        if not more:
            last = over if known.base == 1 else run.mul(over, total)
        elif fma:
            part = run.mul(Ranged(lead, zero), w)
            last = run.fma(over, total, part)
        else:
            last = run.add(run.mul(Ranged(lead, zero), w), run.mul(over, total))
        worst = worst.max(((last.error + run.tiny) / abs(value).lower()).upper())
    return (worst + beside).upper()
