"""`reproduce`: the published comparison on teachers that can be had offline, cell by cell, resumable.

A cell is one teacher and one seed: a full `upgrade` with its control, in a folder of its own. A cell that has its
report is not run again; one that was killed goes on with the arms that it had trained.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from rsae.data.hidden_states import HiddenStates, hidden_states
from rsae.demo.host import HOOK, gguf_path
from rsae.evaluation.probing import Task, read_labelled, tasks_of
from rsae.formats import load_sae
from rsae.report.report import Report, write_text
from rsae.training.finetune import Progress
from rsae.upgrading.upgrade import upgrade

__all__ = ["STUDIES", "Cell", "Study", "finished_cells", "reproduce"]


@dataclass(frozen=True)
class Study:
    """A host model, where it is read, and its teachers; paths are relative to the data folder.

    ``source`` names the folder of the teachers, and of the hidden states; ``name`` that of the cells. ``held_out``
    counts documents: those that the teachers' training left out. ``steps`` is None for the recipe's own. ``probing``:
    labelled texts, ``<probing>_train.csv`` and ``<probing>_test.csv``, on which the first seed's codes are probed.
    """

    name: str
    source: str
    model: str | None
    hook: str
    text: str
    held_out: int
    teachers: tuple[str, ...]
    max_tokens: int | None = None
    loss_tokens: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    refine: Literal["none", "gain", "residual"] = "none"
    seeds: int = 3
    probing: str | None = None

    def states(self, data: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> HiddenStates:
        """Its hidden states, harvested once into a folder of their own."""
        return hidden_states(
            gguf_path() if self.model is None else str(data / self.model),
            str(data / self.text),
            self.hook,
            held_out=self.held_out,
            max_tokens=self.max_tokens,
            loss_tokens=self.loss_tokens,
            store=out / self.source / "hidden_states",
            progress=progress,
        )

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
    loss_tokens=32_768,
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
    loss_tokens=4_096,
    teachers=("topk_32", "jumprelu", "relu"),
    probing="probing/banking77",
)
_REFINED = ("topk_16", "jumprelu_0.06")
STUDIES = (
    _STORIES,
    _SMOLLM2,
    replace(_STORIES, name="stories260K_layer2_residual", teachers=_REFINED, refine="residual", seeds=1),
    replace(_STORIES, name="stories260K_layer2_gain", teachers=_REFINED, refine="gain", seeds=1),
)


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


def reproduce(
    data: str | Path,
    out: str | Path,
    *,
    only: Sequence[str] = (),
    seeds: int | None = None,
    steps: int | None = None,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], Any] | None = None,
) -> list[Cell]:
    """Run the cells that ``out`` does not hold yet, and return all that it then holds.

    Parameters
    ----------
    data:
        A folder with ``hosts/``, ``text/`` and ``teachers/<source>/<teacher>``, as `STUDIES` names them.
    out:
        Where cells go: ``<study>/<teacher>/seed_<n>/report.json``, and the hidden states of each study.
    only:
        Run studies, or teachers ``study/teacher``, whose name contains one of these; default: all.
    seeds, steps:
        In the place of each study's own; ``steps`` for trials only, since cells of another length are refused.
    limit:
        Run at most so many cells, so that a long table can be made in pieces.

    Raises
    ------
    FileNotFoundError
        where the data folder lacks what is needed.
    ValueError
        where ``only`` names nothing, or ``out`` holds a cell that was run for another number of steps.
    """
    data, out = Path(data), Path(out)
    chosen = [
        (study, teacher, seed)
        for study in STUDIES
        for seed in range(study.seeds if seeds is None else seeds)
        for teacher in study.teachers
        if not only or any(part in f"{study.name}/{teacher}" for part in only)
    ]
    if not chosen:
        names = ", ".join(f"{study.name}/{teacher}" for study in STUDIES for teacher in study.teachers)
        raise ValueError(f"{' '.join(only)} names no cell; there are {names}")
    for study, teacher, _ in chosen:
        if not (data / "teachers" / study.source / teacher).is_dir():
            raise FileNotFoundError(f"{data} has no teachers/{study.source}/{teacher}: is it the folder with the data?")
    states: dict[str, HiddenStates] = {}
    ran = 0
    for study, teacher, seed in chosen:
        place = out / study.name / teacher / f"seed_{seed}"
        if (place / "report.json").is_file():
            held = Report.load(place / "report.json").question["steps"]
            if steps is not None and held != steps:
                raise ValueError(f"{place} was run for {held} steps, not {steps}: give another folder")
            continue
        if limit is not None and ran >= limit:
            break
        if say is not None:
            say(f"{study.name}/{teacher}, seed {seed}")
        if study.source not in states:
            states[study.source] = study.states(data, out)
        _run(study, data, teacher, seed, steps, states[study.source], place, progress)
        ran += 1
    return finished_cells(out)


def _run(
    study: Study,
    data: Path,
    teacher: str,
    seed: int,
    steps: int | None,
    states: HiddenStates,
    place: Path,
    progress: Callable[[Progress], None] | None,
) -> None:
    resumed, began = (place / "checkpoint").exists(), time.monotonic()
    place.mkdir(parents=True, exist_ok=True)
    first = place.parent / "seed_0" / "report.json"
    tuning = Report.load(first).question.get("tuning") if seed and first.is_file() else None
    done = upgrade(
        load_sae(data / "teachers" / study.source / teacher),
        states,
        rate_factor=tuning and tuning["factor"],  # tuned once, on the control of the first seed
        steps=study.steps if steps is None else steps,
        batch_size=study.batch_size,
        refine=study.refine,
        seed=seed,
        device="cpu",
        out=place,
        progress=progress,
        probe=[] if seed else study.tasks(data),
    )
    if not resumed:
        extra = {"seconds": round(time.monotonic() - began, 1), "threads": torch.get_num_threads()}
        report = replace(done.report, question={**done.report.question, **extra})
        write_text(place / "report.json", json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")


def finished_cells(out: str | Path) -> list[Cell]:
    """All finished cells under a folder, in the order of `STUDIES`."""
    found = []
    for study in STUDIES:
        for teacher in study.teachers:
            for path in sorted((Path(out) / study.name / teacher).glob("seed_*/report.json")):
                seed = int(path.parent.name.removeprefix("seed_"))
                found.append(Cell(study.name, teacher, seed, Report.load(path)))
    return found
