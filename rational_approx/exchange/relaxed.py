"""The relaxed exchange in float64: level, look for peaks, move the reference, as far as it stays admissible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rational_approx import watch
from rational_approx.arithmetic.alternation import alternating
from rational_approx.exchange.extrema import Peaks, looks, peaks
from rational_approx.exchange.levelled import Inadmissible, Level, level
from rational_approx.problem.reduction import Reduced

__all__ = ["Exceeds", "Exchange", "Record", "decided", "exchange", "from_coordinate", "to_coordinate"]

NOISE = 1e-15
"""Rounding error of an error curve, as a share of the target's size."""

PROGRESS, PATIENCE = 0.7, 5
"""An exchange that brings the deviation down by less than a third is no progress (a healthy one squares it). So many of
them in a row are the end: what is left is rounding, or another start is better."""

FALLS = 0.999
"""The level rises from step to step (de la Vallée-Poussin): a step that lowers it by more than this went too far."""

NEAR, FAR = 1e-3, 0.1
"""Deviations: below the first the level may fall by rounding alone, and the step is taken as it is; above the second
peaks may grow on the way, since they still wander from gap to gap."""


CLEARLY, SEEN = 1e-3, 1e-12
"""By how much, relatively, a levelled error exceeds what is allowed that certainly does, and the share of the target's
size that rounding cannot show."""


class Exceeds(Exception):
    """No rational of the type has an error as small as the allowed one: a levelled error exceeds it, or linear
    programmes find none.

    ``least`` is that error, and ``reference`` where it is level, or empty. By de la Vallee-Poussin's theorem any
    reference will do, level or not with the peaks between its points.
    """

    def __init__(self, least: float, reference: Sequence[Any]) -> None:
        super().__init__(f"the best error is at least {least:.6g}")
        self.least, self.reference = least, reference


def decided(problem: Reduced, degree: tuple[int, int], h: float, size: float, reference: Any) -> None:
    """`Exceeds` where a levelled error of the type that is asked for is larger than the allowed one."""
    if degree == problem.degree and h > problem.allowed * (1 + CLEARLY) + SEEN * size:
        raise Exceeds(h, reference)


@dataclass(frozen=True)
class Record:
    """One exchange: the levelled error, the largest error found, and the damping that led to it.

    A damping of 1 is none; 0 is written where only one point moved.
    """

    degree: tuple[int, int]
    levelled: float
    largest: float
    damping: float


@dataclass(frozen=True)
class Exchange:
    """Where the exchange stands: the levelled rational, the largest error, and whether the two agree."""

    level: Level
    largest: float
    converged: bool
    history: tuple[Record, ...]

    @property
    def deviation(self) -> float:
        """``largest / levelled - 1``: zero at equioscillation."""
        return self.largest / abs(self.level.h) - 1 if self.level.h else np.inf


def to_coordinate(problem: Reduced, t: np.ndarray) -> np.ndarray:
    """Position of points along the pieces: piece k is [k, k+1], with its ends stretched as Chebyshev points are."""
    u = np.empty_like(t)
    for k, piece in enumerate(problem.pieces):
        low, high = piece.low, piece.high
        here = (t >= low) & (t <= high)
        v = np.clip((t[here] - low) / (high - low), 0, 1)
        u[here] = k + 2 * np.arctan2(np.sqrt(v), np.sqrt(1 - v)) / np.pi  # exact next to 0, where peaks cluster
    return u


