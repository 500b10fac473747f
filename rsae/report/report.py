"""`Report`: what an upgrade changed, as JSON for programs and as one self-contained HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsae.evaluation.metrics import Metrics
from rsae.evaluation.worsened import worsened
from rsae.report import page, pictures
from rsae.report.cell import cell, frame
from rsae.report.decision import decision
from rsae.report.question import Question
from rsae.report.rows import Row, read_columns, rows_of
from rsae.storage.writing import plain, write_json, write_text

__all__ = ["Report"]

FORMAT = "rsae report 1"


@dataclass(frozen=True)
class Report:
    """The outcome of an upgrade and everything needed to run it again.

    ``columns[name][metric]`` is a `Metric`: columns ``teacher``, ``initialised``, ``upgraded``, ``control``, and those
    that were asked for. ``verdict`` is one sentence on how the upgraded SAE stands against teacher and control.
    ``curves`` holds the history of each trained arm and, under ``"activation"``, the learned curve. The rest are trees
    of plain values, empty where nothing of the kind was done: what each arm adds, by metric (``attribution``, see
    `rsae.evaluation.attribution`), what was proved (``certificates``), histograms of
    pre-activations and codes, sparse probing, feature continuity, what each latent is about (``latents``), and a
    frontier over several sparsities.

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
    attribution: Mapping[str, Any] = field(default_factory=dict)
    certificates: Mapping[str, Any] = field(default_factory=dict)
    histograms: Mapping[str, Any] = field(default_factory=dict)
    probing: Mapping[str, Any] = field(default_factory=dict)
    continuity: Mapping[str, Any] = field(default_factory=dict)
    latents: Mapping[str, Any] = field(default_factory=dict)
    frontier: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The columns and the decision: the whole tree is megabytes, which a notebook would keep beside its HTML."""
        return f"Report({', '.join(self.columns)}: {self.decision or self.verdict})"

    @property
    def asked(self) -> Question:
        """``question``, the plain values of the report, as a record."""
        return Question.from_json(self.question)

    @property
    def advised(self) -> str:
        """The simplest column that is not surely worse than the best one; ``"teacher"``: do not train. Else empty.

        By MSE; by the KL divergence where the arms were trained to keep that low.
        """
        first = next(iter(self.attribution.values()), None)
        return "" if first is None else str(first["advised"])

    @property
    def decision(self) -> str:
        """One sentence: use the upgraded SAE or keep the teacher, and why; empty where nothing was compared."""
        return decision(self.asked, self.attribution, bool(worsened(self.probing, self.continuity)))

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
        return {name: plain(part) for name, part in tree.items()}

    def to_html(self) -> str:
        """One page that needs no network, and a script only to search; needs matplotlib and jinja2."""
        return page.render(self.to_json())

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row a metric and a column for each of the report's; ImportError without pandas."""
        return frame(list(self.columns), self.rows())

    def plot(self) -> Any:
        """A matplotlib figure: where the gain comes from, and MSE against L0; ValueError where there is neither."""
        return pictures.figure(self.to_json())

    def _repr_html_(self) -> str:
        """What a notebook shows: decision, verdict, the main metrics and one picture."""
        return cell(self.to_json(), self.decision, list(self.columns), self.rows())

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
