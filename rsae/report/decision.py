"""What to do with the outcome of an upgrade, in one sentence: use the new SAE, or keep the teacher, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rsae.evaluation.comparison import Comparison
from rsae.report.question import Question
from rsae.report.wording import LABELS, percent, spoken

__all__ = ["decision"]

_USE = "Use the upgraded SAE"
_INSTEAD = {
    "control": "train your teacher on with its own gate",
    "threshold": "give your teacher a threshold",
    "refine_only": "refine your teacher's codes with its own gate",
}


def decision(question: Question, attribution: Mapping[str, Any], worse: bool = False) -> str:
    """The sentence, from the paired comparisons and what they make of the arms; empty where nothing was compared.

    It follows the same rule as the verdict's advice: the simplest arm is to be used that is not surely worse than the
    best one. Its reason is the difference to the equally trained control, with the 95% interval, at the L0 of both.
    ``worse``: whether the upgraded SAE's features got worse, which the sentence then says.

    >>> gap = Comparison("mse", "control", -0.1, 2.0, -0.12, -0.08, "tokens")
    >>> decision(Question(comparisons=(gap,), returned="upgraded"), {"mse": {"advised": "upgraded"}})
    "Use the upgraded SAE: its MSE is 5.0% lower than the equally trained control's (95% interval -6.0% to -4.0%)."
    """
    said = _decided(question, attribution)
    return said.removesuffix(".") + "; but its features got worse." if worse and said.startswith(_USE) else said


def _decided(question: Question, attribution: Mapping[str, Any]) -> str:
    """The sentence as errors have it."""
    metric, part = next(iter(attribution.items()), ("mse", {"advised": ""}))
    found = {entry.other: entry for entry in question.comparisons if entry.metric == metric}
    if not found:
        return ""
    control, teacher = found.get("control"), found.get("teacher")
    advised, returned = part["advised"], question.returned
    if returned == "initialised" or advised == "teacher":
        reason = f"the upgraded SAE's {_label(metric)} is not surely lower than its own"
        return f"Keep your teacher: {reason}{_against(teacher, 'it')}."
    if not advised:  # such as the paper's dense codes, whose arms differ in L0
        advised = "upgraded" if control is not None and control.high < 0 else "control"
    if (instead := _INSTEAD.get(advised.removesuffix("_mse"))) is not None:
        other = found.get(advised, control)
        worse = other is not None and other.low > 0
        reason = f"the rational {'is worse than' if worse else 'adds nothing certain to'} {_alone(advised)}"
        return f"Do without the rational, and {instead}: {reason}{_against(other, 'it')}."
    said = _USE
    if advised == part.get("best") != "upgraded":
        said += f" (the arm {spoken(advised)} has the lowest {_label(metric)})"
    elif advised != "upgraded":
        said += f" (the simpler arm {spoken(advised)} is not told apart from the best)"
    if control is None:
        return f"{said}: its {_label(metric)} is surely lower than the teacher's{_against(teacher, 'it')}."
    if control.high < 0:
        size, bounds = _size(control), _interval(control)
        return f"{said}: its {_label(metric)} is {size} than the equally trained control's{bounds}."
    return f"{said}: no simpler arm has as low a {_label(metric)}{_against(control, 'the control')}."


def _alone(arm: str) -> str:
    name = arm.removesuffix("_mse")
    return {"control": "the equally trained control", "refine_only": "the refinement alone"}.get(
        name, f"the {name} alone"
    )


def _label(metric: str) -> str:
    return LABELS.get(metric, metric)


def _size(found: Comparison) -> str:
    share = abs(found.relative)
    return f"{percent(share)} {'lower' if found.difference < 0 else 'higher'}" if math.isfinite(share) else "lower"


def _interval(found: Comparison) -> str:
    if not found.base or not math.isfinite(found.low / found.base):
        return ""
    low, high = (100 * bound / found.base for bound in (found.low, found.high))
    return f" (95% interval {low:+.1f}% to {high:+.1f}%)"


def _against(found: Comparison | None, other: str) -> str:
    """The difference to another column in brackets, if it is known."""
    if found is None or not math.isfinite(found.relative):
        return ""
    low, high = (100 * bound / found.base for bound in (found.low, found.high))
    return f" ({100 * found.relative:+.1f}% against {other}, 95% interval {low:+.1f}% to {high:+.1f}%)"
