"""Files and folders that appear whole or not at all: written beside their place, to the disk, and then renamed.

What is written is as readable as the user's umask says. Temporary files begin with a dot and end in ``.part``.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["new_directory", "new_file", "plain", "write_json", "write_text"]


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes its name, and the place of the one before, when the block ends without an error.

    Raises FileNotFoundError without its folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it first")
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, as `new_file` does."""
    with new_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree as JSON, as `new_file` does; what JSON has no form for becomes None or text (`plain`)."""
    write_text(path, json.dumps(plain(tree), indent=1, allow_nan=False) + "\n")


def plain(value: object, depth: int = 0) -> object:
    """A tree of mappings, lists, numbers and strings: what is not finite becomes None, and anything else text.

    So does what lies more than 50 levels deep: a configuration may be nested as deep as its reader can stand.
    """
    if isinstance(value, Mapping) and depth < 50:
        return {str(key): plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple) and depth < 50:
        return [plain(entry, depth + 1) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def new_directory(
    target: Path, fill: Callable[[Path], None], ours: Collection[str] = (), overwrite: bool = False
) -> Path:
    """A directory that ``fill`` writes into; one that is there is replaced, if it is empty or holds only ``ours``.

    Raises FileExistsError, NotADirectoryError or FileNotFoundError where that cannot be, before any work.
    """
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file; give the name of a new directory")
    inside = {entry.name for entry in target.iterdir()} if target.exists() else set()
    if inside and not overwrite:
        raise FileExistsError(f"{target} is not empty; give a new directory, or overwrite=True")
    if inside.difference(ours):
        foreign = min(inside.difference(ours))
        raise FileExistsError(f"{target} holds more than an SAE ({foreign}), so it is not replaced")
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no directory {target.absolute().parent} to put {target.name} into")
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.absolute().parent))
    try:
        new = staging / "new"
        new.mkdir()
        fill(new)
        for written in new.iterdir():
            # safetensors makes files that only their owner reads; the folder's mode shows what the umask allows.
            written.chmod(new.stat().st_mode & 0o666)
            descriptor = os.open(written, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        if target.exists():
            target.rename(staging / "old")
        new.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target
