"""Real roots of an expression tree on an interval: exact for polynomials, isolated by ball arithmetic otherwise."""

from fractions import Fraction
from itertools import pairwise
from math import inf

import flint

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.expressions.enclosures import Undecided, ball_between, series_variable
from rational_approx.expressions.holes import WHOLE, vanishes
from rational_approx.expressions.nodes import Node, evaluate
from rational_approx.expressions.quotients import polynomial

__all__ = [
    "RESOLUTION",
    "has_values",
    "inner_point",
    "proved_sign",
    "roots",
    "sign_at",
    "value_at",
]

MOST_ROOTS = 500
"""A tree with more roots, such as a sine on a half-line, has undecided ones."""
RESOLUTION = 400
"""Roots that are not rational numbers are located to within ``2**-RESOLUTION``."""


def _polynomial_roots(poly: flint.fmpq_poly) -> list[Fraction]:
    # Real roots: those of linear factors exactly, the others as the midpoint of an isolating ball.
    found = []
    with working_bits(RESOLUTION + 60):
        for factor, _ in poly.numer().factor()[1]:
            if factor.degree() == 1:
                found.append(Fraction(-int(factor[0]), int(factor[1])))
            elif factor.degree() > 1:
                balls = [root for root, _ in factor.complex_roots()]
                found += [to_fraction(root.real) for root in balls if root.imag.is_zero()]
    return sorted(found)


def value_at(node: Node, x: Fraction) -> flint.arb:
    """An enclosure of the value at a point, at the working precision."""
    return evaluate(node, to_arb(x), WHOLE)


def sign_at(node: Node, x: Fraction) -> int:
    """The proved sign at a point, or 0 where the value is zero or closer to it than the resolution."""
    for bits in (128, 512, 2 * RESOLUTION):
        with working_bits(bits):
            value = value_at(node, x)
        if value > 0 or value < 0:
            return 1 if value > 0 else -1
    return 0


def _bisect(node: Node, lower: Fraction, upper: Fraction, rising: int) -> Fraction:
    # One simple root of a monotone function: halve until the bracket is narrower than the resolution.
    while upper - lower > Fraction(1, 2 ** (RESOLUTION + 2)):
        middle = (lower + upper) / 2
        sign = sign_at(node, middle)
        if sign == 0:
            return middle
        lower, upper = (lower, middle) if sign == rising else (middle, upper)
    return (lower + upper) / 2


def _roots_on_box(node: Node, lower: Fraction, upper: Fraction, depth: int, found: list[Fraction]) -> bool:
    # Append the roots inside an interval; False where something stayed undecided.
    if len(found) > MOST_ROOTS:
        return False
    box = ball_between(lower, upper)
    try:
        value = evaluate(node, box, WHOLE)
        if value > 0 or value < 0:
            return True
        series = evaluate(node, series_variable(box, 2), WHOLE)
        slope = series[1] if isinstance(series, flint.arb_series) else flint.arb(0)
    except Undecided:
        slope = flint.arb.nan()
    if slope > 0 or slope < 0:
        left, right = sign_at(node, lower), sign_at(node, upper)
        if left * right < 0:
            found.append(_bisect(node, lower, upper, right))
        elif left * right == 0:
            found += [end for end, sign in ((lower, left), (upper, right)) if sign == 0]
        return True
    if depth == 0:
        return False
    middle = (lower + upper) / 2
    halves = ((lower, middle), (middle, upper))
    left, right = (_roots_on_box(node, *half, depth - 1, found) for half in halves)  # both, so that no root is missed
    return left and right


def _windows(lower: End, upper: End) -> tuple[list[tuple[Fraction, Fraction]], bool]:
    # A bounded interval itself; of an unbounded one, windows that double up to 2**40, and False: the rest is unseen.
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        return [(lower, upper)], True
    if lower == -inf:
        mirrored, _ = _windows(-upper, inf)
        return [(-b, -a) for a, b in reversed(mirrored)], False
    start = Fraction(lower)
    cuts = [start, *(start + 2**k for k in range(0, 41, 2))]
    return list(pairwise(cuts)), False


def roots(node: Node, lower: End, upper: End) -> tuple[list[Fraction], bool]:
    """Roots strictly inside an interval, and whether these are proved to be all."""
    poly = polynomial(node)
    if poly is not None:
        return ([] if poly.degree() < 1 else [r for r in _polynomial_roots(poly) if lower < r < upper]), poly != 0
    if lower == -inf and upper == inf:
        left, _ = roots(node, -inf, Fraction(0))
        right, _ = roots(node, Fraction(0), inf)
        return left + [Fraction(0)] * (sign_at(node, Fraction(0)) == 0) + right, False
    windows, complete = _windows(lower, upper)
    found: list[Fraction] = []
    with working_bits(128):
        for window in windows:
            complete = _roots_on_box(node, *window, 12, found) and complete
    tiny = Fraction(1, 2 ** (RESOLUTION - 2))
    inside: list[Fraction] = []
    for root in sorted(set(found)):
        if lower + tiny < root < upper - tiny and not (inside and root - inside[-1] < tiny):
            inside.append(_simplest(node, root))
    return inside, complete


def _simplest(node: Node, root: Fraction) -> Fraction:
    """The root itself where it is a simple rational number, as 3/10 is one of sin(x - 0.3)."""
    simple = root.limit_denominator(10**6)
    return simple if abs(simple - root) < Fraction(1, 2 ** (RESOLUTION - 4)) and vanishes(node, simple) else root


def has_values(node: Node, lower: End, upper: End, boxes: int = 200) -> bool:
    """Whether a tree provably has a value at every point of a closed bounded interval."""
    if not (isinstance(lower, Fraction) and isinstance(upper, Fraction)):
        return False
    stack = [(lower, upper)]
    with working_bits(128):
        while stack and boxes:
            (a, b), boxes = stack.pop(), boxes - 1
            if not evaluate(node, ball_between(a, b), WHOLE).is_finite():
                stack += [(a, (a + b) / 2), ((a + b) / 2, b)]
    return not stack


def inner_point(lower: End, upper: End) -> Fraction:
    """Some point inside an interval."""
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        return (lower + upper) / 2
    if isinstance(lower, Fraction):
        return lower + 1
    return upper - 1 if isinstance(upper, Fraction) else Fraction(0)


def proved_sign(switch: Node, lower: End, upper: End) -> int:
    """The sign that a tree keeps on the open interval, or 0 where that is not proved."""
    poly = polynomial(switch)
    if poly is not None:
        # An irrational root is only known to a dyadic number near it: it counts as inside unless it lies well outside.
        near = Fraction(1, 2 ** (RESOLUTION - 2))
        exact = {end for end in (lower, upper) if isinstance(end, Fraction) and poly(fmpq(end)) == 0}
        for root in _polynomial_roots(poly) if poly.degree() > 0 else []:
            if root not in exact and lower - near < root < upper + near:
                return 0
        return sign_at(switch, inner_point(lower, upper)) if poly != 0 else 0
    inside, complete = roots(switch, lower, upper)
    if inside or not complete:
        return 0
    # Near an end the root may hide within the resolution: there the end itself has to be a root, or to have the sign.
    sign = sign_at(switch, inner_point(lower, upper))
    for end in (lower, upper):
        at_end = sign_at(switch, end) if isinstance(end, Fraction) else sign
        exact_root = isinstance(end, Fraction) and vanishes(switch, end)
        if at_end != sign and not exact_root:
            return 0
    return sign
