"""Do arms that lower the error harm features?  Known features, teachers trained on them, and every arm beside both.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.upgrade.features --out RUNS [--only "topk;relu"] \\
        [--write docs/measured/features.md]

A seed is another world (`tests.benchmarks.upgrade.world`), another teacher and another order of the data. A finished
arm is not trained again.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison, compare_runs
from rsae.evaluation.continuity import continuity
from rsae.evaluation.errors import token_errors
from rsae.evaluation.metrics import evaluate
from rsae.evaluation.truth import Known, absorbed, firing_matches, row_matches, single_latent_accuracy
from rsae.formats import load_sae, save_sae
from rsae.sae.autoencoder import Family, SparseAutoencoder
from rsae.storage.writing import write_json
from rsae.training.finetuning import finetune
from rsae.training.recipe import recipe_for
from rsae.upgrading.arms import curve_name
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.plan import Settings, planned
from rsae.upgrading.tuning import trained
from tests import provenance
from tests.benchmarks.upgrade.world import World

MARK = "<!-- begin: tests.benchmarks.upgrade.features -->"
LATENTS, L0, BLOCKS = 192, 6, 64
TRAINING, HELD_OUT, LITTLE = 240_000, 16_000, 4_000
STEPS = 600
CURVES = {
    "polynomial_in_h": "polynomial in h",
    "fixed_denominator": "fixed denominator, ratio alone",
    "fixed_denominator_norm": "fixed denominator, norm share",
    "trainable_denominator": "trainable denominator, ratio alone",
    "trainable_denominator_norm": "trainable denominator, norm share",
}
REFINED = {
    "residual alone": "one pass, no curve",
    "residual upgraded": "one pass, with the default curve",
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
class Trial:
    """An arm, the weight of its anchor, and whether it is trained on little text."""

    arm: str
    anchor: float = 0.0
    little: bool = False

    @property
    def label(self) -> str:
        """What a file calls it, and a page, too, but for the arm's own words."""
        anchor = f", anchor {self.anchor:g}" if self.anchor else ""
        return self.arm + (f", on {LITTLE} vectors" if self.little else "") + anchor

    def words(self, runs: "Sequence[Runs]") -> str:
        """What the page calls it; which curve was an upgrade's default is in what was measured."""
        known = {**CURVES, **REFINED}.get(self.arm, self.arm)
        default = "default: " if runs[0][self.label].get("default") else ""
        return self.label.replace(self.arm, default + known, 1)


class Kind(NamedTuple):
    """A kind of teachers, the steps of their training, the factor on arms' rates, what is tried, in how many worlds.

    Factors were tuned on the control of seed 0, as an upgrade does it: divided by 4 while that lowers its error.
    """

    family: Family
    steps: int
    factor: float
    trials: Sequence[Trial]
    worlds: int


def trials(curve: str) -> list[Trial]:
    """All that is tried of a kind whose upgrade has this curve."""
    curves = ("polynomial_in_h", "fixed_denominator", "fixed_denominator_norm", curve.replace("fixed", "trainable"))
    scarce = [Trial(arm, anchor, little=True) for anchor in (0.0, 10.0) for arm in ("control", curve)]
    arms = ("teacher", "control", "threshold", *curves, *REFINED)
    return [*map(Trial, arms), Trial(curve, 10.0), *scarce]


def few(curve: str) -> list[Trial]:
    """The same, but less."""
    arms = ("teacher", "control", curve, "residual alone")
    return [*map(Trial, arms), Trial("control", 10.0), Trial(curve, 10.0)]


ALONE, BOTH = "fixed_denominator", "fixed_denominator_norm"
KINDS = {
    "topk": Kind("topk", 10_000, 1 / 4, trials(BOTH), 2),
    "jumprelu": Kind("jumprelu", 10_000, 1 / 16, trials(BOTH), 2),
    "relu": Kind("relu", 10_000, 1.0, trials(ALONE), 2),
    "topk, unfinished": Kind("topk", 3000, 1.0, few(BOTH), 1),
}
Runs = Mapping[str, Mapping[str, Any]]
"""What was measured of the arms of a cell, by label."""


@dataclass(frozen=True)
class Cell:
    """A kind in the world of a seed: its hidden states, the truth about the held-out ones, and its teacher."""

    kind: Kind
    seed: int
    states: HiddenStates
    known: Known
    teacher: SparseAutoencoder


