"""Hidden states of a language model, or of any other source, as a training, a calibration and a held-out part."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsae.data.arrays import ARRAYS, read_array, real_matrix
from rsae.data.assignment import Assignment, assigned, host_of
from rsae.data.harvest import cached, count_held_out, counted, harvest, reading_threads, statistics, up_to
from rsae.data.reading import Reading
from rsae.data.store import Store, is_store
from rsae.data.tables import is_table, vectors
from rsae.data.text import documents_of
from rsae.hosts.dialects import unwrapped
from rsae.hosts.host import Host
from rsae.hosts.places import place_of
from rsae.notebook import facts
from rsae.progress import Whom, asked, told
from rsae.threads import using

__all__ = ["HiddenStates", "hidden_states"]


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """Vectors [n, d_in] in three parts, and how they came about.

    ``train`` is what training steps draw from, ``calibration`` a fixed sample of it, ``held_out`` what no step ever
    sees: it comes from documents (or contexts, or rows) of its own, the last ones of the source. ``question`` says how
    the vectors were made, ``statistics`` what was dropped and how large the rest is; ``host`` is the model, where there
    is one, and ``contexts`` the token numbers that it read ``train`` from; ``buffer`` is how many vectors are shuffled
    at a time (None: all). From a host in bfloat16 ``train`` is bfloat16, too; all else is float32.
    """

    train: Tensor
    calibration: Tensor
    held_out: Tensor
    question: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    host: Host | None = None
    buffer: int | None = None
    contexts: Sequence[Sequence[int]] = ()

    @property
    def d_in(self) -> int:
        """Length of a vector."""
        return self.train.shape[1]

    def batches(
        self,
        size: int,
        seed: int,
        steps: int,
        device: str | torch.device = "cpu",
        *,
        first: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> Iterator[Tensor]:
        """Batches [size, d_in] of training vectors in float32, number ``first`` to ``steps`` - 1.

        The order depends on ``size`` and ``seed`` alone: all vectors in a random order, then in another one, and so on.
        With a ``buffer`` 16 runs of neighbours from random places, together so many vectors, are shuffled at a time:
        for vectors on disk that do not fit into memory.
        ``part=(i, n)`` gives the i-th of n parts of each batch, ``size / n`` rows.
        """
        if size < 1 or steps < 0:
            raise ValueError(f"batches need a size of at least 1 and no negative steps, not size={size}, steps={steps}")
        for rows in _cut(self._orders(torch.Generator().manual_seed(seed)), size, first, steps):
            mine = rows[part[0] :: part[1]].to(self.train.device)
            yield self.train[mine].to(device, torch.float32)

    def passages(self, size: int, seed: int, steps: int, *, first: int = 0) -> Iterator[list[Sequence[int]]]:
        """Batches of ``size`` training contexts, number ``first`` to ``steps`` - 1, in an order as of `batches`."""
        generator = torch.Generator().manual_seed(seed)
        orders = (torch.randperm(len(self.contexts), generator=generator) for _ in itertools.count())
        for chosen in _cut(orders, size, first, steps):
            yield [self.contexts[i] for i in chosen.tolist()]

    def on(self, device: str | torch.device) -> "HiddenStates":
        """The same, its training vectors on a CUDA device if they fit into a quarter of the memory that is free there.

        All arms of an upgrade then draw from that one copy, and no batch is read and sent over again for each of them.
        On a CPU there is one copy anyway, in memory or in the pages of a file.
        """
        place = torch.device(device)
        if place.type != "cuda" or self.train.nbytes > torch.cuda.mem_get_info(place)[0] // 4:
            return self
        return replace(self, train=self.train.to(place))

    def _orders(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Row numbers, piece by piece and without end; each pass has every row once."""
        count = len(self.train)
        if self.buffer is None or self.buffer >= count:
            while True:
                yield torch.randperm(count, generator=generator)
        runs = torch.arange(count).split(self.buffer // 16)
        while True:
            for chosen in torch.randperm(len(runs), generator=generator).split(16):
                rows = torch.cat([runs[i] for i in chosen.tolist()])
                yield rows[torch.randperm(len(rows), generator=generator)]

    def __repr__(self) -> str:
        return (
            f"HiddenStates(d_in={self.d_in}, train={len(self.train)}, calibration={len(self.calibration)}, "
            f"held_out={len(self.held_out)}, host={'yes' if self.host else 'no'})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        parts = {"train": self.train, "calibration": self.calibration, "held out": self.held_out}
        sizes = {name: f"{len(part):,} vectors" for name, part in parts.items()}
        made = {name: self.question.get(name) for name in ("source", "hook", "text", "context_length", "dtype")}
        return facts("HiddenStates", {"d_in": self.d_in, **sizes, "host": "yes" if self.host else "no", **made})


def _cut(orders: Iterator[Tensor], size: int, first: int, steps: int) -> Iterator[Tensor]:
    """Numbers, ``size`` at a time, of endless pieces: the batches ``first`` to ``steps`` - 1."""
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        while len(order) < size:
            order = torch.cat([order, next(orders)])
        rows, order = order[:size], order[size:]
        if step >= first:
            yield rows


_DEFAULT = Reading()


def hidden_states(
    source: Any,
    text: str | Path | Iterable[str] | None = None,
    hook: str | None = None,
    *,
    context_length: int = 256,
    max_tokens: int | None = None,
    held_out: float | int = 0.1,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    seed: int = 0,
    store: str | Path | None = None,
    progress: Whom = True,
    reading: Reading = _DEFAULT,
) -> HiddenStates:
    """Hidden states from a language model reading a text, or from an array.

    ``source`` is a model (a local directory, a ``.gguf`` file, a hub name, a pair (model, tokenizer), a TransformerLens
    model, or an nnsight ``LanguageModel``), and then ``text`` (a file or a list of documents:
    `data.text.read_documents`) and ``hook`` (`hosts.hooks.resolve_hook`) are needed; or it is an array [n, d_in] or
    [contexts, positions, d_in], or a file of one (`data.arrays.read_array`); or a table: a ``.parquet`` or ``.arrow``
    file, or a folder that the library datasets saved (a cache of SAELens), whose column ``hook`` may name.

    Contexts are cut inside documents (`data.text.pack`); the last ``held_out`` share of the documents (an int: so many)
    is held out, of the contexts where there are fewer than ten documents, of the rows of an array. Of every context the
    first position is dropped, and then every outlier; ``statistics`` counts both. Of an array or a table nothing is
    dropped but where its rows are contexts. At most ``max_tokens`` vectors are harvested, shared between the parts; a
    data set is read no further than they need. ``reading`` holds everything else: `Reading`.

    With ``store``, a folder, the vectors go to disk and are memory-mapped; a harvest that was killed goes on there, and
    one that has ended is read back. Such a folder is a source of its own, too (without a host).

    ``progress`` is as in `upgrade`; a callable gets (done, total) after every batch. Raises ValueError, TypeError or
    FileNotFoundError for what cannot be used, before the model reads anything.

    >>> vectors = hidden_states(torch.arange(40.0).reshape(20, 2), held_out=0.25)
    >>> vectors
    HiddenStates(d_in=2, train=15, calibration=15, held_out=5, host=no)
    >>> [tuple(batch.shape) for batch in vectors.batches(size=8, seed=0, steps=3)]
    [(8, 2), (8, 2), (8, 2)]
    """
    asked(progress)
    stored = isinstance(source, str | Path) and is_store(Path(source))
    if not stored and is_table(source):
        if text is not None:
            raise ValueError(
                f"{source} holds hidden states already, and text belongs to a language model; leave it out"
            )
        return _from_table(Path(source), hook, held_out, max_tokens, seed, reading)
    if stored or not _is_model(source):
        if hook is not None or text is not None:
            said = f"{source} holds hidden states already" if stored else "the source is an array"
            raise ValueError(f"{said}, and text and hook belong to a language model; leave them out")
        if stored:
            return _from_store(source, seed, reading)
        return _from_array(source, held_out, max_tokens, seed, reading)
    if text is None or hook is None:
        raise ValueError("hidden states of a language model need a text (text=) and a place in the model (hook=)")
    if context_length < 8:
        raise ValueError(f"context_length must be at least 8 tokens, not {context_length}")
    documents = documents_of(text, reading.text_field)
    work = assigned(
        host_of(source, hook, device, dtype, reading),
        documents,
        source,
        text,
        hook,
        context_length=context_length,
        max_tokens=max_tokens,
        held_out=held_out,
        reading=reading,
    )
    folder = None if store is None else Store(store, work.stored)
    with told(progress, lambda bars: bars.harvest) as tell:
        train, kept_out, counts = _read(work, reading, folder, counted(tell, work.tokens))
    losses = up_to(work.last, reading.loss_tokens)
    read = work.host
    host = Host(read.model, read.tokenizer, read.hook, losses, outlier_norm=counts["outlier_norm"])
    question = work.question | {
        "loss_tokens": reading.loss_tokens,
        "calibration": reading.calibration,
        "seed": seed,
    }
    sample = _sample(train, reading.calibration, seed, folder)
    return HiddenStates(train, sample, kept_out, question, counts, host, reading.shuffle_buffer, work.first)


def _read(
    work: Assignment, reading: Reading, folder: Store | None, advance: Callable[[int], None]
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Training and held-out vectors without outliers, and the statistics: in memory, or in a folder."""
    host, size, outside = work.host, work.batch_size, work.contexts.dropped_tokens
    if folder is None:
        with using(reading_threads(host, work.first, reading.threads)):
            trained, rest = harvest(host, work.first, size, advance), harvest(host, work.last, size, advance)
        counts = statistics(outside, trained, rest, reading.outlier_medians)
        limit = counts["outlier_norm"]
        return trained.keep(limit), rest.keep(limit).float(), counts
    if not folder.complete:
        with using(folder.threads(host, work.first, reading.threads)):
            trained = folder.harvest(host, "train", work.first, size, advance)
            rest = folder.harvest(host, "held_out", work.last, size, advance)
        counts = statistics(outside, trained, rest, reading.outlier_medians)
        folder.finish(counts["outlier_norm"], counts, host.d_in)
    return folder.load()


def _is_model(source: Any) -> bool:
    if isinstance(source, tuple):
        if len(source) != 2 or not isinstance(source[0], torch.nn.Module):
            raise TypeError("a pair as a source is (model, tokenizer), the model a torch module")
        return True
    if unwrapped(source) is not None:
        return True
    if isinstance(source, torch.nn.Module):
        raise TypeError("a model alone cannot read text; give the pair (model, tokenizer)")
    return isinstance(source, str | Path) and Path(source).suffix not in ARRAYS


def _sample(train: Tensor, count: int, seed: int, folder: Store | None = None) -> Tensor:
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:count].sort().values
    return train[rows].float() if folder is None else folder.rows("train", rows)


def _from_store(source: str | Path, seed: int, reading: Reading) -> HiddenStates:
    saved = Store(source)
    train, kept_out, counts = saved.load()
    sample = _sample(train, reading.calibration, seed, saved)
    return HiddenStates(train, sample, kept_out, saved.manifest["question"], counts, buffer=reading.shuffle_buffer)


def _from_table(
    source: Path, hook: str | None, held_out: float | int, limit: int | None, seed: int, reading: Reading
) -> HiddenStates:
    """Hidden states of a table; where its rows are contexts, they are treated as a harvest treats contexts."""
    if not source.exists():
        raise FileNotFoundError(f"no file {str(source)!r}; give a {', '.join(ARRAYS)} file, or an array")
    found = vectors(source, hook, limit)
    array = real_matrix(found.values, str(source))
    known = {"source": str(source)} | ({"hook": found.column} if place_of(found.column) else {})
    if found.lengths is None:
        return _from_rows(array, known, held_out, limit, seed, reading)
    return _from_contexts(array, found.lengths.tolist(), known, held_out, limit, seed, reading)


def _from_array(source: Any, held_out: float | int, limit: int | None, seed: int, reading: Reading) -> HiddenStates:
    array = read_array(source)
    shape = tuple(array.shape)
    known = {"source": str(source) if isinstance(source, str | Path) else f"an array of shape {shape}"}
    if array.dim() == 2:
        return _from_rows(array, known, held_out, limit, seed, reading)
    return _from_contexts(array.flatten(0, 1), [shape[1]] * shape[0], known, held_out, limit, seed, reading)


def _from_contexts(
    array: Tensor,
    lengths: list[int],
    known: dict[str, Any],
    held_out: float | int,
    limit: int | None,
    seed: int,
    reading: Reading,
) -> HiddenStates:
    """Those of vectors [n, d_in] that lie context by context."""
    trained, rest = cached(array, lengths, held_out, limit)
    counts = statistics(0, trained, rest, reading.outlier_medians)
    train, kept_out = (part.keep(counts["outlier_norm"]) for part in (trained, rest))
    common = set(lengths)
    question = known | {
        "context_length": common.pop() if len(common) == 1 else None,
        "held_out": held_out,
        "max_tokens": limit,
        "outlier_medians": reading.outlier_medians,
        "calibration": reading.calibration,
        "seed": seed,
    }
    sample = _sample(train, reading.calibration, seed)
    return HiddenStates(train, sample, kept_out.float(), question, counts, buffer=reading.shuffle_buffer)


def _from_rows(
    array: Tensor, known: dict[str, Any], held_out: float | int, limit: int | None, seed: int, reading: Reading
) -> HiddenStates:
    array = array[:limit]
    last = count_held_out(held_out, len(array))
    train, kept_out = array[: len(array) - last], array[len(array) - last :]
    norms = torch.cat([rows.float().norm(dim=1) for rows in train.split(65_536)])
    question = known | {
        "held_out": held_out,
        "max_tokens": limit,
        "calibration": reading.calibration,
        "seed": seed,
    }
    counts = {"train": len(train), "held_out": last, "median_norm": norms.median().item()}
    sample = _sample(train, reading.calibration, seed)
    return HiddenStates(train, sample, kept_out.float(), question, counts, buffer=reading.shuffle_buffer)
