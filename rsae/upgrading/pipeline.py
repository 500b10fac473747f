"""`upgrade`: the whole pipeline, from a teacher to its rational successor and an honest report on it."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from rsae import ranks, saebench
from rsae.data.states import HiddenStates
from rsae.evaluation.attribution import Attribution, attribution
from rsae.evaluation.certificates import certificates
from rsae.evaluation.comparison import Comparison, Paired, mean_metrics, paired, verdict
from rsae.evaluation.errors import prefix_errors, said_of_prefixes, trained_error
from rsae.evaluation.metrics import Metrics
from rsae.evaluation.worsened import worsened
from rsae.formats import save_sae
from rsae.hosts.host import Host
from rsae.progress import Progress, Whom, asked, told
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.division import whole
from rsae.storage.checkpoint import Checkpoint, free_directory
from rsae.threads import using
from rsae.training.l0 import mean_l0
from rsae.upgrading.arms import curve_name
from rsae.upgrading.checks import SLACK, known_harm, missed_l0, remarks
from rsae.upgrading.findings import Measurements, evidence, question
from rsae.upgrading.pace import Pace, pace_of, seconds_at_the_end
from rsae.upgrading.plan import DEFAULT, Plan, Settings, planned
from rsae.upgrading.threads import threads_for
from rsae.upgrading.tuning import Tuning, trained, tune

__all__ = ["Settings", "Upgrade", "upgrade"]

_SAE_FILES = {"cfg.json", "sae_weights.safetensors", "sparsity.safetensors"}


@dataclass(frozen=True)
class Upgrade:
    """The upgraded SAE, the report, the paired comparisons behind its verdict, and the first seed's trained arms.

    Of several processes each holds its share of these SAEs (`rsae.sae.latents`).
    """

    sae: SparseAutoencoder
    report: Report
    comparisons: tuple[Comparison, ...] = ()
    arms: Mapping[str, SparseAutoencoder] = field(default_factory=dict)

    @property
    def worth_it(self) -> bool:
        """Whether the SAE is the upgraded one, and the report's advice another than to keep the teacher."""
        return self.sae is self.arms.get("upgraded") and self.report.advised != "teacher"

    def __repr__(self) -> str:
        """The SAE and what its report says in one line."""
        return f"Upgrade({self.sae!r}, {self.report!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the report."""
        return self.report._repr_html_()


@dataclass
class _Runs:
    """What training left: of every arm an SAE and its metrics, one a seed, and the history of each by its label."""

    saes: dict[str, list[SparseAutoencoder]] = field(default_factory=dict)
    metrics: dict[str, list[Metrics]] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)

    def first(self) -> dict[str, SparseAutoencoder]:
        return {name: runs[0] for name, runs in self.saes.items()}