def cell(kind: Kind, seed: int, folder: Path) -> Cell:
    """A cell; its teacher is trained once, and kept."""
    world = World(seed=seed)
    x, _ = world.draw(TRAINING)
    held_out, known = world.draw(HELD_OUT, draw=1)
    states = HiddenStates(x, x[:4096], held_out)
    if not (folder / "teacher").exists():
        began = time.monotonic()
        save_sae(teacher(kind, states, seed), folder / "teacher")
        print(f"{folder}: teacher in {time.monotonic() - began:.0f} s", flush=True)
    return Cell(kind, seed, states, known, load_sae(folder / "teacher"))


def teacher(kind: Kind, states: HiddenStates, seed: int) -> SparseAutoencoder:
    """Trained from random training vectors about their mean as rows, with the package's own loop and rates."""
    random = torch.Generator().manual_seed(seed)
    mean = states.train.mean(0)
    rows = states.train[torch.randint(len(states.train), (LATENTS,), generator=random)] - mean
    rows = torch.nn.functional.normalize(rows, dim=1)
    family, bias = kind.family, torch.full((LATENTS,), -0.4 if kind.family == "relu" else 0.0)
    rest: dict[str, Any] = {"topk": {"k": L0}, "jumprelu": {"threshold": 0.5}}.get(family, {})
    start = SparseAutoencoder(W_enc=rows.T, b_enc=bias, W_dec=rows, b_dec=mean, family=family, **rest)
    recipe = recipe_for(start, sparsity="l1")
    return finetune(start, states, steps=kind.steps, seed=seed, recipe=recipe, target_l0=float(L0))


def settings_of(trial: Trial, factor: float) -> tuple[str, Settings]:
    """The name that an upgrade gives an arm, and the settings with which it has it; rates are those for its inputs."""
    shared = Settings(anchor=trial.anchor, rate_factor=factor)
    if trial.arm in CURVES:
        inputs = ("ratio", "norm") if trial.arm.endswith("_norm") else ("ratio",)
        return trial.arm, replace(shared, ablations=(trial.arm,), inputs=inputs)
    kind, _, which = trial.arm.partition(" ")
    if which:
        return {"alone": "refine_only", "upgraded": "upgraded"}[which], replace(shared, refine=kind)
    return trial.arm, shared


def measured(where: Cell, trial: Trial) -> dict[str, Any] | None:
    """An arm, trained and measured; None for one that the kind does not have."""
    name, settings = settings_of(trial, where.kind.factor)
    little = replace(where.states, train=where.states.train[:LITTLE])
    plan = planned(
        where.teacher,
        little if trial.little else where.states,
        host=None,
        steps=STEPS,
        time_budget=None,
        seed=where.seed,
        seeds=1,
        device="cpu",
        settings=settings,
    )
    if name not in (*plan.arms, "teacher"):
        return None
    began = time.monotonic()
    done = where.teacher if name == "teacher" else trained(plan, plan.arms[name], name, where.seed, None, None)[0]
    seconds = time.monotonic() - began
    x = plan.states.held_out
    known = where.known._replace(strengths=where.known.strengths[: len(x)])
    found = {metric: entry.value for metric, entry in evaluate(done, x).items()}
    same = continuity(where.teacher, done, x)
    found |= {"kept": 1 - len(same.changed()) / done.d_sae, "cosine_to_teacher": float(same.cosine.mean())}
    parts = by_part(done, x, known)
    found |= {measure: statistics.mean(parts[measure]) for measure in FEATURES}
    default = curve_name(calibrate(where.teacher, where.states))
    return found | {"seconds": seconds, "parts": parts, "default": name == default}


def by_part(sae: SparseAutoencoder, x: torch.Tensor, known: Known) -> dict[str, list[float]]:
    """What the intervals are over: measures by feature (by child), and the error by block of held-out vectors.

    F1 and cosines are those of `recovery`: a feature without a latent has 0, and the sum is divided by the pairs.
    """
    fires, count = known.strengths > 0, known.strengths.shape[1]
    matches = firing_matches(sae, x, fires)
    parts = {}
    for measure, found in (("f1", matches), ("mcc", row_matches(sae, known.directions))):
        values = torch.zeros(count, dtype=torch.float64)
        values[found.features] = found.agreement * count / len(found.latents)
        parts[measure] = values
    parts["single_latent_accuracy"] = single_latent_accuracy(sae, x, fires)
    parts["absorption"] = absorbed(sae, x, known, matches.latent_of(count))
    parts["mse"] = torch.stack([block.mean() for block in token_errors(sae, x).chunk(BLOCKS)])
    there = {measure: values[~values.isnan()] for measure, values in parts.items()}  # not of features that never fire
    return {measure: [round(float(value), 6) for value in values] for measure, values in there.items()}


