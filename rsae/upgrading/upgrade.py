"""`upgrade`: the whole pipeline, from a teacher to its rational successor and an honest report on it."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from rsae import ranks
from rsae.data.hidden_states import HiddenStates
from rsae.data.hidden_states import hidden_states as make_hidden_states
from rsae.evaluation.certificates import certificates
from rsae.evaluation.comparison import Comparison, mean_metrics, paired_comparisons, token_errors, verdict
from rsae.evaluation.metrics import Metrics
from rsae.evaluation.probing import Task
from rsae.formats import load_sae, save_sae
from rsae.hosts.host import Host
from rsae.hosts.language_model import pick_device
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.storage.checkpoint import Checkpoint, fingerprint, free_directory
from rsae.training.finetune import Progress, check_trainable, finetune
from rsae.upgrading.arms import Arm, arms_for, curve_where_crowded
from rsae.upgrading.calibrate import calibrate
from rsae.upgrading.checks import checked_l0, missed_l0, remarks
from rsae.upgrading.evidence import evidence
from rsae.upgrading.measured import Measured
from rsae.upgrading.pace import Pace, seconds_a_step, seconds_at_the_end
from rsae.upgrading.provenance import learned_curve, question
from rsae.upgrading.tuning import Tuning, set_apart, tune

__all__ = ["Upgrade", "upgrade"]

WIDE = 1024
"""Below this d_in learning rates are those measured at 64 and 576, unless the control ends worse than its teacher."""
_SAE_FILES = {"cfg.json", "sae_weights.safetensors", "sparsity.safetensors"}


@dataclass(frozen=True)
class Upgrade:
    """The upgraded SAE, the report, the paired comparisons behind its verdict, and the first seed's trained arms."""

    sae: SparseAutoencoder
    report: Report
    comparisons: tuple[Comparison, ...] = ()
    arms: Mapping[str, SparseAutoencoder] = field(default_factory=dict)


