"""Hidden states from a source: a language model that reads a text, or vectors that exist."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsae.data.arrays import ARRAYS
from rsae.data.harvest import harvest, split, statistics, up_to
from rsae.data.reading import Reading
from rsae.data.states import HiddenStates
from rsae.data.store import Store, is_store
from rsae.data.text import Contexts, documents_of, is_data_set, pack
from rsae.data.vectors import drawn, from_array, from_store, from_table, is_table
from rsae.hosts.dialects import dtype_of, family_of, unwrapped
from rsae.hosts.hooks import Hook, resolve_hook
from rsae.hosts.host import Host
from rsae.hosts.language_model import load_language_model, pick_device, pick_dtype
from rsae.progress import Whom, asked, told

__all__ = ["hidden_states"]

_CONTEXT_LENGTH = 256
_NOT_STORED = {"text", "loss_tokens", "calibration", "seed"}  # what does not change the vectors on disk
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
    documents = _Noted(documents_of(text, reading.text_field))
    host = _host(source, hook, device, dtype, reading)
    if context_length is None:
        context_length = min(_CONTEXT_LENGTH, host.longest or _CONTEXT_LENGTH)
    if host.longest is not None and context_length > host.longest:
        raise ValueError(f"context_length {context_length} is beyond the {host.longest} positions of this model")
    limit = max_tokens if is_data_set(text) else None  # of a file the held-out documents are the last of all
    contexts = pack(documents, host.tokenizer, context_length, reading.prepend_bos, limit=limit)
    question = {
        "source": str(source) if isinstance(source, str | Path) else type(host.model).__name__,
        "model_type": family_of(host.model),
        "text": str(text) if isinstance(text, str | Path) else f"a list of {documents.count} documents",
        "text_sha256": documents.digest.hexdigest(),
        "hook": hook,
        "module": host.hook.module,
        "context_length": context_length,
        "prepend_bos": contexts.starts_with_bos,
        "dtype": str(dtype_of(host.model)).removeprefix("torch."),
        "held_out": held_out,
        "max_tokens": max_tokens,
        "outlier_medians": reading.outlier_medians,
        "loss_tokens": reading.loss_tokens,
        "calibration": reading.calibration,
        "seed": seed,
    } | ({"centred": True} if host.hook.centred else {})
    if reading.check is not None:
        reading.check(question, host)
    size = reading.batch_size or (16 if host.device.type == "cpu" else 64)
    held = {"batch_size": size} | {name: value for name, value in question.items() if name not in _NOT_STORED}
    first, last = split(contexts, held_out, max_tokens)
    folder = None if store is None else Store(store, held)
    with told(progress, lambda bars: bars.harvest) as tell:
        advance = _counted(tell, sum(map(len, first)) + sum(map(len, last)))
        train, kept_out, counts = _read(host, contexts, first, last, size, reading.outlier_medians, folder, advance)
    losses = up_to(last, reading.loss_tokens)
    host = Host(host.model, host.tokenizer, host.hook, losses, outlier_norm=counts["outlier_norm"])
    sample = drawn(train, reading.calibration, seed, folder)
    return HiddenStates(train, sample, kept_out, question, counts, host, reading.shuffle_buffer, first)


def _host(
    source: Any, hook: str, device: str | torch.device | None, dtype: str | torch.dtype | None, reading: Reading
) -> Host:
    """The model of a source, at its hook."""
    held = source if isinstance(source, tuple) else unwrapped(source)
    if held is not None:
        model, tokenizer = held
        if dtype is not None:
            model = model.to(pick_dtype(dtype))
        if device is not None:
            model = model.to(pick_device(device))
    else:
        model, tokenizer = load_language_model(source, dtype=dtype or "float32", device=device or "cpu")
    without_mean = any(isinstance(module, torch.nn.LayerNorm) for module in model.modules())
    place = resolve_hook(model, hook)
    if reading.centred and without_mean:
        if not isinstance(place, Hook):
            raise ValueError("no transcoder is read centred; give the TransformerLens model itself as the source")
        place = replace(place, centred=True)
    return Host(model, tokenizer if reading.tokenizer is None else reading.tokenizer, place)


def _counted(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    """A function that is told of so many more tokens, and tells ``progress`` of all."""
    read = 0

    def advance(tokens: int) -> None:
        nonlocal read
        read += tokens
        if progress is not None:
            progress(read, total)

    return advance


def _read(
    host: Host,
    contexts: Contexts,
    first: list[Sequence[int]],
    last: list[Sequence[int]],
    size: int,
    outlier_medians: float | None,
    folder: Store | None,
    advance: Callable[[int], None],
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Training and held-out vectors without outliers, and the statistics: in memory, or in a folder."""
    if folder is None:
        trained, rest = harvest(host, first, size, advance), harvest(host, last, size, advance)
        counts = statistics(contexts.dropped_tokens, trained, rest, outlier_medians)
        limit = counts["outlier_norm"]
        return trained.keep(limit), rest.keep(limit).float(), counts
    if not folder.complete:
        trained = folder.harvest(host, "train", first, size, advance)
        rest = folder.harvest(host, "held_out", last, size, advance)
        counts = statistics(contexts.dropped_tokens, trained, rest, outlier_medians)
        folder.finish(counts["outlier_norm"], counts, host.d_in)
    return folder.load()


class _Noted:
    """Documents as they are read, once: how many, and the SHA-256 of all of them; none of them is kept."""

    def __init__(self, documents: Iterable[str]) -> None:
        self._documents = documents
        self.count = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[str]:
        for document in self._documents:
            self.digest.update(("\0" * (self.count > 0) + document).encode())
            self.count += 1
            yield document


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
