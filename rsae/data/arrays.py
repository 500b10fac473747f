"""Hidden states that exist already: an array, a tensor, or a file that holds one, mapped into memory if it can be.

Why not datasets: of these formats it reads tables alone. numpy, safetensors and torch read the others, and safely.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsae.data.tables import TABLES, vectors
from rsae.storage.reading import read_npz, torch_value

__all__ = ["ARRAYS", "MAPPED", "open_array", "read_array", "real_matrix"]

MAPPED = (".npy", ".safetensors", ".pt", ".pth")
ARRAYS = (*MAPPED, ".npz", *TABLES)
_KEPT = (torch.float32, torch.bfloat16, torch.float16)


def _load_npy(path: Path) -> np.ndarray:
    try:
        # Mapped copy-on-write: the file is never changed, and torch accepts the memory without a warning.
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not a readable .npy array of numbers: {error}") from None


def _load_safetensors(path: Path) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None
    return _load_named(path, found)


def _load_named(path: Path, found: Mapping[str, Any]) -> Tensor:
    """The one array that can be hidden states: integers count only where no array of floats does (token numbers)."""
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    shaped = [name for name, value in tensors.items() if value.dim() in (2, 3)]
    names = [name for name in shaped if tensors[name].is_floating_point()] or shaped
    if len(names) != 1:
        held = ", ".join(names[:6]) or f"none among {', '.join(list(tensors)[:6]) or 'no arrays'}"
        raise ValueError(f"{path} must hold one matrix [n, d_in]; it holds {held}: give the one as an array")
    return tensors[names[0]]


def _load_torch(path: Path) -> Tensor:
    """The tensor of a file that `torch.save` wrote, bare or in a mapping; weights only, and mapped."""
    value = torch_value(path, mapped=True)
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        return _load_named(path, value)
    raise ValueError(f"{path} holds a {type(value).__name__}, not a tensor nor a mapping of names to tensors")


def _load(path: Path) -> Any:
    if path.suffix == ".npz":
        return _load_named(path, read_npz(path))
    loaders = {".npy": _load_npy, ".safetensors": _load_safetensors, ".pt": _load_torch, ".pth": _load_torch}
    return loaders[path.suffix](path) if path.suffix in loaders else _load_table(path)


def _load_table(path: Path) -> np.ndarray:
    found = vectors(path)
    if found.lengths is not None:
        raise ValueError(f"the rows of {path} are contexts and not vectors; hidden_states reads it")
    return found.values


def open_array(source: Any) -> Tensor:
    """An array, or the one of a file, as it is stored: [n, d_in], or [contexts, positions, d_in]; its values unread.

    Files of `MAPPED` are mapped into memory; raises what `read_array` does, but for values.
    """
    name = "the array"
    if isinstance(source, str | Path):
        path = Path(source)
        name = str(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file {name!r}; give a {', '.join(ARRAYS)} file, or an array")
        source = _load(path)
    return _real(source, name)


def _real(source: Any, name: str) -> Tensor:
    """What is called ``name`` as a tensor of vectors, whatever its values."""
    if not isinstance(source, Tensor):
        try:
            source = np.asarray(source)
            if source.dtype.kind not in "fiu":
                raise TypeError
            source = torch.from_numpy(source if source.flags.writeable else source.copy())
        except (TypeError, ValueError):
            raise TypeError(f"{name} is no array of numbers; give a matrix [n, d_in]") from None
    if source.dim() not in (2, 3) or 0 in source.shape:
        raise ValueError(
            f"{name} has shape {list(source.shape)}; hidden states are a matrix [n, d_in] with rows, "
            "or [contexts, positions, d_in]"
        )
    if source.is_complex() or source.is_quantized or source.dtype == torch.bool:
        raise TypeError(f"{name} holds {source.dtype}, not real numbers")
    return source.detach()


def read_array(source: Any) -> Tensor:
    """Vectors [n, d_in], or [contexts, positions, d_in], in float32, bfloat16 or float16 as they are stored.

    Numbers of other formats become float32. ``.npy``, ``.safetensors`` and ``torch.save`` files are memory-mapped; a
    mapping of names (also ``.npz``) has one array that fits. A table (``.parquet``, ``.arrow``, ``.feather``; with
    pyarrow) is read by `rsae.data.tables.vectors`. Raises FileNotFoundError, ImportError, TypeError, or ValueError for
    another shape, no rows, NaN or infinity.

    >>> read_array([[1, 2], [3, 4]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return _finite(open_array(source), str(source) if isinstance(source, str | Path) else "the array")


def real_matrix(source: Any, name: str) -> Tensor:
    """What is called ``name`` as vectors [n, d_in].  Raises as `read_array`."""
    return _finite(_real(source, name), name)


def _finite(found: Tensor, name: str) -> Tensor:
    array = found.to("cpu", found.dtype if found.dtype in _KEPT else torch.float32)
    if len(broken := _broken(array.flatten(0, -2))):
        rows = f"row {broken[0]}" if len(broken) == 1 else f"{len(broken)} rows, of which row {broken[0]} is the first"
        raise ValueError(f"{name} holds NaN or infinity in {rows} (rows count from 0); clean it first")
    return array


def _broken(array: Tensor) -> Tensor:
    """Which rows hold what is not a finite number: looked for piece by piece, as a mapped file never fits memory."""
    pieces = [~torch.isfinite(piece).all(1) for piece in array.split(65_536)]
    return torch.cat(pieces).nonzero()[:, 0]
