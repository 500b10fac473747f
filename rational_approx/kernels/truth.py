"""The target, enclosed, at every number of a 16-bit format, or at some of float32."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import inf, isinf, nan
from typing import NamedTuple

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.enclosures import AT_POINT
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.holes import WHOLE_AT_POINT
from rational_approx.expressions.nodes import Node, evaluate
from rational_approx.expressions.rays import too_large
from rational_approx.kernels.crossings import crossings
from rational_approx.kernels.numbers import KINDS, finite_numbers, last_places, least_places, tried_numbers
from rational_approx.kernels.undefined import nowhere

__all__ = ["SLACK", "Edge", "Truth", "enclosed", "infinity_at", "truth"]

SLACK = 2.0**-50
"""How far a value may be from the true one, relative to it."""
TINY = 2.0**-200
"""And how far besides."""
HUGE = 2.0**1000
"""Values beyond are infinite here."""
GROWS = 0.1
"""By so much at least what is infinite at a number grows beside it, from 2^-150 away to 2^-200."""
MOST_RUNS = 4
"""On so many intervals at most a target may have values."""
BITS = (100, 400, 1600, 6400)
"""The precisions that are tried, one after the other, at the inputs that are still open."""


class Edge(NamedTuple):
    """The number next to those at which the target has a value, and what stands for it there: NaN, or an infinity."""

    number: float
    value: float


class Gap(NamedTuple):
    """The first number tried behind numbers without a value, and the next of those on both sides."""

    number: float
    left: Edge
    right: Edge


@dataclass(frozen=True)
class Truth:
    """The numbers ``x`` of a format that are tried, in float32, ascending, and the target there in float64: off by at
    most ``SLACK`` relative to it, or by ``TINY``; infinite where it is certainly beyond every number of the format.

    Where the target has values only from, or up to, some number, ``edges`` has the next ones on both sides. ``zeros``
    are those where it changes its sign, apart from 0; numbers beside them are tried, too. ``gaps`` are between numbers
    without a value inside.
    """

    target: Expression
    format: str
    x: np.ndarray
    value: np.ndarray
    edges: tuple[Edge | None, Edge | None] = (None, None)
    zeros: tuple[Fraction, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def gap_places(self) -> tuple[int, ...]:
        """The indices of the first numbers behind gaps."""
        return tuple(int(np.searchsorted(self.x, gap.number)) for gap in self.gaps)

    def beside(self, x: float) -> float:
        """What stands for the target at a number at which it has no value: NaN, or the infinity at an end of values."""
        edges = [edge for edge in self.edges if edge] + [edge for gap in self.gaps for edge in gap[1:]]
        found = {edge.value for edge in edges if edge.number == x and isinf(edge.value)}
        both = [edge.value for edge in edges if edge.number == x]
        return found.pop() if len(found) == 1 and all(map(isinf, both)) else nan

    def units(self, value: np.ndarray) -> np.ndarray:
        """The units in which the proof will judge errors: those in the last place where every number is tried, else
        multiples of the value, since a box of inputs runs over many of its powers of two."""
        return last_places(value, self.format) if self.format in KINDS else least_places(value, self.format)


def truth(target: Expression, format: str) -> Truth:
    """Enclose the target at the numbers of a format that are tried.

    Raises
    ------
    ValueError
        where it has no real value at one of them, or none is seen.
    """
    x = tried_numbers(format, (Fraction(0), *target.breakpoints(-inf, inf)))
    value = _values(target, x)
    lost = np.isnan(value)
    inside = np.flatnonzero(~lost)
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    if format in KINDS and not all(
        nowhere(target.tree, Fraction(point), Fraction(point)) for point in x[lost].tolist()
    ):
        return _everywhere(target, format, x, value)
    if not lost.any() or not inside.size or len(runs) > MOST_RUNS:
        return _beside_zeros(_everywhere(target, format, x, value))
    ends = [(bool(run[0] > 0), bool(run[-1] < x.size - 1)) for run in runs]
    found = [_between(target, format, x[run], value[run], sides) for run, sides in zip(runs, ends)]
    gaps = []
    for before, after in pairwise(found):
        left, right = before.edges[1], after.edges[0]
        assert left is not None
        assert right is not None
        gaps.append(Gap(float(after.x[0]), left, right))
    x, value = (np.concatenate(parts) for parts in ([each.x for each in found], [each.value for each in found]))
    edges = found[0].edges[0], found[-1].edges[1]
    return _beside_zeros(Truth(target, format, x, value, edges, (), tuple(gaps)))


def _beside_zeros(known: Truth) -> Truth:
    """With the zeros of the target, and in float32 with the numbers beside each, ever further away."""
    target, x, value = known.target, known.x, known.value
    zeros = crossings(x, value, lambda lower, upper: target.on(lower, upper).tree)
    if not zeros or known.format in KINDS:
        return replace(known, zeros=tuple(zeros))
    steps = 2 ** np.arange(20, dtype=np.int32)
    codes = np.array([float(zero) for zero in zeros], dtype=np.float32).view(np.int32)
    beside = np.concatenate([codes, *(codes + side * step for step in steps for side in (-1, 1))]).view(np.float32)
    more = np.setdiff1d(beside[(x[0] <= beside) & (beside <= x[-1])], x)
    added = _values(target, more)
    more, added = more[~np.isnan(added)], added[~np.isnan(added)]
    order = np.argsort(np.concatenate([x, more]), kind="stable")
    x, value = np.concatenate([x, more])[order], np.concatenate([value, added])[order]
    return replace(known, x=x, value=value, zeros=tuple(zeros))


def enclosed(target: Expression, format: str, x: np.ndarray) -> Truth:
    """Enclose the target at numbers of a format, in float32, ascending; raises where it has no value at one of them."""
    return _everywhere(target, format, x, _values(target, x))


def _everywhere(target: Expression, format: str, x: np.ndarray, value: np.ndarray) -> Truth:
    lost = np.isnan(value)
    if lost.any():
        raise ValueError(
            f"the target {target.text} has no real value at x = {float(x[lost][0])!r}, or none that is seen, and its "
            f"values are not on {MOST_RUNS} intervals at most: give an expression that has one everywhere, as "
            "where(x > 0, log(x), 0)"
        )
    return Truth(target, format, x, value)


def _values(target: Expression, x: np.ndarray) -> np.ndarray:
    """The target's values as `Truth` has them; NaN where there is none."""
    value, known = np.full(x.size, np.nan), np.zeros(x.size, dtype=bool)
    for bits in BITS:
        for places in np.array_split(np.flatnonzero(~known), 16):
            watch.check()
            watch.report(f"the target is enclosed: {int(known.sum())} of {x.size} inputs", (0, 0))
            with working_bits(bits):
                found = [_at(target.tree, float(point)) for point in x[places]]
            value[places], known[places] = [v for v, _ in found], [sure for _, sure in found]
        # Where a value does not exist no precision finds one.
        if known.all() or (bits > BITS[0] and np.isnan(value).any()):
            break
    value[~known] = np.nan
    return value


