"""Unfinished work on disk: killed at any moment and started again, a run goes on where it was.

A checkpoint is a folder. Each state in it is one safetensors file: tensors, and plain values as JSON in its header. A
file is written under another name, to the disk, and renamed, so under its own name it is whole or absent. What ranks
share out lies in a folder beside it, which the file names, so that both change in one step. States belong to the
questions that were agreed on; those of another question are never used. Nothing is unpickled.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from rsae import ranks
from rsae.storage.reading import read_safetensors
from rsae.storage.shares import Shares, read_shares, write_shares
from rsae.storage.writing import new_file

__all__ = ["Checkpoint", "State", "fingerprint", "free_directory", "unfinished"]


_SHARES = ".shares"
_REFUSED = "refused"  # the state of a run that was refused before it had trained anything


class State(NamedTuple):
    """What one step of a run left: tensors by name, and plain values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Checkpoint:
    """The states of one run in ``folder``, which is made if it is not there; ``every``: training steps between two.

    With ``discard``, states of another question are removed instead of refused. Of several ranks the first writes,
    and each its shares. As a context manager it removes itself after an exception, if it holds no work.

    Raises
    ------
    ValueError
        if ``every`` is not a positive integer, or a state is no file of this module.

    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp()) / "checkpoint"
    >>> run = Checkpoint(folder)
    >>> run.agree("upgrade", {"seed": 0})
    >>> run.save("control", {"W": torch.ones(2)}, step=3)
    >>> Checkpoint(folder).load("control").values
    {'step': 3}
    >>> run.finish()
    >>> folder.exists()
    False
    """

    def __init__(self, folder: str | Path, *, every: int = 250, discard: bool = False) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"steps between two checkpoints are a positive integer, not {every!r}")
        self.folder, self.every, self.discard = Path(folder), every, discard
        self.folder.mkdir(parents=True, exist_ok=True)
        if ranks.rank() == 0:
            for path in self.folder.glob(".*.part"):  # a kill in the middle of a write
                path.unlink()

    def agree(self, name: str, question: Mapping[str, Any], *, whole: bool = False) -> None:
        """Go on only with states of this question; asked before any of them is read.

        ``whole``: it is the question of everything in the folder, so that nothing of another one stays there. What a
        refused run left, which has trained nothing, gives way to the next question; the same one goes on with it.

        Raises
        ------
        ValueError
            if they are of another one.
        """
        wanted = json.loads(json.dumps(question))
        known = self.load(f"question {name}")
        if known is not None and known.values != wanted:
            held = known.values
            different = ", ".join(sorted(k for k in held.keys() | wanted.keys() if held.get(k) != wanted.get(k)))
            if not self.discard and not self._path(_REFUSED).is_file():
                raise ValueError(
                    f"{self.folder} holds an unfinished run that differs in: {different}. Give its own arguments to "
                    "end it, another folder, or --overwrite (overwrite=True) to begin anew"
                )
            ranks.meet()
            if ranks.rank() == 0:
                self._clear(whole)
        ranks.meet()
        self.save(f"question {name}", {}, **wanted)
        if ranks.rank() == 0:
            self._path(_REFUSED).unlink(missing_ok=True)

    def _clear(self, whole: bool) -> None:
        """Remove the states, but no questions; or, whole, all there is."""
        for path in self.folder.iterdir():
            if path.is_dir() and whole:
                shutil.rmtree(path)
            elif path.suffix == ".state" and (whole or not path.name.startswith("question-")):
                path.unlink()
            elif path.suffix == _SHARES:
                shutil.rmtree(path)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """After an exception, leave nothing behind where no work has been done yet, and nothing that is in the way."""
        if kind is None:
            return
        left = [path for path in self.folder.iterdir() if not path.name.startswith("question-")]
        if not left and ranks.count() == 1:
            shutil.rmtree(self.folder)
            if not any(self.folder.parent.iterdir()):
                self.folder.parent.rmdir()
        elif issubclass(kind, Exception) and all(path.suffix != ".state" for path in left):
            self.save(_REFUSED, {})

    def load(self, name: str, shares: Shares | None = None) -> State | None:
        """The state saved last under a name, or None; of tensors that are shared out, this rank's ``shares``.

        However many ranks wrote it.  Raises ValueError for a file that is not one.
        """
        path = self._path(name)
        if not path.is_file():
            return None
        tensors = read_safetensors(path)
        for key in tensors.keys() & (shares.axes.keys() if shares is not None else ()):
            assert shares is not None
            tensors[key] = tensors[key][shares.own(key)]
        with safe_open(path, "pt") as file:
            values = json.loads(file.metadata()["values"])
        if (folder := values.pop("shares", None)) is not None:
            tensors |= read_shares(self.folder / Path(folder).name, shares)
        return State(tensors, values)

    def save(self, name: str, tensors: Mapping[str, Tensor], shares: Shares | None = None, **values: Any) -> None:
        """Keep a state under a name, in the place of the one before.

        With ``shares`` all ranks do so together, and among the values is a ``step`` that the one before had not.
        """
        path, folder = self._path(name), None
        if shares is not None:
            folder = path.with_suffix(f".{values['step']}{_SHARES}")
            values["shares"] = folder.name
            write_shares(folder, {key: value for key, value in tensors.items() if key in shares.axes}, shares)
        if ranks.rank() != 0:
            return
        rest = {key: value for key, value in tensors.items() if shares is None or key not in shares.axes}
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in rest.items()}
        with new_file(path) as file:
            file.write(save(plain, {"values": json.dumps(values)}))
        for old in self.folder.glob(f"{path.stem}.*{_SHARES}"):
            if old != folder:
                shutil.rmtree(old)

    def finish(self) -> None:
        """Remove the checkpoint in one step: its work is done."""
        ranks.meet()
        if ranks.rank() == 0:
            gone = _finished(self.folder)
            self.folder.rename(gone)
            shutil.rmtree(gone)

    def _path(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^A-Za-z0-9]+", "-", name) + ".state")


def unfinished(folder: str | Path) -> bool:
    """Whether ``folder`` is a checkpoint; one that was killed while it was removed is removed, and none."""
    shutil.rmtree(_finished(Path(folder)), ignore_errors=True)
    return Path(folder).is_dir()


def free_directory(directory: str | Path, overwrite: bool = False) -> Path:
    """The directory as a path, if results may be written to it: it is absent, empty or unfinished, or ``overwrite``.

    Raises FileExistsError otherwise, before any work.
    """
    target = Path(directory)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; give a directory for the results")
    goes_on = unfinished(target / "checkpoint")
    if target.is_dir() and any(target.iterdir()) and not (overwrite or goes_on):
        raise FileExistsError(
            f"{target} is not empty: give another directory, or overwrite=True (--overwrite) to replace its results"
        )
    return target


def _finished(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.finished")


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """SHA-256 of shapes, formats and bytes.

    >>> import torch
    >>> fingerprint([torch.zeros(2)]) == fingerprint([torch.zeros(2)]) != fingerprint([torch.zeros(1, 2)])
    True
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
