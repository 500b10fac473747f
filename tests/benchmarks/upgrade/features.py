"""Do arms that lower the error harm features?  Known features, teachers trained on them, and every arm beside both.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.upgrade.features --out RUNS [--seeds 0,1,2] \\
        [--only topk,jumprelu,relu] [--write docs/measured/features.md]

A seed is another world (`tests.benchmarks.upgrade.world`), another teacher and another order of the data. A finished
arm is not trained again.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison, compare_runs
from rsae.evaluation.continuity import continuity
from rsae.evaluation.metrics import evaluate
from rsae.evaluation.truth import Known, recovery
from rsae.formats import load_sae, save_sae
from rsae.sae.autoencoder import Family, SparseAutoencoder
from rsae.storage.writing import write_json
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.upgrading.plan import Settings, planned
from rsae.upgrading.tuning import trained
from tests.benchmarks.upgrade.world import World

MARK = "<!-- begin: tests.benchmarks.upgrade.features -->"
FAMILIES: tuple[Family, ...] = ("topk", "jumprelu", "relu")
LATENTS, L0 = 192, 6
TRAINING, HELD_OUT = 240_000, 24_000
TEACHER_STEPS, STEPS = 10_000, 1000
CURVES = {
    "polynomial_in_h": "polynomial in h",
    "ratio": "rational of tau / h",
}
ARMS = {
    "control": "control",
    "threshold": "threshold",
    **CURVES,
    "upgraded": "rational with the norm share (the default)",
    "residual alone": "one pass, no curve",
    "residual upgraded": "one pass, with the rational",
    "residual_twice alone": "two passes, no curve",
    "search alone": "one searched pass, no curve",
}
MEASURES = {
    "mse": ("MSE", -1),
    "f1": ("F1", 1),
    "mcc": ("MCC", 1),
    "single_latent_accuracy": ("one latent", 1),
    "absorption": ("absorption", -1),
    "alive_fraction": ("alive", 1),
    "dense_fraction": ("dense", 0),
    "kept": ("kept", 1),
    "l0": ("L0", 0),
}
FEATURES = ("f1", "mcc", "single_latent_accuracy", "absorption")


@dataclass(frozen=True)
class Cell:
    """A family in the world of a seed: its hidden states, the truth about the held-out ones, and its teacher."""

    family: Family
    seed: int
    states: HiddenStates
    known: Known
    teacher: SparseAutoencoder


def cell(family: Family, seed: int, folder: Path) -> Cell:
    """A cell; its teacher is trained once, and kept."""
    world = World(seed=seed)
    x, _ = world.draw(TRAINING)
    held_out, known = world.draw(HELD_OUT, draw=1)
    states = HiddenStates(x, x[:4096], held_out)
    if not (folder / "teacher").exists():
        began = time.monotonic()
        save_sae(teacher(family, states, seed), folder / "teacher")
        print(f"{family}, seed {seed}: teacher in {time.monotonic() - began:.0f} s", flush=True)
    return Cell(family, seed, states, known, load_sae(folder / "teacher"))


def teacher(family: Family, states: HiddenStates, seed: int) -> SparseAutoencoder:
    """Trained from random training vectors about their mean as rows, with the package's own loop and rates."""
    random = torch.Generator().manual_seed(seed)
    mean = states.train.mean(0)
    rows = states.train[torch.randint(len(states.train), (LATENTS,), generator=random)] - mean
    rows = torch.nn.functional.normalize(rows, dim=1)
    bias = torch.full((LATENTS,), -0.4 if family == "relu" else 0.0)
    rest: dict[str, Any] = {"topk": {"k": L0}, "jumprelu": {"threshold": 0.5}}.get(family, {})
    start = SparseAutoencoder(W_enc=rows.T, b_enc=bias, W_dec=rows, b_dec=mean, family=family, **rest)
    recipe = recipe_for(start, sparsity="l1")
    return finetune(start, states, steps=TEACHER_STEPS, seed=seed, recipe=recipe, target_l0=float(L0))


def settings_of(arm: str, anchor: float) -> tuple[str, Settings]:
    """The name that an upgrade gives an arm, and the settings with which it has it."""
    if arm in CURVES:
        return arm, Settings(ablations=(arm,), anchor=anchor)
    kind, _, which = arm.partition(" ")
    if which:
        name = {"alone": "refine_only", "upgraded": "upgraded"}[which]
        return name, Settings(refine=kind, anchor=anchor)  # type: ignore[arg-type]
    return arm, Settings(anchor=anchor)


