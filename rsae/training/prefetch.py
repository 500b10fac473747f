"""The next batch is made ready while a device is still busy with the one before it.

Why not a DataLoader: it fetches ahead in processes alone: one more copy of each batch, and no vectors on a CUDA device.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

__all__ = ["ahead", "fetched"]


def fetched(batches: Iterable[Tensor], device: torch.device) -> Iterable[Tensor]:
    """The same batches, `ahead` for a device of its own, and between the steps for a CPU.

    There the fetching thread would take the cores that a step runs on: steps are up to half as slow again
    (docs/measured/performance.md).
    """
    return batches if device.type == "cpu" else ahead(batches)


def ahead(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same batches in the same order, each fetched by a thread of its own while the one before is worked on.

    That hides the reading of rows from disk, their conversion to float32 and their way to a device. One batch is held
    besides the one in use. What the source raises is raised here, when its turn comes.

    >>> import torch
    >>> [int(batch) for batch in ahead(torch.arange(3))]
    [0, 1, 2]
    """
    source = iter(batches)
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        coming = thread.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield batch
