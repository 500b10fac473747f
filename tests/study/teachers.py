"""Finished teachers: trained until as much training again gives nothing, on text that no upgrade reads.

A teacher that is not finished gains by any training, so that its control is far below it before a curve does anything.
Published SAEs are finished. ``python -m tests.study.teachers --data DATA --out RUNS`` makes such teachers for the
studies that ask for them (`Study.teachers_share`), in the SAELens layout, under ``RUNS/teachers``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console

from rsae.commands.console import refusing
from rsae.data.states import HiddenStates
from rsae.evaluation.errors import token_errors
from rsae.formats import save_sae
from rsae.progress import Bars, Progress
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.training.finetuning import finetune
from rsae.training.l0 import match_l0
from rsae.training.recipe import recipe_for
from rsae.upgrading.conversion import convert
from rsae.upgrading.plan import set_apart
from tests.study.cells import STUDIES

__all__ = ["ENOUGH", "finished_teacher", "main", "random_start"]

ENOUGH = 0.005
"""A teacher is finished when a round lowers its error by less than this share."""
PASSES = 4
"""Passes over the vectors a round: each round has a warm-up and ends at a rate of zero, so that errors compare."""
D_SAE = 2304
RATE = 1e-3
"""Of the weights. The recipe's own rates are for training on: from nothing they leave a third of the latents silent."""


def random_start(states: HiddenStates, family: Any, codes: int, d_sae: int, seed: int) -> SparseAutoencoder:
    """An SAE that has learned nothing: decoder rows are random training vectors about their mean, at norm 1, and the
    encoder is their transpose; ``codes`` a token."""
    generator = torch.Generator().manual_seed(seed)
    mean = states.calibration.float().mean(0)
    rows = states.train[torch.randint(len(states.train), (d_sae,), generator=generator)].float() - mean
    rows = torch.nn.functional.normalize(rows, dim=1)
    k = codes if family == "topk" else None
    weights = {"W_enc": rows.T, "b_enc": torch.zeros(d_sae), "W_dec": rows, "b_dec": mean}
    return match_l0(SparseAutoencoder(**weights, family=family, k=k), states.calibration.float(), codes)


def finished_teacher(
    states: HiddenStates,
    family: str,
    codes: int,
    *,
    d_sae: int = D_SAE,
    seed: int = 0,
    rounds: int = 20,
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], Any] = print,
) -> SparseAutoencoder:
    """An SAE trained by its family's recipe, round after round, until one lowers the error by less than `ENOUGH`.

    The error is that of the vectors that `set_apart` gives, which neither the training nor a report's column reads.
    Its metadata say how many rounds there were, and the error after each.

    Raises RuntimeError where ``rounds`` are not enough.
    """
    states, judges = set_apart(states)

    def trained(start: SparseAutoencoder, number: int) -> SparseAutoencoder:
        recipe = recipe_for(start, learning_rate=RATE)
        steps = PASSES * len(states.train) // recipe.batch_size
        return finetune(
            start,
            states,
            steps=steps,
            seed=seed + number,
            recipe=recipe,
            target_l0=codes,
            arm="teacher",
            progress=progress,
        )

    sae = random_start(states, "relu" if family == "relu" else "topk", codes, d_sae, seed)
    if family == "jumprelu":
        # As published ones are made: with k codes a token first. Thresholds that begin anywhere silence most latents.
        sae = convert(trained(sae, rounds), states).sae
    errors: list[float] = []
    for number in range(rounds):
        sae = trained(sae, number)
        errors.append(float(token_errors(sae, judges).mean()))
        say(f"{family}_{codes}, round {number}: {errors[-1]:.4f}")
        if number and errors[-1] > (1 - ENOUGH) * errors[-2]:
            sae.metadata = {"passes_a_round": PASSES, "errors": errors, "vectors": len(states.train), "seed": seed}
            return sae
    raise RuntimeError(f"{family}_{codes} is not finished after {rounds} rounds: {errors}")


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with hosts/ and text/.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for teachers; finished ones stay.")
@click.option("--only", multiple=True, help="Teachers whose study/name contains this; may be repeated.")
def main(data: Path, out: Path, only: tuple[str, ...]) -> None:
    """Train the teachers that are not part of the shared data."""
    console = Console()
    with refusing("tests.study.teachers"), Bars(console) as bars:
        for study in STUDIES:
            for name in study.teachers if study.teachers_share else ():
                place = study.teacher(data, out, name)
                if place.exists() or (only and not any(part in f"{study.name}/{name}" for part in only)):
                    continue
                family, codes = name.split("_")
                states = study.teachers_part(study.all_states(data, out))
                sae = finished_teacher(states, family, int(codes), progress=bars.training, say=console.print)
                place.parent.mkdir(parents=True, exist_ok=True)
                console.print(f"wrote {save_sae(sae, place)}", soft_wrap=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.study.teachers")