def from_coordinate(problem: Reduced, u: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_coordinate`."""
    t = np.empty_like(u)
    which = np.clip(np.floor(u).astype(int), 0, len(problem.pieces) - 1)
    for k, piece in enumerate(problem.pieces):
        low, high = piece.low, piece.high
        here = which == k
        v = np.sin(np.pi * (u[here] - k) / 2) ** 2
        t[here] = np.clip(low + (high - low) * v, low, high)
    return t


def _levelled(problem: Reduced, reference: np.ndarray, degree: tuple[int, int], base: list[np.ndarray]) -> Level:
    s, w = sampled(problem, reference)
    if not (w > 0).all() or (np.diff(reference) <= 0).any():
        raise Inadmissible("two points of the reference coincide, or the weight vanishes at one")
    found = level(reference, s, w, degree, problem.signs_at(reference))
    if problem.allowed < np.inf:
        decided(problem, degree, _least(problem, found, s, w), float(np.abs(s).max()), reference)
    if not all(found.signed(grid, piece.q_sign) for grid, piece in zip(base, problem.pieces, strict=True)):
        raise Inadmissible("the levelled rational has a pole between two points of the reference")
    return found


def _least(problem: Reduced, found: Level, s: np.ndarray, w: np.ndarray) -> float:
    """The smallest error on the reference of a rational whose Q has its signs there, if these errors alternate; poles
    between the points do not matter. What floats have made of a level that is too small to be seen is 0."""
    t, sides = found.reference, problem.signs_at(found.reference)
    with np.errstate(all="ignore"):
        errors = s - w * found(t)
    turns = (errors[1:] * errors[:-1] < 0).all()
    return float(np.abs(errors).min()) if turns and (sides * found.denominator(t) > 0).all() else 0.0


def sampled(problem: Reduced, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``S`` and ``W`` at points on any pieces."""
    s, w = np.empty_like(t), np.empty_like(t)
    for piece in problem.pieces:
        here = (t >= piece.low) & (t <= piece.high)
        s[here], w[here] = piece.floats(t[here])
    return s, w


def _trials(problem: Reduced, reference: np.ndarray, chosen: Peaks) -> Iterator[tuple[float, np.ndarray]]:
    """The way from a reference to its peaks: all of it, half of it, a quarter, ...; and the largest peak alone."""
    here, there = to_coordinate(problem, reference), to_coordinate(problem, chosen[0])
    yield 1.0, chosen[0]
    for k in range(1, 10):
        yield 2.0**-k, from_coordinate(problem, here + 2.0**-k * (there - here))
    single = reference.copy()
    k = int(np.abs(chosen[1]).argmax())
    single[k] = chosen[0][k]
    yield 0.0, single


def exchange(
    problem: Reduced, degree: tuple[int, int], start: np.ndarray, *, tolerance: float = 1e-9, limit: int = 60
) -> Exchange:
    """Exchange from a starting reference until the peaks are level to ``tolerance``, as far as floats can tell.

    The new reference is the set of peaks. Where it is inadmissible, levels at a smaller error than before, or (next to
    the solution) has a peak twice as large, the reference moves only half of the way there, then a quarter, and so on:
    the relaxation.

    Raises
    ------
    Inadmissible
        where already the starting reference levels no rational without a pole.
    Exceeds
        where the error is larger than the problem allows.
    """
    count = sum(degree) + 2
    base = looks(problem, 16 * count // len(problem.pieces) + 48)
    current = _levelled(problem, start, degree, base)
    t, e = peaks(problem, current, base)
    history: list[Record] = []
    best: tuple[float, Level, float] | None = None
    stalled, used = 0, 1.0
    size = float(np.abs(sampled(problem, start)[0]).max())
    noise = NOISE * size
    for _ in range(limit):
        largest = float(np.abs(e).max())
        history.append(Record(degree, abs(current.h), largest, used))
        watch.report("exchange", problem.change.ansatz.outer(*degree), abs(current.h), largest)
        deviation = largest / abs(current.h) - 1 if current.h else np.inf
        if best is None or deviation < best[0]:
            stalled = 0 if best is None or deviation < PROGRESS * best[0] else stalled + 1
            best = (deviation, current, largest)
        else:
            stalled += 1
        if largest - abs(current.h) < tolerance * abs(current.h) + noise or stalled > PATIENCE or watch.over():
            break
        chosen = alternating(e.tolist(), count)
        if chosen is None:
            break
        for damping, trial in _trials(problem, current.reference, (t[chosen], e[chosen])):
            try:
                moved = _levelled(problem, trial, degree, base)
            except (Inadmissible, np.linalg.LinAlgError):
                continue
            if abs(moved.h) >= FALLS * abs(current.h) or deviation < NEAR:
                found = peaks(problem, moved, base)
                if deviation > FAR or float(np.abs(found[1]).max()) < largest:
                    used = damping
                    break
        else:
            break
        t, e = found
        current = moved
    assert best is not None
    return Exchange(best[1], best[2], best[0] < tolerance, tuple(history))
