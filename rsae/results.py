"""The page of results: every cell of `reproduce`, the counts over them, and the published claims beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsae.comparison import Comparison, compare_runs
from rsae.report import write_text
from rsae.reproduce import STUDIES, Cell

__all__ = ["Row", "fill", "page", "rows"]

BEGIN, END = "<!-- begin: rsae reproduce -->", "<!-- end: rsae reproduce -->"
SLACK = 1.005


@dataclass(frozen=True)
class Row:
    """One teacher: its cells, one a seed."""

    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Study and teacher."""
        return f"{self.cells[0].study}/{self.cells[0].teacher}"

    @property
    def family(self) -> str:
        """Of the teacher."""
        return str(self.cells[0].report.question["family"])

    def has(self, column: str) -> bool:
        """Whether its reports have a column."""
        return column in self.cells[0].report.columns

    def mean(self, column: str, metric: str) -> float:
        """Mean over seeds of one number."""
        return sum(cell.value(column, metric) for cell in self.cells) / len(self.cells)

    def against(self, other: str, metric: str = "mse") -> Comparison:
        """Upgraded minus another column: paired by seed, or with one seed by held-out token (an interval for MSE)."""
        if len(self.cells) == 1:
            for kept in self.cells[0].report.question["comparisons"]:
                if kept["metric"] == metric and kept["other"] == other:
                    names = ("metric", "other", "difference", "base", "low", "high", "over")
                    return Comparison(**{name: kept[name] for name in names})
        ours, theirs = ([cell.value(column, metric) for cell in self.cells] for column in ("upgraded", other))
        return compare_runs(metric, other, ours, theirs)


