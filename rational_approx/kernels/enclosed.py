"""What holds of a kernel at every number of a format that has too many of them to be tried.

The inputs of a piece, between two numbers, are cut where a branch of the target switches, and at zero; these numbers
are looked at one by one. Elsewhere :mod:`kernels.boxes` bounds the error on boxes of inputs, each twice as wide as the
one before, until the half-line beyond has a bound of its own. The worst boxes are halved until they are nearly as good
as their centres.
"""

import heapq
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count, pairwise
from math import inf, isfinite, isinf, nextafter
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from rational_approx import watch
from rational_approx.arithmetic.floats import FORMATS, in_format
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.holes import WHOLE_AT_POINT
from rational_approx.expressions.nodes import Node, evaluate
from rational_approx.kernels.boxes import UNKNOWN, Box, Call, Calls, Found, Judge, between
from rational_approx.kernels.crossings import read_parts, zeros_between
from rational_approx.kernels.exp_bounds import ExpTimesJudge
from rational_approx.kernels.exp_times import ExpTimes
from rational_approx.kernels.facts import STATED, Facts, upwards
from rational_approx.kernels.followed import FollowedJudge, Proved, style_of
from rational_approx.kernels.kernel import ARITY, Function, Kernel, Piece
from rational_approx.kernels.machines import smallest_normal
from rational_approx.kernels.models import SERIES
from rational_approx.kernels.numbers import rounded
from rational_approx.kernels.reductions import REACH, exponential_error
from rational_approx.kernels.sums import DOMAINS, sum_error
from rational_approx.kernels.truth import infinity_at
from rational_approx.kernels.undefined import nowhere
from rational_approx.programs.program import Constant

__all__ = ["NotProved", "at_point", "cuts_of", "enclosed_facts", "judge_of"]

BITS = 192
NEAR = 1.1
"""A box is halved no more where its bound is at most so many times the largest error that was seen at a centre."""
MOST_BOXES = 8000
START = Fraction(1, 8)
"""The first box beside zero reaches so far."""


class NotProved(ArithmeticError):
    """No bound within what was asked was found."""


class Part(NamedTuple):
    """Inputs on one side of zero without a switch between them; from zero itself, where ``lower`` or ``upper`` is 0."""

    judge: "Judge | Either"
    formula: Expression
    lower: Fraction
    upper: Fraction


def enclosed_facts(kernel: Kernel, target: Expression, wanted: Fraction) -> Facts:
    """Bounds of the error, and of the outputs, at every finite number of the kernel's format.

    Raises
    ------
    NotProved
        where the error is not proved to be within ``wanted`` units in the last place.
    """
    bits, smallest, top = FORMATS[kernel.format]
    with working_bits(BITS):
        _without_value(kernel, target)
        _only_normal(kernel)
        # What is stated is rounded upwards, and is within what is wanted as well.
        found = _searched(_parts(kernel, target), float(wanted - 2 * STATED), smallest)
        found += [_single(kernel, target, point) for point in _points(kernel, target)]
        lowest, highest = arb.pos_inf(), arb.neg_inf()
        for _, one in found:
            lowest, highest = lowest.min(one.lowest), highest.max(one.highest)
    where, worst = max(found, key=lambda each: each[1].ulp)
    if not upwards(worst.ulp) <= wanted:
        raise NotProved(f"at x = {where:g} the error is not proved to be within {float(wanted):g} ulp")
    every = [kernel(np.array([-inf, -0.0, 0.0, inf]), each) for each in kernel.scheme.machines]
    at = every[0]
    if len({each.tobytes() for each in every}) > 1:
        raise NotProved("at an infinity or at zero machines that flush subnormal numbers give other outputs")
    if kernel.scheme.flush:  # 0 may be in the place of any output that is subnormal
        least = 2 * smallest_normal(kernel.format)
        lowest = lowest.min(arb(0)) if lowest < least else lowest
        highest = highest.max(arb(0)) if highest > -least else highest
    return Facts(
        2 * (top - smallest - bits + 2) * 2 ** (bits - 1),
        upwards(worst.ulp),
        where,
        _outward(lowest, -1, kernel.format),
        _outward(highest, 1, kernel.format),
        (float(at[0]), float(at[1]), float(at[2]), float(at[3])),
    )


# -- where inputs are cut --------------------------------------------------------------------------------------------


