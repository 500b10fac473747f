"""The page of results: of every study a part that can be written alone, with how it was run, its tables and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsae.evaluation.comparison import Comparison
from rsae.storage.writing import write_text
from tests import provenance
from tests.study.cells import COLUMNS, STUDIES, Cell, Points, Row, rows
from tests.study.counts import counts

__all__ = ["fill", "page"]


def page(cells: Sequence[Cell]) -> str:
    """The parts of all studies that have cells, each between marks of its own; Markdown.

    Raises ValueError where there are no cells.
    """
    return _filled("\n\n".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->" for name in _parts(cells)), cells) + "\n"


def fill(path: str | Path, cells: Sequence[Cell]) -> list[str]:
    """Put the parts of the studies that are whole between their marks, and return their names.

    A study is whole where every teacher of it has a cell: of one that was begun a page would lose rows. The other parts
    stay, so that one study can be run again alone. The file is made where there is none.

    Raises ValueError, and changes nothing, for a file that lacks the marks of a study, and where none is whole.
    """
    path = Path(path)
    teachers = {study.name: {cell.teacher for cell in cells if cell.study == study.name} for study in STUDIES}
    whole = [study.name for study in STUDIES if teachers[study.name] == {*study.teachers}]
    cells = [cell for cell in cells if cell.study in whole]
    write_text(
        path, _filled(path.read_text(encoding="utf-8"), cells) if path.exists() else "# Results\n\n" + page(cells)
    )
    return whole


def _filled(text: str, cells: Sequence[Cell]) -> str:
    for name, part in _parts(cells).items():
        text = provenance.put(text, name, part)
    return text


def _parts(cells: Sequence[Cell]) -> Mapping[str, str]:
    """What stands on the page, by the name of the study."""
    if not cells:
        raise ValueError("there are no finished cells to write a page of, or no study whose teachers all have one")
    parts = {}
    for study in STUDIES:
        if found := [row for row in rows(cells) if row.cells[0].study == study.name]:
            said = [f"### {study.name}", _settings(found), _table(found), _probing(found)]
            plain = (study.refine, study.kl_share, study.anchor) == ("none", 0, 0)
            parts[study.name] = "\n\n".join(filter(None, [*said, counts(found) if plain else ""]))
    return parts


def _settings(found: Sequence[Row]) -> str:
    lines = [
        "| family | steps | batch | rate: weights, curve | denominator | inputs | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        asked = row.cells[0].report.asked
        recipe, control = asked.recipes["upgraded"], asked.recipes["control"]
        rate = f"{recipe.learning_rate:.2g}"
        if control.learning_rate != recipe.learning_rate:
            rate += f" (control {control.learning_rate:.2g})"
        line = (
            f"| {row.family} | {recipe.steps} | {recipe.batch_size} | {rate}, "
            f"{recipe.coefficient_rate:.2g} | {asked.denominator} | {', '.join(asked.inputs)} | {len(row.cells)} |"
        )
        lines += [line] if line not in lines else []
    return "\n".join(lines)


def _table(found: Sequence[Row]) -> str:
    lines = [
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
    """Empty where nothing was probed."""
    lines = [
        "Sparse probing, accuracy:",
        "",
        "| teacher | tasks, k | teacher | control | upgraded | upgraded - teacher | upgraded - control |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        for probe in row.probed():
            accuracy = [f"{100 * probe.accuracy[c]:.1f}%" for c in ("teacher", "control", "upgraded")]
            apart = [_points(probe.difference[c]) for c in ("teacher", "control")]
            name = f"{probe.group} ({probe.tasks}), {probe.k}"
            lines.append(f"| {row.cells[0].teacher} | {name} | {' | '.join([*accuracy, *apart])} |")
    return "\n".join(lines) if len(lines) > 4 else ""


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
