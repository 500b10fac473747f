"""A harvest in parts: each part of a text is read by whatever process takes it, and then all parts are joined.

A part is the unit of work that engines share out: the ranks of torchrun, an array of jobs, tasks of Ray. Parts know
nothing of one another; each has a folder of its own, goes on after its last whole shard when it was killed, and which
vectors it holds depends on the text and the number of parts alone, not on who read it. Joined, the folder is one of
`rsae.data.store`, a source of hidden states like any other.

Why no engine of our own, and none that is asked for: every engine runs a function with a number.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rsae.data.arrays import real_matrix
from rsae.data.assignment import assigned, host_of
from rsae.data.harvest import Harvest, cached, count_held_out, counted, norms_of, statistics
from rsae.data.reading import Reading
from rsae.data.store import Store, is_store, parts_of
from rsae.data.tables import Vectors, batches, count_batches, is_table
from rsae.data.text import documents_of
from rsae.hosts.host import Host
from rsae.progress import Whom, asked, told
from rsae.threads import using

__all__ = ["copy_parts", "harvest_parts", "join_parts", "mine"]

_DEFAULT = Reading()


def mine(count: int) -> range:
    """Which of so many parts this process takes: every N-th of N processes that torchrun has started, else all.

    >>> list(mine(3))
    [0, 1, 2]
    """
    return range(int(os.environ.get("RANK", "0")), count, int(os.environ.get("WORLD_SIZE", "1")))


def harvest_parts(
    source: Any,
    text: str | Path | Iterable[str],
    hook: str,
    folder: str | Path,
    parts: Sequence[tuple[int, int]],
    *,
    context_length: int = 256,
    max_tokens: int | None = None,
    held_out: float | int = 0.1,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    progress: Whom = True,
    reading: Reading = _DEFAULT,
) -> None:
    """Read some parts of a text into ``folder``: ``parts=[(3, 64)]`` is the fourth of 64.

    Each part is a share of the documents, of a data set the share that the library datasets gives to one of so many
    nodes. `rsae.hidden_states` says what the arguments mean; ``max_tokens`` is of all parts together, and the last
    documents of each part are held out. Called again, it goes on after the last whole shard, and leaves alone what has
    been read. Several processes may take different parts at a time, on any number of machines with one file system.

    Raises as `rsae.hidden_states`, before the model reads anything of a part.
    """
    asked(progress)
    if context_length < 8:
        raise ValueError(f"context_length must be at least 8 tokens, not {context_length}")
    _check(parts)
    if not isinstance(text, str | Path):
        text = list(text)
    known = {"hook": hook, "context_length": context_length, "held_out": held_out, "max_tokens": max_tokens}
    known |= {"outlier_medians": reading.outlier_medians}
    known |= {"source": str(source)} if isinstance(source, str | Path) else {}
    host: Host | None = None
    for part in parts:
        place = _place(Path(folder), part)
        if _done(Path(folder), known | {"parts": part[1]}) or _done(place, known):
            continue
        documents = documents_of(text, reading.text_field, part)
        host = host or host_of(source, hook, device, dtype, reading)
        work = assigned(
            host,
            documents,
            source,
            text,
            hook,
            context_length=context_length,
            max_tokens=max_tokens,
            held_out=held_out,
            reading=reading,
            part=part,
        )
        store = Store(place, work.stored)
        with told(progress, lambda bars: bars.harvest) as tell:
            advance = counted(tell, work.tokens)
            with using(store.threads(host, work.first, reading.threads)):
                store.harvest(host, "train", work.first, work.batch_size, advance)
                store.harvest(host, "held_out", work.last, work.batch_size, advance)
        store.note_read(host.d_in, work.contexts.dropped_tokens)


def copy_parts(
    cache: str | Path,
    folder: str | Path,
    parts: Sequence[tuple[int, int]],
    *,
    hook: str | None = None,
    held_out: float | int = 0.1,
    outlier_medians: float | None = 5.0,
) -> None:
    """The same of hidden states that exist: a table, or a folder that the library datasets saved (a cache of SAELens).

    Of N parts each takes every N-th record batch, and holds its last ones out; memory holds one batch at a time. Where
    rows are contexts, `join_parts` drops first positions and outliers; of rows that are vectors nothing is dropped.

    Raises as `rsae.hidden_states`, and ValueError for fewer batches than parts.
    """
    _check(parts)
    cache, folder = Path(cache), Path(folder)
    if not is_table(cache) or not cache.exists():
        raise ValueError(f"{cache} is no table, and no folder that datasets saved; give one of these")
    known = {"source": str(cache), "hook": hook, "held_out": held_out, "outlier_medians": outlier_medians}
    for part in parts:
        place = _place(folder, part)
        if _done(folder, known | {"parts": part[1]}) or _done(place, known):
            continue
        count = len(range(part[0], count_batches(cache, hook), part[1]))
        if not count:
            raise ValueError(f"{cache} has too few record batches for {part[1]} parts: give fewer")
        first_held_out = count - count_held_out(held_out, count)
        store = Store(place, known | {"part": list(part)})
        width = 0
        for number, found in enumerate(batches(cache, hook, part)):
            name, width = "train" if number < first_held_out else "held_out", found.values.shape[1]
            store.keep(name, number, partial(_harvest_of, found, str(cache)))
        store.note_read(width, 0)


def _harvest_of(found: Vectors, name: str) -> Harvest:
    """A record batch as a harvest of its contexts; of vectors without contexts there is no first position."""
    states = real_matrix(found.values, name)
    if found.lengths is None or found.firsts is None:
        return Harvest(states, norms_of(states), torch.empty(0))
    return cached(states, real_matrix(found.firsts, name), found.lengths.tolist(), 0, None)[0]


def join_parts(folder: str | Path) -> None:
    """Make one folder of hidden states of all the parts in it, and remove them; `rsae.hidden_states` then reads it.

    Outliers are dropped here: their limit is a multiple of the median norm of the training vectors of all parts. One
    process does it, when all parts are there. Killed, it begins again; called on a folder that is joined, it does
    nothing.

    Raises
    ------
    ValueError
        for parts that are missing or not read to their end, which it names, or that answer different questions.
    """
    folder = Path(folder)
    if not is_store(folder) or not Store(folder).complete:
        _join(folder, _whole(folder))
    for path in folder.glob("part-*-of-*"):
        shutil.rmtree(path)


def _check(parts: Sequence[tuple[int, int]]) -> None:
    for number, count in parts:
        if not 0 <= number < count:
            raise ValueError(f"part {number} of {count} is none: parts are numbered from 0 to {count - 1}")


def _done(folder: Path, known: dict[str, Any]) -> bool:
    """Whether a folder has been read to its end; of what question, is asked without reading the text again."""
    if not is_store(folder):
        return False
    store = Store(folder)
    if not (store.complete or store.read):
        return False
    held = store.manifest["question"]
    if different := sorted(name for name, value in known.items() if held.get(name) != value):
        raise ValueError(f"{folder} holds hidden states that differ in {', '.join(different)}; give a new folder")
    return True


def _place(folder: Path, part: tuple[int, int]) -> Path:
    return folder / f"part-{part[0]:05d}-of-{part[1]:05d}"


def _whole(folder: Path) -> list[Store]:
    """All parts of a harvest, each read to its end, of one question."""
    stores = [Store(path) for path in parts_of(folder)]
    if not stores:
        raise ValueError(f"{folder} holds no parts of a harvest")
    count = stores[0].manifest["question"]["part"][1]
    wanted = [_place(folder, (number, count)) for number in range(count)]
    if foreign := sorted({store.folder for store in stores} - set(wanted)):
        raise ValueError(f"{folder} holds parts of two harvests: {wanted[0].name} and {foreign[0].name}")
    if missing := [path.name for path in wanted if not is_store(path) or Store(path).read is None]:
        raise ValueError(
            f"{len(missing)} of {count} parts of {folder} are not read to their end: {', '.join(missing[:3])}; "
            "start the same command again for them"
        )
    for store in stores[1:]:
        if different := sorted(name for name, value in _common(store).items() if value != _common(stores[0])[name]):
            raise ValueError(
                f"{stores[0].folder} and {store.folder} differ in {', '.join(different)}: harvest one anew"
            )
    return stores


def _common(store: Store) -> dict[str, Any]:
    """What all parts of one harvest have in common."""
    return {name: x for name, x in store.manifest["question"].items() if name not in ("part", "text_sha256")}


def _join(folder: Path, stores: Sequence[Store]) -> None:
    question = _common(stores[0]) | {"parts": len(stores)}
    if "text_sha256" in stores[0].manifest["question"]:
        digests = "".join(str(store.manifest["question"]["text_sha256"]) for store in stores)
        question["text_sha256"] = hashlib.sha256(digests.encode()).hexdigest()
    train, rest = (_together([store.norms(part) for store in stores]) for part in ("train", "held_out"))
    said = [store.read or {} for store in stores]
    outside = sum(int(read["tokens_outside_contexts"]) for read in said)
    # Vectors that came without contexts have no first positions; nothing of them is dropped.
    medians = question["outlier_medians"] if len(train.first_norms) else None
    counts = statistics(outside, train, rest, medians)
    Store(folder, question).finish(counts["outlier_norm"], counts, int(said[0]["d_in"]), stores)


def _together(found: Sequence[Harvest]) -> Harvest:
    norms, firsts = (torch.cat([getattr(part, name) for part in found]) for name in ("norms", "first_norms"))
    return Harvest(found[0].states, norms, firsts)
