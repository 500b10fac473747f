"""Why no best approximant was found: what floats show of the target and of the best attempt, in words.

Nothing here is proved: it is a second look, taken only after a failure, for the cause that a user can do something
about. Noise is estimated by differences (Hamming 1962; Moré & Wild 2011): of values at five points at equal distances
the fourth difference of a smooth function falls with the distance to the fourth power, that of independent errors of
size s is ``sqrt(70) s`` at any.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, pairwise
from math import isfinite
from typing import NamedTuple

import numpy as np

from rational_approx import watch
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.problem.ansatz import Type
from rational_approx.targets.piece import Piece, steepest
from rational_approx.targets.target import Target

__all__ = ["explained", "noise_of", "out_of_time"]

DISTANCES = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
"""Between the points of a difference, as shares of the piece: what differs by noise differs alike at most of them."""

PLACES = 15
DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
QUARTILE = 0.6745
"""Half of the values of a normal distribution lie within so many standard deviations."""

ROUNDING = 1e-14
"""Noise that is a smaller share of the target's size is the rounding of float64."""

INVISIBLE = 1e-12
"""An error that is a smaller share of the target's size is not to be levelled in float64."""

DROWNED = 0.01
"""Noise of this share of an error is too much to level it."""

CROWDED, LARGE = 1e-6, 24
"""A function that varies as near as this share of the domain to an end is singular there; and the sum of the degrees
from which peaks crowd."""

SEEN = 10_007
STEPS = 60
"""The steepest steps of a piece that are looked at for a jump."""

ZOOMS = 12
BESIDE, GROWN = 1e-7, 1e3
"""A peak that is so many times as high as the values at this share of the piece beside it belongs to a pole."""

NARROW = 0.05
"""The width of a peak that was missed, as a share of the distance of the points around it."""


class _Cause(NamedTuple):
    """The short word, what was found, and what to try."""

    word: str
    found: str
    advice: str


def explained(target: Target, degree: Type, attempt: Fit | None, degenerate: bool = False) -> DidNotConverge:
    """The exception for a type of which no best approximant was found.

    ``degenerate`` says that the attempt is the best of a smaller type, and as good as what was found of this one.
    """
    if degenerate and attempt is not None:
        defect = min(a - b for a, b in zip(degree, attempt.rational.type, strict=True))
        cause = _Cause(
            "degenerate",
            f"the type is degenerate, or so nearly that floats see no difference: the best of type "
            f"{attempt.rational.type} (defect {defect}) is as good",
            f"ask for type {attempt.rational.type}, or for one more in one degree alone",
        )
        found: _Cause | None = next(_opaque(target, attempt), cause)
    else:
        found = next(chain(_all(target, attempt), _crowded(target, degree)), None)
    start = f"no best approximant of type {degree} was found for {target!r}"
    if found is None:
        advice = "try another type (one lower or higher in either degree), a smaller domain, or a gap around a jump"
        return DidNotConverge(f"{start}: {advice}", attempt)
    return DidNotConverge(f"{start}: {found.found}; {found.advice}", attempt, found.word)


def out_of_time(target: Target, asked: str, attempt: Fit | None) -> DidNotConverge:
    """The exception where the time was over; ``asked`` says what was looked for."""
    if attempt is None:
        known = "there is no attempt yet"
    else:
        known = (
            f"the best attempt is attached (type {attempt.rational.type}, levelled error {float(attempt.error):.3g})"
        )
    message = (
        f"the time was over before {asked} was found for {target!r}; {known}: raise time_limit=, or lower the type"
    )
    return DidNotConverge(message, attempt, "time")


def _all(target: Target, attempt: Fit | None) -> Iterator[_Cause]:
    yield from _opaque(target, attempt)
    for before, piece in zip(target.pieces, target.pieces[1:]):
        if before.upper == piece.lower:
            x = np.array([float(piece.lower)])
            height = float(abs(before.function(x) - piece.function(x))[0])
            if height > 1e-9 * _size(piece):
                yield _jump(float(x[0]), height)
    if attempt is not None:
        yield from _missed(target, attempt)
    level = 0.0 if attempt is None else float(attempt.error)
    for piece in target.pieces:
        size = _size(piece)
        if not piece.precise and level < INVISIBLE * size * _weight(piece):
            yield _Cause(
                "digits",
                f"float64 has too few digits: its values are exact to about {max(noise_of(piece), 1e-16 * size):.1g}, "
                "and the error to be levelled is no larger",
                "give an expression, or a callable of mpmath numbers, or ask for a smaller type",
            )


