"""Text as a list of documents, and documents as contexts: runs of tokens that a model reads at once.

Why not datasets for files, too: it is optional. Nor ``return_overflowing_tokens`` of tokenizers: it keeps short ends.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rsae.data.tables import TABLES, column, dataset_documents

__all__ = ["Contexts", "documents_of", "is_data_set", "pack", "read_documents"]

_DATA_SET = "datasets:"
_TOGETHER = 256  # documents that are tokenized at once


def _string(entry: Any, text_field: str, where: str) -> str:
    if isinstance(entry, dict):
        if text_field not in entry:
            fields = ", ".join(map(str, list(entry)[:6]))
            raise ValueError(f"{where} has no field {text_field!r} (it has {fields}); name it with text_field=")
        entry = entry[text_field]
    if not isinstance(entry, str):
        raise ValueError(f"{where} is {type(entry).__name__}, not a string")
    return entry


def _read_file(path: Path, text_field: str) -> list[str]:
    if path.suffix in TABLES:
        entries = [entry for chunk in column(path, text_field) for entry in chunk.to_pylist()]
        return [_string("" if e is None else e, text_field, f"row {i} of {path}") for i, e in enumerate(entries)]
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); convert it first") from None
    try:
        if path.suffix == ".json":
            entries = json.loads(text)
            if not isinstance(entries, list):
                raise ValueError(f"{path} is not a JSON list of documents but a {type(entries).__name__}")
            return [_string(entry, text_field, f"entry {i} of {path}") for i, entry in enumerate(entries)]
        if path.suffix in {".jsonl", ".ndjson"}:
            lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
            return [_string(json.loads(line), text_field, f"line {i} of {path}") for i, line in lines]
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    return [text]


def read_documents(text: str | Path | Iterable[str], text_field: str = "text") -> list[str]:
    """The documents of a text: non-empty strings, in order.

    ``text`` is a list of strings or a path: ``.json`` (a list of strings, or of objects with ``text_field``),
    ``.jsonl`` (one of these a line), ``.parquet``, ``.arrow`` or ``.feather`` (its ``text_field``; with pyarrow),
    or any other file, which is one document of UTF-8; or ``"datasets:name"``, ``"datasets:name:split"``,
    ``"datasets:owner/name/configuration:split"`` (with the library datasets). Raises FileNotFoundError, ImportError,
    and ValueError for text that is empty or not readable as what its name says.

    >>> read_documents(["One day.", "", "Two days."])
    ['One day.', 'Two days.']
    """
    return list(documents_of(text, text_field))


def is_data_set(text: object) -> bool:
    """Whether a text is named as a data set of the library datasets, such as ``"datasets:owner/name"``."""
    return isinstance(text, str) and text.startswith(_DATA_SET)


def documents_of(
    text: str | Path | Iterable[str], text_field: str = "text", part: tuple[int, int] = (0, 1)
) -> Iterable[str]:
    """The documents of `read_documents`, or those of ``part``: of ``(i, n)`` every n-th one from the i-th (from 0) on.

    Those of a data set come as they are asked for, and are then forgotten. A part of one is what datasets itself gives
    to one of n nodes: whole files, where these can be shared out evenly, else every n-th row.
    """
    if isinstance(text, str) and is_data_set(text):
        return _streamed(text, dataset_documents(text, text_field, part), text_field)
    if isinstance(text, str | Path):
        path = Path(text)
        try:
            exists = path.is_file()
        except OSError:  # a whole document given where a path belongs is too long for a file name
            exists = False
        if not exists:
            shown = str(text) if len(str(text)) < 200 else str(text)[:200] + "..."
            raise FileNotFoundError(f"no text file {shown!r}; give the path of a file, or a list of strings")
        documents, name = _read_file(path, text_field), str(path)
    else:
        documents = [_string(entry, text_field, f"document {i}") for i, entry in enumerate(text)]
        name = "the list of documents"
    documents = [document for document in documents if document.strip()]
    number, count = part
    if len(documents) <= number:
        few = f"only {len(documents)} documents, too few for {count} parts" if documents else "no text"
        raise ValueError(f"{name} holds {few}")
    return documents[number::count]


def _streamed(name: str, entries: Iterable[object], text_field: str) -> Iterator[str]:
    for i, entry in enumerate(entries):
        document = _string("" if entry is None else entry, text_field, f"row {i} of {name}")
        if document.strip():
            yield document


@dataclass(frozen=True)
class Contexts:
    """Contexts in the order of their documents, each an ``array("i")``; ``document[i]`` is where context i comes from.

    Arrays and not lists, which take ten times the memory: a text of a hundred million tokens is to fit.
    """

    tokens: list[Sequence[int]]
    document: list[int]
    starts_with_bos: bool
    dropped_tokens: int

    def __len__(self) -> int:
        return len(self.tokens)


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer itself puts its beginning-of-sequence token first."""
    if tokenizer.bos_token_id is None:
        return False
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and ids[0] == tokenizer.bos_token_id


def pack(
    documents: Iterable[str],
    tokenizer: Any,
    context_length: int,
    prepend_bos: bool | None = None,
    minimum: int = 8,
    limit: int | None = None,
) -> Contexts:
    """Cut every document into contexts of ``context_length`` tokens.

    The rule: contexts never cross documents; a document shorter than one context is a context of its own (if it has
    ``minimum`` tokens or more); what a longer document leaves after its last full context is dropped, and counted. With
    a beginning-of-sequence token (``prepend_bos``; None: where the tokenizer adds one itself) every context starts with
    one. Special tokens spelt out in the text are plain text. With ``limit`` no further documents are read once the
    contexts give so many vectors, one a token but for the first.
    """
    bos = adds_bos(tokenizer) if prepend_bos is None else prepend_bos
    if bos and tokenizer.bos_token_id is None:
        raise ValueError("prepend_bos=True, but the tokenizer has no beginning-of-sequence token; try False (--no-bos)")
    start = [tokenizer.bos_token_id] if bos else []
    room = context_length - len(start)
    tokens: list[Sequence[int]] = []
    document: list[int] = []
    first = dropped = vectors = 0
    source = iter(documents)
    while (limit is None or vectors < limit) and (some := list(islice(source, _TOGETHER))):
        ids_of = tokenizer(
            some,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            verbose=False,
        )["input_ids"]
        for offset, ids in enumerate(ids_of):
            whole = len(ids) // room * room
            windows = [ids[i : i + room] for i in range(0, whole, room)]
            if not windows and len(ids) + len(start) >= minimum:
                windows, whole = [ids], len(ids)
            tokens += [array("i", start + window) for window in windows]
            document += [first + offset] * len(windows)
            dropped += len(ids) - whole
            vectors += sum(len(start) + len(window) - 1 for window in windows)
        first += len(some)
    return Contexts(tokens, document, bos, dropped)