def _between(target: Expression, format: str, x: np.ndarray, value: np.ndarray, sides: tuple[bool, bool]) -> Truth:
    """The truth on the interval of numbers that have one, found by halving where not all are tried."""
    edges: list[Edge | None] = []
    for left, asked in zip((True, False), sides):
        if not asked:
            edges.append(None)
            continue
        every = finite_numbers(format if format in KINDS else KINDS[0])
        at = int(np.searchsorted(every, x[0], "left")) - 1 if left else int(np.searchsorted(every, x[-1], "right"))
        outer, inner = np.float32(every[at]), np.float32(x[0] if left else x[-1])
        while format not in KINDS and np.nextafter(outer, inner) != inner:
            middle = _middle(outer, inner)
            with working_bits(BITS[1]):
                known = _at(target.tree, float(middle))
            outer, inner = (outer, middle) if np.isfinite(known[0]) else (middle, inner)
        edges.append(Edge(float(outer) or 0.0, infinity_at(target, float(outer), 1 if left else -1)))
        if format in KINDS:
            continue
        # The first number with a value, which may be a zero of the target, and others beside it, where it may be steep.
        steps = np.concatenate([[0], 2 ** np.arange(22)]) * (1 if left == (inner >= 0) else -1)
        beside = (np.array([np.abs(inner)]).view(np.int32) + steps.astype(np.int32)).view(np.float32)
        next_to = np.array([np.nextafter(inner, np.float32(inf if left else -inf))])  # also of zero
        more = np.setdiff1d(np.copysign(beside, inner) if inner else next_to, x)
        more = more[np.isfinite(more) & ((more >= inner) if left else (more <= inner))]
        with working_bits(BITS[1]):
            values = np.array([_at(target.tree, float(point))[0] for point in more])
        order = np.argsort(np.concatenate([x, more]), kind="stable")
        x, value = np.concatenate([x, more])[order], np.concatenate([value, values])[order]
    return Truth(target, format, x, value, (edges[0], edges[1]))


def infinity_at(target: Expression, x: float, side: int) -> float:
    """Where floats say that a target is infinite: the infinity to which it grows on a side; else NaN."""
    with np.errstate(all="ignore"):
        value = float(target(x))
    if not np.isinf(value):
        return float("nan")
    with working_bits(BITS[1]):
        far, near = (evaluate(target.tree, flint.arb(x) + side * flint.arb(2) ** -k, AT_POINT) for k in (150, 200))
    if not abs(near) > abs(far) + GROWS:
        return nan
    return inf if near > 0 else -inf if near < 0 else float("nan")


def _middle(a: np.float32, b: np.float32) -> np.float32:
    """The number of float32 half way between two, as they are ordered."""
    places = [int(code) if code >= 0 else -int(code & 0x7FFFFFFF) for code in np.array([a, b]).view(np.int32)]
    place = sum(places) // 2
    return np.int32(abs(place)).view(np.float32) * np.float32(1 if place >= 0 else -1)


def _at(tree: Node, x: float) -> tuple[float, bool]:
    # The value, and whether it is known well enough.
    ball = evaluate(tree, flint.arb(x), WHOLE_AT_POINT)
    if not ball.is_finite():
        side = too_large(tree, flint.arb(x), flint.arb(HUGE))
        return (side * inf, True) if side else (nan, False)
    if ball.rel_accuracy_bits() < 60 and not abs(ball) < TINY / 2:
        return 0.0, False
    if abs(ball) > HUGE:
        return (inf if ball > 0 else -inf), True
    return float(ball.mid()), True
