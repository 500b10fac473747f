"""Where an exchange may start: spread points, or the reference of a smaller type, stretched."""

from collections.abc import Iterator

import numpy as np

from rational_approx.exchange.correction import corrected
from rational_approx.exchange.levelled import Inadmissible, Level
from rational_approx.exchange.relaxed import Exchange, exchange, from_coordinate, sampled, to_coordinate
from rational_approx.problem.reduction import Reduced

__all__ = ["apportioned", "beside_gap", "continued", "spread_starts", "stretched", "varied"]


def usable(problem: Reduced, u: np.ndarray) -> np.ndarray:
    """The points of a list of coordinates, moved off those where the weight vanishes, towards a neighbour."""
    t = from_coordinate(problem, u)
    _, w = sampled(problem, t)
    vanishing = w <= VANISHING * w.max()
    for k in np.flatnonzero(vanishing):
        u = u.copy()
        u[k] += 0.3 * (u[k + 1] - u[k]) if k + 1 < u.size else -0.3 * (u[k] - u[k - 1])
    return from_coordinate(problem, u) if vanishing.any() else t


VANISHING = 1e-30
"""What a weight that vanishes between two pieces may be at the float next to its zero, as a share of its largest."""


def spread_starts(problem: Reduced, degree: tuple[int, int]) -> Iterator[np.ndarray]:
    """References without knowledge of the target: the extrema of a Chebyshev polynomial along the pieces, and the
    same with points drawn towards the ends of every piece, where kinks, gaps and singularities collect them."""
    count, pieces = sum(degree) + 2, len(problem.pieces)
    u = np.linspace(0, pieces, count)
    yield usable(problem, u)
    for power in (2.0, 4.0):
        whole = np.minimum(np.floor(u), pieces - 1)
        v = 2 * (u - whole) - 1  # -1 and 1 at the ends of the piece
        drawn = np.sign(v) * (1 - (1 - np.abs(v)) ** power)
        moved = np.unique(whole + (drawn + 1) / 2)
        yield usable(problem, moved if moved.size == count else u)


def varied(problem: Reduced, degree: tuple[int, int]) -> Iterator[np.ndarray]:
    """References that lie where the target varies: evenly, and as Chebyshev extrema, along the marks of its pieces."""
    marks = np.unique(np.concatenate([piece.marks for piece in problem.pieces]))
    even = np.linspace(0, 1, sum(degree) + 2)
    for share in (even, (1 - np.cos(np.pi * even)) / 2):
        t = np.interp(share * (marks.size - 1), np.arange(marks.size), marks)
        yield usable(problem, to_coordinate(problem, t))


def apportioned(problem: Reduced, degree: tuple[int, int]) -> Iterator[np.ndarray]:
    """Chebyshev extrema on every piece, with two thirds of the points on one of them: where Q changes its sign in a
    gap, the points need not be spread evenly over both sides of it."""
    count, pieces = sum(degree) + 2, len(problem.pieces)
    for favoured in range(pieces):
        share = np.full(pieces, count / (3 * max(1, pieces - 1)))
        share[favoured] = 2 * count / 3
        ends = np.round(np.cumsum(share)).astype(int)
        numbers = np.diff(np.r_[0, ends[:-1], count])
        u = [k + (np.linspace(0, 1 - 1e-12, n) if n > 1 else np.full(n, 0.5)) for k, n in enumerate(numbers)]
        yield usable(problem, np.concatenate(u))


def logit(problem: Reduced, u: np.ndarray) -> np.ndarray:
    """A coordinate along the pieces, logarithmic towards the ends of each, where peaks follow a geometric law."""
    whole = np.minimum(np.floor(u), len(problem.pieces) - 1)
    v = u - whole
    return whole + 0.5 + np.arcsinh((2 * v - 1) / np.sqrt(4 * v * (1 - v) + 1e-18)) / WIDTH


def unlogit(problem: Reduced, position: np.ndarray) -> np.ndarray:
    """The points of the reference at positions of :func:`logit`."""
    whole = np.clip(np.floor(position), 0, len(problem.pieces) - 1)
    s = np.sinh((position - whole - 0.5) * WIDTH)
    return usable(problem, whole + 0.5 * (1 + s / np.sqrt(1 + s * s)))


WIDTH = 2 * float(np.arcsinh(1e9))


def stretched(problem: Reduced, reference: np.ndarray, count: int) -> np.ndarray:
    """A reference of ``count`` points with the distribution of a given one: its k-th of n points is taken for the
    quantile ``k / (n - 1)`` in the coordinate of :func:`logit`."""
    position = logit(problem, to_coordinate(problem, reference))
    old, new = np.linspace(0, 1, position.size), np.linspace(0, 1, count)
    return unlogit(problem, np.interp(new, old, position))


