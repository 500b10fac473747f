"""A report where Python values are looked at: in a notebook's cell, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rsae.notebook import table
from rsae.report import pictures
from rsae.report.rows import Row
from rsae.report.wording import shown, spoken

__all__ = ["cell", "frame"]

_METRICS = ("mse", "l0", "explained_variance", "delta_ce", "loss_recovered", "kl", "alive_fraction")


def cell(tree: Mapping[str, Any], decision: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Decision, verdict, the main metrics and one picture, as HTML without a script or a network."""
    first = [row for row in rows if row.name in _METRICS] or rows[:7]
    body = [[row.label, *(shown(metric, row.name) for metric in row.metrics)] for row in first]
    said = [f"<p><strong>{escape(decision)}</strong></p>"] if decision else []
    said += [f"<p>{escape(str(tree['verdict']))}</p>", table("", ["metric", *map(spoken, columns)], body)]
    drawn = [drawing for drawing in pictures.drawings(tree) if drawing.part in ("attribution", "columns")]
    if drawn:
        picture = pictures.drawn(drawn[0])
        said.append(f'<img src="{picture.uri}" alt="{escape(picture.caption)}" style="max-width:36em">')
    return f"<div>{''.join(said)}</div>"


def frame(columns: Sequence[str], rows: Sequence[Row]) -> Any:
    """A pandas DataFrame: a row a metric, under ``definition`` what it is, and a column for each of the report's.

    Raises ImportError without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        message = 'a report as a data frame needs pandas (pip install "rational-sae[notebook]")'
        raise ImportError(message) from error
    values = {
        name: [None if row.metrics[i] is None else row.metrics[i].value for row in rows]  # type: ignore[union-attr]
        for i, name in enumerate(columns)
    }
    names = pandas.Index([row.name for row in rows], name="metric")
    return pandas.DataFrame({**values, "definition": [row.definition for row in rows]}, index=names)