def upgrade(
    sae: SparseAutoencoder | str | Path,
    hidden_states: HiddenStates | Any,
    *,
    host: Host | Any = None,
    steps: int | None = None,
    time_budget: float | None = None,
    seed: int = 0,
    seeds: int = 1,
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Whom = True,
    settings: Settings = DEFAULT,
) -> Upgrade:
    """Replace a teacher's gate by a trainable rational, fine-tune the whole SAE, and compare with an equal control.

    The report's columns are ``teacher``, ``initialised`` (the rational plugged in), ``upgraded`` and ``control``: the
    teacher itself, fine-tuned with the same batches, steps, objective, optimiser and rates. For ReLU a column
    ``threshold`` says what a threshold alone gives. All arms keep the teacher's L0 on vectors set apart: the last
    quarter of the held-out ones, which goes into no column. Where the upgraded SAE is not better than the teacher
    there, or surely worse on the others, the initialised SAE is returned, and the verdict says so. The verdict also
    says what each arm adds, which one is best, and what to do: keep the teacher, train on, set a threshold, refine,
    upgrade. With ``seeds`` above 1 each arm is trained once a seed (data order), and columns hold means and standard
    errors.

    Parameters
    ----------
    sae:
        A teacher, or a path or release that `load_sae` reads.
    hidden_states:
        `HiddenStates`, or an array [n, d_in] whose last tenth is then held out.
    host:
        The model for cross-entropies; default: the one the hidden states came from. A model alone (Hugging Face's, a
        TransformerLens one, an nnsight ``LanguageModel``) takes its place, at the same hook and on the same text.
    steps:
        Of each arm; default: those of `rsae.training.recipe.recipe_for`.
    time_budget:
        Seconds for all of it, in the place of ``steps``: as many steps as fit, at most the default.
    out:
        A directory for report.json, report.html and the SAE; it must not hold a run unless ``overwrite``. Killed and
        called again with the same arguments, an upgrade goes on there from the last checkpoint, with as many threads
        as it began with, and ends with the same bits (on one machine).
    progress:
        True: bars in a terminal and a notebook, elsewhere a line every half minute; False: silence; a callable of a
        `rsae.progress.Progress`, or a list of these.
    settings:
        Everything else, with the defaults that were measured: `Settings`.

    Raises
    ------
    ValueError, FileExistsError
        for what cannot be used, before any work.
    """
    began = time.monotonic()
    asked(progress)
    target = None if out is None else _free(out, overwrite)
    plan = planned(
        sae,
        hidden_states,
        host=host,
        steps=steps,
        time_budget=time_budget,
        seed=seed,
        seeds=seeds,
        device=device,
        settings=settings,
    )
    work = None
    if target is not None:
        work = Checkpoint(target / "checkpoint", every=settings.checkpoint_every, discard=overwrite)
        work.agree("upgrade", plan.agreed())
    plan = replace(plan, states=plan.states.on(plan.device))
    with using(threads_for(plan, work)), told(progress, lambda bars: bars.training) as tell:
        upgraded = _upgraded(plan, began, tell, work)
    if work is not None and target is not None:
        _save(upgraded, target, work)
    return upgraded


def _free(out: str | Path, overwrite: bool) -> Path:
    target = free_directory(out, overwrite)
    if {path.name for path in (target / "sae").glob("*")} - _SAE_FILES:
        raise FileExistsError(f"{target / 'sae'} holds more than an SAE, so it is not replaced; give another directory")
    return target


def _upgraded(
    plan: Plan, began: float, progress: Callable[[Progress], None] | None, work: Checkpoint | None
) -> Upgrade:
    """Everything that is measured and trained."""
    measuring = Measurements(plan.states, plan.host, work)
    columns, pace = _before(plan, measuring, progress is not None or plan.time_budget is not None, work is not None)
    if pace is not None:
        plan, pace = _within_budget(plan, pace, began, work)
        progress = progress and pace.following(progress, plan.steps)
    tuning = tune(plan, progress, work) if plan.settings.tuned else None
    plan = plan if tuning is None else plan.slowed(tuning.factor)
    runs = _trained(plan, tuning, measuring, progress, work)
    columns |= {name: mean_metrics(found) for name, found in runs.metrics.items()}
    pairs = paired(plan.teacher, columns, runs.saes, runs.metrics, plan.states.held_out)
    others = ["teacher", *(name for name in runs.saes if name != "upgraded")]
    comparisons = tuple(values.difference("upgraded", name) for name in others for values in pairs)
    levels = {name: mean_l0(arm, plan.calibration) for name, arm in runs.first().items()}
    parts = _attributed(plan, levels, pairs)
    result, note = _judged(plan, tuning, runs, comparisons, levels)
    if plan.settings.saebench and plan.host is not None:
        shown = {"teacher": plan.teacher, **{name: runs.saes[name][0] for name in ("control", "upgraded")}}
        gathered = {name: whole(arm) for name, arm in shown.items()}
        found = saebench.core_metrics(gathered, plan.host)
        columns |= {name: {**columns[name], **values} for name, values in found.items()}
    report = _report(plan, tuning, columns, runs, comparisons, parts, note)
    returned = "initialised" if result is plan.initialised else "upgraded"
    report = replace(report, question={**report.question, "returned": returned})
    return Upgrade(result, report, comparisons, runs.first())


