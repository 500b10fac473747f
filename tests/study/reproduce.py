"""`reproduce`: the published comparison on teachers that can be had offline, cell by cell, resumable.

A cell is one teacher and one seed: a full `upgrade` with its control, in a folder of its own. A cell that has its
report is not run again; one that was killed goes on with the arms that it had trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsae.data.states import HiddenStates
from rsae.formats import load_sae
from rsae.progress import Progress
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.writing import write_json
from rsae.upgrading.pipeline import Settings, upgrade
from rsae.upgrading.plan import DEFAULT
from tests.study.cells import STUDIES, Cell, Study, finished_cells

__all__ = ["reproduce"]


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
        where ``only`` names nothing, or ``out`` holds a cell of another number of steps or another default curve.
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
        if not (at := study.teacher(data, out, teacher)).is_dir():
            hint = "python -m tests.study.teachers makes it" if study.teachers_share else "is that the data's folder?"
            raise FileNotFoundError(f"there is no teacher at {at}: {hint}")
    states: dict[tuple[str, float, int | None], HiddenStates] = {}
    ran = 0
    for study, teacher, seed in chosen:
        place = out / study.name / teacher / f"seed_{seed}"
        if (place / "report.json").is_file():
            asked = Report.load(place / "report.json").asked
            if steps is not None and asked.steps != steps:
                raise ValueError(f"{place} was run for {asked.steps} steps, not {steps}: give another folder")
            if asked.denominator != DEFAULT.denominator:
                raise ValueError(f"{place} was run with a {asked.denominator} denominator: give another folder")
            continue
        if limit is not None and ran >= limit:
            break
        if say is not None:
            say(f"{study.name}/{teacher}, seed {seed}")
        part = (study.source, study.teachers_share, study.loss_tokens)
        if part not in states:
            states[part] = study.states(data, out)
        sae = load_sae(study.teacher(data, out, teacher))
        _run(study, data, sae, seed, steps, states[part], place, progress)
        ran += 1
    return finished_cells(out)


def _run(
    study: Study,
    data: Path,
    sae: SparseAutoencoder,
    seed: int,
    steps: int | None,
    states: HiddenStates,
    place: Path,
    progress: Callable[[Progress], None] | None,
) -> None:
    resumed, began = (place / "checkpoint").exists(), time.monotonic()
    place.mkdir(parents=True, exist_ok=True)
    first = place.parent / "seed_0" / "report.json"
    factor = Report.load(first).asked.rate_factor if seed and first.is_file() else None
    done = upgrade(
        sae,
        states,
        steps=study.steps if steps is None else steps,
        seed=seed,
        device="cpu",
        out=place,
        progress=progress,
        settings=Settings(
            rate_factor=factor,  # tuned once, on the control of the first seed
            batch_size=study.batch_size,
            refine=study.refine,
            objective="mse+kl" if study.kl_share else "mse",
            kl_share=study.kl_share,
            kl_weight=study.kl_weight,
            anchor=study.anchor,
            ablations=study.ablations(sae, states),
            probe=study.tasks(data),
        ),
    )
    if not resumed:
        asked = replace(done.report.asked, seconds=round(time.monotonic() - began, 1))
        write_json(place / "report.json", replace(done.report, question=asked.to_json()).to_json())