def rows(cells: Sequence[Cell]) -> list[Row]:
    """Cells gathered by teacher, in the order of `STUDIES`."""
    found = []
    for study in STUDIES:
        for teacher in study.teachers:
            same = tuple(cell for cell in cells if (cell.study, cell.teacher) == (study.name, teacher))
            if same:
                found.append(Row(same))
    return found


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
    default = [row for row in found if row.cells[0].report.question.get("refine", "none") == "none"]
    return "\n\n".join([*parts, *((_counts(default), _claims(default)) if default else ())]) + "\n"


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
        question = row.cells[0].report.question
        recipe = question["recipes"]["upgraded"]
        control = question["recipes"]["control"]
        rate = f"{recipe['learning_rate']:.2g}"
        if control["learning_rate"] != recipe["learning_rate"]:
            rate += f" (control {control['learning_rate']:.2g})"
        line = (
            f"| {row.cells[0].study} | {row.family} | {recipe['steps']} | {recipe['batch_size']} | {rate}, "
            f"{recipe['coefficient_rate']:.2g} | {', '.join(question['inputs'])} | {len(row.cells)} |"
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
        seconds = _seconds([row])
        lines.append(
            f"| {row.cells[0].teacher} | {_figure(row.mean('teacher', 'delta_ce'))} "
            f"| {_figure(row.mean('control', 'delta_ce'))} | {threshold} "
            f"| {_figure(row.mean('upgraded', 'delta_ce'))} | {_percent(row.against('control', 'delta_ce'))} "
            f"| {alive} | {f'{sum(seconds) / len(seconds):.0f}' if seconds else '-'} |"
        )
    return "\n".join(lines)


def _counts(found: Sequence[Row]) -> str:
    def below(other: str, metric: str, sure: bool = False) -> Callable[[Row], bool]:
        def holds(row: Row) -> bool:
            difference = row.against(other, metric)
            return difference.high < 0 if sure else difference.difference < 0

        return holds

    questions: list[tuple[str, Callable[[Row], bool]]] = [
        ("MSE better than the teacher", below("teacher", "mse")),
        ("MSE better than the teacher, interval excludes zero", below("teacher", "mse", True)),
        ("MSE better than the control", below("control", "mse")),
        ("MSE better than the control, interval excludes zero", below("control", "mse", True)),
        ("delta-CE better than the teacher", below("teacher", "delta_ce")),
        ("delta-CE better than the control", below("control", "delta_ce")),
        (
            "delta-CE better than the control, interval over seeds excludes zero",
            below("control", "delta_ce", True),
        ),
        ("L0 at most the control's x 1.005", lambda r: r.mean("upgraded", "l0") <= SLACK * r.mean("control", "l0")),
        ("alive fraction not below the teacher's", lambda r: not _fewer(r, "teacher")),
        ("alive fraction not below the control's", lambda r: not _fewer(r, "control")),
    ]
    names = [study.name for study in STUDIES if any(r.cells[0].study == study.name for r in found)]
    lines = ["### Counts", "", "| | " + " | ".join(names) + " | not in |", "|---|" + "---|" * (len(names) + 1)]
    for label, holds in questions:
        shares = []
        for name in names:
            same = [row for row in found if row.cells[0].study == name]
            shares.append(f"{sum(map(holds, same))} of {len(same)}")
        missing = ", ".join(row.name for row in found if not holds(row)) or "-"
        lines.append(f"| {label} | {' | '.join(shares)} | {missing} |")
    bars = [
        ("topk", "TopK: MSE below the control's by 2.5%, interval excludes zero", -0.025),
        ("relu", "ReLU: MSE below the control's by 20%, interval excludes zero", -0.20),
        ("jumprelu", "JumpReLU: MSE below the control's, interval excludes zero", 0.0),
    ]
    for family, label, least in bars:
        met, lacking = [], []
        for name in names:
            same = [row for row in found if row.cells[0].study == name and row.family == family]
            good = [row for row in same if (d := row.against("control")).high < 0 and d.relative <= least]
            met.append(f"{len(good)} of {len(same)}")
            lacking += [row.name for row in same if row not in good]
        lines.append(f"| {label} | {' | '.join(met)} | {', '.join(lacking) or '-'} |")
    return "\n".join(lines)


def _fewer(row: Row, other: str) -> bool:
    """Whether latents fell silent: beyond one latent in the mean, which is within what a held-out sample decides."""
    slack = 1.0 / float(row.cells[0].report.question["d_sae"])
    return row.mean("upgraded", "alive_fraction") < row.mean(other, "alive_fraction") - slack


def _claims(found: Sequence[Row]) -> str:
    def share(other: str, metric: str) -> tuple[int, int]:
        return sum(row.against(other, metric).difference < 0 for row in found), len(found)

    (mse, n), (ce, _) = share("teacher", "mse"), share("teacher", "delta_ce")
    (own, _), (own_ce, _) = share("control", "mse"), share("control", "delta_ce")
    as_reported, downstream = _verdict(mse / n >= 22 / 24), _verdict(ce / n >= 13 / 16)
    minutes = [seconds / 60 for seconds in _seconds(found)] or [math.nan]
    lines = [
        "### The published claims",
        "",
        "Yin & Yu, arXiv 2606.14990, compare with the untouched teacher; the control stands beside it here.",
        "",
        "| claim | here | verdict |",
        "|---|---|---|",
        "| reconstruction strictly better than the teacher in 22 of 24 cells | "
        f"MSE better than the teacher in {mse} of {n}; than the equally trained control in {own} of {n} "
        f"| {as_reported} against the teacher |",
        "| downstream (delta-CE, loss recovered) better in 13 of 16 cells | "
        f"delta-CE better than the teacher in {ce} of {n}; than the control in {own_ce} of {n} "
        f"| {downstream} against the teacher |",
        "| GPT-2 small, ReLU: MSE 0.597 to 0.530; Gemma-2-2B, JumpReLU: 3.84 to 1.79; and their delta-CE | - "
        "| not comparable: those hosts and teachers were not run |",
        '| dense codes C_out r(h / C_in) | `support="paper"` gives them; all d_sae codes are non-zero, so an MSE at '
        "matched L0 does not exist | not comparable: their L0 depends on a tolerance |",
        "| alive fraction better | see the counts | "
        f"{_verdict(not any(_fewer(row, 'teacher') for row in found))} as not lower than the teacher's |",
        "| sparse probing not worse | `rsae upgrade --probe` measures it, these cells do not; one is in "
        "[sparse probing](probing.md) | not run in these cells |",
        f"| minutes on one consumer GPU | {min(minutes):.1f} to {max(minutes):.1f} minutes a cell on one CPU thread, "
        "control and evaluation included | not comparable: smaller hosts and teachers |",
        "| a handful of extra scalars | 6 for the ratio, 13 with the norm share | reproduced |",
    ]
    return "\n".join(lines)


def _seconds(found: Sequence[Row]) -> list[float]:
    """Of the cells that were run in one piece."""
    kept = (cell.report.question.get("seconds") for row in found for cell in row.cells)
    return [seconds for seconds in kept if seconds is not None]


def _verdict(holds: bool) -> str:
    return "reproduced" if holds else "not reproduced"


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
