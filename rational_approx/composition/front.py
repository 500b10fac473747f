"""The front of the room: `composite_sign` and `composite_relu`. Arguments are checked here, and stages are made."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from math import ceil, floor, log

import flint

from rational_approx import watch
from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.polynomials import as_chebyshev, fmpq
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.composition.bounds import Stage, Unproved, largest_near_zero, proved_stage
from rational_approx.composition.composite import Composite
from rational_approx.composition.degrees import BITS, DEEPEST, Way, fewest, least, way
from rational_approx.composition.minimax import minimax
from rational_approx.composition.question import Question, checked_gap, checked_question
from rational_approx.fitting.result import DidNotConverge

__all__ = ["composite_relu", "composite_sign"]

UNIT = Domain.of((-1, 1))
EXTRA_DIGITS = 10
"""Decimals beyond the size of the smallest number that matters, unless a user says how many."""


def composite_sign(
    gap: object,
    *,
    depth: int | None = None,
    error: object = None,
    degrees: Sequence[int] | None = None,
    highest: int = 31,
    noise: object = 0,
    decimals: int | None = None,
    bits: int | None = None,
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Composite:
    """The composition of odd polynomials nearest to sign(x) for ``gap <= abs(x) <= 1``, within a multiplicative depth.

    Each stage is the minimax polynomial of sign on the interval that the one before it maps to. The degrees are found
    by dynamic programming over levels, which are ``ceil(log2(d + 1))`` for degree d. What is returned is proved of the
    rounded coefficients that it holds. See Lee, Lee, No and Kim, "Minimax approximation of sign function by composite
    polynomial for homomorphic comparison", IEEE TDSC 2021.

    Parameters
    ----------
    gap:
        The smallest abs(x), a number between 0 and 1.
    depth, error:
        With a depth alone: the least error within so many levels. With an error alone: the fewest levels that reach it,
        and within them the fewest multiplications. With both: the fewest multiplications within both.
    degrees:
        In their place: the degrees of the stages, odd.
    highest:
        The largest degree of a stage, at most 127.
    noise:
        What the scheme may add to the value of every stage, either way; the error includes it.
    decimals, bits:
        One of them: coefficients (in Chebyshev polynomials, and so in powers) are multiples of ``10**-decimals`` or of
        ``2**-bits``. Otherwise there are so many decimals that it costs the error less than a millionth.
    progress, time_limit:
        See :func:`rational_approx.fit`.

    Raises
    ------
    ValueError
        for arguments that make no sense; the message says what to try.
    DidNotConverge
        where the error is not reached, coefficients are too short, or the time was over.

    >>> found = composite_sign(2**-4, depth=6)
    >>> found.degrees, found.depth, found.multiplications, f"{float(found.error):.6f}"
    ((7, 7), 6, 10, '0.038108')
    """
    smallest = checked_gap(gap)
    question = checked_question(depth, error, degrees, highest, noise, decimals, bits)
    with watch.watched(progress, time_limit), _in_time():
        return _composed("sign", smallest, _way(smallest, question), question)


def composite_relu(
    *,
    depth: int | None = None,
    error: object = None,
    highest: int = 31,
    noise: object = 0,
    decimals: int | None = None,
    bits: int | None = None,
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Composite:
    """``x (1 + s(x))/2`` near ``max(x, 0)`` on all of [-1, 1], with s a composition as `composite_sign` makes it.

    The gap of s is where both errors meet: that of s beyond the gap, and within it, where s is anything from -1 to 1,
    that of x itself. The product takes one level more.

    Parameters
    ----------
    depth, error:
        One of them: the least error within so many levels, or the fewest levels that reach an error.
    highest, noise, decimals, bits, progress, time_limit:
        See `composite_sign`. The product is taken for exact.

    Raises
    ------
    ValueError, DidNotConverge
        See `composite_sign`.

    >>> found = composite_relu(depth=7)
    >>> found.depth, found.degrees, float(found.error) < 0.02
    (7, (7, 7), True)
    """
    if depth is not None and error is not None:
        raise ValueError("give a depth= or an error=, not both: the least error of a depth is one, and has its gap")
    question = checked_question(depth, error, None, highest, noise, decimals, bits)
    if depth == 2:
        raise ValueError("depth must be at least 3: the product of ReLU takes one level, and a polynomial two")
    with watch.watched(progress, time_limit), _in_time():
        if depth is not None:
            return _balanced(depth - 1, question)
        wanted = question.error
        assert wanted is not None
        return _reaching(wanted, question)


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except watch.OutOfTime:
        raise DidNotConverge("the time was over before degrees were found: raise time_limit=", None, "time") from None


def _way(gap: Fraction, question: Question) -> Way:
    """The composition that is asked for, in numbers."""
    with working_bits(BITS):
        start, noise = to_arb(gap).mid(), to_arb(question.noise).mid()
        if question.degrees is not None:
            return _there(way(question.degrees, start, noise), gap, question)
        if question.error is None:
            assert question.depth is not None
            return _there(_least(start, noise, question.highest, question.depth), gap, question)
        # A millionth is left for the coefficients.
        wanted = to_arb(question.error - (question.error - question.noise) / 10**6).mid()
        depth = question.depth
        if depth is None:
            ways = enumerate(least(start, noise, question.highest))
            depth = next((n for n, found in ways if found is not None and found.error <= wanted), DEEPEST)
        best = fewest(start, noise, question.highest, wanted, depth)
        if best is None:
            known = _there(_least(start, noise, question.highest, depth), gap, question)
            raise DidNotConverge(
                f"{depth} levels reach no smaller error than {float(known.error):.3g} at the gap {float(gap):.3g}: "
                "raise depth=, error=, gap= or highest=",
                None,
                "tolerance",
            )
        return best


def _least(start: flint.arb, noise: flint.arb, highest: int, depth: int) -> Way | None:
    return next(islice(least(start, noise, highest), depth, None))


def _there(found: Way | None, gap: Fraction, question: Question) -> Way:
    if found is None:
        why = f"a noise of {float(question.noise):.3g} leaves nothing of the gap {float(gap):.3g}: raise gap="
        if not question.noise:
            why = f"the error is below 1e-80 before the last of the degrees {question.degrees}: leave it out"
        raise DidNotConverge(why, None, "tolerance")
    return found


def _reaching(wanted: Fraction, question: Question) -> Composite:
    """ReLU within an error, in the fewest levels."""
    # A gap that is too wide for certain says from which depth to try.
    with working_bits(BITS):
        start, noise = to_arb(min(32 * wanted, Fraction(1, 2))).mid(), to_arb(question.noise).mid()
        ways = enumerate(least(start, noise, question.highest))
        first = next((depth for depth, found in ways if found and found.error <= 2 * to_arb(wanted)), DEEPEST)
    for depth in range(first, DEEPEST):
        found = _balanced(depth, question)
        if found.error <= wanted:
            return found
    raise DidNotConverge(f"no depth up to {DEEPEST} reaches the error {float(wanted):g}: raise it", None, "tolerance")


def _balanced(depth: int, question: Question) -> Composite:
    """ReLU, with the gap at which its errors within and beyond it are equal, by bisection in its logarithm."""
    with working_bits(BITS):
        noise = to_arb(question.noise).mid()
        low, high = -float(depth + 4), -1.0
        while high - low > 0.02:
            middle = (low + high) / 2
            found = _least(flint.arb(2) ** middle, noise, question.highest, depth)
            within = found is not None and _near_zero(found, 2.0**middle, noise) > float(found.error) / 2
            low, high = (low, middle) if within else (middle, high)
    gap = Fraction(round(2 ** (high - floor(high) + 9)), 2 ** (9 - floor(high)))
    asked = question._replace(depth=depth, error=None)
    return _composed("relu", gap, _way(gap, asked), asked)


def _near_zero(found: Way, gap: float, noise: flint.arb) -> float:
    """The largest ``x (1 - s(x))/2`` at a few points of the gap."""
    largest = 0.0
    for k in range(1, 33):
        value = x = flint.arb(gap) * k / 32
        for stage in found.stages:
            value = (value * stage.r(value * value)).mid() * (1 - noise) - noise
        value *= 2 / (1 + found.stages[-1].low)
        largest = max(largest, float(x * (1 - value) / 2))
    return largest


def _composed(function: str, gap: Fraction, chosen: Way, question: Question) -> Composite:
    """The stages with rounded coefficients, each the minimax polynomial for what is proved of the one before it."""
    unit, noise = question.unit or _unit(chosen), question.noise
    stages: list[Stage] = []
    lower = gap
    for degree in chosen.degrees:
        watch.report("stages", (0, 0))
        try:
            stages.append(_rounded(degree, lower, noise, unit, last=len(stages) + 1 == len(chosen.degrees)))
        except ArithmeticError:
            raise DidNotConverge(
                f"coefficients that are multiples of {float(unit):.3g} are too short for stage {len(stages) + 1}, of "
                f"degree {degree}, for abs(x) >= {float(lower):.3g}: give more decimals= or bits=, or a larger gap",
                None,
                "digits",
            ) from None
        lower = stages[-1].low - noise
    error = max(1 - stages[-1].low, stages[-1].high - 1) + noise
    if function == "relu":
        error = max(error / 2, largest_near_zero(stages, gap, noise))
    found = Composite(function, gap, noise, unit, tuple(stages), error)
    if function == "sign" and question.error is not None and error > question.error:
        raise DidNotConverge(
            f"with coefficients that are multiples of {float(unit):.3g} the error is {float(error):.6g}, above "
            f"{float(question.error):.6g}: give more decimals= or bits=",
            None,
            "digits",
        )
    return found


def _rounded(degree: int, lower: Fraction, noise: Fraction, unit: Fraction, last: bool) -> Stage:
    """A stage with rounded coefficients: of values up to ``1 - noise``, or, the last, on both sides of 1."""
    if not lower > 0:
        raise Unproved
    with working_bits(BITS):
        nearest = minimax(degree, to_arb(lower).mid())
        low = to_fraction(nearest.low)
        p = flint.fmpq_poly([c for r in nearest.r.coeffs() for c in (0, fmpq(to_fraction(r)))])
    # Each T_k is at most 1 in size, and bounds are a little wider than values.
    room = len(nearest.peaks) * unit + min(low, 1 - low) / 2**28
    scale = 2 / (1 + low) if last else 1 - noise - room
    exact = [c * scale for c in as_chebyshev(p, UNIT)[1::2]]
    coefficients = tuple(round(c / unit) * unit for c in exact)
    return proved_stage(coefficients, lower, nearest.peaks)


def _unit(chosen: Way) -> Fraction:
    """A step of the coefficients that is small beside the first gap that is left and the last error."""
    smallest = min(min(stage.low, 1 - stage.low) for stage in chosen.stages)
    return Fraction(1, 10 ** (EXTRA_DIGITS + ceil(-float(smallest.log()) / log(10))))