def upgrade(
    sae: SparseAutoencoder | str | Path,
    hidden_states: HiddenStates | Any,
    *,
    host: Host | None = None,
    steps: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    support: Literal["exact", "paper"] = "exact",
    inputs: Sequence[str] | None = None,
    refine: Literal["none", "gain", "residual"] = "none",
    ablations: Sequence[str] = (),
    learning_rate: float | None = None,
    coefficient_rate: float | None = None,
    batch_size: int | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    rate_factor: float | None = None,
    checkpoint_every: int = 250,
    time_budget: float | None = None,
    probe: Sequence[Task] = (),
) -> Upgrade:
    """Replace a teacher's gate by a trainable rational, fine-tune the whole SAE, and compare with an equal control.

    The report's columns are ``teacher``, ``initialised`` (the rational plugged in), ``upgraded`` and ``control``: the
    teacher itself, fine-tuned with the same batches, steps, objective, optimiser and rates. For ReLU a column
    ``threshold`` says what a threshold alone gives. ``ablations`` adds columns: see `arms.arms_for`. All arms keep
    the teacher's L0 on vectors set apart: the last quarter of the held-out ones, which goes into no column. Where the
    upgraded SAE is not better than the teacher there, the initialised SAE is returned, and the verdict says so. With
    ``seeds`` above 1 each arm is trained once a seed (data order), and columns hold means and standard errors.

    Parameters
    ----------
    sae:
        A teacher, or a path or release that `load_sae` reads.
    hidden_states:
        `HiddenStates`, or an array [n, d_in] whose last tenth is then held out.
    host:
        The model for cross-entropies; default: the one the hidden states came from.
    steps, batch_size, learning_rate, coefficient_rate:
        Default: `rsae.finetune.recipe_for`, as measured at d_in = 64 and 576. From d_in = 1024 on, and where the
        control ends worse than the teacher, the learning rate is tuned: divided by 4 while that lowers the control's
        error on held-out vectors set apart, the same for all arms.
    rate_factor:
        A factor on every arm's learning rate in the place of tuning: another run's ``question["tuning"]["factor"]``.
    precision:
        ``"bfloat16"``: dense products of every arm's forward pass in half precision, for GPUs. Weights stay float32.
    out:
        A directory for report.json, report.html and the SAE; it must not hold a run unless ``overwrite``. Killed and
        called again with the same arguments, an upgrade goes on there from the last checkpoint, ``checkpoint_every``
        steps of an arm apart, and ends with the same bits (on one machine, with as many threads).
    support, inputs, refine:
        See `calibrate` and `SparseAutoencoder`.
    time_budget:
        Seconds for all of it, in the place of ``steps``: as many steps as fit, at most the default.
    probe:
        Tasks of `rsae.evaluation.probing.tasks_of`, on which every column's codes are probed; they need a host.

    Raises
    ------
    ValueError, FileExistsError
        for what cannot be used, before any work.
    """
    began = time.monotonic()
    if steps is not None and time_budget is not None:
        raise ValueError("give either steps or a time_budget, not both")
    target = None if out is None else free_directory(out, overwrite)
    if target is not None and {path.name for path in (target / "sae").glob("*")} - _SAE_FILES:
        raise FileExistsError(f"{target / 'sae'} holds more than an SAE, so it is not replaced; give another directory")
    place = pick_device(device)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds must be a positive integer, not {seeds!r}")
    if not isinstance(hidden_states, HiddenStates):
        hidden_states = make_hidden_states(hidden_states)
    hidden_states, judges = set_apart(hidden_states)
    teacher = _loaded(sae).to(place)
    rates: dict[str, Any] = {"learning_rate": learning_rate, "coefficient_rate": coefficient_rate}
    rates |= {"batch_size": batch_size, "precision": precision, "rate_factor": rate_factor}
    initialised = calibrate(teacher, hidden_states, support=support, inputs=inputs if support == "exact" else None)
    arms = arms_for(teacher, initialised, refine=refine, ablations=ablations, **rates)
    first = arms["upgraded"]
    count = first.recipe.steps if steps is None else steps
    check_trainable(first.sae, hidden_states, count, first.recipe)
    host = host or hidden_states.host
    if probe and host is None:
        raise ValueError("probing reads texts with a host, but these hidden states have none; give host=")
    calibration = hidden_states.calibration.to(place, torch.float32)
    wanted = checked_l0(teacher, calibration)
    crowded = curve_where_crowded(teacher, wanted) if support == "exact" else None
    if crowded is not None:
        rates["coefficient_rate"] = coefficient_rate or crowded
        initialised = calibrate(teacher, hidden_states, inputs=inputs or ("ratio",))
        arms = arms_for(teacher, initialised, refine=refine, ablations=ablations, **rates)
    tuned = learning_rate is None and rate_factor is None
    work = None
    if target is not None:
        work = Checkpoint(target / "checkpoint", every=checkpoint_every, discard=overwrite)
        asked = _asked(teacher, hidden_states, host, arms, "within a budget" if time_budget else count)
        work.agree("upgrade", asked | {"seed": seed, "seeds": seeds, "support": support, "refine": refine})
    hidden_states = hidden_states.on(place)

    measuring = Measured(hidden_states, host, work)
    columns = {"teacher": measuring.metrics("teacher", teacher)}
    timed = progress is not None or time_budget is not None
    ending = 0.0
    if timed:
        ending = seconds_at_the_end(len(arms), seeds, hidden_states, initialised, judges, target is not None)
    columns["initialised"] = measuring.metrics("initialised", initialised)
    if timed:
        costs = {name: seconds_a_step(arm, hidden_states, calibration, wanted) for name, arm in arms.items()}
        each = {
            _label(name, seed + run, seeds): costs[name] * arm.budget * (not tuned or (name, run) != ("control", 0))
            for run in range(seeds)
            for name, arm in arms.items()
        }
        tries = (2 if teacher.d_in >= WIDE else 1) if tuned else 0  # as a rule; more where the error goes on falling
        pace = Pace(each, lambda: measuring.seconds, [costs["control"]] * tries, ending)
        if time_budget is not None:
            kept = work and work.load("budget")
            count = kept.values["steps"] if kept else pace.steps(time_budget - (time.monotonic() - began), count)
            if work:
                work.save("budget", {}, steps=count)
        progress = progress and pace.following(progress, count)
    tuning: Tuning | None = None
    if tuned:
        tuning = tune(
            arms["control"],
            hidden_states,
            judges,
            steps=count,
            seed=seed,
            target_l0=wanted,
            trusted=teacher.d_in < WIDE,
            device=place,
            progress=progress,
            checkpoint=work,
        )
        arms = {name: arm.slowed(tuning.factor) for name, arm in arms.items()}
    curves: dict[str, Any] = {}
    trained: dict[str, list[SparseAutoencoder]] = {}
    measured: dict[str, list[Metrics]] = {}
    for run in range(seeds):
        for name, arm in arms.items():
            history: list[dict[str, float]] = []
            label = _label(name, seed + run, seeds)
            if tuning is not None and (name, run) == ("control", 0):
                done, history = tuning.control, tuning.history
            else:
                done = finetune(
                    arm.sae,
                    hidden_states,
                    steps=count * arm.budget,
                    seed=seed + run,
                    recipe=arm.recipe,
                    target_l0=wanted,
                    device=place,
                    arm=label,
                    progress=progress,
                    curve=history,
                    checkpoint=work,
                )
            trained.setdefault(name, []).append(done)
            curves[label] = history
            measured.setdefault(name, []).append(measuring.metrics(label, done))
    columns |= {name: mean_metrics(runs) for name, runs in measured.items()}
    comparisons = paired_comparisons(teacher, columns, trained, measured, hidden_states.held_out)
    result, note = trained["upgraded"][0], ""
    if not float(token_errors(result, judges).mean()) < float(token_errors(teacher, judges).mean()):
        result = initialised
        note = "On vectors set apart it is no better than the teacher, so the SAE returned is the initialised one."
    if teacher.family == "jumprelu" and wanted > teacher.d_in / 2 and support == "exact":
        note += f" At an L0 of {wanted:.1f} in {teacher.d_in} dimensions a JumpReLU gained nothing certain over"
        note += " its control where measured (docs/measured/results.md)."
    curves["activation"] = learned_curve(trained["upgraded"][0], initialised)
    first_runs = {name: runs[0] for name, runs in trained.items()}
    if support == "exact":
        note += f" {missed_l0(first_runs, calibration, wanted)}"
    note += f" {remarks(host, teacher, calibration)}"
    report = Report(
        columns=columns,
        question=question(
            sae, teacher, hidden_states, arms, count, seed, seeds, place, support, refine, wanted, comparisons
        )
        | {"tuning": None if tuning is None else tuning.to_json()},
        curves=curves,
        verdict=verdict(columns, comparisons, " ".join(note.split())),
        certificates=certificates(teacher, initialised, trained["upgraded"][0], hidden_states.held_out),
        **evidence({"teacher": teacher, "initialised": initialised, **first_runs}, hidden_states, host, probe),
    )
    upgraded = Upgrade(result, report, comparisons, first_runs)
    if work is not None and target is not None:
        _save(upgraded, target, work)
    return upgraded


