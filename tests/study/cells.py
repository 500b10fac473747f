"""The cells of the published comparison: which there are, and what finished ones say."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import t as student

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.demo.host import HOOK, gguf_path
from rsae.evaluation.comparison import Comparison, compare_runs
from rsae.evaluation.probing import Task, read_labelled, tasks_of
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import Refinement
from rsae.training.l0 import mean_l0
from rsae.upgrading.arms import curve_where_crowded
from rsae.upgrading.calibration import usual_inputs

__all__ = ["COLUMNS", "STUDIES", "Cell", "Points", "Probe", "Row", "Study", "finished_cells", "rows"]


@dataclass(frozen=True)
class Study:
    """A host model, where it is read, and its teachers; paths are relative to the data folder.

    ``source`` names the folder of the teachers, and of the hidden states; ``name`` that of the cells. ``held_out``
    counts documents: those that the teachers' training left out, and ``context_length`` is the teachers' own. ``steps``
    is None for the recipe's own. ``curves``: whether other curves of the same inputs are columns, too. ``probing``:
    labelled texts, ``<probing>_train.csv`` and ``<probing>_test.csv``, on which the codes of each seed are probed.
    ``teachers_share``: the share of the training vectors, from the first on, on which `tests.study.teachers` trained
    its teachers; upgrades read the rest. 0 where the teachers are part of the data.
    """

    name: str
    source: str
    model: str | None
    hook: str
    text: str
    held_out: int
    context_length: int
    teachers: tuple[str, ...]
    max_tokens: int | None = None
    loss_tokens: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    refine: Refinement = "none"
    kl_share: float = 0.0
    kl_weight: float = 0.3
    anchor: float = 0.0
    curves: bool = False
    seeds: int = 3
    probing: str | None = None
    teachers_share: float = 0.0

    def teacher(self, data: Path, out: Path, name: str) -> Path:
        """Where a teacher is: in the data, or among those that `tests.study.teachers` made."""
        made = out / "teachers" / f"{self.source}_finished"
        return (made if self.teachers_share else data / "teachers" / self.source) / name

    def teachers_part(self, states: HiddenStates) -> HiddenStates:
        """The hidden states that a finished teacher is trained on."""
        return self._part(states, 0.0, self.teachers_share)

    def states(self, data: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> HiddenStates:
        """The hidden states of its upgrades."""
        return self._part(self.all_states(data, out, progress), self.teachers_share, 1.0)

    def _part(self, states: HiddenStates, first: float, last: float) -> HiddenStates:
        # The training vectors lie in the order of the documents, so that parts are other texts; contexts are whole.
        if (first, last) == (0.0, 1.0):
            return states
        ends = list(accumulate((len(context) - 1 for context in states.contexts), initial=0))
        i, j = (bisect_left(ends, round(share * len(states.train))) for share in (first, last))
        return replace(
            states,
            train=states.train[ends[i] : ends[j]],
            contexts=states.contexts[i:j],
            question=states.question | {"contexts": [i, j]},
        )

    def all_states(self, data: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> HiddenStates:
        """The hidden states of the whole text, harvested once into a folder of their own."""
        return hidden_states(
            gguf_path() if self.model is None else str(data / self.model),
            str(data / self.text),
            self.hook,
            context_length=self.context_length,
            held_out=self.held_out,
            max_tokens=self.max_tokens,
            store=out / self.source / "hidden_states",
            progress=progress,
            reading=Reading(loss_tokens=self.loss_tokens),
        )

    def ablations(self, teacher: SparseAutoencoder, states: HiddenStates) -> list[str]:
        """Further columns of a cell: other curves of what the upgraded one reads, arms without refinement, KL stage."""
        names = []
        if self.curves:
            crowded = curve_where_crowded(teacher, mean_l0(teacher, states.calibration))
            share = "_norm" if crowded is None and "norm" in usual_inputs(teacher) else ""
            names += [f"{curve}{share}" for curve in ("polynomial_in_h", "trainable_denominator")]
        if self.refine != "none":
            names.append("unrefined")
        if self.kl_share:
            names += ["upgraded_mse", *(["threshold_mse"] if teacher.family == "relu" else [])]
        return names

    def tasks(self, data: Path) -> list[Task]:
        """Its probing tasks; none where it has no labelled texts."""
        if self.probing is None:
            return []
        return tasks_of(
            *(part for name in ("train", "test") for part in read_labelled(data / f"{self.probing}_{name}.csv"))
        )


_STORIES = Study(
    name="stories260K_layer2",
    source="stories260K_layer2",
    model="hosts/stories260K",
    hook="model.layers.2",
    text="text/tinystories_1000.json",
    held_out=72,
    context_length=512,
    loss_tokens=32_768,
    curves=True,
    teachers=(
        *("topk_8", "topk_16", "topk_32"),
        *("jumprelu_0.15", "jumprelu_0.06", "jumprelu_0.02"),
        *("relu_0.5", "relu_0.25", "relu_0.1"),
    ),
)
_SMOLLM2 = Study(
    name="smollm2_layer10",
    source="smollm2_layer10",
    model=None,
    hook=HOOK,
    text="text/wikitext2_valid_test.json",
    held_out=16,
    context_length=256,
    loss_tokens=4_096,
    teachers=("topk_32", "jumprelu", "relu"),
    probing="probing/banking77",
)
_ONE_EACH = ("topk_16", "jumprelu_0.06", "relu_0.5")
_PLAIN = replace(_STORIES, teachers=_ONE_EACH, curves=False)
STUDIES = (
    _STORIES,
    _SMOLLM2,
    replace(_PLAIN, name="stories260K_layer2_residual_twice", refine="residual_twice"),
    replace(_PLAIN, name="stories260K_layer2_kl", kl_share=0.2),
    replace(
        _SMOLLM2,
        name="smollm2_layer10_finished",
        teachers=tuple(f"{family}_{codes}" for family in ("topk", "jumprelu", "relu") for codes in (16, 32, 64)),
        teachers_share=0.5,
        seeds=1,
    ),
    *(
        replace(
            _SMOLLM2,
            name=f"smollm2_layer10_finished_anchor{'' if weight == 10.0 else f'_{weight:.0f}'}",
            teachers=teachers,
            teachers_share=0.5,
            anchor=weight,
            seeds=1,
        )
        # Those whose upgrades lost probing; lighter anchors for the one that lost much.
        for weight, teachers in ((10.0, ("relu_16", "topk_16")), (3.0, ("relu_16",)), (1.0, ("relu_16",)))
    ),
    replace(
        _SMOLLM2,
        name="smollm2_layer10_residual_twice",
        refine="residual_twice",
        seeds=1,
    ),
    replace(
        _SMOLLM2,
        name="smollm2_layer10_kl",
        teachers=("topk_32",),
        kl_share=0.1,  # a step of the stage takes some six seconds of one core there
        kl_weight=1.0,  # of two weights the better for the control's predictions (docs/measured/kl-stage.md)
        loss_tokens=16_384,  # differences in delta-CE are the question here, and 4,096 tokens leave 11% of doubt
        probing=None,
        seeds=1,
    ),
)

COLUMNS = {
    "teacher": "teacher",
    "control": "control",
    "control_mse": "control without the KL stage",
    "threshold": "threshold alone",
    "threshold_mse": "threshold alone, without the KL stage",
    "refine_only": "refinement alone",
    "polynomial_in_h": "polynomial in h",
    "polynomial_in_h_norm": "polynomial in h and the norm share",
    "fixed_denominator": "fixed denominator",
    "fixed_denominator_norm": "fixed denominator and the norm share",
    "trainable_denominator": "trainable denominator",
    "trainable_denominator_norm": "trainable denominator and the norm share",
    "unrefined": "upgraded without the refinement",
    "upgraded_mse": "upgraded without the KL stage",
    "upgraded": "**upgraded**",
}
"""What the columns of a report are called in the tables, in their order."""


@dataclass(frozen=True)
class Cell:
    """A finished cell: where it belongs, and its report."""

    study: str
    teacher: str
    seed: int
    report: Report

    def value(self, column: str, metric: str) -> float:
        """One number of its report; not a number where it is missing."""
        found = self.report.columns.get(column, {}).get(metric)
        return math.nan if found is None else found.value


def finished_cells(out: str | Path) -> list[Cell]:
    """All finished cells under a folder, in the order of `STUDIES`."""
    found = []
    for study in STUDIES:
        for teacher in study.teachers:
            for path in sorted((Path(out) / study.name / teacher).glob("seed_*/report.json")):
                seed = int(path.parent.name.removeprefix("seed_"))
                found.append(Cell(study.name, teacher, seed, Report.load(path)))
    return found


class Points(NamedTuple):
    """A paired difference of accuracies with its 95% interval, as shares of 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Probe:
    """Accuracy by k latents on one group of tasks, mean over seeds, and upgraded minus teacher and minus control."""

    group: str
    k: int
    tasks: int
    accuracy: Mapping[str, float]
    difference: Mapping[str, Points]

    @staticmethod
    def over(seeds: Sequence[Mapping[str, Any]]) -> Probe:
        """One group of tasks and k, of each seed.

        All seeds answer the same texts, so that more of them do not make the interval over texts narrower: its half is
        the mean of theirs. With it goes, where there are several, the half of Student's t interval over seeds.
        """
        one, n = seeds[0], len(seeds)
        means = {c: statistics.fmean(seed["accuracy"][c]["value"] for seed in seeds) for c in one["accuracy"]}
        apart = {}
        for column in one["difference"]:
            found = [seed["difference"][column] for seed in seeds]
            value = statistics.fmean(each["value"] for each in found)
            half = statistics.fmean((each["high"] - each["low"]) / 2 for each in found)
            if n > 1:
                spread = statistics.stdev(each["value"] for each in found) / math.sqrt(n)
                half = math.hypot(half, float(student.ppf(0.975, n - 1)) * spread)
            apart[column] = Points(value, value - half, value + half)
        return Probe(one["group"], one["k"], one["tasks"], means, apart)


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
        return self.cells[0].report.asked.family

    def has(self, column: str) -> bool:
        """Whether its reports have a column."""
        return column in self.cells[0].report.columns

    def columns(self) -> list[str]:
        """The columns of its reports that the tables show, the upgraded one last."""
        return [column for column in COLUMNS if self.has(column)]

    def probed(self) -> list[Probe]:
        """Sparse probing (`evaluation.probing.sparse_probing`) of its cells, over seeds; none if not asked."""
        each = [cell.report.probing["rows"] for cell in self.cells if "rows" in cell.report.probing]
        return [Probe.over(same) for same in zip(*each, strict=True)]

    def mean(self, column: str, metric: str) -> float:
        """Mean over seeds of one number."""
        return sum(cell.value(column, metric) for cell in self.cells) / len(self.cells)

    def against(self, other: str, metric: str = "mse") -> Comparison:
        """Upgraded minus another column: paired by seed, or with one seed by held-out token (an interval for MSE)."""
        if len(self.cells) == 1:
            for kept in self.cells[0].report.asked.comparisons:
                if (kept.metric, kept.other) == (metric, other):
                    return kept
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
