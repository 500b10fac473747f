"""English text that is on every machine which can run the demo: docstrings of installed packages."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

__all__ = ["PACKAGES", "docstrings", "documents"]

PACKAGES = ("numpy", "scipy", "sympy", "torch")

_SHORTEST = 200  # characters; below this a docstring is a label, not text
_PARAGRAPH = 60  # characters; shorter paragraphs ("Examples", "Parameters") may repeat
_SKIPPED_FOLDERS = frozenset({"tests", "test", "testing", "benchmarks"})
_PRIVATE_BUT_READ = frozenset({"_core"})  # numpy keeps its public functions there
_TEACHER_SHARE = 0.70


def docstrings(package: str) -> Iterator[str]:
    """Yield the docstrings of one installed package in file order, read from its source without importing it.

    Public modules, classes and functions count (name without a leading underscore, at any depth); tests and private
    folders (torch's compiler internals, say) do not. Raises ModuleNotFoundError where the package is not installed.

    >>> any("Chebyshev" in text for text in docstrings("numpy"))
    True
    """
    specification = importlib.util.find_spec(package)
    if specification is None or not specification.submodule_search_locations:
        raise ModuleNotFoundError(
            f"package {package!r} is not installed (or is a single file): try pip install {package}"
        )
    for root in sorted(specification.submodule_search_locations):
        for path in sorted(Path(root).rglob("*.py")):
            if not any(map(_is_skipped, path.relative_to(root).parts[:-1])):
                try:
                    tree = ast.parse(path.read_text(encoding="utf-8"))
                except (SyntaxError, UnicodeDecodeError):
                    continue  # templates and files for other interpreters
                yield from _docstrings_of(tree)


def documents(part: Literal["teacher", "demo"], packages: Sequence[str] = PACKAGES) -> list[str]:
    """Return the distinct documents of one part of the text, in a fixed pseudo-random order.

    The teacher of the demo was trained on the part "teacher"; everything the demo trains or measures on is in "demo".
    The part of a document and its place in the order come from the hash of its text alone, so that a document never
    changes sides when a package gets a new version. Paragraphs that another document already has are removed.
    Raises ValueError for another part.
    """
    if part not in ("teacher", "demo"):
        raise ValueError(f"part is 'teacher' or 'demo', not {part!r}")
    by_hash = {hashlib.sha256(text.encode()).hexdigest(): text for name in packages for text in docstrings(name)}
    seen: set[str] = set()
    kept = []
    for digest in sorted(by_hash):
        text = _without_repeats(by_hash[digest], seen)
        in_teacher_part = int(digest[-8:], 16) < _TEACHER_SHARE * 2**32
        if len(text) >= _SHORTEST and in_teacher_part == (part == "teacher"):
            kept.append(text)
    return kept


def _is_skipped(folder: str) -> bool:
    return folder in _SKIPPED_FOLDERS or (folder.startswith("_") and folder not in _PRIVATE_BUT_READ)


def _docstrings_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        if getattr(node, "name", "").startswith("_"):
            return
        text = ast.get_docstring(node)
        # Strings such as <|im_start|> would become special tokens of the host.
        if text and len(text) >= _SHORTEST and "<|" not in text:
            yield inspect.cleandoc(text)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.Try):
            yield from _docstrings_of(child)


def _without_repeats(text: str, seen: set[str]) -> str:
    paragraphs = []
    for paragraph in text.split("\n\n"):
        key = " ".join(paragraph.split())
        if len(key) >= _PARAGRAPH:
            if key in seen:
                continue
            seen.add(key)
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs).strip()