def _spans(kernel: Kernel) -> Iterator[tuple[int, Fraction, Fraction]]:
    """Which piece, its first and its last finite number."""
    largest = float(np.finfo(kernel.format).max)
    first = -largest
    for number, piece in enumerate(kernel.pieces):
        last = min(piece.upper, largest)
        if first <= last:
            yield number, Fraction(first), Fraction(last)
            first = _next(Fraction(last), 1, kernel.format)


def _next(value: Fraction, side: int, format: str) -> float:
    """The number of a format next to a real one on a side."""
    number = np.dtype(format).type
    near = number(float(value))
    with np.errstate(over="ignore"):
        return float(near if (Fraction(float(near)) - value) * side > 0 else np.nextafter(near, number(side * inf)))


def cuts_of(kernel: Kernel, target: Expression) -> list[Fraction]:
    """Numbers that are looked at one by one, or lie between two of the format: switches, zero, zeros that code
    subtracts or that lie within a formula, and the ends of where the target has values."""
    out, spans = {Fraction(0), *target.breakpoints(-inf, inf)}, list(_spans(kernel))
    for number, first, last in spans:
        steps = kernel.pieces[number].steps
        zero = read_parts(steps, lambda which: which.value if isinstance(which, Constant) else None)
        out |= {zero} if zero is not None else set()
        if zero is None and len(steps) > 1 and kernel.format != kernel.inner:
            out |= set(zeros_between(target, first, last))
    if kernel.scheme.flush:
        least = Fraction(smallest_normal(kernel.format))
        out |= {least, -least}
    for number, first, last in spans:
        if kernel.pieces[number].result is None or first == last:
            beside = (_next(first, -1, kernel.format), _next(last, 1, kernel.format))
            out |= {first, last, *map(Fraction, filter(isfinite, beside))}
    return sorted(cut for cut in out if abs(cut) < spans[-1][2])


def _cuts(kernel: Kernel, target: Expression, first: Fraction, last: Fraction) -> list[Fraction]:
    return [cut for cut in cuts_of(kernel, target) if first <= cut <= last]


def _points(kernel: Kernel, target: Expression) -> list[Fraction]:
    """Cuts that are numbers of the format, where the code gives a number."""
    spans = [span for span in _spans(kernel) if kernel.pieces[span[0]].result is not None]
    found = {cut for _, first, last in spans for cut in _cuts(kernel, target, first, last)}
    return sorted(cut for cut in found if in_format(cut, kernel.format))


def _between(kernel: Kernel, target: Expression) -> Iterator[tuple[int, Expression, Fraction, Fraction]]:
    """Which piece, the target as it is there, and two numbers of the format, or zero, between two cuts."""
    for number, first, last in _spans(kernel):
        cuts = _cuts(kernel, target, first, last)
        for a, b in pairwise([None, *cuts, None]):
            lower = first if a is None else a if a == 0 else Fraction(_next(a, 1, kernel.format))
            upper = last if b is None else b if b == 0 else Fraction(_next(b, -1, kernel.format))
            if lower < upper or (lower == upper and lower not in cuts):
                # The target's branch is that between the cuts, not only between the numbers.
                yield number, target.on(lower if a is None else a, upper if b is None else b), lower, upper


def _parts(kernel: Kernel, target: Expression) -> Iterator[Part]:
    least = smallest_normal(kernel.format)
    for number, formula, lower, upper in _between(kernel, target):
        if kernel.pieces[number].result is not None:
            piece, zero = kernel.pieces[number], at_point(target, Fraction(0)) if kernel.scheme.flush else None
            own = judge_of(piece, formula, kernel, (lower, upper))
            judge: Judge | Either = own
            if zero is not None and max(abs(lower), abs(upper)) < least and _has_series(piece, kernel):
                judge = Either(own, Judge(piece, _constant(zero), kernel, _calls(kernel)))
            yield Part(judge, formula, lower, upper)


def _constant(value: arb) -> Callable[[Any], Any]:
    """A function that is a number everywhere."""
    return lambda u: 0 * u + value


class Either:
    """Two judges, one of whom has to agree: where x is subnormal what is right at zero is right."""

    def __init__(self, *judges: Judge) -> None:
        self.judges, self.own, self.flush, self.squares = judges, False, True, Fraction(0)
        self.most = judges[0].most

    def found(self, box: Box) -> Found:
        """The lesser error on a box."""
        return min((judge.found(box) for judge in self.judges), key=lambda found: found.ulp)

    def beyond(self, tree: Node, start: Fraction, side: int) -> Found:
        """Nothing: no half-line holds subnormal numbers alone."""
        return UNKNOWN