def extrapolated(problem: Reduced, older: np.ndarray, reference: np.ndarray, count: int) -> np.ndarray:
    """The stretched reference, moved on as far as the last one had moved from its own prediction: peaks that a
    singularity draws to it come nearer with every type."""
    quantiles = np.linspace(0, 1, count)

    def at(points: np.ndarray) -> np.ndarray:
        return np.interp(quantiles, np.linspace(0, 1, points.size), logit(problem, to_coordinate(problem, points)))

    now = at(reference)
    share = (count - reference.size) / (reference.size - older.size)
    return unlogit(problem, now + share * (now - at(older)))


def stretched_apiece(problem: Reduced, reference: np.ndarray, count: int) -> np.ndarray:
    """A reference of ``count`` points in which every piece keeps its share of a given one, spread along the piece as it
    was: beside a gap or a jump, where quantiles of the whole would carry points to the other side."""
    u = to_coordinate(problem, reference)
    lows = np.array([piece.low for piece in problem.pieces])
    piece = np.searchsorted(lows, reference, side="right") - 1
    before = np.bincount(piece, minlength=lows.size)
    share = before * count / reference.size
    after = np.floor(share).astype(int)
    after[np.argsort(after - share, kind="stable")[: count - after.sum()]] += 1
    parts = []
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        place = u[piece == k] if old > 1 else np.array([k, k + 1.0])
        within = np.interp(np.linspace(0, 1, new), np.linspace(0, 1, place.size), place)
        parts.append(np.minimum(within, np.nextafter(k + 1, k)))  # k + 1 is the next piece's end
    return usable(problem, np.concatenate(parts))


def beside_gap(problem: Reduced, reference: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The stretched reference, and the same where only the points on one side of its widest gap are stretched.

    A numerator too poor for a target that changes sign follows it on one side only: there all new points arise.
    """
    yield stretched(problem, reference, count)
    if reference.size < 2:  # an exact or degenerate start has no gap between its points
        return
    k = int(np.diff(to_coordinate(problem, reference)).argmax()) + 1
    for side, rest in ((reference[k:], reference[:k]), (reference[:k], reference[k:])):
        if side.size > 1:
            yield np.sort(np.concatenate([rest, stretched(problem, side, count - rest.size)]))


def continued(problem: Reduced, degree: tuple[int, int]) -> Iterator[Exchange]:
    """Exchanges for the types (p - m, q - m) up to (p, q), each started from the one before. In the smallest of them Q
    has just the degree that its changes of sign need.

    The step grows with the type, since the reference of a large type predicts that of a larger one better. Where the
    predicted references fail even with the smallest step, differential correction leads from one type to the next.
    """
    p, q = degree
    m = min(p, q - problem.changes)
    small = (p - m, q - m)
    now = _found(problem, small, usable(problem, np.linspace(0, len(problem.pieces), sum(small) + 2)), 1e-3)
    now = now or _corrected(problem, small, None)
    older = None
    yield now
    while m > 0:
        jump = min(m, max(1, (min(degree) - m) // 4))
        found = None
        while found is None:
            size = (p - m + jump, q - m + jump)
            for start in _predicted(problem, older, now.level.reference, sum(size) + 2):
                found = _found(problem, size, start, 1e-9 if jump == m else 1e-3)
                if found is not None:
                    break
            if found is None and jump == 1:
                found = _corrected(problem, size, now.level)
            if found is None:
                jump = 1
        m -= jump
        older, now = now.level.reference, found
        yield now


def _predicted(problem: Reduced, older: np.ndarray | None, reference: np.ndarray, count: int) -> Iterator[np.ndarray]:
    if older is not None:
        yield extrapolated(problem, older, reference, count)
    yield stretched(problem, reference, count)
    if len(problem.pieces) > 1:
        yield stretched_apiece(problem, reference, count)


def _found(problem: Reduced, degree: tuple[int, int], start: np.ndarray, tolerance: float) -> Exchange | None:
    try:
        found = exchange(problem, degree, start, tolerance=tolerance)
    except (Inadmissible, np.linalg.LinAlgError):
        return None
    return found if found.deviation < 0.1 else None


def _corrected(problem: Reduced, degree: tuple[int, int], before: Level | None) -> Exchange:
    for shown in corrected(problem, degree, before):
        found = None if shown.reference is None else _found(problem, degree, shown.reference, 1e-9)
        if found is not None:
            return found
    raise Inadmissible("no reference that differential correction finds is admissible")
