"""Reading hidden states off a model: which contexts belong to which part, and which vectors are kept."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsae import ranks
from rsae.data.text import Contexts
from rsae.hosts.dialects import dtype_of
from rsae.hosts.host import Host
from rsae.threads import faster

__all__ = [
    *("Harvest", "cached", "count_held_out", "counted", "harvest", "norms_of", "reading_threads"),
    *("split", "statistics", "up_to", "vectors_in", "windows"),
]

_WINDOW = 64 * 2**20  # bytes of hidden states that are held at once
_LONG = 50_000  # tokens: what is shorter is read before a timing of threads has paid


def count_held_out(held_out: float | int, groups: int) -> int:
    """How many of ``groups`` documents (contexts, rows) are held out.

    >>> count_held_out(0.1, 120), count_held_out(16, 120)
    (12, 16)
    """
    whole = isinstance(held_out, int) and held_out >= 0
    if isinstance(held_out, bool) or not (whole or (isinstance(held_out, float) and 0 <= held_out < 1)):
        raise ValueError(f"held_out is a share in [0, 1) or a count of documents, not {held_out!r}")
    count = held_out if isinstance(held_out, int) else math.ceil(held_out * groups)
    if count >= groups:
        raise ValueError(f"held_out={held_out} of {groups} leaves nothing to train on; give more, or hold out less")
    return count


def vectors_in(contexts: Sequence[Sequence[int]]) -> int:
    """How many hidden states the contexts give: one a token, the first position of each context left out."""
    return sum(map(len, contexts)) - len(contexts)


def up_to(contexts: Sequence[Sequence[int]], limit: int | None) -> Sequence[Sequence[int]]:
    """The first contexts that together give at most ``limit`` vectors (one context at least)."""
    if limit is None:
        return contexts
    ends = np.cumsum([len(context) - 1 for context in contexts])
    return contexts[: max(1, int(np.searchsorted(ends, limit, side="right")))]


def split(
    contexts: Contexts, held_out: float | int, limit: int | None
) -> tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]:
    """Training and held-out contexts; the latter come last.

    The boundary lies between documents where there are ten of them or more, else between contexts. Each part is cut to
    its share of ``limit`` vectors, from its beginning.
    """
    if not len(contexts):
        raise ValueError("the text gives not one context of 8 tokens; give more text")
    names = sorted(set(contexts.document))
    if len(names) >= 10:
        count = count_held_out(held_out, len(names))
        boundary = contexts.document.index(names[-count]) if count else len(contexts)
    else:
        boundary = len(contexts) - count_held_out(held_out, len(contexts))
    first, last = contexts.tokens[:boundary], contexts.tokens[boundary:]
    if limit is None:
        return first, last
    if limit < 1:
        raise ValueError(f"max_tokens must be at least 1, not {limit}")
    share = vectors_in(last) / vectors_in(contexts.tokens)
    return up_to(first, round(limit * (1 - share))), up_to(last, round(limit * share)) if last else []


@dataclass(frozen=True)
class Harvest:
    """Hidden states [n, d_in] of all positions but the first of each context, their norms, and those of the first."""

    states: Tensor
    norms: Tensor
    first_norms: Tensor

    def keep(self, limit: float | None) -> Tensor:
        """The states whose norm is at most ``limit`` (None: all), in order; the others are squeezed out in place."""
        kept = self.norms <= (math.inf if limit is None else limit)
        if bool(kept.all()):
            return self.states
        end = 0
        for first in range(0, len(kept), 65_536):  # in place: a second copy would double the memory
            rows = self.states[first : first + 65_536][kept[first : first + 65_536]]
            self.states[end : end + len(rows)] = rows
            end += len(rows)
        return self.states[:end]


def windows(contexts: Sequence[Sequence[int]], batch_size: int, d_in: int) -> Iterator[tuple[int, int]]:
    """Bounds of runs of contexts: whole batches, 16 at most, whose hidden states together take about 64 MiB.

    Contexts of similar length share a batch, within a window: little padding, and the order stays local. What shares a
    batch depends on the question alone, so that a harvest gives the same bits in memory, on disk, and resumed.
    """
    longest = max(map(len, contexts), default=1)
    count = batch_size * max(1, min(16, _WINDOW // (4 * d_in * longest * batch_size)))
    for begin in range(0, len(contexts), count):
        yield begin, min(begin + count, len(contexts))


def harvest(
    host: Host, contexts: Sequence[Sequence[int]], batch_size: int, progress: Callable[[int], None] | None = None
) -> Harvest:
    """Read the hidden states of ``contexts``, in their order; ``progress`` gets the number of tokens just read.

    They are kept in the host's own format, bfloat16, float16 or float32: nothing is lost, and 16 bits take half the
    room.
    """
    starts = np.cumsum([0, *(len(context) - 1 for context in contexts)]).tolist()
    own = dtype_of(host.model)
    kept = own if own in (torch.bfloat16, torch.float16) else torch.float32
    states = torch.empty(vectors_in(contexts), host.d_in, dtype=kept)
    norms, first_norms = torch.empty(len(states)), torch.empty(len(contexts))
    for begin, end in windows(contexts, batch_size, host.d_in):
        for offset, hidden in host.hidden_states(contexts[begin:end], batch_size):
            i = begin + offset
            rows = slice(starts[i], starts[i + 1])
            all_norms = hidden.float().norm(dim=1)
            states[rows], norms[rows], first_norms[i] = hidden[1:], all_norms[1:], all_norms[0]
            if progress is not None:
                progress(len(hidden))
    if not torch.isfinite(norms).all():
        raise ValueError(f"the hidden states at {host.hook.name} hold NaN or infinity; try dtype='float32'")
    return Harvest(states, norms, first_norms)


def reading_threads(host: Host, contexts: Sequence[Sequence[int]], asked: int | None = None) -> int | None:
    """How many of torch's threads shall read contexts: ``asked``, or one or all, whichever reads one context faster.

    None where nothing is to be chosen: on a GPU, where torch has one thread, where several processes share the work
    (their launcher has shared the cores out), and for a text that is short.
    """
    alone = host.device.type == "cpu" and torch.get_num_threads() > 1 and ranks.count() == 1
    if asked is not None or not alone or sum(map(len, contexts)) < _LONG:
        return asked
    return faster(lambda: list(host.hidden_states(contexts[:1], 1)))


def cached(
    states: Tensor, firsts: Tensor, lengths: Sequence[int], held_out: float | int, limit: int | None
) -> tuple[Harvest, Harvest]:
    """Training and held-out part of hidden states that lie context by context, ``lengths`` of each.

    ``firsts`` [contexts, d_in] are those of the first positions, ``states`` [n, d_in] all others, both in the order of
    the contexts. Held out are the last contexts, of those that together give at most ``limit`` vectors (one at least).

    >>> x = torch.arange(12.0).reshape(4, 3, 1)
    >>> first, last = cached(x[:, 1:].flatten(0, 1), x[:, 0], [3, 3, 3, 3], 0.25, None)
    >>> first.states.flatten().tolist(), last.states.flatten().tolist()
    ([1.0, 2.0, 4.0, 5.0, 7.0, 8.0], [10.0, 11.0])
    """
    ends = np.concatenate([[0], np.cumsum([length - 1 for length in lengths])])
    count = len(lengths) if limit is None else max(1, int(np.searchsorted(ends[1:], limit, side="right")))
    cut = count - count_held_out(held_out, count)
    parts = []
    for begin, end in ((0, cut), (cut, count)):
        rows = states[int(ends[begin]) : int(ends[end])]
        parts.append(Harvest(rows, norms_of(rows), norms_of(firsts[begin:end])))
    return parts[0], parts[1]


def norms_of(states: Tensor) -> Tensor:
    """The norms [n] of vectors [n, d_in] in float32, piece by piece: a mapped file never fits memory."""
    return torch.cat([piece.float().norm(dim=1) for piece in states.split(65_536)])


def statistics(outside: int, train: Harvest, held_out: Harvest, outlier_medians: float | None) -> dict[str, Any]:
    """What is dropped, and how large the vectors are; ``outlier_norm`` is the largest norm that stays.

    ``outside``: how many tokens of the text lie in no context.
    """
    median = train.norms.median().item()
    limit = None if outlier_medians is None else outlier_medians * median
    parts = {"train": train, "held_out": held_out}
    firsts = torch.cat([train.first_norms, held_out.first_norms])
    above = {name: part.norms[part.norms > (math.inf if limit is None else limit)] for name, part in parts.items()}
    outliers = {name: len(norms) for name, norms in above.items()}
    dropped = torch.cat(list(above.values()))
    read = sum(len(part.norms) + len(part.first_norms) for part in parts.values())
    return {
        "contexts": {name: len(part.first_norms) for name, part in parts.items()},
        "tokens_outside_contexts": outside,
        "tokens_read": read,
        "dropped_first_positions": len(firsts),
        "dropped_outliers": outliers,
        "dropped_share": (len(firsts) + sum(outliers.values())) / read,
        "median_norm": median,
        "outlier_norm": limit,
        "largest_norm": max(part.norms.max().item() for part in parts.values() if len(part.norms)),
        "median_first_norm": firsts.median().item() if len(firsts) else None,
        "largest_first_norm": firsts.max().item() if len(firsts) else None,
        "median_dropped_outlier_norm": dropped.median().item() if len(dropped) else None,
    }


def counted(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    """A function that is told of so many more tokens, and tells ``progress`` of all."""
    read = 0

    def advance(tokens: int) -> None:
        nonlocal read
        read += tokens
        if progress is not None:
            progress(read, total)

    return advance
