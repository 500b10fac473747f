"""The high-precision finish: the same exchange in multiprecision arithmetic, where it converges quadratically.

On a reference that float64 has found, (2) of :mod:`exchange.levelled` is solved again, now in the Lagrange basis
of q + 1 points of the reference and by Rayleigh quotient iteration, which triples the number of correct digits:

    (M - h B) v_new = B v,    h = (v M v) / (v B v),    M = L^T diag(s d S / W) L,    B = L^T diag(d / W) L.

Then every point of the reference moves to the peak beside it by one Newton step on the error's derivative. P and Q are
kept in powers of t: with guard digits that cost is a few microseconds, and afterwards the error at the reference is
compared with h, so that too few guard digits are noticed and doubled.
"""

from itertools import pairwise
from math import log2

import flint
import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.exchange.equations import Equations
from rational_approx.exchange.relaxed import sampled
from rational_approx.exchange.stationary import Reference, Unfinished, moved, placed
from rational_approx.problem.answer import Finished
from rational_approx.problem.reduction import Reduced

__all__ = ["finish", "unfinished"]

ROUNDS = 12


def finish(
    problem: Reduced, degree: tuple[int, int], reference: Reference, h: float, q_values: np.ndarray, digits: int
) -> Finished:
    """Finish to ``digits`` correct digits of the levelled error.

    ``h`` and ``q_values`` (``Q`` on the reference) are the float64 solution, from which the iteration starts.

    Raises
    ------
    Unfinished
        where the peaks do not level out, or a point leaves its gap.
    """
    # The level equations lose as many digits as the error is smaller than the target.
    sizes = np.abs(sampled(problem, np.array([float(t) for t in reference]))[0])
    lost = log2(max(1.0, float(sizes.max(where=np.isfinite(sizes), initial=0.0)) / abs(h))) if h else 0.0
    guard = max(64 + 8 * len(reference), 64 + len(reference) + int(lost))
    for _ in range(3):
        bits = int(3.33 * digits) + guard
        with working_bits(bits):
            found = _attempt(problem, degree, reference, h, q_values, digits, bits)
        if found is not None:
            return found
        guard *= 3
    raise Unfinished("the error at the reference does not settle, even with many guard digits")


def _attempt(
    problem: Reduced,
    degree: tuple[int, int],
    reference: Reference,
    h: float,
    q_values: np.ndarray,
    digits: int,
    bits: int,
) -> Finished | None:
    points = [placed(problem, t) for t in reference]
    levelled, q_start = flint.arb(h), [flint.arb(float(v)) for v in q_values]
    wanted = flint.arb(10) ** -(digits + 2)
    deviations: list[flint.arb] = []
    for rounds in range(1, ROUNDS + 1):
        equations = Equations(points, degree)
        levelled, values = equations.solve(levelled, q_start)
        p, q = equations.polynomials(levelled, values)
        if not equations.residual(p, q, levelled) < wanted:
            return None
        if not problem.precise:  # float64 values: the reference is as good as it can be
            deviations.append(flint.arb(0))
            break
        sizes = [moved(point, p, q) for point in points]
        if any(not a.t < b.t for a, b in pairwise(points)):
            raise Unfinished("two points of the reference met")
        deviations.append(max((abs(abs(size) / abs(levelled) - 1) for size in sizes), key=float))
        largest = float(max((abs(size) for size in sizes), key=float))
        watch.report("finish", problem.change.ansatz.outer(*degree), abs(float(levelled)), largest)
        q_start = [q(point.t).mid() for point in points]
        if deviations[-1] < wanted:
            break
        if rounds > 4 and not deviations[-1] < deviations[-2]:
            raise Unfinished("the peaks do not level out in multiprecision arithmetic")
    else:
        raise Unfinished("the peaks do not level out in multiprecision arithmetic")
    reference_t = [to_fraction(point.t) for point in points]
    return Finished.of(p, q, levelled, reference_t, float(deviations[-1]), bits, rounds)


def unfinished(
    problem: Reduced, degree: tuple[int, int], reference: Reference, h: float, q_values: np.ndarray, deviation: float
) -> Finished:
    """What the finish would start from, as it is: a rational that is level on the reference, as float64 has it."""
    bits = 128 + 8 * len(reference)
    with working_bits(bits):
        points = [placed(problem, t) for t in reference]
        p, q = Equations(points, degree).polynomials(flint.arb(h), [flint.arb(float(v)) for v in q_values])
        return Finished.of(p, q, flint.arb(h), [to_fraction(point.t) for point in points], deviation, bits, 0)
