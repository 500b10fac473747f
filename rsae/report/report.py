"""`Report`: what an upgrade changed, as JSON for programs and as one self-contained HTML page for people."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsae.evaluation.metrics import Metrics
from rsae.report import page
from rsae.report.rows import Row, read_columns, rows_of
from rsae.storage.checkpoint import unfinished

__all__ = ["Report", "free_directory", "plain", "write_json", "write_text"]

FORMAT = "rsae report 1"


@dataclass(frozen=True)
class Report:
    """The outcome of an upgrade and everything needed to run it again.

    ``columns[name][metric]`` is a `Metric`: columns ``teacher``, ``initialised``, ``upgraded``, ``control``, and those
    that were asked for. ``verdict`` is one sentence on how the upgraded SAE stands against teacher and control.
    ``curves`` holds the history of each trained arm and, under ``"activation"``, the learned curve. The rest are trees
    of plain values, empty where nothing of the kind was done: what was proved (``certificates``), histograms of
    pre-activations and codes, sparse probing, feature continuity, and a frontier over several sparsities.

    >>> from rsae.evaluation.metrics import Metric
    >>> mse = Metric(1.25, "squared error")
    >>> report = Report({"teacher": {"mse": mse}}, {"seed": 0}, "Nothing was trained.")
    >>> report.to_json()["columns"]["teacher"]["mse"]
    {'value': 1.25, 'definition': 'squared error'}
    """

    columns: Mapping[str, Metrics]
    question: Mapping[str, Any]
    verdict: str
    curves: Mapping[str, Any] = field(default_factory=dict)
    certificates: Mapping[str, Any] = field(default_factory=dict)
    histograms: Mapping[str, Any] = field(default_factory=dict)
    probing: Mapping[str, Any] = field(default_factory=dict)
    continuity: Mapping[str, Any] = field(default_factory=dict)
    frontier: Mapping[str, Any] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The metrics that any column has, the usual ones first."""
        return rows_of(self.columns)

    def to_json(self) -> dict[str, Any]:
        """A tree of plain values; numbers that are not finite become None."""
        columns = {
            name: {metric: value.to_json() for metric, value in column.items()} for name, column in self.columns.items()
        }
        tree = {
            "format": FORMAT,
            "verdict": self.verdict,
            "columns": columns,
            "question": self.question,
            "curves": self.curves,
            **{name: part for name in page.EVIDENCE if (part := getattr(self, name))},
        }
        whole: dict[str, Any] = plain(tree)
        return whole

    def to_html(self) -> str:
        """One page that needs neither a network nor JavaScript; pictures are inside it (needs matplotlib, jinja2)."""
        return page.render(self.to_json())

    def save(self, directory: str | Path) -> None:
        """Write ``report.json`` and ``report.html`` into a directory, each in one step, so that neither is ever half.

        Raises FileNotFoundError where the directory does not exist.
        """
        directory = Path(directory)
        tree = self.to_json()
        text = page.render(tree)
        write_json(directory / "report.json", tree)
        write_text(directory / "report.html", text)

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a ``report.json``.  Raises FileNotFoundError, or ValueError for another kind of file."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no report at {path}; give the report.json of a run")
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            if tree["format"] != FORMAT:
                raise ValueError(tree["format"])
            evidence = {name: dict(tree.get(name, {})) for name in page.EVIDENCE}
            return cls(read_columns(tree["columns"]), tree["question"], tree["verdict"], tree["curves"], **evidence)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"{path} is not a report of the format {FORMAT!r}") from None


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


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file under another name beside it and rename it.  Raises FileNotFoundError without its folder."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it first")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)  # mkstemp makes files that only their owner reads
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree as JSON, as `write_text` writes; what JSON has no form for becomes None or text (`plain`)."""
    write_text(path, json.dumps(plain(tree), indent=1, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """A tree of mappings, lists, numbers and strings: what is not finite becomes None, and anything else text."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