def measured(where: Cell, arm: str, anchor: float = 0.0) -> dict[str, float] | None:
    """An arm, trained and measured; None for one that the family does not have."""
    name, settings = settings_of(arm if arm != "teacher" else "control", anchor)
    plan = planned(
        where.teacher,
        where.states,
        host=None,
        steps=STEPS,
        time_budget=None,
        seed=where.seed,
        seeds=1,
        device="cpu",
        settings=settings,
    )
    if name not in plan.arms:
        return None
    began = time.monotonic()
    done = where.teacher if arm == "teacher" else trained(plan, plan.arms[name], arm, where.seed, None, None)[0]
    seconds = time.monotonic() - began
    x = plan.states.held_out
    known = where.known._replace(strengths=where.known.strengths[: len(x)])
    found = {metric: entry.value for metric, entry in (evaluate(done, x) | recovery(done, x, known)).items()}
    same = continuity(where.teacher, done, x)
    found |= {"kept": 1 - len(same.changed()) / done.d_sae, "cosine_to_teacher": float(same.cosine.mean())}
    return found | {"seconds": seconds}


def run(family: Family, seed: int, arms: Sequence[tuple[str, float]], out: Path) -> dict[str, dict[str, float]]:
    """Arms, each with its anchor, in one cell; what an earlier call measured is taken from its file."""
    folder = out / family / f"seed_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "measured.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    where: Cell | None = None
    for arm, anchor in [("teacher", 0.0), *arms]:
        label = label_of(arm, anchor)
        if label in found:
            continue
        where = where or cell(family, seed, folder)
        found[label] = measured(where, arm, anchor)
        write_json(file, found)
        if values := found[label]:
            said = ", ".join(f"{name} {values[name]:.4f}" for name in MEASURES)
            print(f"{family}, seed {seed}, {label}: {said} ({values['seconds']:.0f} s)", flush=True)
    return {label: values for label, values in found.items() if values}


def label_of(arm: str, anchor: float) -> str:
    """What a file calls an arm."""
    return f"{arm}, anchor {anchor:g}" if anchor else arm


def against(runs: Sequence[Mapping[str, Mapping[str, float]]], label: str, other: str, measure: str) -> Comparison:
    """One arm minus another over seeds, paired."""
    ours, theirs = ([seed[name][measure] for seed in runs] for name in (label, other))
    return compare_runs(measure, other, ours, theirs)


def table(runs: Sequence[Mapping[str, Mapping[str, float]]], labels: Mapping[str, str], other: str) -> str:
    """Every measure of every arm; in brackets the difference to another arm with its interval."""
    lines = ["| arm | " + " | ".join(words for words, _ in MEASURES.values()) + " |", "|---|" + "---|" * len(MEASURES)]
    for label, words in labels.items():
        if any(label not in seed for seed in runs):
            continue
        cells = []
        for measure in MEASURES:
            text = number(statistics.mean(seed[label][measure] for seed in runs))
            if label not in (other, "teacher") and measure in ("mse", *FEATURES) and len(runs) > 1:
                text += f" ({difference(against(runs, label, other, measure))})"
            cells.append(text)
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def difference(found: Comparison) -> str:
    """A difference with its interval: of errors in percent, else as it is; bold where the interval excludes zero."""
    if found.metric == "mse":
        text = f"{found.relative:+.1%} [{found.low / found.base:+.1%}, {found.high / found.base:+.1%}]"
    else:
        text = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return f"**{text}**" if found.certain else text


def number(value: float) -> str:
    """Three decimals, or two for what is above 2."""
    return "-" if math.isnan(value) else f"{value:.3f}" if value < 2 else f"{value:.2f}"


def main() -> None:
    """The command."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--out", type=Path, default=Path("feature-runs"))
    asking.add_argument("--only", default=",".join(FAMILIES))
    asking.add_argument("--seeds", default="0,1,2")
    asking.add_argument("--arms", default=",".join(ARMS))
    asking.add_argument("--anchors", default="0", help="weights of the anchor; 0 is none")
    asking.add_argument("--write", type=Path, help="page whose tables are replaced")
    asked = asking.parse_args()
    arms = [(arm, float(anchor)) for anchor in asked.anchors.split(",") for arm in asked.arms.split(",")]
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    for seed in seeds:
        for family in asked.only.split(","):
            found.setdefault(family, []).append(run(family, seed, arms, asked.out))
    print(found.keys())


if __name__ == "__main__":
    main()
