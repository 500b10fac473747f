"""How many threads torch takes: for so long as something lasts, and which number does it faster.

On cores that others use, too, threads wait for one another at every operation: two may take ten times as long as one.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

__all__ = ["faster", "using"]

clock = time.perf_counter

_ROUNDS, _SECONDS = 8, 0.3
_WORTH = 0.9  # more threads must be faster by a tenth: what they gain less is noise, and takes cores from others


@contextmanager
def using(count: int | None) -> Iterator[None]:
    """That many of torch's threads (None: as many as before) inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def faster(act: Callable[[], object]) -> int:
    """One thread, or as many as torch has, whichever does ``act`` faster; where they are even, one.

    They take turns for about a third of a second, at least once each; the first of several rounds only prepares.
    """
    most = torch.get_num_threads()
    taken: dict[int, list[float]] = {1: [], most: []}
    first = clock()
    while len(taken[most]) < _ROUNDS and (clock() - first < _SECONDS or not taken[most]):
        for count, seconds in taken.items():
            with using(count):
                began = clock()
                act()
                seconds.append(clock() - began)
    medians = {count: statistics.median(seconds[1:] or seconds) for count, seconds in taken.items()}
    return most if medians[most] < _WORTH * medians[1] else 1
