"""The target, enclosed, at every number of a 16-bit format, or at some of float32."""

from dataclasses import dataclass
from math import inf

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.enclosures import AT_POINT
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node, evaluate
from rational_approx.kernels.numbers import KINDS, last_places, least_places, tried_numbers

__all__ = ["SLACK", "Truth", "enclosed", "truth"]

SLACK = 2.0**-50
"""How far a value may be from the true one, relative to it."""
TINY = 2.0**-200
"""And how far besides."""
HUGE = 2.0**1000
"""Values beyond are infinite here."""
BITS = (100, 400, 1600, 6400)
"""The precisions that are tried, one after the other, at the inputs that are still open."""


@dataclass(frozen=True)
class Truth:
    """The numbers ``x`` of a format that are tried, in float32, ascending, and the target there in float64: off by at
    most ``SLACK`` relative to it, or by ``TINY``; infinite where it is certainly beyond every number of the format."""

    target: Expression
    format: str
    x: np.ndarray
    value: np.ndarray

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
    return enclosed(target, format, tried_numbers(format, target.breakpoints(-inf, inf)))


def enclosed(target: Expression, format: str, x: np.ndarray) -> Truth:
    """Enclose the target at numbers of a format, in float32, ascending; raises as `truth`."""
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
    lost = np.isnan(value)
    if lost.any():
        raise ValueError(
            f"the target {target.text} has no real value at x = {float(x[lost][0])!r}, or none that is seen, and code "
            "must say something at every number: give an expression that has one everywhere, as where(x > 0, log(x), 0)"
        )
    return Truth(target, format, x, value)


def _at(tree: Node, x: float) -> tuple[float, bool]:
    # The value, and whether it is known well enough.
    ball = evaluate(tree, flint.arb(x), AT_POINT)
    if not ball.is_finite():
        return float("nan"), False
    if ball.rel_accuracy_bits() < 60 and not abs(ball) < TINY / 2:
        return 0.0, False
    if abs(ball) > HUGE:
        return (inf if ball > 0 else -inf), True
    return float(ball.mid()), True
