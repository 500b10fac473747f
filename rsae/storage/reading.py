"""Files of others, read safely: sizes are checked against the file before memory is taken, and nothing is executed."""

import json
import re
import stat
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["read_json", "read_npz", "read_safetensors", "read_torch", "regular_file", "torch_value"]

_JSON_LIMIT = 4 * 2**20  # published configurations are a few kilobytes
_HOLES_FROM = 256 * 2**20


def regular_file(path: Path) -> Path:
    """``path`` itself, if it is a regular file that lies where it says.

    A symbolic link may stay inside the directory, or lead from ``snapshots/`` to ``blobs/`` of a hub cache. Raises
    FileNotFoundError and ValueError.
    """
    try:
        target = path.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError):
        raise FileNotFoundError(f"there is no file {path}, or it is a broken link") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is not a regular file; give a file of weights")
    home = path.parent.resolve()
    snapshots = next((p for p in home.parents if p.name == "snapshots"), None)
    in_cache = snapshots is not None and target.parent == snapshots.parent / "blobs"
    if path.is_symlink() and not in_cache and home not in target.parents:
        raise ValueError(f"{path} is a link that leads out of its directory (to {target}); copy the file instead")
    if status.st_size > _HOLES_FROM and status.st_blocks * 512 < status.st_size / 4:
        raise ValueError(f"{path} claims {status.st_size} bytes but most of it is holes; it is no file of weights")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """A configuration: the JSON object of a file of at most 4 MiB."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if repeated:
            raise ValueError(f"the entry {repeated[0]!r} occurs twice")
        return dict(pairs)

    regular_file(path)
    size = path.stat().st_size
    if size > _JSON_LIMIT:
        raise ValueError(f"{path} has {size} bytes; a configuration has at most {_JSON_LIMIT}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=no_duplicates)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply to be a configuration") from None
    except ValueError as error:  # of bytes that are not UTF-8, of JSON, of duplicates, of absurd integers
        raise ValueError(f"{path} is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a JSON {type(value).__name__}, not the object that a configuration is")
    return value


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as stored; the library checks sizes and places before it maps any of them."""
    from safetensors import SafetensorError, safe_open

    regular_file(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        raise ValueError(f"{path} is no safetensors file that can be read: {str(error)[:200]}") from None


def read_npz(path: Path) -> dict[str, Tensor]:
    """The arrays of a ``.npz`` file; what an entry unpacks to is bounded, and numpy touches no memory beyond that."""
    regular_file(path)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(path, archive)
            for entry in archive.infolist():
                if entry.file_size > 50 * entry.compress_size + 2**20:
                    raise ValueError(f"{entry.filename} would unpack to {entry.file_size} bytes")
                with archive.open(entry) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                    if file.read(1):
                        raise ValueError(f"{entry.filename} holds more than its shape {array.shape} says")
                native = array.astype(array.dtype.newbyteorder("="))
                found[entry.filename.removesuffix(".npy")] = torch.from_numpy(native)
    except Exception as error:  # corrupt archives raise nearly anything: zlib, struct, zipfile, numpy errors
        raise ValueError(f"{path} is not a usable .npz file: {str(error)[:200]}") from None
    return found


def _check_names(path: Path, archive: zipfile.ZipFile) -> None:
    names = Counter(archive.namelist())
    if not names or max(names.values()) > 1:
        raise ValueError(f"{path} is empty or holds an entry twice")


def read_torch(path: Path) -> dict[str, Any]:
    """The mapping of a ``torch.save`` file, read with ``weights_only=True`` and nothing else.

    Archives whose entries are compressed or larger than the file are refused, and tensors larger than their storage.
    """
    value = torch_value(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}, not a mapping of names to weights")
    return value


def torch_value(path: Path, mapped: bool = False) -> Any:
    """What a ``torch.save`` file holds, read as `read_torch` does; ``mapped``: tensors stay on the disk until used."""
    regular_file(path)
    size = path.stat().st_size
    archive_of_tensors = zipfile.is_zipfile(path)
    try:
        if archive_of_tensors:
            with zipfile.ZipFile(path) as archive:
                _check_names(path, archive)
                for entry in archive.infolist():
                    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size:
                        raise ValueError(f"its entry {entry.filename} is compressed, which torch.save never does")
        elif not _starts_with(path, b"\x80"):
            raise ValueError("it is neither an archive nor a pickle")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files warn about storage classes; there is nothing a caller could do
            value = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and archive_of_tensors)
    except Exception as error:  # a corrupt pickle can raise any exception there is
        raise ValueError(f"{path} cannot be read safely as a torch file of plain weights: {_reason(error)}") from None
    _check_tensors(value, path, size)
    return value


def _reason(error: Exception) -> str:
    """Why torch does not read a file, in its words: but never its advice, which is to read it unsafely."""
    text = " ".join(str(error).split())
    if found := re.search(r"GLOBAL (\S+) (?:was|whose)", text):
        return f"it holds more than weights, the object {found[1]}, and what is not weights is never made"
    if "weights_only" in text:
        return "it is no pickle of tensors, numbers and strings alone"
    return text[:200] or type(error).__name__


def _starts_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _check_tensors(value: Any, path: Path, size: int, depth: int = 0) -> None:
    if depth > 8:
        raise ValueError(f"{path} is nested too deeply to be a file of weights")
    if isinstance(value, dict):
        for entry in value.values():
            _check_tensors(entry, path, size, depth + 1)
    elif isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise ValueError(f"{path} holds a tensor that is not a plain dense one")
        if value.numel() * value.element_size() > size:
            raise ValueError(f"{path} holds a tensor of shape {list(value.shape)}, larger than the file")