def _without_value(kernel: Kernel, target: Expression) -> None:
    """Raise unless the target has no value wherever the code gives no number."""
    empty = {number for number, piece in enumerate(kernel.pieces) if piece.result is None}
    for number, formula, lower, upper in _between(kernel, target):
        ends = (end or Fraction(2) ** FORMATS[kernel.format][1] * (1 if upper > 0 else -1) for end in (lower, upper))
        if number in empty and not nowhere(formula.tree, *ends):
            raise NotProved(f"from {float(lower):g} to {float(upper):g} the target may have values")
    for number, first, last in _spans(kernel):
        for cut in _cuts(kernel, target, first, last) if number in empty else ():
            if not nowhere(target.tree, cut, cut):
                raise NotProved(f"at {float(cut):g} the target may have a value")


def _only_normal(kernel: Kernel) -> None:
    """Raise where machines that flush would replace a constant."""
    least = smallest_normal(kernel.inner)
    codes: tuple[Piece | Function, ...] = (*kernel.pieces, *kernel.functions)
    found = [which.value for code in codes for _, names in code.steps for which in names if isinstance(which, Constant)]
    if kernel.scheme.flush and any(0 < abs(value) < least for value in found):
        raise NotProved("a constant is a subnormal number")


def _calls(kernel: Kernel) -> Calls:
    """The functions that forms call."""
    inner, out = kernel.inner, dict[str, Call]()
    for f in kernel.functions:
        if inner == kernel.format and f.name in ("exp", "log"):
            bits, smallest, top = FORMATS[inner]
            ends = (
                DOMAINS[inner]["exp"] if f.name == "exp" else (Fraction(2) ** (smallest + bits - 1), Fraction(2) ** top)
            )
            out[f.name] = Call(*ends, sum_error(f, inner, kernel.scheme.flush).after)
        elif f.name == "exp":
            out[f.name] = Call(-REACH[inner], REACH[inner], exponential_error(f, inner))
    return out


def _has_series(piece: Piece, kernel: Kernel) -> bool:
    """Whether every operation is one that `Judge` knows: those of formulas, as a logarithm's, may not be."""
    calls = _calls(kernel)
    return all(op in calls or (op in SERIES and op in ARITY) for op, _ in piece.steps)


def judge_of(piece: Piece, formula: Expression, kernel: Kernel, ends: tuple[Fraction, Fraction]) -> Judge:
    """Of the formula itself errors are followed node by node; everything else is compared with it on small boxes."""
    side, proved, calls = 1 if ends[1] > 0 else -1, Proved(kernel, piece), _calls(kernel)
    style = style_of(piece, formula, proved, side) if piece.steps else None
    if style is not None:
        return FollowedJudge(piece, formula, kernel, proved, side, style)
    known = ExpTimes.of(piece, kernel.inner, kernel.scheme) if kernel.inner == kernel.format and piece.steps else None
    if known is not None:
        return ExpTimesJudge(piece, formula, kernel, known)
    if not _has_series(piece, kernel):
        raise NotProved(f"the operations from {float(ends[0]):g} to {float(ends[1]):g} are not those of the target")
    return Judge(piece, formula.ball, kernel, calls, formula.tree)


# -- boxes -----------------------------------------------------------------------------------------------------------


