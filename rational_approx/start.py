"""Where an exchange may start: spread points, or the reference of a smaller type, stretched."""

from collections.abc import Iterator

import numpy as np

from rational_approx.exchange import Exchange, exchange, from_coordinate, sampled, to_coordinate
from rational_approx.levelled import Inadmissible
from rational_approx.reduction import Reduced

__all__ = ["continued", "continued_in_the_denominator", "enlarged", "spread_starts", "stretched"]


def usable(problem: Reduced, u: np.ndarray) -> np.ndarray:
    """The points of a list of coordinates, moved off those where the weight vanishes, towards a neighbour."""
    t = from_coordinate(problem, u)
    _, w = sampled(problem, t)
    for k in np.flatnonzero(w <= 0):
        u = u.copy()
        u[k] += 0.3 * (u[k + 1] - u[k]) if k + 1 < u.size else -0.3 * (u[k] - u[k - 1])
    return from_coordinate(problem, u) if (w <= 0).any() else t


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
        yield (
            usable(problem, np.unique(whole + (drawn + 1) / 2))
            if np.unique(drawn + whole).size == count
            else usable(problem, u)
        )


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


def enlarged(problem: Reduced, reference: np.ndarray) -> Iterator[np.ndarray]:
    """References with two points more than a given one: a pair in one of its gaps, or one beyond each end.

    A type larger by (1, 1) has two alternations more, and where they arise depends on the target: beside a kink, in a
    gap between intervals, at an end. The widest gaps come first.
    """
    u = to_coordinate(problem, reference)
    marks = np.concatenate([[0.0], u, [float(len(problem.pieces))]])
    gaps = np.diff(marks)
    for k in np.argsort(-gaps, kind="stable"):
        a, b = marks[k], marks[k + 1]
        if b - a > 1e-9:
            yield usable(problem, np.insert(u, k, [a + (b - a) / 3, a + 2 * (b - a) / 3]))
    if gaps[0] > 0 and gaps[-1] > 0:
        yield usable(problem, np.concatenate([[0.5 * u[0]], u, [0.5 * (u[-1] + marks[-1])]]))
    for k in range(1, len(gaps) - 1):  # one in a gap, one in the next
        pair = [0.5 * (marks[k] + marks[k + 1]), 0.5 * (marks[k + 1] + marks[k + 2])]
        yield usable(problem, np.sort(np.concatenate([u, pair])))


def continued(problem: Reduced, degree: tuple[int, int], growth: float = 0.25) -> Iterator[Exchange]:
    """Exchanges for the types (p - m, q - m) up to (p, q), each started from the one before.

    The step grows with the type, since the reference of a large type predicts that of a larger one better; where a
    step fails, the smallest one is tried in its place, and then a pair of points in one gap after another.
    """
    p, q = degree
    m = min(p, q)
    small = (p - m, q - m)
    now = exchange(problem, small, usable(problem, np.linspace(0, len(problem.pieces), sum(small) + 2)), tolerance=1e-3)
    yield now
    while m > 0:
        jump = min(m, max(1, int(growth * (min(degree) - m))))
        while True:
            size = (p - m + jump, q - m + jump)
            tolerance = 1e-9 if jump == m else 1e-3
            try:
                now = exchange(
                    problem, size, stretched(problem, now.level.reference, sum(size) + 2), tolerance=tolerance
                )
                break
            except Inadmissible:
                if jump == 1:
                    now = _one_larger(problem, size, now.level.reference, tolerance)
                    break
                jump = 1
        m -= jump
        yield now


def _one_larger(problem: Reduced, size: tuple[int, int], reference: np.ndarray, tolerance: float) -> Exchange:
    for start in enlarged(problem, reference):
        try:
            found = exchange(problem, size, start, tolerance=tolerance)
        except (Inadmissible, np.linalg.LinAlgError):
            continue
        if found.deviation < 0.1:
            return found
    raise Inadmissible("no pair of points more makes the reference admissible")


def continued_in_the_denominator(problem: Reduced, degree: tuple[int, int]) -> Iterator[Exchange]:
    """Exchanges for the types (p, 0), (p, 1), ... up to (p, q), each with one or two points more than the one before.

    The way for numerators too poor for the target: the best rational of type (0, q) to a function that changes sign
    looks like nothing that a smaller numerator could continue. A type that is degenerate is passed over.
    """
    p, q = degree
    now = exchange(problem, (p, 0), usable(problem, np.linspace(0, len(problem.pieces), p + 2)), tolerance=1e-3)
    reached = 0
    for k in range(1, q + 1):
        start = now.level.reference
        starts = one_more(problem, start) if k - reached == 1 else enlarged(problem, start)
        for trial in starts:
            try:
                found = exchange(problem, (p, k), trial, tolerance=1e-9 if k == q else 1e-3)
            except (Inadmissible, np.linalg.LinAlgError):
                continue
            if found.deviation < 0.1:
                now, reached = found, k
                yield now
                break
        else:
            if k - reached >= 2:
                raise Inadmissible("two types in a row have no admissible reference next to the one before")
    if reached < q:
        raise Inadmissible("the last type has no admissible reference next to the one before")


def one_more(problem: Reduced, reference: np.ndarray) -> Iterator[np.ndarray]:
    """References with one point more, in each gap and beyond each end."""
    u = to_coordinate(problem, reference)
    marks = np.concatenate([[0.0], u, [float(len(problem.pieces))]])
    gaps = np.diff(marks)
    yield stretched(problem, reference, reference.size + 1)
    for k in np.argsort(-gaps, kind="stable"):
        for share in (0.5, 0.1, 0.9, 0.01, 0.99):
            if gaps[k] > 1e-9:
                yield usable(problem, np.insert(u, k, marks[k] + share * gaps[k]))
