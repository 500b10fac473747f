"""What the cells of a study say as a whole: counts over its teachers, with the published claims beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.study.cells import Row

__all__ = ["counts"]

SLACK = 1.005


class _Question(NamedTuple):
    """``published``: the share of cells for which Yin & Yu, arXiv 2606.14990, say yes, and their words."""

    label: str
    holds: Callable[[Row], bool]
    published: tuple[float, str] | None = None


def counts(found: Sequence[Row]) -> str:
    """How many teachers of one study answer a question with yes, and which do not; a Markdown table."""

    def below(other: str, metric: str, least: float = 0.0, sure: bool = True) -> Callable[[Row], bool]:
        def holds(row: Row) -> bool:
            difference = row.against(other, metric)
            return (difference.high if sure else difference.difference) < 0 and difference.relative <= least

        return holds

    questions = [
        _Question("MSE below the teacher's", below("teacher", "mse", sure=False), (22 / 24, "22 of 24")),
        _Question("MSE better than the teacher, interval excludes zero", below("teacher", "mse")),
        _Question("MSE below the control's", below("control", "mse", sure=False)),
        _Question("MSE better than the control, interval excludes zero", below("control", "mse")),
        _Question("delta-CE below the teacher's", below("teacher", "delta_ce", sure=False), (13 / 16, "13 of 16")),
        _Question("delta-CE below the control's", below("control", "delta_ce", sure=False)),
        _Question("delta-CE better than the control, interval excludes zero", below("control", "delta_ce")),
        _Question("L0 at most the control's x 1.005", _no_more_codes),
        _Question("alive fraction not below the teacher's", lambda row: not _fewer(row, "teacher"), (1.0, "better")),
        _Question("alive fraction not below the control's", lambda row: not _fewer(row, "control")),
    ]
    lines = ["| of the teachers | | not | as published |", "|---|---|---|---|"]
    lines += [_line(question, found) for question in questions]
    for family, label, least in (
        ("topk", "TopK: MSE below the control's by 2.5%, interval excludes zero", -0.025),
        ("relu", "ReLU: MSE below the control's by 20%, interval excludes zero", -0.20),
        ("jumprelu", "JumpReLU: MSE below the control's, interval excludes zero", 0.0),
    ):
        if same := [row for row in found if row.family == family]:
            lines.append(_line(_Question(label, below("control", "mse", least)), same))
    apart = [probe.difference["teacher"] for row in found for probe in row.probed()]
    if apart:
        worse, better = sum(d.high < 0 for d in apart), sum(d.low > 0 for d in apart)
        lines.append(
            # An interval of 95% lies below zero by chance once in forty.
            f"| probing accuracies surely below the teacher's | {worse} of {len(apart)}; {len(apart) / 40:.1f} by "
            f"chance | surely above: {better} of {len(apart)} | not worse: {_verdict(worse == 0)} |"
        )
    seconds = [cell.report.asked.seconds for row in found for cell in row.cells]
    minutes = [each / 60 for each in seconds if each is not None]  # none for a cell that was killed and went on
    if minutes:
        lines.append(f"| minutes a cell, one thread | {min(minutes):.1f} to {max(minutes):.1f} |  |  |")
    return "\n".join(lines)


def _line(question: _Question, found: Sequence[Row]) -> str:
    holds = [question.holds(row) for row in found]
    missing = ", ".join(row.cells[0].teacher for row, held in zip(found, holds, strict=True) if not held) or "-"
    published = ""
    if question.published is not None:
        share, words = question.published
        published = f"{words}: {_verdict(sum(holds) / len(holds) >= share)}"
    return f"| {question.label} | {sum(holds)} of {len(holds)} | {missing} | {published} |"


def _no_more_codes(row: Row) -> bool:
    return row.mean("upgraded", "l0") <= SLACK * row.mean("control", "l0")


def _fewer(row: Row, other: str) -> bool:
    """Whether latents fell silent: beyond one latent in the mean, which is within what a held-out sample decides."""
    slack = 1.0 / row.cells[0].report.asked.d_sae
    return row.mean("upgraded", "alive_fraction") < row.mean(other, "alive_fraction") - slack


def _verdict(holds: bool) -> str:
    return "reproduced" if holds else "not reproduced"
