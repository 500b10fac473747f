"""Columns of Parquet and Arrow files, and rows of the library datasets: both read by libraries that are optional.

Why not datasets for files, too: it copies them to a cache, reads missing numbers as NaN, and follows names like "../x".
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rsae.data.scratch import Scratch, scratch
from rsae.hosts.places import place_of
from rsae.storage.reading import read_json

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    *("TABLES", "Vectors", "batches", "column", "count_batches", "dataset_documents"),
    *("files_of", "is_saved_dataset", "is_table", "vectors"),
]

TABLES = (".parquet", ".arrow", ".feather")
_BATCH = 64 * 2**20  # bytes of a table that are read at once
_TOKENS = ("token_ids", "input_ids", "tokens", "attention_mask", "labels", "position_ids")


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(f'{path} needs pyarrow to be read (pip install "rational-sae[data]")') from error
    return pyarrow


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Callable[[list[str]], Iterable[Any]]]]:
    """The schema of a Parquet file, Arrow file or Arrow stream, and its record batches, with these columns at least."""
    arrow = _pyarrow(path)
    try:
        if path.suffix == ".parquet":
            with arrow.parquet.ParquetFile(path, pre_buffer=False) as file:
                yield file.schema_arrow, lambda names: _batches(file, names)
            return
        with arrow.memory_map(str(path)) as source:
            magic = source.read(6)
            source.seek(0)
            if magic == b"ARROW1":
                with arrow.ipc.open_file(source) as file:
                    yield file.schema, lambda _: map(file.get_batch, range(file.num_record_batches))
            else:
                with arrow.ipc.open_stream(source) as stream:
                    yield stream.schema, lambda _: stream
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a readable {path.suffix} file: {str(error)[:200]}") from None


def _batches(file: Any, names: list[str]) -> Iterator[Any]:
    """Record batches of a Parquet file, row group by row group, of about 64 MiB: a row may be a whole context."""
    for i in range(file.num_row_groups):
        group = file.metadata.row_group(i)
        rows = max(1, _BATCH * group.num_rows // max(1, group.total_byte_size))
        yield from file.iter_batches(batch_size=min(rows, 65_536), row_groups=[i], columns=names)


def column(path: Path, name: str) -> Iterator["pyarrow.Array"]:
    """The pyarrow arrays of one column, chunk by chunk: the file is never whole in memory.

    Raises ImportError without pyarrow, ValueError for another file or a column that it does not have.
    """
    with _opened(path) as (schema, batches):
        if name not in schema.names:
            known = ", ".join(schema.names[:6])
            raise ValueError(f"{path} has no column {name!r} (it has {known}); name it with text_field=")
        for batch in batches([name]):
            yield batch.column(name)


class Vectors(NamedTuple):
    """Vectors [n, d_in] in float32, or in float16 where they are stored so, in a mapped temporary file; the column that
    they were in, or "" where every column is one of their entries. Where a row of the table is a context and not a
    vector: how many vectors each context has, and the first of each, which are not among the others."""

    values: np.ndarray
    column: str
    lengths: np.ndarray | None = None
    firsts: np.ndarray | None = None


def vectors(source: Path, hook: str | None = None, limit: int | None = None) -> Vectors:
    """Hidden states of a table, or of a folder that the library datasets saved: of about ``limit`` rows' worth, if any.

    They are one column of lists of numbers (a row is a vector), or of lists of lists (a row is a context, as in
    SAELens's caches), or numbers in every column. ``hook`` names the column, in any spelling of the place. Columns of
    token numbers are never meant. Record batches are read one by one.

    Raises ImportError without pyarrow, ValueError for anything else, for several columns that could be meant, lists
    that differ in length, and missing values.
    """
    with scratch() as grown:
        column, lengths, firsts = _grow(grown, source, hook, limit)
        if not lengths:
            return Vectors(grown.array(), column)
        return Vectors(grown.array(), column, np.concatenate(lengths), np.concatenate(firsts))


def _grow(
    grown: Scratch, source: Path, hook: str | None, limit: int | None
) -> tuple[str, list[np.ndarray], list[np.ndarray]]:
    """Append the vectors of a table; the column, and of contexts the lengths and the first vectors."""
    lengths: list[np.ndarray] = []
    firsts: list[np.ndarray] = []
    column = ""
    for found in batches(source, hook):
        column = found.column
        if found.lengths is not None and found.firsts is not None:
            lengths.append(found.lengths)
            firsts.append(found.firsts)
        try:
            grown.add(found.values)
        except ValueError as error:
            raise ValueError(f"column {column!r} of {source} has {error}") from None
        if limit is not None and grown.rows >= limit:
            break
    return column, lengths, firsts


def _contexts(chunk: Any, path: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a chunk of contexts how many vectors each has, the first vector of each, and the others; none is empty."""
    _check_whole(chunk, name, path)
    lengths = chunk.value_lengths().to_numpy(zero_copy_only=False)
    lengths = lengths[lengths > 0]
    rows = _rows(chunk.flatten(), path, name)
    begins = np.cumsum(lengths) - lengths
    others = np.ones(len(rows), dtype=bool)
    others[begins] = False
    return lengths, rows[begins], rows[others]


def batches(source: Path, hook: str | None = None, part: tuple[int, int] = (0, 1)) -> Iterator[Vectors]:
    """The same, record batch by record batch; of ``part=(i, n)`` every n-th one from the i-th (from 0) on.

    Batches of Arrow files that are left out are not read from the disk.
    """
    for path, column, chunks in itertools.islice(_chunks(source, hook), part[0], None, part[1]):
        if not column:
            yield Vectors(np.stack([_numbers(chunk, path, name) for name, chunk in chunks.items()], axis=1), "")
        elif _depth(chunks[column].type)[0] == 1:
            yield Vectors(_rows(chunks[column], path, column), column)
        else:
            lengths, firsts, others = _contexts(chunks[column], path, column)
            yield Vectors(others, column, lengths, firsts)


def count_batches(source: Path, hook: str | None = None) -> int:
    """How many record batches there are."""
    return sum(1 for _ in _chunks(source, hook))


def _chunks(source: Path, hook: str | None) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """File by file and batch by batch: the path, the column that is meant, and it alone, or without one all columns."""
    column = None
    for path in files_of(source):
        with _opened(path) as (schema, batches):
            column = _chosen(schema, hook, source) if column is None else column
            names = [column] if column else list(schema.names)
            if column and column not in schema.names:
                raise ValueError(f"{path} has no column {column!r}, unlike the files before it")
            for batch in batches(names):
                yield path, column, {name: _stored(batch.column(name)) for name in names}


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder was written by ``save_to_disk`` of the library datasets."""
    whole = (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    return whole or (folder / "dataset_dict.json").is_file()


def is_table(source: object) -> bool:
    """Whether a source is named as a table, or is a folder that the library datasets saved."""
    return isinstance(source, str | Path) and (Path(source).suffix in TABLES or is_saved_dataset(Path(source)))


def files_of(source: Path) -> list[Path]:
    """A table itself, or the Arrow files of a saved data set, in their order.  Raises ValueError for several splits."""
    if not source.is_dir():
        return [source]
    if (source / "dataset_dict.json").is_file():
        splits = read_json(source / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or len(splits) != 1 or not _inside(splits[0]):
            raise ValueError(f"{source} holds the splits {splits}; give the folder of one of them")
        return files_of(source / splits[0])
    state = read_json(source / "state.json")
    listed = state.get("_data_files")
    names: list[Any] = [entry.get("filename") if isinstance(entry, dict) else None for entry in listed or []]
    if not names or not all(map(_inside, names)):
        raise ValueError(f"{source / 'state.json'} names no Arrow files of its folder: {names[:3]}")
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise ValueError(
            f"{source} holds its rows in another order than its files: save it anew with flatten_indices()"
        )
    return [source / name for name in names]


def _inside(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _stored(chunk: Any) -> Any:
    """An array as it is stored: datasets, once it is imported, makes its own types of lists of lists."""
    return getattr(chunk, "storage", chunk)


def _depth(kind: Any) -> tuple[int, bool]:
    """How deep lists of numbers are nested in a type of pyarrow (-1: no numbers), and whether these are fractions."""
    from pyarrow import types

    kind, depth = getattr(kind, "storage_type", kind), 0
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    number = types.is_integer(kind) or types.is_floating(kind)
    return depth if number else -1, types.is_floating(kind)


def _chosen(schema: Any, hook: str | None, source: Path) -> str:
    """The column that is meant; "" where every column is a number.  Raises ValueError."""
    depths = {field.name: _depth(field.type)[0] for field in schema}
    found = [name for name, depth in depths.items() if depth in (1, 2) and name not in _TOKENS]
    told = f"; its columns of vectors are {', '.join(found[:6]) or 'none'}"
    if hook is not None:
        place = place_of(hook)
        meant = [name for name in found if name == hook]
        meant = meant or [name for name in found if place is not None and place_of(name) == place]
        if len(meant) != 1:
            raise ValueError(f"{source} has no column for the hook {hook!r}{told}")
        return meant[0]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{source} must hold one column of lists of numbers, or hook= (--hook) name it{told}")
    if not depths or set(depths.values()) != {0}:
        others = [name for name, depth in depths.items() if depth != 0]
        raise ValueError(
            f"{source} must hold one column of lists of numbers, or numbers in every column; it has "
            f"{', '.join(others[:6]) or 'no column'}: give an array of what is meant"
        )
    return ""


def _check_whole(chunk: Any, name: str, path: Path) -> None:
    if chunk.null_count:
        raise ValueError(f"column {name!r} of {path} has {chunk.null_count} missing lists; fill or drop them first")


def _rows(chunk: Any, path: Path, name: str) -> np.ndarray:
    chunk = _stored(chunk)
    _check_whole(chunk, name, path)
    lengths = np.unique(chunk.value_lengths().to_numpy(zero_copy_only=False)).tolist()
    if len(lengths) > 1:
        raise ValueError(f"column {name!r} of {path} has lists of {lengths} numbers")
    return _numbers(chunk.flatten(), path, name).reshape(len(chunk), *lengths)


def _numbers(chunk: Any, path: Path, name: str) -> np.ndarray:
    if chunk.null_count:
        raise ValueError(f"column {name!r} of {path} has {chunk.null_count} missing values; fill or drop them first")
    try:
        found = np.asarray(chunk.to_numpy(zero_copy_only=False))
        return found if found.dtype == np.float16 else found.astype(np.float32, copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} of {path} holds {chunk.type}, not numbers") from None


def dataset_documents(name: str, text_field: str, part: tuple[int, int] = (0, 1)) -> Iterator[object]:
    """The column ``text_field`` of ``datasets:name[/configuration][:split]``, streamed by the library datasets.

    A name may be a local folder. Of ``part=(i, n)`` it gives what it gives to node i of n. Raises ImportError without
    the library, and ValueError where it does not find the data set (a wrong name, or no connection).
    """
    try:
        import datasets
        from datasets.distributed import split_dataset_by_node
    except ImportError as error:
        raise ImportError(f'{name} needs the library datasets (pip install "rational-sae[data]")') from error
    wanted, _, split = name.removeprefix("datasets:").rpartition(":")
    if not wanted:
        wanted, split = split, "train"
    parts = wanted.split("/")
    configuration = None
    if not Path(wanted).exists() and len(parts) == 3:
        wanted, configuration = "/".join(parts[:2]), parts[2]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a library that is called draws no progress bars
            whole = datasets.load_dataset(wanted, configuration, split=split, streaming=True)
            if part[1] > 1:
                whole = split_dataset_by_node(whole, rank=part[0], world_size=part[1])
            rows = iter(whole)
            first = next(rows, None)
    except Exception as error:  # connection, name and format errors of several libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"no data set {name!r}: {reason}; offline, give a local file or folder") from None
    if first is None:
        raise ValueError(f"{name} holds no text" if part[1] == 1 else f"{name} has too few rows for {part[1]} parts")
    if text_field not in first:
        raise ValueError(
            f"{name} has no column {text_field!r} (it has {', '.join(list(first)[:6])}); name it with text_field="
        )
    return (row.get(text_field) for row in itertools.chain([first], rows))
