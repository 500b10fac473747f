"""What the command line shows: refusals in one sentence, progress bars, and the table of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from rsae.evaluation.metrics import Metrics
from rsae.report.report import Report
from rsae.report.wording import LABELS, shown, spoken
from rsae.training.finetuning import Progress as Event

__all__ = ["Bars", "attribution_table", "frontier_table", "metrics_table", "refusing", "report_table"]


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


class Bars(Progress):
    """Progress bars, one for the harvest and one for each arm: steps, loss, L0 and the time left."""

    def __init__(self, console: Console):
        super().__init__(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[detail]}"),
            console=console,
        )
        self._by_name: dict[str, TaskID] = {}
        self._threads: int | None = None

    def training(self, event: Event) -> None:
        """Show one event of a training run, and before the first on how many threads it runs."""
        if event.threads != self._threads:
            self._threads = event.threads
            self.note(f"Training on {event.threads} thread{'s' if event.threads > 1 else ''}.")
        detail = f"loss {event.loss:.4g}  L0 {event.l0:.2f}  {_time(event.seconds_left)} left"
        self._show(event.arm, event.step, event.steps, detail)

    def harvest(self, done: int, total: int) -> None:
        """Show how many tokens the host has read."""
        self._show("hidden states", done, total, "tokens")

    def note(self, text: str) -> None:
        """A line of its own, above the bars."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def _show(self, name: str, done: float, total: float, detail: str) -> None:
        if name not in self._by_name:
            self._by_name[name] = self.add_task(name, total=total, detail=detail)
        self.update(self._by_name[name], completed=done, total=total, detail=detail)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


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
