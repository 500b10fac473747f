"""Hidden states that exist already: an array, a tensor, a ``.npy``, ``.safetensors``, Parquet or Arrow file."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsae.data.tables import TABLES, vectors

__all__ = ["ARRAYS", "read_array", "real_matrix"]

ARRAYS = (".npy", ".safetensors", *TABLES)


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
            names = [name for name in file.keys() if len(file.get_slice(name).get_shape()) == 2]  # noqa: SIM118
            if len(names) != 1:
                found = ", ".join(names[:6]) or "none"
                raise ValueError(f"{path} must hold one matrix [n, d_in]; it holds {found}: give the one as a tensor")
            return file.get_tensor(names[0])
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None


def read_array(source: Any) -> Tensor:
    """Vectors [n, d_in] in float32 (memory-mapped where a ``.npy`` or ``.safetensors`` file already holds float32).

    A table (``.parquet``, ``.arrow``, ``.feather``; with pyarrow) is read by `rsae.data.tables.vectors`. Raises
    FileNotFoundError, ImportError, TypeError, or ValueError for another shape, no rows, NaN or infinity.

    >>> read_array([[1, 2], [3, 4]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    name = "the array"
    if isinstance(source, str | Path):
        path = Path(source)
        name = str(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file {name!r}; give a .npy, .safetensors or .parquet file, or an array")
        loaders = {".npy": _load_npy, ".safetensors": _load_safetensors}
        source = loaders[path.suffix](path) if path.suffix in loaders else vectors(path).values
    return real_matrix(source, name)


def real_matrix(source: Any, name: str) -> Tensor:
    """What is called ``name`` as vectors [n, d_in] in float32.  Raises as `read_array`."""
    if not isinstance(source, Tensor):
        try:
            source = np.asarray(source)
            if source.dtype.kind not in "fiu":
                raise TypeError
            source = torch.from_numpy(source if source.flags.writeable else source.copy())
        except (TypeError, ValueError):
            raise TypeError(f"{name} is no array of numbers; give a matrix [n, d_in]") from None
    if source.dim() != 2 or 0 in source.shape:
        raise ValueError(f"{name} has shape {list(source.shape)}; hidden states are a matrix [n, d_in] with rows")
    if source.is_complex() or source.is_quantized or source.dtype == torch.bool:
        raise TypeError(f"{name} holds {source.dtype}, not real numbers")
    array = source.detach().to("cpu", torch.float32)
    if len(broken := _broken(array)):
        rows = f"row {broken[0]}" if len(broken) == 1 else f"{len(broken)} rows, of which row {broken[0]} is the first"
        raise ValueError(f"{name} holds NaN or infinity in {rows} (rows count from 0); clean it first")
    return array


def _broken(array: Tensor) -> Tensor:
    """Which rows hold what is not a finite number: looked for piece by piece, as a mapped file never fits memory."""
    pieces = [~torch.isfinite(piece).all(1) for piece in array.split(65_536)]
    return torch.cat(pieces).nonzero()[:, 0]
