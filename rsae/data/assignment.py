"""`Assignment`: what a language model is to read, and for which question; everything is checked before it reads."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rsae.data.harvest import split
from rsae.data.reading import Reading
from rsae.data.text import Contexts, is_data_set, pack
from rsae.hosts.dialects import dtype_of, family_of, unwrapped
from rsae.hosts.hooks import Hook, resolve_hook
from rsae.hosts.host import Host
from rsae.hosts.language_model import load_language_model, pick_device, pick_dtype

__all__ = ["Assignment", "assigned", "host_of"]


@dataclass(frozen=True)
class Assignment:
    """A host, the contexts of a text, those of them that are the training and the held-out part, so many at once.

    ``question`` says how the vectors come about; ``stored`` is what of it decides the vectors on disk.
    """

    host: Host
    contexts: Contexts
    first: Sequence[Sequence[int]]
    last: Sequence[Sequence[int]]
    batch_size: int
    question: dict[str, Any]

    @property
    def stored(self) -> dict[str, Any]:
        """What decides the vectors: not the name of a text, but what is in it."""
        return {"batch_size": self.batch_size} | {name: x for name, x in self.question.items() if name != "text"}

    @property
    def tokens(self) -> int:
        """How many tokens the host reads."""
        return sum(map(len, self.first)) + sum(map(len, self.last))


def assigned(
    host: Host,
    documents: Iterable[str],
    source: Any,
    text: str | Path | Iterable[str],
    hook: str,
    *,
    context_length: int,
    max_tokens: int | None,
    held_out: float | int,
    reading: Reading,
    part: tuple[int, int] = (0, 1),
) -> Assignment:
    """What a host, made of ``source``, is to read of the documents of ``text``, or of one part of so many of them.

    ``max_tokens`` is of all parts together. Raises as `rsae.data.sources.hidden_states`.
    """
    if host.longest is not None and context_length > host.longest:
        raise ValueError(f"context_length {context_length} is beyond the {host.longest} positions of this model")
    number, count = part
    share = None if max_tokens is None else max_tokens // count + (number < max_tokens % count)
    noted = _Noted(documents)
    limit = share if is_data_set(text) else None  # of a file the held-out documents are the last of all
    contexts = pack(noted, host.tokenizer, context_length, reading.prepend_bos, limit=limit)
    question: dict[str, Any] = {
        "source": str(source) if isinstance(source, str | Path) else type(host.model).__name__,
        "model_type": family_of(host.model),
        "text": str(text) if isinstance(text, str | Path) else f"a list of {noted.count} documents",
        "text_sha256": noted.digest.hexdigest(),
        "hook": hook,
        "module": host.hook.module,
        "context_length": context_length,
        "prepend_bos": contexts.starts_with_bos,
        "dtype": str(dtype_of(host.model)).removeprefix("torch."),
        "held_out": held_out,
        "max_tokens": max_tokens,
        "outlier_medians": reading.outlier_medians,
    }
    question |= {"centred": True} if host.hook.centred else {}
    question |= {"part": list(part)} if count > 1 else {}
    if reading.check is not None:
        reading.check(question, host)
    size = reading.batch_size or (16 if host.device.type == "cpu" else 64)
    return Assignment(host, contexts, *split(contexts, held_out, share), size, question)


def host_of(
    source: Any, hook: str, device: str | torch.device | None, dtype: str | torch.dtype | None, reading: Reading
) -> Host:
    """The model of a source, at its hook."""
    held = source if isinstance(source, tuple) else unwrapped(source)
    if held is not None:
        model, tokenizer = held
        if dtype is not None:
            model = model.to(pick_dtype(dtype))
        if device is not None:
            model = model.to(pick_device(device))
    else:
        model, tokenizer = load_language_model(source, dtype=dtype or "float32", device=device or "cpu")
    without_mean = any(isinstance(module, torch.nn.LayerNorm) for module in model.modules())
    place = resolve_hook(model, hook)
    if reading.centred and without_mean:
        if not isinstance(place, Hook):
            raise ValueError("no transcoder is read centred; give the TransformerLens model itself as the source")
        place = replace(place, centred=True)
    return Host(model, tokenizer if reading.tokenizer is None else reading.tokenizer, place)


class _Noted:
    """Documents as they are read, once: how many, and the SHA-256 of all of them; none of them is kept."""

    def __init__(self, documents: Iterable[str]) -> None:
        self._documents = documents
        self.count = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[str]:
        for document in self._documents:
            self.digest.update(("\0" * (self.count > 0) + document).encode())
            self.count += 1
            yield document
