"""Hidden states from a source: a language model that reads a text, or vectors that exist."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsae.data.arrays import ARRAYS
from rsae.data.assignment import Assignment, assigned, host_of
from rsae.data.harvest import counted, harvest, reading_threads, statistics, up_to
from rsae.data.reading import Reading
from rsae.data.states import HiddenStates
from rsae.data.store import Store, is_store
from rsae.data.tables import is_table
from rsae.data.text import documents_of
from rsae.data.vectors import drawn, from_array, from_store, from_table
from rsae.hosts.dialects import unwrapped
from rsae.hosts.host import Host
from rsae.progress import Whom, asked, told
from rsae.threads import using

__all__ = ["hidden_states"]

_CONTEXT_LENGTH = 256
_DEFAULT = Reading()


def hidden_states(
    source: Any,
    text: str | Path | Iterable[str] | None = None,
    hook: str | None = None,
    *,
    context_length: int | None = None,
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

    Contexts of ``context_length`` tokens (None: 256, or as many as the model can read; `hidden_states_of` takes those
    that an SAE was trained on) are cut inside documents (`data.text.pack`); the last ``held_out`` share of the
    documents (an int: so many) is held out, of the contexts where there are fewer than ten documents, of the rows of an
    array. Of every context the first position is dropped, and then every outlier; ``statistics`` counts both. Of an
    array or a table nothing is dropped but where its rows are contexts. At most ``max_tokens`` vectors are harvested,
    shared between the parts; a data set is read no further than they need. ``reading`` holds everything else:
    `Reading`.

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
        return from_table(Path(source), hook, held_out, max_tokens, seed, reading)
    if stored or not _is_model(source):
        if hook is not None or text is not None:
            said = f"{source} holds hidden states already" if stored else "the source is an array"
            raise ValueError(f"{said}, and text and hook belong to a language model; leave them out")
        if stored:
            return from_store(source, seed, reading)
        return from_array(source, held_out, max_tokens, seed, reading)
    if text is None or hook is None:
        raise ValueError("hidden states of a language model need a text (text=) and a place in the model (hook=)")
    if context_length is not None and context_length < 8:
        raise ValueError(f"context_length must be at least 8 tokens, not {context_length}")
    return _from_model(
        source, text, hook, context_length, max_tokens, held_out, device, dtype, seed, store, progress, reading
    )


def _from_model(
    source: Any,
    text: str | Path | Iterable[str],
    hook: str,
    context_length: int | None,
    max_tokens: int | None,
    held_out: float | int,
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    seed: int,
    store: str | Path | None,
    progress: Whom,
    reading: Reading,
) -> HiddenStates:
    """Those of a language model that reads a text."""
    documents = documents_of(text, reading.text_field)
    read = host_of(source, hook, device, dtype, reading)
    if context_length is None:
        context_length = min(_CONTEXT_LENGTH, read.longest or _CONTEXT_LENGTH)
    work = assigned(
        read,
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
    host = Host(read.model, read.tokenizer, read.hook, losses, outlier_norm=counts["outlier_norm"])
    question = work.question | {
        "loss_tokens": reading.loss_tokens,
        "calibration": reading.calibration,
        "seed": seed,
    }
    sample = drawn(train, reading.calibration, seed, folder)
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