def run(name: str, seed: int, out: Path) -> Runs:
    """Every arm in one cell; what an earlier call measured is taken from its file."""
    kind, folder = KINDS[name], out / name / f"seed_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "arms.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    where: Cell | None = None
    for trial in kind.trials:
        label = trial.label
        if label in found:
            continue
        where = where or cell(kind, seed, folder)
        found[label] = measured(where, trial)
        write_json(file, found)
        if values := found[label]:
            said = ", ".join(f"{measure} {values[measure]:.4f}" for measure in MEASURES)
            print(f"{name}, seed {seed}, {label}: {said} ({values['seconds']:.0f} s)", flush=True)
    return {label: values for label, values in found.items() if values}


def table(runs: Sequence[Runs], trials: Sequence[Trial]) -> str:
    """Every measure of every arm, the mean over seeds."""
    lines = [row("arm", [words for words, _ in MEASURES.values()]), "|---|" + "---|" * len(MEASURES)]
    for trial in there(runs, trials):
        means = [statistics.mean(seed[trial.label][name] for seed in runs) for name in MEASURES]
        lines.append(row(trial.words(runs), list(map(number, means))))
    return "\n".join(lines)


def differences(runs: Sequence[Runs], trials: Sequence[Trial]) -> str:
    """Each arm minus the one that it differs from by one thing, in what judges it, with intervals."""
    names = ("mse", *FEATURES)
    lines = [row("one arm - another", [MEASURES[name][0] for name in names]), "|---|" + "---|" * len(names)]
    for ours in there(runs, trials):
        other = compared(ours, runs)
        if other is not None:
            cells = [told(against(runs, ours.label, other.label, name)) for name in names]
            lines.append(row(f"{ours.words(runs)} - {other.words(runs)}", cells))
    return "\n".join(lines)


def compared(trial: Trial, runs: Sequence[Runs]) -> Trial | None:
    """With what an arm is compared: the same without its anchor, on all vectors; else threshold, control or teacher."""
    if trial.anchor:
        return replace(trial, anchor=0.0)
    if trial.little:
        return replace(trial, little=False)
    simpler = there(runs, [Trial("teacher"), Trial("control"), Trial("threshold")])
    before = simpler[: simpler.index(trial)] if trial in simpler else simpler
    return before[-1] if before else None


def there(runs: Sequence[Runs], trials: Sequence[Trial]) -> list[Trial]:
    """The trials that every seed has."""
    return [trial for trial in trials if all(trial.label in seed for seed in runs)]


def row(first: str, cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {first} | {' | '.join(cells)} |"


def against(runs: Sequence[Runs], label: str, other: str, measure: str) -> Comparison:
    """One arm minus another, paired by feature (the error: by block of vectors) of all seeds."""
    ours, theirs = ([value for seed in runs for value in seed[name]["parts"][measure]] for name in (label, other))
    return compare_runs(measure, other, ours, theirs, "features")


def told(found: Comparison) -> str:
    """A difference with its interval, of errors in percent; better or worse only where that excludes zero."""
    if found.metric == "mse":
        text = f"{found.relative:+.1%} [{found.low / found.base:+.1%}, {found.high / found.base:+.1%}]"
    else:
        text = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    better = found.difference * MEASURES[found.metric][1] > 0
    return f"{text} **{'better' if better else 'worse'}**" if found.certain else text


def number(value: float) -> str:
    """Three decimals; two of an L0."""
    return f"{value:.3f}" if value < 2 else f"{value:.2f}"


def page(found: Mapping[str, Sequence[Runs]]) -> str:
    """The tables of the page: one kind of teachers after the other."""
    parts = []
    for name, runs in found.items():
        trials = KINDS[name].trials
        parts += [
            f"## {name}, {len(runs)} world{'s' * (len(runs) > 1)}",
            table(runs, trials),
            differences(runs, trials),
        ]
    return "\n\n".join(parts)


def main() -> None:
    """The command."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--out", type=Path, default=Path("feature-runs"))
    asking.add_argument("--only", default=";".join(KINDS), help="kinds of teachers, with semicolons between them")
    asking.add_argument("--write", type=Path, help="page whose tables are replaced")
    asked = asking.parse_args()
    names = asked.only.split(";")
    found = {name: [run(name, seed, asked.out) for seed in range(KINDS[name].worlds)] for name in names}
    print(page(found))
    if asked.write:
        head, _ = asked.write.read_text(encoding="utf-8").split(MARK)
        provenance.write(asked.write, f"{head}{MARK}\n\n{page(found)}\n", "tests.benchmarks.upgrade.features")


if __name__ == "__main__":
    main()
