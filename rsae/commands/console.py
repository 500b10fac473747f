"""What the command line shows: refusals in one sentence, and the tables of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.table import Table

from rsae.evaluation.metrics import Metrics
from rsae.report.report import Report
from rsae.report.wording import LABELS, shown, spoken

__all__ = ["attribution_table", "frontier_table", "metrics_table", "refusing", "report_table"]


class _Refused(click.ClickException):
    exit_code = 2


@contextmanager
def refusing(command: str) -> Iterator[None]:
    """Turn what the library refuses into one sentence on stderr and exit code 2; an interrupt into exit code 130."""
    try:
        yield
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise _Refused(" ".join(str(error).split()) or type(error).__name__) from error
    except KeyboardInterrupt:
        click.echo(f"\n{command} was interrupted; nothing unfinished was left under a final name.", err=True)
        raise click.exceptions.Exit(130) from None


def report_table(report: Report) -> Table:
    """The columns of a report as a table for the terminal."""
    table = Table("metric")
    for name in report.columns:
        table.add_column(spoken(name), justify="right", style="bold" if name == "upgraded" else None)
    for row in report.rows():
        table.add_row(row.label, *(shown(metric, row.name) for metric in row.metrics))
    return table


def attribution_table(report: Report, metric: str = "mse") -> Table:
    """What each step from the teacher to the upgraded SAE adds to a metric, as a table for the terminal."""
    table = Table("what is added", "arm")
    for name in (LABELS[metric], "of the teacher's", "95% interval"):
        table.add_column(name, justify="right")
    found = report.attribution.get(metric, {"steps": [], "teacher": 1.0})
    for step in found["steps"]:
        change, low, high = (f"{100 * step[name] / found['teacher']:+.2f}%" for name in ("difference", "low", "high"))
        value, unsure = f"{step['value']:.4g}", "" if step["certain"] else ", not told apart"
        table.add_row(step["what"], spoken(step["arm"]), value, change, f"{low} to {high}{unsure}")
    return table


def frontier_table(found: Mapping[str, Any]) -> Table:
    """The gaps of a frontier as a table for the terminal."""
    table = Table("family, upgraded against", "metric")
    for name in ("mean difference", "L0 from", "to"):
        table.add_column(name, justify="right")
    for gap in found["gaps"]:
        low, high = (f"{gap[name]:.1f}" for name in ("low_l0", "high_l0"))
        table.add_row(f"{gap['family']}, {gap['against']}", gap["label"], f"{gap['percent']:+.1f}%", low, high)
    return table


def metrics_table(metrics: Metrics | Mapping[str, Any]) -> Table:
    """The metrics of one SAE as a table for the terminal."""
    report = Report({"value": metrics}, {}, "")
    table = Table("metric")
    table.add_column("value", justify="right")
    table.add_column("definition")
    for row in report.rows():
        table.add_row(row.label, shown(row.metrics[0], row.name), row.definition)
    return table
