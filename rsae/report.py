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

from rsae.checkpoint import unfinished
from rsae.metrics import Metric, Metrics

__all__ = ["Report", "Row", "free_directory", "shown", "write_text"]

FORMAT = "rsae report 1"
EVIDENCE = ("certificates", "histograms", "probing", "continuity", "frontier")

COLUMNS = {
    "teacher": "the SAE as it came",
    "initialised": "the rational plugged in and calibrated, nothing trained",
    "upgraded": "the rational SAE after fine-tuning",
    "control": "the teacher itself, fine-tuned with the same data order, steps, objective, optimiser, rates and seed",
    "threshold": "the teacher with one trained threshold and no curve: what the threshold alone gives",
    "control_twice": "the control with twice the steps",
    "scale": "one trained scalar in the place of the rational",
    "polynomial": "a cubic polynomial in the place of the rational",
    "refine_only": "the refinement with the teacher's own gate",
}
LABELS = {
    "mse": "MSE",
    "l0": "L0",
    "normalised_mse": "normalised MSE",
    "explained_variance": "explained variance",
    "cosine": "cosine",
    "l1": "L1",
    "alive_fraction": "alive fraction",
    "dense_fraction": "dense fraction",
    "ce_clean": "cross-entropy, clean",
    "ce_spliced": "cross-entropy, spliced",
    "ce_zero": "cross-entropy, zero-ablated",
    "ce_mean": "cross-entropy, mean-ablated",
    "delta_ce": "delta-CE",
    "loss_recovered": "loss recovered",
    "kl": "KL divergence",
}


@dataclass(frozen=True)
class Row:
    """One metric over all columns: its name, label, definition, and a `Metric` (or None) for each column."""

    name: str
    label: str
    definition: str
    metrics: tuple[Metric | None, ...]


@dataclass(frozen=True)
class Report:
    """The outcome of an upgrade and everything needed to run it again.

    ``columns[name][metric]`` is a `Metric`: columns ``teacher``, ``initialised``, ``upgraded``, ``control``, and those
    that were asked for. ``verdict`` is one sentence on how the upgraded SAE stands against teacher and control.
    ``curves`` holds the history of each trained arm and, under ``"activation"``, the learned curve. The rest are trees
    of plain values, empty where nothing of the kind was done: what was proved (``certificates``), histograms of
    pre-activations and codes, sparse probing, feature continuity, and a frontier over several sparsities.

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
        present = {name for column in self.columns.values() for name in column}
        names = [name for name in LABELS if name in present] + sorted(present - set(LABELS))
        rows = []
        for name in names:
            metrics = tuple(column.get(name) for column in self.columns.values())
            definition = next(metric.definition for metric in metrics if metric is not None)
            rows.append(Row(name, LABELS.get(name, name.replace("_", " ")), definition, metrics))
        return rows

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
            **{name: part for name in EVIDENCE if (part := getattr(self, name))},
        }
        plain: dict[str, Any] = _plain(tree)
        return plain

    def to_html(self) -> str:
        """One page that needs neither a network nor JavaScript; pictures are inside it (needs matplotlib, jinja2)."""
        import jinja2

        from rsae import pictures

        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("rsae"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        environment.filters["shown"] = shown
        question = dict(self.question)
        comparisons = question.pop("comparisons", [])
        page = environment.get_template("report.html")
        return page.render(
            report=self,
            rows=self.rows(),
            columns={name: COLUMNS.get(name, "") for name in self.columns},
            comparisons=[_in_words(entry) for entry in comparisons],
            question=_flat(_plain(question)),
            pictures=pictures.of_report(self.columns, self.curves),
        )

    def save(self, directory: str | Path) -> None:
        """Write ``report.json`` and ``report.html`` into a directory, each in one step, so that neither is ever half.

        Raises FileNotFoundError where the directory does not exist.
        """
        directory = Path(directory)
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        page = self.to_html()
        write_text(directory / "report.json", text)
        write_text(directory / "report.html", page)

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
            columns = {
                name: {
                    key: Metric(math.nan if entry["value"] is None else entry["value"], *_rest(entry))
                    for key, entry in column.items()
                }
                for name, column in tree["columns"].items()
            }
            evidence = {name: dict(tree.get(name, {})) for name in EVIDENCE}
            return cls(columns, tree["question"], tree["verdict"], tree["curves"], **evidence)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"{path} is not a report of the format {FORMAT!r}") from None


def _rest(entry: Mapping[str, Any]) -> tuple[str, float | None]:
    return entry["definition"], entry.get("standard_error")


def shown(metric: Metric | None, name: str = "") -> str:
    """A metric for a table: two decimals for L0, else four significant digits; with its standard error if it has one.

    >>> shown(Metric(0.012345, "")), shown(Metric(31.9996, ""), "l0"), shown(None)
    ('0.01235', '32.00', '')
    """
    if metric is None:
        return ""
    if not math.isfinite(metric.value):
        return "undefined"
    if name == "l0":
        text = f"{metric.value:.2f}"
    elif abs(metric.value) >= 1000:
        text = f"{metric.value:.1f}"
    elif metric.value in (0.0, 1.0):
        text = f"{metric.value:.4f}"
    else:
        text = f"{metric.value:#.4g}"
    return text if metric.standard_error is None else f"{text} ± {metric.standard_error:.2g}"


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


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Pairs (dotted name, text) of a tree of plain values."""
    if isinstance(value, dict) and value:
        return [pair for key, entry in value.items() for pair in _flat(entry, f"{prefix}.{key}" if prefix else key)]
    text = json.dumps(value) if isinstance(value, list | dict) else "none" if value is None else str(value)
    return [(prefix, text)]


def _in_words(entry: Mapping[str, Any]) -> dict[str, str]:
    """A comparison as the cells of a table row; differences are upgraded minus other, in percent of the other."""
    base = entry["base"]

    def percent(value: float) -> str:
        share = 100 * value / base if base else math.nan
        return f"{share:+.2f}%" if math.isfinite(share) else "unknown"

    return {
        "metric": LABELS.get(entry["metric"], entry["metric"]),
        "other": entry["other"].replace("_", " "),
        "difference": percent(entry["difference"]),
        "interval": f"{percent(entry['low'])} to {percent(entry['high'])}",
        "over": entry["over"],
        "certain": "excludes zero" if entry["certain"] else "includes zero",
    }
