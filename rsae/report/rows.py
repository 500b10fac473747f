"""The rows of a report's table: one metric over all columns, from metrics or from the plain tree that was saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsae.evaluation.metrics import Metric, Metrics
from rsae.report.wording import LABELS, spoken

__all__ = ["Row", "read_columns", "rows_of"]


@dataclass(frozen=True)
class Row:
    """One metric over all columns: its name, label, definition, and a `Metric` (or None) for each column."""

    name: str
    label: str
    definition: str
    metrics: tuple[Metric | None, ...]


def rows_of(columns: Mapping[str, Metrics]) -> list[Row]:
    """The metrics that any column has, the usual ones first."""
    present = {name for column in columns.values() for name in column}
    others = sorted(present - set(LABELS), key=lambda name: (len(name), name))  # mse_first_32 before mse_first_128
    names = [name for name in LABELS if name in present] + others
    rows = []
    for name in names:
        metrics = tuple(column.get(name) for column in columns.values())
        definition = next(metric.definition for metric in metrics if metric is not None)
        rows.append(Row(name, LABELS.get(name, spoken(name)), definition, metrics))
    return rows


def read_columns(tree: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Metrics]:
    """The metrics of each column from plain values; a value that JSON could not hold is not a number."""
    return {name: {key: _metric(entry) for key, entry in column.items()} for name, column in tree.items()}


def _metric(entry: Mapping[str, Any]) -> Metric:
    value = math.nan if entry["value"] is None else entry["value"]
    rest = {name: entry.get(name) for name in ("standard_error", "token_error", "by_context")}
    return Metric(value, entry["definition"], **rest)
