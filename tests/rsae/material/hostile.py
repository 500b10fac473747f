"""Files that are broken on purpose: each entry of `CASES` writes one into an empty folder."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from tests.rsae.material.saes import random_weights

W = random_weights()
LINEAR = {"encoder.weight": W["W_enc"].T, "encoder.bias": W["b_enc"], "decoder.weight": W["W_dec"].T}
RELU = LINEAR | {"bias": W["b_dec"]}
TOPK = LINEAR | {"b_dec": W["b_dec"], "k": torch.tensor(4)}
CONFIG = {"d_in": 8, "d_sae": 24, "architecture": "standard", "metadata": {"sae_lens_version": "6.54.12"}}
ARCHIVE = save({name: value.contiguous() for name, value in W.items()})
CANARY = Path("executed-by-a-hostile-file")  # relative: lands in the working directory of whoever runs a payload

Writer = Callable[[Path], object]
CASES: dict[str, Writer] = {}


class Payload:
    """Unpickling this runs a command."""

    def __init__(self, call: Any, *arguments: Any):
        self.made = call, arguments

    def __reduce__(self) -> Any:
        return self.made


def pt(value: Any, config: Any = None) -> Writer:
    def write(folder: Path) -> None:
        torch.save(value, folder / "ae.pt")
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))

    return write


def raw(name: str, data: bytes) -> Writer:
    return lambda folder: (folder / name).write_bytes(data)


def repacked(change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None]) -> Writer:
    """A torch archive, copied entry by entry with a change."""

    def write(folder: Path) -> None:
        buffer = io.BytesIO()
        torch.save(RELU, buffer)
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(folder / "ae.pt", "w") as new:
            change(old, new)

    return write


def compressed(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
    for entry in old.infolist():
        data = b"\0" * 320 * 2**20 if entry.filename.endswith("data/0") else old.read(entry)
        new.writestr(entry.filename, data, zipfile.ZIP_DEFLATED, 1)


def with_payload(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
    for entry in old.infolist():
        data = pickle.dumps(Payload(os.mkdir, str(CANARY))) if entry.filename.endswith("data.pkl") else old.read(entry)
        new.writestr(entry.filename, data)


def twice(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
    for entry in [*old.infolist(), *old.infolist()]:
        new.writestr(entry.filename, old.read(entry))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = dict(RELU)
    for _ in range(depth):
        value = {"ae": value}
    return value


def lens(config: Any = None, data: bytes = ARCHIVE, **changes: Any) -> Writer:
    """A sae-lens folder with a changed configuration or other bytes as weights."""

    def write(folder: Path) -> None:
        text = (
            config if isinstance(config, bytes) else json.dumps(CONFIG | changes if config is None else config).encode()
        )
        (folder / "cfg.json").write_bytes(text)
        (folder / "sae_weights.safetensors").write_bytes(data)

    return write


def weights(**changes: Any) -> bytes:
    tensors = {**W, **changes}
    return save({name: value.contiguous() for name, value in tensors.items() if value is not None})


def header(change: Callable[[dict[str, Any]], Any] | bytes, length: int | None = None) -> bytes:
    """The bytes of a safetensors file whose header is changed or replaced."""
    size = struct.unpack("<Q", ARCHIVE[:8])[0]
    if isinstance(change, bytes):
        text = change
    else:
        entries = json.loads(ARCHIVE[8 : 8 + size])
        changed = change(entries)
        text = json.dumps(entries if changed is None else changed).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + ARCHIVE[8 + size :]


def entry(name: str, **changes: Any) -> bytes:
    return header(lambda entries: entries[name].update(changes))


def npz(**arrays: Any) -> Writer:
    full = {name: value.numpy() for name, value in W.items()} | {"threshold": np.ones(24, np.float32)} | arrays
    return lambda folder: np.savez(folder / "params.npz", **full)  # type: ignore[arg-type]


def archive(*members: tuple[str, bytes], kind: int = zipfile.ZIP_STORED) -> Writer:
    def write(folder: Path) -> None:
        with zipfile.ZipFile(folder / "params.npz", "w", kind) as file:
            for name, data in members:
                file.writestr(name, data, compresslevel=1)

    return write


def npy(array: Any, shape: str | None = None) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    data = buffer.getvalue()
    if shape is not None:  # the header keeps its length: the padding before the line's end takes up the difference
        start, end = data.index(b"(", 10), data.index(b")", 10) + 1
        line_end = data.index(b"\n")
        text = data[10:start] + shape.encode() + data[end:line_end].rstrip()
        data = data[:10] + text.ljust(line_end - 10) + data[line_end:]
    return data


def sparsify(tensors: Any = None, **config: Any) -> Writer:
    def write(folder: Path) -> None:
        full = {"encoder.weight": W["W_enc"].T, "encoder.bias": W["b_enc"], "W_dec": W["W_dec"], "b_dec": W["b_dec"]}
        full |= tensors or {}
        (folder / "cfg.json").write_text(json.dumps({"d_in": 8, "k": 4, "num_latents": 24} | config))
        (folder / "sae.safetensors").write_bytes(save({name: value.contiguous() for name, value in full.items()}))

    return write


def linked(target: str) -> Writer:
    def write(folder: Path) -> None:
        (folder / "cfg.json").write_text(json.dumps(CONFIG))
        (folder / "sae_weights.safetensors").symlink_to(target)

    return write


def mostly_holes(folder: Path) -> None:
    shape = [2**20, 2**17]
    text = json.dumps({"W_enc": {"dtype": "F32", "shape": shape, "data_offsets": [0, 2**39]}}).encode()
    lens(data=struct.pack("<Q", len(text)) + text)(folder)
    os.truncate(folder / "sae_weights.safetensors", 8 + len(text) + 2**39)


def rational(**activation: Any) -> Writer:
    numbers = {"numerator": [1.0], "denominator": [0.0], "arch": []}
    record = {"family": "relu", "activation": {"kind": "ratio", "inputs": ["ratio"]} | numbers | activation}
    return lens(architecture="rational", rational=record)