def _opaque(target: Target, attempt: Fit | None) -> Iterator[_Cause]:
    """What only a callable may have: an expression is refused before, and has no noise."""
    level = 0.0 if attempt is None else float(attempt.error)
    for piece in target.pieces:
        if piece.expression is not None:
            continue
        size, noise = _size(piece), noise_of(piece)
        at = _pole(piece, attempt)
        if at is not None:
            yield _Cause(
                "pole",
                f"its values grow without bound towards x = {at:.9g}",
                "leave a gap around it in the domain, or fit the target times a factor that vanishes there",
            )
        drowned = noise * _weight(piece) > DROWNED * level
        if noise > ROUNDING * size and drowned:
            yield _Cause(
                "noise",
                f"its values are exact to about {noise:.1g} only (noise, by differences of values next to each other)"
                + (f", and the error to be levelled is about {level:.1g}" if level else ""),
                "compute them more exactly, ask for a smaller type, or smooth them first",
            )
        where = _stepped(piece, attempt, max(0.5 * level / _weight(piece), 100 * noise, 1e-12 * size))
        if where is not None:
            yield _jump(*where)


def noise_of(piece: Piece) -> float:
    """How far the values of a piece are off, each on its own: a standard deviation, estimated by differences."""
    lower, upper = _ends(piece)
    places = lower + (upper - lower) * (0.5 + np.arange(PLACES)) / PLACES * 0.999
    found = []
    for share in DISTANCES:
        distance = share * (upper - lower)
        values = [piece.function(place + distance * np.arange(5)) @ DIFFERENCE for place in places]
        found.append(float(np.median(np.abs(values))) / (QUARTILE * np.sqrt(70)))
    return float(np.median(found))


def _ends(piece: Piece) -> tuple[float, float]:
    return max(float(piece.lower), -1e3), min(float(piece.upper), 1e3)


def _size(piece: Piece) -> float:
    lower, upper = _ends(piece)
    values = np.abs(piece.function(np.linspace(lower, upper, 63)))
    return float(np.median(values[np.isfinite(values)])) or 1.0


def _weight(piece: Piece) -> float:
    lower, upper = _ends(piece)
    with np.errstate(all="ignore"):
        weights = piece.weight(np.linspace(lower, upper, 63))
    return float(np.median(weights[np.isfinite(weights)]))


def _jump(x: float, height: float) -> _Cause:
    return _Cause(
        "jump",
        f"it jumps by {height:.3g} at x = {x:.9g}, so that no error is below about half of that",
        f"leave a gap around it in the domain, or give breakpoints=[{x:.9g}] to fit both one-sided limits",
    )


def _stepped(piece: Piece, attempt: Fit | None, least: float) -> tuple[float, float] | None:
    """Where a piece jumps by more than ``least``, and by how much.

    An attempt may follow a jump so steeply that its error turns several times between two of the usual points: its
    peaks are looked at, too, since the jump lies between two of them.
    """
    x, rest = _points(piece), partial(_rest, piece, attempt)
    if attempt is not None:
        peaks = np.array([float(t) for t in attempt.reference])
        x = np.union1d(x, peaks[(peaks >= x[0]) & (peaks <= x[-1])])
    steps = np.abs(np.diff(rest(x)))
    for k in np.argsort(steps)[::-1][:STEPS]:
        watch.check()
        left, right, height = steepest(rest, float(x[k]), float(x[k + 1]))
        before, after = piece.function(np.array([left, right]))  # the attempt may be steep, too
        if min(height, 2 * abs(after - before)) > max(least, 0.25 * steps[k]) and right - left <= 1e-12 * max(
            1, abs(left)
        ):
            return left, height
    return None


