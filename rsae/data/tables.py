"""Columns of Parquet and Arrow files, and rows of the library datasets: both read by libraries that are optional."""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow

__all__ = ["TABLES", "column", "dataset_documents", "matrix"]

TABLES = (".parquet", ".arrow", ".feather")


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
            with arrow.parquet.ParquetFile(path) as file:
                yield file.schema_arrow, lambda names: file.iter_batches(columns=names)
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


def matrix(path: Path) -> np.ndarray:
    """Vectors [n, d_in] in float32: one column of lists of numbers, or else all columns, which then are numbers.

    Raises ImportError without pyarrow, ValueError for anything else, lists that differ in length, and missing values.
    """
    types = _pyarrow(path).types
    with _opened(path) as (schema, batches):
        kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        lists = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
        if len(lists) == 1:
            return np.concatenate([_rows(batch.column(lists[0]), path, lists[0]) for batch in batches(lists)])
        numbers = [f.name for f in schema if types.is_integer(f.type) or types.is_floating(f.type)]
        if lists or not numbers or numbers != schema.names:
            others = [name for name in schema.names if name not in numbers]
            raise ValueError(
                f"{path} must hold one column of lists of numbers, or numbers in every column; it has "
                f"{', '.join(others[:6]) or 'no column'}: give an array of what is meant"
            )
        return np.concatenate(
            [
                np.stack([_numbers(batch.column(name), path, name) for name in numbers], axis=1)
                for batch in batches(numbers)
            ]
        )


def _rows(chunk: Any, path: Path, name: str) -> np.ndarray:
    values = _numbers(chunk.flatten(), path, name)
    lengths = set(chunk.value_lengths().to_pylist())
    if chunk.null_count or len(lengths) > 1:
        raise ValueError(f"column {name!r} of {path} has missing lists or lists of {sorted(lengths - {None})} numbers")
    return values.reshape(len(chunk), -1)


def _numbers(chunk: Any, path: Path, name: str) -> np.ndarray:
    if chunk.null_count:
        raise ValueError(f"column {name!r} of {path} has {chunk.null_count} missing values; fill or drop them first")
    try:
        return np.asarray(chunk.to_numpy(zero_copy_only=False), dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} of {path} holds {chunk.type}, not numbers") from None


def dataset_documents(name: str, text_field: str) -> Iterator[object]:
    """The column ``text_field`` of ``datasets:name[/configuration][:split]``, streamed by the library datasets.

    A name may be a local folder. Raises ImportError without the library, and ValueError where it does not find the data
    set (a wrong name, or no connection).
    """
    try:
        import datasets
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
            rows = iter(datasets.load_dataset(wanted, configuration, split=split, streaming=True))
            first = next(rows, None)
    except Exception as error:  # connection, name and format errors of several libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"no data set {name!r}: {reason}; offline, give a local file or folder") from None
    if first is None:
        raise ValueError(f"{name} holds no text")
    if text_field not in first:
        raise ValueError(
            f"{name} has no column {text_field!r} (it has {', '.join(list(first)[:6])}); name it with text_field="
        )
    return (row.get(text_field) for row in itertools.chain([first], rows))
