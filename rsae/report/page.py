"""The page of a report: its plain tree (`Report.to_json`) as words and numbers that a template lays out."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rsae.evaluation.comparison import Comparison
from rsae.evaluation.metrics import Metric
from rsae.report import pictures
from rsae.report.decision import decision
from rsae.report.latents import of_latents
from rsae.report.question import Question
from rsae.report.rate import rate
from rsae.report.rows import read_columns, rows_of
from rsae.report.wording import COLUMNS, LABELS, judged, number, percent, shown, spoken

__all__ = ["EVIDENCE", "render"]

EVIDENCE = ("attribution", "certificates", "histograms", "probing", "continuity", "latents", "frontier")


def render(tree: Mapping[str, Any]) -> str:
    """The page of a report given as plain values; of ``EVIDENCE`` parts may be absent (needs matplotlib, jinja2)."""
    import jinja2

    report: dict[str, Any] = {**{name: {} for name in EVIDENCE}, **tree}
    columns, asked = read_columns(report["columns"]), Question.from_json(report["question"])
    rows = rows_of(columns)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rsae.report"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"cell": _cell, "percent": percent, "name": spoken, "number": number}
    script = environment.get_template("search.js").render()
    return environment.get_template("report.html").render(
        report=report,
        asked=asked,
        rows=rows,
        against=[_against(columns, row.name, asked.comparisons) for row in rows],
        meanings=COLUMNS,
        labels=LABELS,
        steps={metric: [_step(step, part) for step in part["steps"]] for metric, part in report["attribution"].items()},
        comparisons=[_comparison(found) for found in asked.comparisons],
        certificates={name: _certificate(entry) for name, entry in report["certificates"].items()},
        continuity=of_latents(report["continuity"], report["latents"]),
        decision=decision(asked, report["attribution"]),
        rate=rate(asked),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        question=_flat({name: entry for name, entry in report["question"].items() if name != "comparisons"}),
        pictures=pictures.of_report(report),
    )


def _cell(metric: Metric | None, name: str, single: bool) -> tuple[str, str]:
    """A number and, for a line of its own, its standard error: over seeds, or over tokens where there is one run."""
    if metric is not None and single and metric.token_error and metric.standard_error is None:
        metric = replace(metric, standard_error=metric.token_error)
    value, _, error = shown(metric, name).partition(" ± ")
    return value, f"± {error}" if error else ""


def _against(columns: Mapping[str, Any], name: str, comparisons: Sequence[Comparison]) -> str:
    """Upgraded against control, in words: how much lower or higher, and where an interval tells, whether better."""
    ours, theirs = (columns.get(column, {}).get(name) for column in ("upgraded", "control"))
    if ours is None or theirs is None or not all(math.isfinite(metric.value) for metric in (ours, theirs)):
        return ""
    difference = ours.value - theirs.value
    share = abs(difference / theirs.value) if theirs.value else math.inf
    if share < 5e-4 or not difference:
        return "equal to 0.05%" if difference else "equal"
    size = f"{100 * share:.1f}%" if share < 1 else f"{difference:+.3g}"
    words = f"{size} {'higher' if difference > 0 else 'lower'}"
    paired = [found for found in comparisons if (found.metric, found.other) == (name, "control")]
    if not paired:
        return words
    return f"{words}: {judged(name, difference) if paired[0].certain else 'not told apart'}"


def _step(step: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, str]:
    """A step of the waterfall as the cells of a table row; differences are in percent of the teacher's value."""

    def share(value: float | None) -> str:
        return "unknown" if value is None else f"{100 * value / part['teacher']:+.2f}%"

    return {
        "what": step["what"],
        "arm": spoken(step["arm"]),
        "value": shown(Metric(step["value"], "")),
        "difference": share(step["difference"]),
        "interval": f"{share(step['low'])} to {share(step['high'])}",
        "verdict": judged(step["metric"], step["difference"]) if step["certain"] else "not told apart",
    }


def _comparison(found: Comparison) -> dict[str, str]:
    """A comparison as the cells of a table row; differences are upgraded minus other, in percent of the other."""

    def share(value: float) -> str:
        part = 100 * value / found.base if found.base else math.nan
        return f"{part:+.2f}%" if math.isfinite(part) else "unknown"

    verdict = judged(found.metric, found.difference) or "different"
    return {
        "metric": LABELS.get(found.metric, found.metric),
        "other": spoken(found.other),
        "difference": share(found.difference),
        "interval": f"{share(found.low)} to {share(found.high)}",
        "over": found.over,
        "verdict": verdict if found.certain else "not told apart",
    }


def _certificate(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A certificate's sentence, status and hash, and the rest as pairs."""
    rest = dict(entry)
    first = {name: str(rest.pop(name, "")) for name in ("sentence", "status", "hash")}
    return {**first, "pairs": _flat(rest)}


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Pairs (dotted name, text) of a tree of plain values."""
    if isinstance(value, Mapping) and value:
        return [pair for key, entry in value.items() for pair in _flat(entry, f"{prefix}.{key}" if prefix else key)]
    text = json.dumps(value) if isinstance(value, list | dict) else "none" if value is None else str(value)
    return [(prefix, text)]
