"""An alternating subsequence of an error's peaks: the next reference of an exchange, and what proves a lower bound."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

__all__ = ["alternating"]


def alternating(errors: Sequence[Any], count: int) -> list[int] | None:
    """Where ``count`` signed errors alternate that are large and hold the largest one; None if there are fewer.

    From each run of one sign the largest error is kept. A surplus is removed from the end with the smaller error, or,
    where the smallest error is inside, together with its smaller neighbour, which keeps the alternation.

    >>> alternating([3, 1, -2, 4, -5], 3)
    [2, 3, 4]
    """
    size = [abs(e) for e in errors]
    runs = groupby(range(len(errors)), key=lambda k: (errors[k] > 0) - (errors[k] < 0))
    keep = [max(run, key=size.__getitem__) for _, run in runs]
    if len(keep) < count:
        return None
    while len(keep) > count:
        smallest = min(range(len(keep)), key=lambda i: size[keep[i]])
        if len(keep) == count + 1 or smallest in (0, len(keep) - 1):
            del keep[0 if size[keep[0]] < size[keep[-1]] else -1]
        else:
            neighbour = smallest + (-1 if size[keep[smallest - 1]] < size[keep[smallest + 1]] else 1)
            for i in sorted((smallest, neighbour), reverse=True):
                del keep[i]
    return keep
