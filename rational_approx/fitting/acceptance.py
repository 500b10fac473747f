"""Whether what is finished is a best approximant: no pole, no larger error, alternations enough.

The proof's own search decides where the target can be enclosed (:mod:`fitting.last_look`). These checks are what else
there is: exact for the pole, in floats and multiprecision for the rest.
"""

from typing import NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.arithmetic.signs import sign_on
from rational_approx.exchange.extrema import looks, peaks
from rational_approx.exchange.identity import Failure
from rational_approx.exchange.levelled import Level
from rational_approx.exchange.relaxed import exchange, sampled
from rational_approx.exchange.stationary import Reference, moved, placed
from rational_approx.fitting.result import LOOKED_AT
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["Candidate", "alternations", "has_pole", "nothing_larger"]

ROUGH = 1e-4
"""How uneven a reference may be for its own peaks to vouch for what is finished from it."""

FULL = 1e-9
"""How much lower than the level, relatively, a peak of full height may be."""


SHARP = 4
"""Newton steps to a peak that floats have found to 1e-5 of its gap: two square it away, two are for bad luck."""


class Candidate(NamedTuple):
    """A nearly level reference, from which the finish may start."""

    reference: Reference
    h: float
    q_values: np.ndarray
    deviation: float
    level: Level | None


def has_pole(problem: Reduced, done: Finished) -> bool:
    """Whether the denominator has a zero on the domain, or not the signs on its pieces that it shall, up to one."""
    signs = {sign_on(done.q, piece.lower, piece.upper).sign * piece.q_sign for piece in problem.pieces}
    return signs not in ({1}, {-1})


def nothing_larger(problem: Reduced, candidate: Candidate, done: Finished) -> bool:
    """Whether no error on a fresh look, in float64, exceeds the levelled one by more than rounding explains, and the
    levelled one is no smaller than the candidate's.

    By de la Vallee-Poussin's theorem no rational of the type has a smaller error than the one that a candidate levels:
    a finish that ends below it has followed Newton's step to another stationary point, past a peak.
    """
    h, low = abs(float(done.h)), abs(candidate.h)
    if candidate.level is None:  # explored in multiprecision arithmetic, peaks and all
        return h >= low * (1 - 1e-6)
    s, _ = sampled(problem, candidate.level.reference)
    noise = 1e-13 * float(np.abs(s).max())
    if h < low * (1 - 1e-9) - noise:
        return False
    level, allowed = candidate.level, 1 + 2 * candidate.deviation + 1e-6
    if candidate.deviation > ROUGH:  # it says little of the finished one: that is levelled once more
        try:
            level = exchange(problem, problem.degree, np.array([float(t) for t in done.reference]), limit=1).level
            allowed = 1 + ROUGH
        except Failure:
            pass
    _, e = peaks(problem, level, looks(problem, LOOKED_AT * len(done.reference)))
    return float(np.abs(e).max()) <= max(low, h) * allowed + noise


def alternations(problem: Reduced, degree: tuple[int, int], done: Finished) -> int:
    """How often the error of a solution alternates at full height; as often as its own type needs where float64 shows
    less or more than the error, and would count noise.

    A larger type whose best error is lower by a millionth has one point that is lower by a millionth, too: where the
    target gives its digits, the peaks are told apart by more of them than floats have.
    """
    reference = np.array([float(t) for t in done.reference])
    try:
        level = exchange(problem, degree, reference, limit=1).level
    except Failure:
        return 0
    s, _ = sampled(problem, reference)
    t, e = peaks(problem, level, looks(problem, 40 * reference.size))
    h, noise = abs(level.h), 1e-12 * float(np.abs(s).max())
    if abs(float(done.h)) < noise or np.abs(e).max() > 1.001 * h + noise:
        return reference.size
    if problem.precise:
        high = np.abs(e) >= h * (1 - 1e-3)
        e, h = _sharpened(problem, done, t[high]), 1.0
    e = e[np.abs(e) >= h * (1 - (FULL if problem.precise else 1e-6))]
    return int(np.count_nonzero(np.sign(e[1:]) != np.sign(e[:-1])) + 1) if e.size else 0


def _sharpened(problem: Reduced, done: Finished, t: np.ndarray) -> np.ndarray:
    """The errors at the peaks beside some points, over the level, by Newton's steps in multiprecision."""
    with working_bits(done.bits):
        p, q, h = flint.arb_poly(done.p), flint.arb_poly(done.q), abs(to_arb(done.h))
        points = [placed(problem, float(at)) for at in t]
        errors = []
        for point in points:
            for _ in range(SHARP):
                value = moved(point, p, q)
            errors.append(float((value / h).mid()))
    return np.array(errors)
