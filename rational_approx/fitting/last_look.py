"""The last look: the proof's own search for the largest error, over the whole domain and not at points of it.

An exchange ends when no peak that it sees exceeds the levelled error. What it does not see may: a peak narrower than
the distance of the points it looks at. For a target that can be enclosed the branch and bound of
:mod:`rational_approx.proof.supremum` leaves nothing out. Where it finds a larger error, the points that show it go back
into the exchange, until both agree.
"""

from fractions import Fraction
from typing import NamedTuple

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import fraction, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.fitting.result import Fit
from rational_approx.proof.error_search import ErrorOf, finite_points, place, rounded

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
    points = finite_points(found.reference)
    error = ErrorOf(target, *found.rational.polynomials, points, len(found.reference), AGREED)
    allowed = fraction(found.error) * (1 + AGREED)
    try:
        search, bits, reached = error.searched(allowed)
    except (Undecided, OverflowError):
        return None
    if search is None:
        return Look(Fraction(0), ())
    with working_bits(bits):
        above = [sample for sample in search.samples if rounded(abs(sample.value).lower(), -1) > allowed]
        upper = rounded(search.upper, 1) if reached and search.upper.is_finite() else None
        return Look(upper, tuple(place(target, search.curves[sample.curve], sample.x) for sample in above))
