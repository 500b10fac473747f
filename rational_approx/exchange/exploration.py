"""The exchange in multiprecision arithmetic from a rough start, for errors that float64 cannot see.

Below some 1e-13 of the target's size float64 shows noise where the error should be. The same three steps are then
taken with balls, by :mod:`exchange.sides` without bounds. Functions approximated so well are smooth, and a look at a
few points in each gap of the reference is enough; where poles come close they are not. So what is finished is looked at
once more: by the proof's own search or, where the target cannot be enclosed, at many points of each gap.
"""

from contextlib import suppress
from fractions import Fraction
from math import inf
from typing import NamedTuple

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.exchange.relaxed import Record, decided
from rational_approx.exchange.sides import Settled, Sides
from rational_approx.exchange.stationary import Reference
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced, ReducedPiece

__all__ = ["Explored", "exceeding", "explored"]

MANY_DIGITS = 280
"""An error below ten to the minus twice as many is taken for none: infinity stands for 2**2000, about 1e602."""

LOOKS, MANY_LOOKS = 6, 32
NEAR, LARGER = 0.03, 1e-3
"""The deviation from whose peaks the finish may start, and by how much, relatively, an error is larger that is seen."""


class Explored(NamedTuple):
    """A nearly levelled reference: what the finish starts from. ``exact`` where the target itself is of the type."""

    reference: tuple[Fraction, ...]
    h: float
    q_values: np.ndarray
    deviation: float
    exact: bool
    history: tuple[Record, ...]


def explored(problem: Reduced, degree: tuple[int, int], start: Reference, digits: int) -> Explored:
    """Exchange from a start until the peaks agree to a thousandth, which is where the finish takes over.

    An error of zero to many digits may still be one that is only very small, as that of ``exp`` is in type (20, 20). It
    is seen where it is level on the reference, which the noise of an error that is none is not. The target counts as a
    rational of the type where many more digits show none either.

    Raises
    ------
    Unfinished
        where a reference levels no rational without a pole, or the peaks do not settle.
    """
    for more in (digits, max(4 * digits + 20, MANY_DIGITS)):
        found = _explored(problem, degree, start, more)
        if not found.exact:
            break
    return found


def _explored(problem: Reduced, degree: tuple[int, int], start: Reference, digits: int) -> Explored:
    with working_bits(int(6.7 * digits) + 64 + 8 * len(start)):
        sides = Sides(problem, degree, [np.array(piece.missed) for piece in problem.pieces])
        now = sides.started([t if isinstance(t, Fraction) else Fraction(float(t)) for t in start])
        size = max(abs(sides.values(touch.piece, touch.t).s) for touch in now.touches)
        decided(problem, degree, float(now.h), 0.0, [float(t) for t in start])
        tiny = bool(now.h <= size * flint.arb(10) ** -(2 * digits + 20))
        exact = tiny and (digits >= MANY_DIGITS or sides.unevenness(now) > LARGER)
        history: list[Record] = []
        if not exact:
            with suppress(watch.OutOfTime):  # what is level is something to hand on
                now = sides.settled(now, (-inf, inf), NEAR, LOOKS, history)
        q_values = np.array([float(now.q(touch.t)) for touch in now.touches])
        reference = tuple(_place(problem.pieces[touch.piece], touch.t) for touch in now.touches)
        return Explored(reference, float(now.h), q_values, now.deviation, exact, tuple(history))


def exceeding(problem: Reduced, done: Finished) -> tuple[float, ...]:
    """Points near which the error of what was finished is larger than on its reference."""
    with working_bits(done.bits):
        sides = Sides(problem, problem.degree, [np.empty(0)] * len(problem.pieces))
        touches = [sides.placed(t, 1) for t in done.reference]
        now = Settled(flint.arb_poly(done.p), flint.arb_poly(done.q), abs(to_arb(done.h)), touches, 0.0)
        found = sides.peaks(now, (-inf, inf), MANY_LOOKS)
        return tuple(float(touch.t) for touch, excess in found if excess > LARGER)


def _place(piece: ReducedPiece, t: flint.arb) -> Fraction:
    # The exact end of the piece where that is the point.
    return next((end for end in (piece.lower, piece.upper) if t == to_arb(end).mid()), to_fraction(t))
