"""Hidden states on disk: shards while they are harvested, then one memory-mapped safetensors file for each part.

A folder holds ``manifest.json``, which says what question it answers and which files belong to it, each with its
SHA-256. A harvest that was killed goes on after its last whole shard and ends with the same bytes.

Why not datasets or Arrow files: both are optional here and know no bfloat16, and neither goes on with a killed harvest.
"""

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from rsae import ranks
from rsae.data.harvest import Harvest, harvest, reading_threads, windows
from rsae.hosts.host import Host
from rsae.storage.reading import read_json, read_safetensors, regular_file
from rsae.storage.writing import new_file, write_text

__all__ = ["Store", "is_store", "parts_of"]

_FORMAT = "rsae hidden states 2"
_MOST_THREADS = 1024  # a manifest may be a stranger's
_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def is_store(path: Path) -> bool:
    """Whether a folder holds hidden states of this module."""
    return path.is_dir() and (path / "manifest.json").is_file()


def parts_of(folder: Path) -> list[Path]:
    """The folders of the parts of a harvest in parts (`rsae.data.parts`), in their order."""
    return sorted(path for path in folder.glob("part-*-of-*") if is_store(path))


class Store:
    """A folder of hidden states that answers ``question`` (None: whatever question it answers).

    Raises ValueError for a folder that answers another question, or holds other files.
    """

    def __init__(self, folder: str | Path, question: dict[str, Any] | None = None):
        self.folder = Path(folder)
        if ranks.rank() > 0:
            ranks.meet()  # the first rank makes the folder
        self._open(question)
        if ranks.rank() == 0:
            ranks.meet()

    def _open(self, question: dict[str, Any] | None) -> None:
        if is_store(self.folder):
            self.manifest = read_json(self.folder / "manifest.json")
            self._check(question)
        elif self.folder.is_file() or self._foreign():
            raise ValueError(f"{self.folder} is no folder of hidden states and not empty; give a new one")
        elif question is None:
            raise ValueError(f"{self.folder} holds no hidden states: it has no manifest.json")
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.manifest = {"format": _FORMAT, "question": question, "shards": {}, "parts": {}, "statistics": {}}
            self._write_manifest()

    def _foreign(self) -> set[Path]:
        """What lies here and is not ours: neither half a file that a kill left, nor a part of a harvest."""
        return set(self.folder.glob("*")) - {*self.folder.glob(".*.part"), *self.folder.glob("part-*-of-*")}

    def _check(self, question: dict[str, Any] | None) -> None:
        if self.manifest.get("format") != _FORMAT or not isinstance(self.manifest.get("question"), dict):
            raise ValueError(f"{self.folder / 'manifest.json'} is not of the format {_FORMAT!r}")
        held = self.manifest["question"]
        if question is not None and held != json.loads(json.dumps(question)):
            different = sorted(k for k in held.keys() | question.keys() if held.get(k) != question.get(k))
            raise ValueError(
                f"{self.folder} holds hidden states that differ in {', '.join(different)}; give a new folder"
            )

    @property
    def complete(self) -> bool:
        """Whether the harvest has ended."""
        return set(self.manifest["parts"]) == {"train", "held_out"}

    def threads(self, host: Host, contexts: Sequence[Sequence[int]], asked: int | None) -> int | None:
        """`reading_threads` for a harvest into this folder; one that goes on keeps those that it began with."""
        kept = self.manifest.get("threads")
        if asked is None and isinstance(kept, int) and 1 <= kept <= _MOST_THREADS:
            return kept
        if (count := reading_threads(host, contexts, asked)) is not None:
            self.manifest["threads"] = count
            self._write_manifest()
        return count

    def harvest(
        self, host: Host, part: str, contexts: Sequence[Sequence[int]], batch_size: int, progress: Callable[[int], None]
    ) -> Harvest:
        """Read ``contexts`` shard by shard, those excepted that are there; returns the norms, without the states.

        Of N ranks each reads every N-th shard first, and then finds those of the others there.
        """
        norms, firsts = [], []
        pieces = [
            (f"{part}-{number:06d}.safetensors", contexts[begin:end])
            for number, (begin, end) in enumerate(windows(contexts, batch_size, host.d_in))
        ]
        if ranks.count() > 1:
            for name, group in pieces[ranks.rank() :: ranks.count()]:
                if not (self.folder / name).is_file():
                    self._read(host, name, group, batch_size, progress)
            ranks.meet()
        for name, group in pieces:
            known = self.manifest["shards"].get(name)
            if known is None and ranks.count() > 1:  # another rank's: whole, as it has its name
                known = self.manifest["shards"][name] = self._digest(name)
            if known is None or not self._intact(name, known):
                found, self.manifest["shards"][name] = self._read(host, name, group, batch_size, progress)
                self._write_manifest()
                norms.append(found.norms)
                firsts.append(found.first_norms)
                continue
            with safe_open(self._file(name), "pt") as file:
                norms.append(file.get_tensor("norms"))
                firsts.append(file.get_tensor("first_norms"))
            progress(sum(map(len, group)))
        empty = [torch.empty(0)]
        return Harvest(torch.empty(0, host.d_in), torch.cat(norms or empty), torch.cat(firsts or empty))

    def _read(
        self, host: Host, name: str, contexts: Sequence[Sequence[int]], size: int, progress: Callable[[int], None]
    ) -> tuple[Harvest, str]:
        """Read one shard and write it; the harvest, and the file's SHA-256."""
        found = harvest(host, contexts, size, progress)
        return found, self._written(name, found)

    def keep(self, part: str, number: int, make: Callable[[], Harvest]) -> None:
        """Write the shard of a part that ``make`` gives, unless it is there."""
        name = f"{part}-{number:06d}.safetensors"
        known = self.manifest["shards"].get(name)
        if known is None or not self._intact(name, known):
            self.manifest["shards"][name] = self._written(name, make())
            self._write_manifest()

    def _written(self, name: str, found: Harvest) -> str:
        """Write a shard; its SHA-256."""
        data = save({"states": found.states, "norms": found.norms, "first_norms": found.first_norms})
        with new_file(self.folder / name) as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    @property
    def read(self) -> dict[str, Any] | None:
        """Of a part that has been read to its end: ``d_in``, and how many tokens lie in no context; else None."""
        return self.manifest.get("read")

    def note_read(self, d_in: int, outside: int) -> None:
        """Keep that every shard is there."""
        self.manifest["read"] = {"d_in": d_in, "tokens_outside_contexts": outside}
        self._write_manifest()

    def norms(self, part: str) -> Harvest:
        """The norms of the shards of a part, without the states.  ValueError where a shard is not what was written."""
        norms, firsts = [torch.empty(0)], [torch.empty(0)]
        for name in self._shards(part):
            if not self._intact(name, self.manifest["shards"][name]):
                raise ValueError(f"{self.folder / name} is not the file that was harvested: harvest this part again")
            with safe_open(self._file(name), "pt") as file:
                norms.append(file.get_tensor("norms"))
                firsts.append(file.get_tensor("first_norms"))
        return Harvest(torch.empty(0, 0), torch.cat(norms), torch.cat(firsts))

    def _shards(self, part: str) -> list[str]:
        return sorted(name for name in self.manifest["shards"] if name.startswith(part + "-"))

    def finish(
        self, limit: float | None, statistics: dict[str, Any], d_in: int, parts: Sequence["Store"] | None = None
    ) -> None:
        """Join the shards of each part, without vectors of norm above ``limit`` (None: with all), and remove them.

        The shards are those of this folder, or of the ``parts`` of a harvest, one after another. Training vectors stay
        in the host's format, held-out ones are float32: they are what figures are measured on.
        """
        if ranks.rank() > 0:
            ranks.meet()  # the first rank does it
            self.manifest = read_json(self.folder / "manifest.json")
            return
        limit = math.inf if limit is None else limit
        homes = [self] if parts is None else parts
        for part in ("train", "held_out"):
            files = [home._file(name) for home in homes for name in home._shards(part)]
            self.manifest["parts"][part] = self._join(part, files, limit, d_in)
        self.manifest["statistics"] = statistics
        shards = self.manifest.pop("shards")
        self._write_manifest()
        for name in shards:
            (self.folder / name).unlink(missing_ok=True)
        ranks.meet()

    def _join(self, part: str, files: Sequence[Path], limit: float, d_in: int) -> dict[str, Any]:
        dtype, rows = torch.float32, 0
        for shard in files:
            with safe_open(shard, "pt") as file:
                rows += int((file.get_tensor("norms") <= limit).sum())
                if part == "train":
                    dtype = file.get_slice("states")[:1].dtype

        size = dtype.itemsize * rows * d_in
        header = json.dumps({"states": {"dtype": _NAMES[dtype], "shape": [rows, d_in], "data_offsets": [0, size]}})
        header = header.ljust(-(-len(header) // 8) * 8)

        def pieces() -> Iterator[Any]:
            yield struct.pack("<Q", len(header)) + header.encode()
            for path in files:
                shard = read_safetensors(path)
                yield shard["states"][shard["norms"] <= limit].to(dtype).view(torch.uint8).numpy().data

        digest = hashlib.sha256()
        with new_file(self.folder / f"{part}.safetensors") as file:
            for piece in pieces():
                digest.update(piece)
                file.write(piece)
        return {"file": f"{part}.safetensors", "rows": rows, "sha256": digest.hexdigest()}

    def rows(self, part: str, wanted: Tensor) -> Tensor:
        """The rows [n, d_in] of a part in float32."""
        path = self._file(self.manifest["parts"][part]["file"])
        with safe_open(path, "pt") as file:
            found = torch.empty(len(wanted), file.get_slice("states").get_shape()[1])
        for into, some in zip(found.split(1024), wanted.split(1024), strict=True):
            with safe_open(path, "pt") as file:  # mapped anew: pages that were read count as memory in use until then
                into.copy_(file.get_tensor("states")[some])
        return found

    def load(self) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Memory-mapped training and held-out vectors, and the statistics.  ValueError where a file was changed."""
        if not self.complete:
            raise ValueError(f"the harvest in {self.folder} has not ended; run it again with the same arguments")
        parts = []
        for part in ("train", "held_out"):
            entry = self.manifest["parts"][part]
            if not self._intact(entry["file"], entry["sha256"]):
                raise ValueError(
                    f"{self.folder / entry['file']} is not the file that was harvested: its SHA-256 differs"
                )
            with safe_open(self._file(entry["file"]), "pt") as file:
                parts.append(file.get_tensor("states"))
        return parts[0], parts[1], self.manifest["statistics"]

    def _file(self, name: Any) -> Path:
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"{self.folder / 'manifest.json'} names the file {name!r}, which is not inside its folder")
        return regular_file(self.folder / name)

    def _intact(self, name: Any, sha256: Any) -> bool:
        try:
            return self._digest(name) == sha256
        except FileNotFoundError:
            return False

    def _digest(self, name: Any) -> str:
        with self._file(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _write_manifest(self) -> None:
        if ranks.rank() > 0:
            return
        write_text(self.folder / "manifest.json", json.dumps(self.manifest, indent=1))