def _label(arm: str, seed: int, seeds: int) -> str:
    return arm if seeds == 1 else f"{arm}, seed {seed}"


def _loaded(sae: SparseAutoencoder | str | Path) -> SparseAutoencoder:
    if isinstance(sae, SparseAutoencoder):
        return sae
    return load_sae(sae)


def _asked(
    teacher: SparseAutoencoder, states: HiddenStates, host: Host | None, arms: Mapping[str, Arm], steps: int | str
) -> dict[str, Any]:
    """What a checkpoint has to agree on; of the vectors that are trained on, a sample."""
    sample = states.train[:: max(1, len(states.train) // 65_536)]
    return {
        "format": 2,
        "teacher": fingerprint(teacher.parameters()),
        "hidden states": fingerprint([states.calibration, states.held_out, sample.float()]),
        "training vectors": len(states.train),
        "host": None if host is None else host.definition,
        "steps": steps,
        "arms": {name: [asdict(arm.recipe), arm.budget, repr(arm.sae)] for name, arm in arms.items()},
        "device": teacher.W_enc.device.type,
        "torch": torch.__version__,
    }


def _save(upgraded: Upgrade, target: Path, work: Checkpoint) -> None:
    """Write everything inside the checkpoint, and move it into place."""
    if ranks.rank() == 0:
        staging = work.folder / "results"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        save_sae(upgraded.sae, staging / "sae")
        upgraded.report.save(staging)
        if (target / "sae").exists():
            (target / "sae").rename(staging / "replaced")
        for path in ("sae", "report.html", "report.json"):
            (staging / path).replace(target / path)
    work.finish()
