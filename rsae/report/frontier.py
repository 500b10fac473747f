"""The frontier: teacher, control and upgraded at several sparsities, and how far apart they are at equal L0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsae.evaluation.metrics import Metrics
from rsae.report import pictures
from rsae.report.report import Report
from rsae.report.wording import LABELS
from rsae.storage.writing import write_json, write_text

__all__ = ["check_same", "frontier", "read_runs", "save_frontier"]

METRICS = ("mse", "delta_ce")
COLUMNS = ("teacher", "control", "upgraded")
# Points of two runs lie on one frontier only if these agree.
_SAME = ("source", "hook", "text_sha256", "context_length", "held_out", "max_tokens", "dtype", "loss_tokens")


def read_runs(paths: Sequence[str | Path]) -> dict[str, Report]:
    """The reports of finished upgrades, by folder name; a path is a run's folder or its ``report.json``.

    Raises FileNotFoundError, or ValueError for another file, or where two runs saw different hidden states.
    """
    reports = {}
    for path in map(Path, paths):
        file = path / "report.json" if path.is_dir() else path
        reports[str(file.parent)] = Report.load(file)
    if not reports:
        raise ValueError("a frontier needs the folders of finished upgrades; give two or more")
    first, *others = reports
    for other in others:
        check_same(first, reports[first].asked.hidden_states, other, reports[other].asked.hidden_states)
    return reports


def check_same(first: str, mine: Mapping[str, Any], other: str, states: Mapping[str, Any]) -> None:
    """Refuse hidden states that are not those a report was made on: their points lie on no common frontier."""
    different = [key for key in _SAME if mine.get(key) != states.get(key)]
    if different:
        differ = ", ".join(f"{key} ({mine.get(key)} and {states.get(key)})" for key in different)
        raise ValueError(f"{first} and {other} are measured on different hidden states: they differ in {differ}")


def frontier(
    reports: Mapping[str, Report], measured: Mapping[str, tuple[str, Metrics]] | None = None
) -> dict[str, Any]:
    """MSE and delta-CE against L0 for every family and column of the reports; a tree of plain values.

    ``measured`` are further SAEs, by name: their family and metrics, which make up the column ``"as given"``.
    ``gaps`` compare ``upgraded`` with ``control`` and ``teacher`` at equal L0: the mean of the log ratio of the metric
    over the L0 that both cover, on straight lines in log L0 and log metric between the points. A family needs two
    sparsities for that.

    >>> from rsae.evaluation.metrics import Metric
    >>> def run(l0, ours, theirs):
    ...     columns = {"upgraded": ours, "control": theirs}
    ...     columns = {c: {"l0": Metric(l0, ""), "mse": Metric(v, "")} for c, v in columns.items()}
    ...     return Report(columns, {"family": "topk"}, "")
    >>> found = frontier({"a": run(8.0, 2.7, 3.0), "b": run(16.0, 1.8, 2.0)})
    >>> [(gap["against"], round(gap["percent"], 6)) for gap in found["gaps"]]
    [('control', -10.0)]
    """
    columns = [
        (report.asked.family or "unknown", column, name, report.columns[column])
        for column in COLUMNS
        for name, report in reports.items()
        if column in report.columns
    ]
    columns += [(family, "as given", name, metrics) for name, (family, metrics) in (measured or {}).items()]
    points: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for family, column, name, metrics in columns:
        point = {key: metrics[key].value for key in ("l0", *METRICS) if key in metrics}
        points.setdefault((family, column), []).append({"run": name, **point})
    series: list[dict[str, Any]] = [
        {"family": family, "column": column, "points": sorted(line, key=lambda point: float(point["l0"]))}
        for (family, column), line in points.items()
    ]
    gaps = [
        gap
        for family in dict.fromkeys(family for family, _ in points)
        for against in ("control", "teacher")
        for metric in METRICS
        if (gap := _gap(points, family, against, metric)) is not None
    ]
    return {"series": series, "gaps": gaps, "runs": list(reports)}


def _gap(
    points: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], family: str, against: str, metric: str
) -> dict[str, Any] | None:
    lines = []
    for column in ("upgraded", against):
        known = sorted(
            (point["l0"], point[metric])
            for point in points.get((family, column), ())
            if point.get(metric) is not None and point[metric] > 0 and point["l0"] > 0
        )
        if len({l0 for l0, _ in known}) < 2:
            return None
        lines.append(np.log(np.array(known)))
    low, high = max(line[0, 0] for line in lines), min(line[-1, 0] for line in lines)
    if not low < high:
        return None
    at = np.linspace(low, high, 101)
    ours, theirs = (np.interp(at, line[:, 0], line[:, 1]) for line in lines)
    return {
        "family": family,
        "against": against,
        "metric": metric,
        "label": LABELS[metric],
        "percent": 100 * math.expm1(float((ours - theirs).mean())),
        "low_l0": float(np.exp(low)),
        "high_l0": float(np.exp(high)),
    }


def save_frontier(found: Mapping[str, Any], directory: str | Path) -> list[Path]:
    """Write ``frontier.json`` and a picture ``frontier-mse.svg`` (and ``-delta_ce``) into a directory that exists."""
    directory = Path(directory)
    written = [directory / "frontier.json"]
    write_json(written[0], found)
    for metric in METRICS:
        if any(metric in point for series in found["series"] for point in series["points"]):
            written.append(directory / f"frontier-{metric}.svg")
            write_text(written[-1], pictures.svg(pictures.draw_frontier, found["series"], metric))
    return written
