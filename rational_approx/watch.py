"""A watch over a long computation: who is told how far it is, and until when it may take.

A fit is made of steps, and says so between two of them, with `report`, or where there is nothing to tell with `check`.
Then whoever looks on is told, and `OutOfTime` is raised once the time is over. As with the working precision, the watch
is that of the calling context: the deepest step sees it, no function hands it on, and another thread has another one.
No signal is sent and no thread is started, so that a single step is never broken off, and an interrupt passes as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf, isfinite
from time import monotonic
from typing import Any, NamedTuple

__all__ = ["Listener", "OutOfTime", "Progress", "check", "over", "report", "unwatched", "watched"]


class Progress(NamedTuple):
    """A step of a fit.

    ``stage`` names what is done; ``type`` is the type (p, q) that is tried, maybe a smaller one than was asked for.
    ``levelled`` is the error on the reference and ``largest`` the largest found (weighted, as `Fit.error`): where they
    meet the fit is best. None where a stage has no such number.
    """

    stage: str
    type: tuple[int, int]
    levelled: float | None = None
    largest: float | None = None


Listener = Callable[[Progress], object]


class OutOfTime(Exception):
    """The time is over. ``attempt`` is the best that was known where it passed, None for nothing."""

    attempt: Any = None


class _Raised(Exception):
    """The listener raised, which is no failure of a step."""

    def __init__(self, problem: Exception) -> None:
        super().__init__()
        self.problem = problem


class _Watch(NamedTuple):
    listener: Listener | None
    end: float


_now: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(listener: Listener | None, seconds: float | None) -> Iterator[None]:
    """Watch what is done inside; without a limit, or a listener, there is none.

    Raises
    ------
    ValueError, TypeError
        for seconds that are not a positive number, a listener that cannot be called.
    OutOfTime
        from inside, between two steps, once the seconds of wall clock are over.

    >>> with watched(print, None):
    ...     report("exchange", (2, 2), 0.1, 0.2)
    Progress(stage='exchange', type=(2, 2), levelled=0.1, largest=0.2)
    """
    if listener is not None and not callable(listener):
        raise TypeError(f"progress= takes a function of one Progress, such as print, not {type(listener).__name__}")
    number = not isinstance(seconds, bool) and isinstance(seconds, int | float)
    if seconds is not None and not (number and isfinite(seconds) and seconds > 0):
        raise ValueError(f"time_limit must be a positive number of seconds, not {seconds!r}")
    token = _now.set(_Watch(listener, inf if seconds is None else monotonic() + seconds))
    try:
        yield
    except _Raised as raised:
        raise raised.problem from None
    finally:
        _now.reset(token)


@contextmanager
def unwatched() -> Iterator[None]:
    """Nothing is told and no time is over inside: for what is still to be made of an attempt."""
    token = _now.set(None)
    try:
        yield
    finally:
        _now.reset(token)


def over() -> bool:
    """Whether the time is over, for a step that has something to hand on."""
    watch = _now.get()
    return watch is not None and monotonic() > watch.end


def check() -> None:
    """Between two steps: raise `OutOfTime` if the time is over."""
    if over():
        raise OutOfTime


def report(stage: str, degree: tuple[int, int], levelled: float | None = None, largest: float | None = None) -> None:
    """Tell the listener of a step. Whatever it raises ends the computation, also what a failed step would raise."""
    watch = _now.get()
    if watch is not None and watch.listener is not None:
        try:
            watch.listener(Progress(stage, degree, levelled, largest))
        except Exception as problem:
            raise _Raised(problem) from problem
