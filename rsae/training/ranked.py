"""The entry that stands at a given place in the order of all ranks' entries, of which none is gathered.

Floats are ordered as their bits are, once those of negative numbers are flipped. So the place is found bit by bit, by
counting how many entries of each rank reach the middle of an interval: 32 sums of two numbers.
"""

import torch
from torch import Tensor

from rsae import ranks

__all__ = ["ranked"]


@torch.no_grad()
def ranked(values: Tensor, count: int, group: ranks.Group) -> Tensor:
    """The ``count``-th largest and the next one [2] of the float32 entries [n] of all ranks, of which n may differ.

    >>> ranked(torch.tensor([3.0, -1.0, 2.0, -5.0]), 2, ranks.everyone()).tolist()
    [2.0, -1.0]
    """
    largest = values.topk(min(count + 1, len(values))).values
    if group.count == 1:
        return largest[-2:]
    keys = _flipped(largest.float().view(torch.int32).long()).flip(0).contiguous()
    wanted = torch.tensor([count, count + 1], device=keys.device)
    low, high = torch.full_like(wanted, -(2**31)), torch.full_like(wanted, 2**31 - 1)
    for _ in range(32):
        middle = (low + high + 1) // 2
        enough = group.sum(len(keys) - torch.searchsorted(keys, middle)) >= wanted
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle - 1)
    return _flipped(low).int().view(torch.float32)


def _flipped(bits: Tensor) -> Tensor:
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
