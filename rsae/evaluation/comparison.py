"""Paired comparison of two arms, and the sentence that says what it shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from scipy.special import stdtrit
from torch import Tensor

from rsae.evaluation.metrics import Metric, Metrics
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = [
    "Comparison",
    "compare",
    "compare_runs",
    "mean_metrics",
    "paired_comparisons",
    "token_errors",
    "verdict",
]


_SPLICED = ("delta_ce", "kl")


@dataclass(frozen=True)
class Comparison:
    """``difference`` = upgraded minus other, of one metric whose value for the other is ``base``.

    ``low`` and ``high`` bound the difference at 95%; ``over`` says over what it scatters: ``"tokens"`` (one run, paired
    by held-out token), ``"contexts"`` (one run, paired by held-out context, Student's t) or ``"seeds"`` (paired by
    seed, Student's t). Only the last holds what another order of the data would change.
    """

    metric: str
    other: str
    difference: float
    base: float
    low: float
    high: float
    over: str

    @property
    def relative(self) -> float:
        """The difference as a share of the other's value."""
        return self.difference / self.base if self.base else math.nan

    @property
    def certain(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, Any]:
        """The fields, the relative difference, and whether the interval excludes zero."""
        return {**asdict(self), "relative": self.relative, "certain": self.certain}


@torch.no_grad()
def token_errors(sae: SparseAutoencoder, x: Tensor) -> Tensor:
    """Squared error summed over d_in of each held-out vector [n, d_in], as float64 [n]."""
    return torch.cat([(sae(chunk).reconstruction - chunk).double().square().sum(1) for chunk in sae.chunks(x)])


def compare(other: str, ours: Tensor, theirs: Tensor) -> Comparison:
    """The paired difference of two arms' squared errors [n] by held-out token."""
    gap = ours - theirs
    mean, error = float(gap.mean()), float(gap.std()) / math.sqrt(len(gap)) if len(gap) > 1 else math.inf
    return Comparison("mse", other, mean, float(theirs.mean()), mean - 1.96 * error, mean + 1.96 * error, "tokens")


def compare_runs(
    metric: str, other: str, ours: Sequence[float], theirs: Sequence[float], over: str = "seeds"
) -> Comparison:
    """The paired difference over seeds (or contexts) of two arms' values of a metric.

    >>> found = compare_runs("mse", "control", [1.0, 1.1, 0.9], [1.2, 1.3, 1.1])
    >>> round(found.difference, 6), found.certain
    (-0.2, True)
    """
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    mean = sum(gaps) / len(gaps)
    base = sum(theirs) / len(theirs)
    spread = math.inf
    if len(gaps) > 1:
        deviation = math.sqrt(sum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1))
        spread = float(stdtrit(len(gaps) - 1, 0.975)) * deviation / math.sqrt(len(gaps))
    return Comparison(metric, other, mean, base, mean - spread, mean + spread, over)


def mean_metrics(runs: Sequence[Metrics]) -> Metrics:
    """Metrics averaged over seeds."""
    if len(runs) == 1:
        return runs[0]
    averaged = {}
    for name, metric in runs[0].items():
        values = torch.tensor([run[name].value for run in runs], dtype=torch.float64)
        error = float(values.std()) / len(runs) ** 0.5
        averaged[name] = Metric(float(values.mean()), f"{metric.definition}; mean of {len(runs)} seeds", error)
    return averaged


def paired_comparisons(
    teacher: SparseAutoencoder,
    columns: Mapping[str, Metrics],
    trained: Mapping[str, Sequence[SparseAutoencoder]],
    measured: Mapping[str, Sequence[Metrics]],
    held_out: Tensor,
) -> tuple[Comparison, ...]:
    """Upgraded against the teacher and every other trained arm: over seeds, or of one by held-out token and context."""
    seeds = len(trained["upgraded"])
    others = ["teacher", *(name for name in trained if name != "upgraded")]
    found: list[Comparison] = []
    if seeds == 1:
        ours = token_errors(trained["upgraded"][0], held_out)
        for name in others:
            errors = token_errors(teacher if name == "teacher" else trained[name][0], held_out)
            found += [compare(name, ours, errors), *_by_context(name, columns["upgraded"], columns[name])]
        return tuple(found)
    for name in others:
        theirs = [columns["teacher"]] * seeds if name == "teacher" else measured[name]
        for metric in ("mse", *_SPLICED):
            if metric in columns["teacher"]:
                left, right = ([run[metric].value for run in runs] for runs in (measured["upgraded"], theirs))
                found.append(compare_runs(metric, name, left, right))
    return tuple(found)


def _by_context(other: str, ours: Metrics, theirs: Metrics) -> list[Comparison]:
    """The paired differences of what a splice costs, where there was a host."""
    found = []
    for metric in _SPLICED:
        left, right = (column[metric].by_context if metric in column else None for column in (ours, theirs))
        if left and right:
            found.append(compare_runs(metric, other, left, right, "contexts"))
    return found


def verdict(columns: Mapping[str, Metrics], comparisons: Sequence[Comparison], note: str = "") -> str:
    """One sentence: the upgraded SAE's MSE against that of teacher, control and threshold, and at which L0.

    Further columns are in the report's tables, and would only make the sentence long.
    """
    names = {
        "teacher": "the teacher's",
        "control": "the equally trained control's",
        "threshold": "that of the threshold alone",
    }
    told = [found for found in comparisons if found.metric == "mse" and found.other in names]
    parts = []
    for found in told:
        parts.append(_spoken(found, names[found.other], first=found is told[0]))
    levels = [columns[name]["l0"].value for name in ("upgraded", *(found.other for found in told))]
    spoken = (" and " if len(parts) == 2 else "; ").join(parts)
    sentence = f"The upgraded SAE's MSE is {spoken}, at L0 {levels[0]:.2f}"
    if {f"{level:.2f}" for level in levels[1:]} != {f"{levels[0]:.2f}"}:
        against = [f"{level:.2f} ({found.other})" for level, found in zip(levels[1:], told, strict=True)]
        sentence += f" against {', '.join(against)}"
    for found in comparisons:
        if (found.metric, found.other) == ("delta_ce", "control_mse"):
            sentence += f". Its delta-CE is {_spoken(found, 'that of the control without the KL stage')}"
            for own in _by_context("control_mse", columns["control"], columns["control_mse"])[:1]:
                sentence += f"; the control's own, with the stage, is {_spoken(own, 'without it', first=False)}"
    return f"{sentence}. {note}".strip()


def _spoken(found: Comparison, other: str, first: bool = True) -> str:
    """A comparison in words; the first of a sentence says over what its interval is."""
    low, high = sorted(100 * bound / found.base for bound in (found.low, found.high))
    digits = 1 if abs(found.relative) >= 5e-3 else 2
    size = f"{100 * abs(found.relative):.{digits}f}% {'lower' if found.difference < 0 else 'higher'}"
    sure = f"{low:+.{digits}f}% to {high:+.{digits}f}%"
    if first:
        sure = f"95% interval over {found.over}: {sure}"
    unsure = "" if found.certain else ", not told apart from zero"
    return f"{size} than {other} ({sure}{unsure})"
