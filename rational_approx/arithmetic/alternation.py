"""An alternating subsequence of an error's peaks: the next reference of an exchange, and what proves a lower bound."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

__all__ = ["alternating"]


def alternating(errors: Sequence[Any], count: int) -> list[int] | None:
    """Where ``count`` signed errors alternate of which the smallest is as large as it can be, and that hold the largest
    one; None if there are fewer.

    Above a level the largest error of each run of one sign is kept. The highest level that leaves enough of them is
    found by bisection; what is left over is removed from the end with the smaller error.

    >>> alternating([3, 1, -2, 4, -5], 3)
    [2, 3, 4]
    """
    size = [abs(e) for e in errors]

    def above(level: Any, among: Sequence[int]) -> list[int]:
        high = (k for k in among if size[k] >= level and size[k] > 0)
        return [max(run, key=size.__getitem__) for _, run in groupby(high, key=lambda k: errors[k] > 0)]

    runs = above(0, range(len(errors)))  # what is lower within its run is lower within any that holds it
    levels = sorted({size[k] for k in runs})
    if not levels or len(runs) < count:
        return None
    low, high = 0, len(levels)  # the places of a level that leaves enough, and of one that does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(above(levels[middle], runs)) >= count else (low, middle)
    keep = above(levels[low], runs)
    while len(keep) > count:
        del keep[0 if size[keep[0]] < size[keep[-1]] else -1]
    return keep
