"""Paired comparison of two arms, and the sentence that says what it shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from scipy.special import stdtrit
from torch import Tensor

from rsae.evaluation.errors import token_errors
from rsae.evaluation.metrics import Metric, Metrics
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = [
    "Comparison",
    "Paired",
    "compare",
    "compare_runs",
    "mean_metrics",
    "paired",
    "verdict",
]


_SPLICED = ("delta_ce", "kl")


@dataclass(frozen=True)
class Comparison:
    """``difference`` = ours (as a rule upgraded) minus other, of one metric whose value for the other is ``base``.

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


@dataclass(frozen=True)
class Paired:
    """A metric of several columns, in values that belong together: one a held-out token, a context, or a seed.

    >>> found = Paired("mse", "seeds", {"control": torch.tensor([1.2, 1.3]), "upgraded": torch.tensor([1.0, 1.1])})
    >>> round(found.difference("upgraded", "control").difference, 6)
    -0.2
    """

    metric: str
    over: str
    values: Mapping[str, Tensor]

    def mean(self, name: str) -> float:
        """The mean of a column."""
        return float(self.values[name].mean())

    def difference(self, ours: str, other: str) -> Comparison:
        """One column minus another, paired."""
        if self.over == "tokens":
            return replace(compare(other, self.values[ours], self.values[other]), metric=self.metric)
        left, right = (self.values[name].tolist() for name in (ours, other))
        return compare_runs(self.metric, other, left, right, self.over)


def paired(
    teacher: SparseAutoencoder,
    columns: Mapping[str, Metrics],
    trained: Mapping[str, Sequence[SparseAutoencoder]],
    measured: Mapping[str, Sequence[Metrics]],
    held_out: Tensor,
) -> tuple[Paired, ...]:
    """What teacher and arms are compared by: metrics of several seeds; of one, what its tokens and contexts add."""
    seeds = len(trained["upgraded"])
    if seeds == 1:
        saes = {"teacher": teacher, **{name: runs[0] for name, runs in trained.items()}}
        errors = Paired("mse", "tokens", {name: token_errors(sae, held_out) for name, sae in saes.items()})
        return errors, *_by_context({name: columns[name] for name in saes})
    runs = {"teacher": [columns["teacher"]] * seeds, **measured}
    return tuple(
        Paired(metric, "seeds", {name: _values([run[metric].value for run in of]) for name, of in runs.items()})
        for metric in ("mse", *_SPLICED)
        if metric in columns["teacher"]
    )


def _by_context(columns: Mapping[str, Metrics]) -> list[Paired]:
    """What a splice costs in each held-out context, where there was a host."""
    found = []
    for metric in _SPLICED:
        parts = {name: column[metric].by_context if metric in column else None for name, column in columns.items()}
        known = {name: _values(part) for name, part in parts.items() if part}
        if len(known) == len(columns):
            found.append(Paired(metric, "contexts", known))
    return found


def _values(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


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
            for values in _by_context({name: columns[name] for name in ("control", "control_mse")})[:1]:
                own = values.difference("control", "control_mse")
                sentence += f"; the control's own, with the stage, is {_spoken(own, 'without it', first=False)}"
    return f"{sentence}. {note}".strip()


def _spoken(found: Comparison, other: str, first: bool = True) -> str:
    """A comparison in words; the first of a sentence says over what its interval is."""
    if not found.base:
        return f"{found.difference:.3g} above {other}, which is 0"
    low, high = sorted(100 * bound / found.base for bound in (found.low, found.high))
    digits = 1 if abs(found.relative) >= 5e-3 else 2
    size = f"{100 * abs(found.relative):.{digits}f}% {'lower' if found.difference < 0 else 'higher'}"
    sure = f"{low:+.{digits}f}% to {high:+.{digits}f}%"
    if first:
        sure = f"95% interval over {found.over}: {sure}"
    unsure = "" if found.certain else ", not told apart from zero"
    return f"{size} than {other} ({sure}{unsure})"
