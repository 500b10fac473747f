"""The command line `rsae`: its commands, and those that have a file of their own."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import rsae
from rsae import ranks
from rsae.commands import options
from rsae.commands.console import attribution_table, frontier_table, metrics_table, refusing, report_table
from rsae.commands.convert import convert
from rsae.commands.dashboard import dashboard
from rsae.commands.harvest import harvest
from rsae.commands.logs import LOG, logging
from rsae.commands.push import push
from rsae.commands.releases import releases
from rsae.demo import run
from rsae.demo.relu_teacher import make_teacher as new_teacher
from rsae.hosts.language_model import pick_device
from rsae.progress import Bars
from rsae.report import frontier as curves
from rsae.sae.division import divided
from rsae.storage.checkpoint import Checkpoint, free_directory
from rsae.storage.writing import write_json
from rsae.threads import using
from rsae.upgrading.arms import WATERFALL
from rsae.upgrading.origin import check_origin

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rational-sae")
def main() -> None:
    """Upgrade trained sparse autoencoders (SAEs), and see in a report whether that was worth it.

    To begin: rsae demo --synthetic --out FOLDER, or rsae upgrade with an SAE of your own.
    """


main.add_command(convert)
main.add_command(dashboard)
main.add_command(harvest)
main.add_command(push)
main.add_command(releases)


@main.command()
@options.subject
@options.reading
@options.upgrading
@LOG
@click.option(
    "--ablation",
    "ablations",
    multiple=True,
    help="Train one more SAE for comparison, e.g. control_twice; may be repeated.",
)
@refusing("rsae upgrade")
def upgrade(**asked: Any) -> None:
    """Upgrade an SAE, and write the new one and a report.

    SAE is a folder or a file. Or it is a published release, and SAE_ID names one of its SAEs: rsae upgrade
    gpt2-small-res-jb blocks.8.hook_resid_pre. (rsae releases lists them.)

    The folder --out gets report.html, report.json and sae/. If the command is killed, the same command goes on where
    it was. Under torchrun the processes share the work.

    Exit codes: 0, the upgrade is worth it; 3, keep your SAE; 2, the command cannot run, and says why.
    """
    console, done, out = _upgraded(**asked)
    _show(console, done.report, out)
    _exit(done)


@main.command()
@options.subject
@options.reading
@options.upgrading
@LOG
@refusing("rsae check")
def check(**asked: Any) -> None:
    """Upgrade an SAE, and show step by step where the gain comes from.

    One SAE is trained for each step: more training, a threshold, a polynomial, the rational. All are trained alike.
    You see what each step adds, and what to do. Within --time-budget the costliest steps are left out first.

    SAE and SAE_ID, what is written and the exit codes are as for rsae upgrade.
    """
    console, done, out = _upgraded(**asked, ablations=(WATERFALL,))
    console.print(attribution_table(done.report))
    for line in (done.report.verdict, f"Report: {(out / 'report.html').resolve()}"):
        console.print(line, soft_wrap=True, highlight=False)
    _exit(done)


def _upgraded(
    *,
    out: Path | None,
    steps: int | None,
    seed: int,
    seeds: int,
    probe: Path | None,
    probe_test: Path | None,
    time_budget: float | None,
    threads: int | None,
    overwrite: bool,
    log: tuple[str, ...],
    **rest: Any,
) -> tuple[Console, rsae.Upgrade, Path]:
    """An upgrade as the options of a command ask for it, the console that it used, and the folder of its results."""
    began = time.monotonic()
    sae, sae_id = options.named(rest)
    out = options.out(out, sae, sae_id)
    free_directory(out, overwrite)
    names = ("refine", "denominator", "ablations", "anchor", "checkpoint_every", "precision", "saebench")
    settings = {name: rest.pop(name) for name in names} | options.objective(rest)
    accepted, groups, reading = rest.pop("accept_mismatch"), rest.pop("data_groups"), rest
    place = pick_device(reading["device"])
    tasks = options.tasks(probe, probe_test)
    with using(threads), ranks.joined(place.type, groups):
        with ranks.in_turn():
            teacher = divided(rsae.load_sae(sae, sae_id))
        with (
            Checkpoint(out / "checkpoint", discard=overwrite) as work,
            logging(log, out, {"sae": sae, "seed": seed, **reading, **settings}) as loggers,
            Bars(console := Console(quiet=ranks.rank() > 0, markup=False)) as bars,
        ):
            work.agree("command", {"sae": sae, "sae_id": sae_id, "seed": seed, **reading}, whole=True)
            store = work.folder / "hidden_states"
            states = options.states(
                reading, teacher, bars, seed, store=store, accept_mismatch=accepted, threads=threads
            )
            done = rsae.upgrade(
                teacher,
                states,
                steps=steps,
                seed=seed,
                seeds=seeds,
                device=reading["device"],
                out=out,
                overwrite=overwrite,
                progress=[bars.training, *loggers],
                settings=rsae.Settings(probe=tasks, threads=threads, accept_mismatch=accepted, **settings),
                time_budget=None if time_budget is None else max(1.0, 60 * time_budget - (time.monotonic() - began)),
            )
            for logger in loggers:
                logger.report(done.report)
    return console, done, out


def _exit(done: rsae.Upgrade) -> None:
    """Exit code 3 where the answer is to keep the teacher."""
    if not done.worth_it:
        raise click.exceptions.Exit(3)


@main.command()
@options.subject
@options.reading
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for the metrics.")
@options.OVERWRITE
@refusing("rsae evaluate")
def evaluate(out: Path | None, overwrite: bool, accept_mismatch: bool, **reading: Any) -> None:
    """Measure an SAE on the held-out part of a text.

    SAE and SAE_ID are as for rsae upgrade.
    """
    sae, sae_id = options.named(reading)
    if out is not None and out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists: give another name, or --overwrite to replace it")
    console = Console(markup=False)
    place = pick_device(reading["device"])
    subject = rsae.load_sae(sae, sae_id).to(place)
    with Bars(console) as bars:
        states = options.states(reading, subject, bars, accept_mismatch=accept_mismatch)
    metrics = rsae.evaluate(subject, states)
    console.print(metrics_table(metrics))
    if out is not None:
        plain = {name: metric.to_json() for name, metric in metrics.items()}
        named = " ".join(filter(None, (sae, sae_id)))
        write_json(out, {"metrics": plain, "question": {"sae": named, "hidden_states": states.question}})
        console.print(f"wrote {out}", soft_wrap=True)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for frontier.json and pictures.")
@click.option(
    "--into",
    "into",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Run whose report is to show the picture; may be repeated.",
)
@click.option("--sae", "saes", multiple=True, help="One more SAE to measure; needs --model, --hook and --text.")
@options.reading
@options.OVERWRITE
@refusing("rsae frontier")
def frontier(
    runs: tuple[Path, ...],
    out: Path,
    into: tuple[Path, ...],
    saes: tuple[str, ...],
    overwrite: bool,
    accept_mismatch: bool,
    **reading: Any,
) -> None:
    """Draw error against sparsity over several finished upgrades.

    RUNS are the folders of upgrades at several sparsities. The error is MSE and delta-CE, the sparsity L0.
    """
    console = Console(markup=False)
    free_directory(out, overwrite)
    reports, targets = curves.read_runs(runs), curves.read_runs(into) if into else {}
    measured = {}
    if saes:
        missing = [name for name in ("model", "hook", "text") if not (reading[name] or reading["array"])]
        if missing:
            raise ValueError(f"--sae is measured on a text: give --{' and --'.join(missing)}, too")
        loaded = {name: rsae.load_sae(name) for name in saes}
        with Bars(console) as bars:
            states = options.states(reading, next(iter(loaded.values())), bars, accept_mismatch=accept_mismatch)
        for other in loaded.values():
            check_origin(other, states.question, states.host, accept_mismatch=accept_mismatch)
        curves.check_same(str(runs[0]), next(iter(reports.values())).asked.hidden_states, "--sae", states.question)
        measured = {name: (sae.family, rsae.evaluate(sae, states)) for name, sae in loaded.items()}
    found = curves.frontier(reports, measured)
    out.mkdir(parents=True, exist_ok=True)
    written = curves.save_frontier(found, out)
    for folder, report in targets.items():
        replace(report, frontier=found).save(folder)
        written.append(Path(folder) / "report.html")
    console.print(frontier_table(found))
    console.print("wrote", ", ".join(map(str, written)), soft_wrap=True, highlight=False)


@main.command()
@options.OUT
@click.option("--synthetic", is_flag=True, help="Use synthetic hidden states with known features; needs no model.")
@click.option("--teacher", help="Folder of another SAE, as --make-teacher writes it.  [default: the package's]")
@click.option("--make-teacher", is_flag=True, help="Only train the package's SAE again, into --out.")
@click.option("--l0", type=click.FloatRange(min=0, min_open=True), help="Codes a token of the SAE of --make-teacher.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps of each SAE.  [default: the demo's]")
@options.SEED
@options.THREADS
@options.OVERWRITE
@refusing("rsae demo")
def demo(
    out: Path,
    synthetic: bool,
    teacher: str | None,
    make_teacher: bool,
    l0: float | None,
    steps: int | None,
    seed: int,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Upgrade the SAE that comes with the package.

    It belongs to a real language model, SmolLM2, and takes some minutes. With --synthetic it needs no model.
    """
    if synthetic + make_teacher + (teacher is not None) > 1:
        raise ValueError("--synthetic, --teacher and --make-teacher exclude each other; give one of them")
    if l0 is not None and not make_teacher:
        raise ValueError("--l0 says how many codes a token the SAE of --make-teacher has: give both, or neither")
    began = time.monotonic()
    console = Console(markup=False)
    asked: dict[str, Any] = {"steps": steps, "seed": seed, "threads": threads, "say": console.print}
    free_directory(out, overwrite)
    with Bars(console) as bars:
        asked |= {"out": out, "overwrite": overwrite, "progress": bars.training}
        if make_teacher:
            new_teacher(**asked, l0=l0, harvest=bars.harvest)
        elif synthetic:
            done, note = run.on_synthetic(**asked)
        else:
            done = run.on_language_model(**asked, harvest=bars.harvest, teacher=teacher or run.TEACHER)
    if synthetic:
        _show(console, done.report, out, note)
    elif not make_teacher:
        for metric in ("mse", "delta_ce"):
            console.print(attribution_table(done.report, metric))
        _show(console, _main_columns(done.report), out)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    console.print(f"Took {minutes} min {seconds} s{_peak_memory()}.", highlight=False)


def _main_columns(report: rsae.Report) -> rsae.Report:
    """The report without the columns that are only steps of its waterfall, so that the table fits a terminal."""
    kept = ("teacher", "control", "threshold", "upgraded")
    return replace(report, columns={name: report.columns[name] for name in kept if name in report.columns})


def _peak_memory() -> str:
    try:
        import resource  # not on Windows
    except ImportError:
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f", peak memory {peak / 2**30:.1f} GiB"


def _show(console: Console, report: rsae.Report, out: Path, note: str = "") -> None:
    console.print(report_table(report))
    for line in filter(None, (note, report.verdict, f"Report: {(out / 'report.html').resolve()}")):
        console.print(line, soft_wrap=True, highlight=False)
