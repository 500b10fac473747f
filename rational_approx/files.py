"""Files that are whole or not there: written under another name, and renamed when all went well."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replaced", "write"]


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write to, which becomes ``path`` when the block ends, and is removed when it fails.

    Raises
    ------
    FileNotFoundError
        where the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it first")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write(text: str, path: str | os.PathLike[str]) -> Path:
    """Write ASCII text to a file, replacing it in one step; returns the path. Raises as `replaced` does."""
    with replaced(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(path)
