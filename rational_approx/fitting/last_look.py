"""The last look: the proof's own search for the largest error, over the whole domain and not at points of it.

An exchange ends when no peak that it sees exceeds the levelled error. What it does not see may: a peak narrower than
the distance of the points it looks at. For a target that can be enclosed the branch and bound of
:mod:`rational_approx.proof.supremum` leaves nothing out. Where it finds a larger error, the points that show it go back
into the exchange, until both agree.
"""

from fractions import Fraction
from typing import NamedTuple

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction
from rational_approx.fitting.result import Fit
from rational_approx.proof.largest import largest_error

__all__ = ["Look", "last_look"]

AGREED = Fraction(1, 10**9)
"""How much larger than the levelled error, relatively, an error may be that counts as the same."""


class Look(NamedTuple):
    """A proved upper bound of the error; and points at which it exceeds the levelled one."""

    upper: Fraction | None
    missed: tuple[End, ...]


def last_look(found: Fit) -> Look | None:
    """Where the error of a fit is larger than its levelled error; None where the target cannot be enclosed."""
    target = found.target
    if target.samples is not None or any(p.expression is None or p.weight_expression is None for p in target.pieces):
        return None
    allowed = fraction(found.error) * (1 + AGREED)
    searched = largest_error(target, found.rational, found.reference, AGREED, allowed)
    if searched is None:
        return None
    return Look(searched.upper, tuple(x for x, size in searched.points if size > allowed))