def _searched(parts: Iterator[Part], wanted: float, smallest: int) -> list[tuple[float, Found]]:
    """Boxes that cover all parts, each with an input and what was found, the worst of them halved."""
    order, seen, least = count(), 0.0, Fraction(2) ** smallest
    done: list[tuple[float, Found]] = []
    heap: list[tuple[float, int, Judge | Either, Box, Found]] = []

    def push(judge: Judge | Either, box: Box) -> None:
        nonlocal seen
        if 0 in box[:2] and box.upper - box.lower < least:  # zero itself is looked at alone
            return
        found = judge.found(box)
        seen = max(seen, found.near)
        heapq.heappush(heap, (-found.ulp, next(order), judge, box, found))

    for part in parts:
        for piece in _started(part, wanted):
            if isinstance(piece, Box):
                push(part.judge, piece)
            else:
                done.append(piece)
    while heap and -heap[0][0] > min(seen * NEAR, wanted):
        watch.check()
        watch.report(f"{len(heap)} boxes of inputs: the error is at most {-heap[0][0]:.4g} ulp", (0, 0))
        ulp, number, judge, box, _ = heap[0]
        narrow = 0 not in box[:2] and box.upper - box.lower < abs(box.lower) / 2**30
        if narrow or number > MOST_BOXES:
            if -ulp <= wanted:
                break
            raise NotProved(
                f"near x = {float(box.lower):g} the error is not proved to be within {wanted:g} ulp: allow a larger "
                "error, or give the target on an interval, as where(abs(x) < 3, f(x), 0)"
            )
        heapq.heappop(heap)
        middle = (box.lower + box.upper) / 2
        inner, outer = (box.lower, box.upper) if box.upper > 0 else (box.upper, box.lower)
        push(judge, between(inner, middle, box.near))
        push(judge, between(middle, outer))
    return done + [(float(box.upper or box.lower), found) for *_, box, found in heap]


def _started(part: Part, wanted: float) -> Iterator[Box | tuple[float, Found]]:
    """Boxes to begin with, from zero outwards, and the half-line if there is one."""
    side = 1 if part.upper > 0 else -1
    inner, outer = sorted((abs(part.lower), abs(part.upper)))
    whole = outer == to_fraction(part.judge.most)
    while inner < outer:
        if whole and inner:
            found = part.judge.beyond(part.formula.tree, side * inner, side)
            if found.ulp <= wanted:
                yield float(side * inner), found
                return
        near = part.judge.own and (not inner or (part.judge.flush and inner < part.judge.squares))
        step = min(outer, START if near else 2 * inner or START)
        if near and step > part.judge.squares:
            # There squares of x are far below the least number. Where numbers are flushed the first ones are cut off.
            yield between(side * inner, side * part.judge.squares, near=inner > 0)
            yield between(side * part.judge.squares, side * step, near=True)
        else:
            yield between(side * inner, side * step)
        inner = step
    if part.lower == part.upper:
        yield Box(part.lower, part.upper)


def _single(kernel: Kernel, target: Expression, point: Fraction) -> tuple[float, Found]:
    """The error at a single number, of zero with either sign, where the target has the value of the switch itself."""
    x = [float(point)] if point else [-0.0, 0.0]
    given = np.array(x)
    y = [arb(float(each)) for machine in kernel.scheme.machines for each in kernel(given, machine)]
    value = at_point(target, point)
    if value is None:  # an infinity in the place of a value
        sides = {infinity_at(target, float(point), side) for side in (-1, 1)}
        seen = {float(each) for each in rounded(np.array([float(each) for each in y]), kernel.format)}
        same = len(seen) == 1 and seen <= sides
        right = same and nowhere(target.tree, point, point)
        return x[0], Found(0.0 if right else inf, 0.0, y[0].min(y[-1]), y[0].max(y[-1]))
    judge = Judge(next(piece for piece in kernel.pieces if piece.result is not None), target.ball, kernel, {})
    if abs(value) >= judge.top:
        right = all(isinf(float(each)) and (each > 0) == (value > 0) for each in y)
        return x[0], Found(0.0 if right else inf, 0.0, y[0].min(y[-1]), y[0].max(y[-1]))
    near = [each.max(-judge.top).min(judge.top) for each in y]
    if kernel.scheme.flush and abs(value) < judge.normal + judge.least:  # 0 is right, too
        near = [value if each.is_zero() else each for each in near]
    errors = [abs(value - each) / judge.unit(abs(value).lower()) for each in near]
    ulp = max(float(error.upper()) if error.is_finite() else inf for error in errors)
    return x[0], Found(ulp, ulp, y[0].min(y[-1]), y[0].max(y[-1]))


def at_point(target: Expression, point: Fraction) -> arb | None:
    """The target's value at a number, where it has one."""
    try:
        value = evaluate(target.tree, to_arb(point), WHOLE_AT_POINT)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value.is_finite() else None


def _outward(value: arb, side: int, format: str) -> float:
    """The number of a format to which everything within a bound is rounded at most."""
    end = value.lower() if side < 0 else value.upper()
    wide = float(end)
    if not (arb(wide) <= end if side < 0 else arb(wide) >= end):
        wide = nextafter(wide, side * inf)
    with np.errstate(over="ignore"):
        return float(np.dtype(format).type(wide)) or 0.0
