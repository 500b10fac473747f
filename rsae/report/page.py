"""The page of a report: its plain tree (`Report.to_json`) as words and numbers that a template lays out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rsae.evaluation.comparison import Comparison
from rsae.evaluation.metrics import Metric
from rsae.report import pictures
from rsae.report.question import Question
from rsae.report.rows import read_columns, rows_of
from rsae.report.wording import COLUMNS, LABELS, judged, number, percent, shown, spoken

__all__ = ["EVIDENCE", "render"]

EVIDENCE = ("attribution", "certificates", "histograms", "probing", "continuity", "frontier")
FIRST = 20  # latents that changed most, listed before all others
GROUP = 100


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
        continuity=_continuity(report["continuity"]),
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


def _continuity(found: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, quantiles and the latents in the order in which the page lists them."""
    if not found:
        return {}
    latents, contexts = found["latents"], found["contexts"]
    rows = [
        {"latent": i, "contexts": contexts.get(str(i), []), **{name: values[i] for name, values in latents.items()}}
        for i in range(len(latents["cosine"]))
    ]
    ratio = [
        after / before
        for before, after in zip(latents["rate_before"], latents["rate_after"], strict=True)
        if before and after is not None
    ]
    return {
        **found,
        "count": len(rows),
        "silent_before": sum(rate == 0 for rate in latents["rate_before"]),
        "silent_after": sum(rate == 0 for rate in latents["rate_after"]),
        "quantiles": [
            ("cosine of decoder rows", [number(v) for v in _quantiles(latents["cosine"])]),
            ("overlap of strongest tokens", [percent(v) for v in _quantiles(latents["overlap"])]),
            ("firing rate after / before", [number(v) for v in _quantiles(ratio)]),
        ],
        "first": [rows[i] for i in found["order"][:FIRST]],
        "groups": [rows[start : start + GROUP] for start in range(0, len(rows), GROUP)],
    }


def _quantiles(values: Sequence[float | None]) -> list[float]:
    """Minimum, 5%, median, 95% and maximum."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return [math.nan] * 5
    return [ordered[round(share * (len(ordered) - 1))] for share in (0.0, 0.05, 0.5, 0.95, 1.0)]


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Pairs (dotted name, text) of a tree of plain values."""
    if isinstance(value, Mapping) and value:
        return [pair for key, entry in value.items() for pair in _flat(entry, f"{prefix}.{key}" if prefix else key)]
    text = json.dumps(value) if isinstance(value, list | dict) else "none" if value is None else str(value)
    return [(prefix, text)]
