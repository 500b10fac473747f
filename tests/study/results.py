"""The page of results: every cell of `reproduce`, the counts over them, and the published claims beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rsae.evaluation.comparison import Comparison
from rsae.storage.writing import write_text
from tests.study.cells import COLUMNS, STUDIES, Cell, Points, Row, rows
from tests.study.claims import claims, counts

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
    plain = {study.name for study in STUDIES if (study.refine, study.kl_share) == ("none", 0)}
    default = [row for row in found if row.cells[0].study in plain]
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
    lines = [
        "### How these were run",
        "",
        "| study | family | steps | batch | rate: weights, curve | denominator | inputs | seeds |",
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    seen = set()
    for row in found:
        asked = row.cells[0].report.asked
        recipe, control = asked.recipes["upgraded"], asked.recipes["control"]
        rate = f"{recipe.learning_rate:.2g}"
        if control.learning_rate != recipe.learning_rate:
            rate += f" (control {control.learning_rate:.2g})"
        line = (
            f"| {row.cells[0].study} | {row.family} | {recipe.steps} | {recipe.batch_size} | {rate}, "
            f"{recipe.coefficient_rate:.2g} | {asked.denominator} | {', '.join(asked.inputs)} | {len(row.cells)} |"
        )
        if line not in seen:
            seen.add(line)
            lines.append(line)
    return "\n".join(lines)


def _table(name: str, found: Sequence[Row]) -> str:
    lines = [
        f"### {name}",
        "",
        "| teacher | column | L0 | MSE | upgraded against it | delta-CE | upgraded against it | alive |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        teacher = row.cells[0].teacher
        for column in row.columns():
            mse, ce = (_percent(row.against(column, m)) for m in ("mse", "delta_ce"))
            if column == "upgraded":
                mse, ce = "", ""
            lines.append(
                f"| {teacher} | {COLUMNS[column]} | {row.mean(column, 'l0'):.2f} "
                f"| {_figure(row.mean(column, 'mse'))} | {mse} "
                f"| {_figure(row.mean(column, 'delta_ce'))} | {ce} | {row.mean(column, 'alive_fraction'):.4f} |"
            )
            teacher = ""
    return "\n".join(lines)


def _probing(found: Sequence[Row]) -> str:
    lines = [
        "### Sparse probing",
        "",
        "Accuracy by k latents on labelled texts ([protocol](../upgrading/probing.md)), mean over the seeds above.",
        "Differences are paired, in points, with 95% intervals: over texts, and over seeds where there are several.",
        "",
        "| teacher | tasks, k | teacher | control | upgraded | upgraded - teacher | upgraded - control |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        for probe in row.probed():
            accuracy = [f"{100 * probe.accuracy[c]:.1f}%" for c in ("teacher", "control", "upgraded")]
            apart = [_points(probe.difference[c]) for c in ("teacher", "control")]
            name = f"{probe.group} ({probe.tasks}), {probe.k}"
            lines.append(f"| {row.name} | {name} | {' | '.join([*accuracy, *apart])} |")
    return "\n".join(lines)


def _points(found: Points) -> str:
    value, low, high = (100 * part for part in found)
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