def _before(plan: Plan, measuring: Measurements, timed: bool, written: bool) -> tuple[dict[str, Metrics], Pace | None]:
    """The columns that need no training, and where time matters how long the rest takes."""
    columns = {"teacher": measuring.metrics("teacher", plan.teacher)}
    ending = 0.0
    if timed:  # here, so that what the SAE needs compiled is not in the time of its measurement
        ending = seconds_at_the_end(plan, written)
    columns["initialised"] = measuring.metrics("initialised", plan.initialised)
    return columns, pace_of(plan, lambda: measuring.seconds, ending) if timed else None


def _within_budget(plan: Plan, pace: Pace, began: float, work: Checkpoint | None) -> tuple[Plan, Pace]:
    """With as many arms and steps as there is time for; an upgrade that goes on keeps what it had."""
    if plan.time_budget is None:
        return plan, pace
    kept = work and work.load("budget")
    left = plan.time_budget - (time.monotonic() - began)
    spared: list[str] = kept.values["spared"] if kept else pace.spared(plan, left)
    plan, pace = plan.without(spared), pace.without([plan.label(name, seed) for name in spared for seed in plan.seeds])
    count: int = kept.values["steps"] if kept else pace.steps(left, plan.steps)
    if work:
        work.save("budget", {}, steps=count, spared=spared)
    return replace(plan, steps=count), pace


def _trained(
    plan: Plan,
    tuning: Tuning | None,
    measuring: Measurements,
    progress: Callable[[Progress], None] | None,
    work: Checkpoint | None,
) -> _Runs:
    """Every arm, trained and measured once a seed; what tuning has trained is taken from there, and so are twins."""
    runs = _Runs()
    for seed in plan.seeds:
        for i, (name, arm) in enumerate(plan.arms.items()):
            label = plan.label(name, seed)
            if (twin := next((n for n in list(plan.arms)[:i] if plan.arms[n].same(arm)), None)) is not None:
                runs.saes.setdefault(name, []).append(runs.saes[twin][-1])
                runs.curves[label] = runs.curves[plan.label(twin, seed)]
                runs.metrics.setdefault(name, []).append(runs.metrics[twin][-1])
                continue
            if tuning is not None and (name, seed) == (plan.tuned_on, plan.seeds[0]):
                done, history = tuning.control, tuning.history
            else:
                done, history = trained(plan, arm, label, seed, progress, work)
            runs.saes.setdefault(name, []).append(done)
            runs.curves[label] = history
            runs.metrics.setdefault(name, []).append(measuring.metrics(label, done))
    return runs


def _attributed(plan: Plan, levels: Mapping[str, float], pairs: tuple[Paired, ...]) -> dict[str, Attribution]:
    """What each arm adds, by metric; nothing for the paper's dense codes, which have no L0 to hold."""
    if plan.initialised.dense:
        return {}
    curve, most = curve_name(plan.initialised), (1 + SLACK) * plan.target_l0
    comparable = [name for name, level in levels.items() if level <= most]
    found = {values.metric: attribution(values, curve=curve, comparable=comparable) for values in pairs}
    known = {metric: part for metric, part in found.items() if part is not None}
    # The first decides: where arms were trained to keep the host's predictions, whether they do.
    first = "kl" if plan.arms["upgraded"].recipe.kl_share and "kl" in known else "mse"
    return dict(sorted(known.items(), key=lambda part: part[0] != first))