def _pole(piece: Piece, attempt: Fit | None) -> float | None:
    """Where the values of a piece grow without bound: however near to the peak one looks, they are larger there."""
    x = _points(piece)
    values = np.abs(_rest(piece, attempt, x))
    for _ in range(ZOOMS):
        k = int(np.nan_to_num(values, nan=0.0, posinf=np.inf).argmax())
        if not isfinite(values[k]):
            return float(x[k])
        around = x[max(k - 1, 0) : k + 2]
        x = np.union1d(np.linspace(around[0], around[-1], 33), x[k])
        values = np.abs(_rest(piece, attempt, x))
    k = int(values.argmax())
    lower, upper = _ends(piece)
    beside = np.clip(x[k] + BESIDE * (upper - lower) * np.array([-1.0, 1.0]), lower, upper)
    own = 2 * abs(float(piece.function(x[k : k + 1])[0]))  # the attempt may have a pole nearby, too
    grown = min(float(values[k]), own) > GROWN * np.abs(_rest(piece, attempt, beside)).max()
    return float(x[k]) if grown else None


def _missed(target: Target, attempt: Fit) -> Iterator[_Cause]:
    """A peak of the attempt's error that is narrower than the points on both sides of it are distant."""
    size, k, x = max(_largest(piece, attempt, k) for k, piece in enumerate(target.pieces))
    level, piece = float(attempt.error), target.pieces[k]
    lower, upper = _ends(piece)
    known = np.array([lower, *(float(t) for t in attempt.reference if lower < t < upper), upper])
    after = min(max(int(np.searchsorted(known, x)), 1), known.size - 1)
    gap = float(known[after] - known[after - 1])
    beside = np.clip(x + NARROW * gap * np.array([-1.0, 1.0]), lower, upper)
    floor = INVISIBLE * _size(piece) * _weight(piece)
    if size > 1.01 * level + floor and (np.abs(piece.error(attempt.rational, beside)) < size / 2).all():
        yield _Cause(
            "peak",
            f"the error of the best attempt is {size:.3g} at x = {x:.9g}, in a peak narrower than the distance of the "
            f"points that were looked at, and {level:.3g} elsewhere",
            f"give breakpoints=[{x:.9g}], or cut the domain there",
        )


def _crowded(target: Target, degree: Type) -> Iterator[_Cause]:
    """Several places that draw the peaks of a large type to them, kinks and singularities."""
    if not target.domain.bounded or sum(degree) <= LARGE:
        return
    kinks = {float(before.upper) for before, piece in pairwise(target.pieces) if before.upper == piece.lower}
    near = CROWDED * float(target.domain.upper - target.domain.lower)
    singular = set()
    for piece in target.pieces:
        for end in (float(piece.lower), float(piece.upper)):
            beside = np.abs(piece.marks - end)
            if beside.min(where=beside > 0, initial=np.inf) < near:
                singular.add(end)
    if len(places := sorted(kinks | singular)) > 1:
        yield _Cause(
            "clusters",
            f"the points where the error is largest crowd at {' and '.join(f'x = {x:.9g}' for x in places)}, and of so "
            "large a type no start shares them out rightly",
            "ask for a smaller type, or cut the domain between these places",
        )


def _largest(piece: Piece, attempt: Fit, k: int) -> tuple[float, int, float]:
    x = _points(piece)
    sizes = np.nan_to_num(np.abs(piece.error(attempt.rational, x)), nan=0.0, posinf=np.inf)
    worst = int(sizes.argmax())
    return float(sizes[worst]), k, float(x[worst])


def _rest(piece: Piece, attempt: Fit | None, x: np.ndarray) -> np.ndarray:
    """What the attempt leaves of a piece, where the slope and the size of the target hide nothing."""
    with np.errstate(all="ignore"):
        return piece.function(x) if attempt is None else piece.function(x) - attempt.rational(x)


def _points(piece: Piece) -> np.ndarray:
    lower, upper = _ends(piece)
    marks = piece.marks
    return np.union1d(marks[(marks >= lower) & (marks <= upper)], np.linspace(lower, upper, SEEN))
