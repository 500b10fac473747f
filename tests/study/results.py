"""The page of results: every cell of `reproduce`, the counts over them, and the published claims beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsae.evaluation.comparison import Comparison
from rsae.storage.writing import write_text
from tests.study.cells import STUDIES, Cell, Row, rows
from tests.study.claims import claims, counts, run_seconds

__all__ = ["fill", "page"]

BEGIN, END = "<!-- begin: tests.study -->", "<!-- end: tests.study -->"


def page(cells: Sequence[Cell]) -> str:
    """The generated part of the page: tables of cells, counts, and claims; Markdown.

    Raises ValueError where there are no cells.
    """
    if not cells:
        raise ValueError("there are no finished cells to write a page of")
    found = rows(cells)
    parts = [
        _settings(found),
        *(
            _table(study.name, [r for r in found if r.cells[0].study == study.name])
            for study in STUDIES
            if any(r.cells[0].study == study.name for r in found)
        ),
    ]
    parts += [_probing(probed)] if (probed := [row for row in found if row.probed()]) else []
    default = [row for row in found if row.cells[0].report.asked.refine == "none"]
    return "\n\n".join([*parts, *((counts(default), claims(default)) if default else ())]) + "\n"


def fill(path: str | Path, cells: Sequence[Cell]) -> None:
    """Replace what stands between the two marks of a Markdown file by `page`; the file is made where there is none.

    Raises ValueError for a file without the marks.
    """
    path = Path(path)
    before, after = "# Results\n\n", ""
    if path.exists():
        text = path.read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
            raise ValueError(f"{path} has not the marks {BEGIN} and {END}, between which the tables go")
        before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    write_text(path, f"{before}{BEGIN}\n\n{page(cells)}\n{END}{after or chr(10)}")


def _settings(found: Sequence[Row]) -> str:
    lines = ["### How these were run", "", "| study | family | steps | batch | rate: weights, curve | inputs | seeds |"]
    lines.append("|---|---|---|---|---|---|---|")
    seen = set()
    for row in found:
        asked = row.cells[0].report.asked
        recipe, control = asked.recipes["upgraded"], asked.recipes["control"]
        rate = f"{recipe.learning_rate:.2g}"
        if control.learning_rate != recipe.learning_rate:
            rate += f" (control {control.learning_rate:.2g})"
        line = (
            f"| {row.cells[0].study} | {row.family} | {recipe.steps} | {recipe.batch_size} | {rate}, "
            f"{recipe.coefficient_rate:.2g} | {', '.join(asked.inputs)} | {len(row.cells)} |"
        )
        if line not in seen:
            seen.add(line)
            lines.append(line)
    return "\n".join(lines)


def _table(name: str, found: Sequence[Row]) -> str:
    lines = [
        f"### {name}",
        "",
        "| teacher | L0: teacher, control, upgraded | MSE: teacher | control | threshold alone | upgraded "
        "| against teacher | against control | against threshold alone |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        l0 = ", ".join(f"{row.mean(c, 'l0'):.2f}" for c in ("teacher", "control", "upgraded"))
        threshold = _figure(row.mean("threshold", "mse")) if row.has("threshold") else "-"
        lines.append(
            f"| {row.cells[0].teacher} | {l0} | {_figure(row.mean('teacher', 'mse'))} "
            f"| {_figure(row.mean('control', 'mse'))} | {threshold} | {_figure(row.mean('upgraded', 'mse'))} "
            f"| {_percent(row.against('teacher'))} | {_percent(row.against('control'))} "
            f"| {_percent(row.against('threshold')) if row.has('threshold') else '-'} |"
        )
    lines += [
        "",
        "| teacher | delta-CE: teacher | control | threshold alone | upgraded | against control "
        "| alive: teacher, control, threshold, upgraded | seconds a cell |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        columns = ["teacher", "control", *(["threshold"] if row.has("threshold") else []), "upgraded"]
        alive = ", ".join(f"{row.mean(c, 'alive_fraction'):.4f}" for c in columns)
        threshold = _figure(row.mean("threshold", "delta_ce")) if row.has("threshold") else "-"
        seconds = run_seconds([row])
        lines.append(
            f"| {row.cells[0].teacher} | {_figure(row.mean('teacher', 'delta_ce'))} "
            f"| {_figure(row.mean('control', 'delta_ce'))} | {threshold} "
            f"| {_figure(row.mean('upgraded', 'delta_ce'))} | {_percent(row.against('control', 'delta_ce'))} "
            f"| {alive} | {f'{sum(seconds) / len(seconds):.0f}' if seconds else '-'} |"
        )
    return "\n".join(lines)


def _probing(found: Sequence[Row]) -> str:
    lines = [
        "### Sparse probing",
        "",
        "Accuracy by k latents on labelled texts ([protocol](../upgrading/probing.md)), first seed. Differences are",
        "paired, in points, with their 95% intervals.",
        "",
        "| teacher | tasks, k | teacher | control | upgraded | upgraded - teacher | upgraded - control |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        for probe in row.probed():
            accuracy = [f"{100 * probe['accuracy'][c]['value']:.1f}%" for c in ("teacher", "control", "upgraded")]
            apart = [_points(probe["difference"][c]) for c in ("teacher", "control")]
            name = f"{probe['group']} ({probe['tasks']}), {probe['k']}"
            lines.append(f"| {row.name} | {name} | {' | '.join([*accuracy, *apart])} |")
    return "\n".join(lines)


def _points(found: Mapping[str, float]) -> str:
    value, low, high = (100 * found[name] for name in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _figure(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.1f}" if abs(value) >= 100 else f"{value:.4f}"


def _percent(found: Comparison) -> str:
    if not found.base or not math.isfinite(found.relative):
        return "-"
    digits = 1 if abs(found.relative) >= 5e-3 else 2
    text = f"{100 * found.relative:+.{digits}f}%"
    low, high = 100 * found.low / abs(found.base), 100 * found.high / abs(found.base)
    if math.isfinite(low) and math.isfinite(high):
        text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    return text