def _judged(
    plan: Plan,
    tuning: Tuning | None,
    runs: _Runs,
    comparisons: tuple[Comparison, ...],
    levels: Mapping[str, float],
) -> tuple[SparseAutoencoder, str]:
    """The SAE to return, and what the verdict has to say besides its numbers.

    A KL stage may buy a lower divergence with squared error, also with more than the training before it had gained.
    """
    against = {found.metric: found for found in comparisons if found.other == "teacher"}
    result, notes = runs.saes["upgraded"][0], []
    teacher, exact = plan.teacher, plan.settings.support == "exact"
    futile = tuning is not None and tuning.futile
    if tuning is not None and futile:
        least = min(tuning.errors)
        notes.append(f"At rates down to {least:g} of the usual the control gained nothing, or next to nothing.")
    ours, theirs = (trained_error(sae, plan.judges) for sae in (result, teacher))
    failure = ""
    if not ours < theirs:
        failure = "On vectors set apart it is no better than the teacher"
    elif against["mse"].low > 0 or (futile and not against["mse"].high < 0):
        failure = "It is not surely better than the teacher"
    if failure and plan.arms["upgraded"].recipe.kl_share and "kl" in against and against["kl"].high < 0:
        notes.append(f"{failure} in MSE: it is returned for its lower divergence.")
    elif failure:
        result = plan.initialised
        notes.append(f"{failure}, so the SAE returned is the initialised one.")
    if teacher.family == "jumprelu" and plan.target_l0 > teacher.d_in / 2 and exact:
        notes.append(
            f"At an L0 of {plan.target_l0:.1f} in {teacher.d_in} dimensions a JumpReLU gained nothing certain over "
            "its control where measured (docs/measured/results.md)."
        )
    if exact and result is not plan.initialised:
        reads = plan.initialised.activation.inputs if plan.initialised.activation is not None else ()
        notes.append(known_harm(teacher.family, plan.settings.refine, reads))
    if exact:
        notes.append(missed_l0(levels, plan.target_l0))
    if teacher.prefixes:
        shown = {"teacher": teacher, **{name: runs.saes[name][0] for name in ("upgraded", "control")}}
        nested = {name: prefix_errors(sae, plan.states.held_out) for name, sae in shown.items()}
        notes.append(said_of_prefixes(nested, ["teacher", "control"]))
    notes.append(remarks(plan.host, teacher, plan.calibration, plan.states.question))
    return result, " ".join(" ".join(notes).split())


def _report(
    plan: Plan,
    tuning: Tuning | None,
    columns: Mapping[str, Metrics],
    runs: _Runs,
    comparisons: tuple[Comparison, ...],
    parts: Mapping[str, Attribution],
    note: str,
) -> Report:
    """All of it on paper, with the evidence and the proofs."""
    trained, start = runs.saes["upgraded"][0], plan.initialised.activation
    said = " ".join(
        [
            *(part.sentence for part in parts.values() if part.metric in ("mse", next(iter(parts)))),
            *(part.advice for part in list(parts.values())[:1]),
        ]
    )
    curve = {} if trained.activation is None else trained.activation.learned(start)
    saes = {"teacher": plan.teacher, "initialised": plan.initialised, **runs.first()}
    known = evidence(saes, plan.states, plan.host, plan.settings.probe)
    worse = worsened(known.get("probing", {}), known["continuity"])
    if worse and not plan.settings.anchor:
        worse += " An anchor holds latents to the teacher's: docs/measured/features.md."
    return Report(
        columns=columns,
        question=question(plan, tuning, comparisons).to_json(),
        curves=runs.curves | {"activation": curve},
        verdict=f"{worse} {verdict(columns, comparisons, f'{said} {note}')}".strip(),
        attribution={metric: part.to_json() for metric, part in parts.items()},
        certificates=certificates(plan.teacher, plan.initialised, trained, plan.states.held_out),
        **known,
    )


def _save(upgraded: Upgrade, target: Path, work: Checkpoint) -> None:
    """Write everything inside the checkpoint, and move it into place."""
    staging = work.folder / "results"
    if ranks.rank() == 0:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
    ranks.meet()
    save_sae(upgraded.sae, staging / "sae")
    if ranks.rank() == 0:
        upgraded.report.save(staging)
        if (target / "sae").exists():
            (target / "sae").rename(staging / "replaced")
        for path in ("sae", "report.html", "report.json"):
            (staging / path).replace(target / path)
    work.finish()
