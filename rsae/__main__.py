"""The command line: `rsae upgrade`, `rsae evaluate`, `rsae reproduce`, `rsae demo`."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

__all__ = ["main"]

_SAE = click.option("--sae", required=True, help="Folder or file of the sparse autoencoder.")
_MODEL = click.option("--model", required=True, help="Host model: a local folder, a .gguf file, or a hub name.")
_HOOK = click.option("--hook", required=True, help="Where its hidden states are read, e.g. model.layers.2.")
_TEXT = click.option("--text", required=True, help="Text to read: UTF-8, .json or .jsonl (documents), or .parquet.")
_TOKENS = click.option("--max-tokens", type=int, help="Read at most that many tokens.  [default: all]")
_CONTEXT = click.option("--context-length", type=int, default=256, show_default=True, help="Tokens read at once.")
_DTYPE = click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Format of the host's weights.",
)
_HELD_OUT = click.option("--held-out", type=float, default=0.1, show_default=True, help="Share of documents held out.")
_SEED = click.option("--seed", type=int, default=0, show_default=True, help="Order of the training data.")
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
_READING = (_MODEL, _HOOK, _TEXT, _TOKENS, _CONTEXT, _HELD_OUT, _DTYPE, _DEVICE)
_PROBE = click.option("--probe", type=click.Path(path_type=Path), help="CSV of text, category: probe codes on it, too.")
_PROBE_TEST = click.option("--probe-test", type=click.Path(path_type=Path), help="Test texts.  [default: a quarter]")
_OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the results that --out holds.")


def _reading(command: Any) -> Any:
    """The options of every command that reads a text with a host; they arrive together, as ``**reading``."""
    for option in reversed(_READING):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rational-sae")
def main() -> None:
    """Upgrade sparse autoencoders to rational ones, and compare them with an equally trained control."""


@main.command()
@_SAE
@_reading
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the report and the SAE.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps of each arm.  [default: as measured]")
@_SEED
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Train each arm so many times.")
@click.option(
    "--refine", type=click.Choice(["none", "gain", "residual"]), default="none", show_default=True, help="Extra decode."
)
@click.option("--ablation", "ablations", multiple=True, help="A further column, e.g. control_twice; may be repeated.")
@_PROBE
@_PROBE_TEST
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=250,
    show_default=True,
    help="Training steps between two checkpoints, from which the same command goes on after a kill.",
)
@_OVERWRITE
def upgrade(
    sae: str,
    out: Path,
    steps: int | None,
    seed: int,
    seeds: int,
    refine: Any,
    ablations: tuple[str, ...],
    probe: Path | None,
    probe_test: Path | None,
    checkpoint_every: int,
    overwrite: bool,
    **reading: Any,
) -> None:
    """Upgrade an SAE: report.json, report.html and the new SAE go to --out.

    Killed and started again with the same arguments it goes on where it was. Under torchrun the processes share it.
    """
    from rsae.console import Bars, refusing, report_table

    with refusing("rsae upgrade"):
        import rsae
        from rsae import ranks
        from rsae.checkpoint import Checkpoint
        from rsae.language_model import pick_device
        from rsae.report import free_directory

        free_directory(out, overwrite)
        place = pick_device(reading["device"])
        tasks = _tasks(probe, probe_test)
        teacher = rsae.load_sae(sae)
        with (
            ranks.joined(place.type),
            Checkpoint(out / "checkpoint", discard=overwrite) as work,
            Bars(console := Console(quiet=ranks.rank() > 0)) as bars,
        ):
            work.agree("command", {"sae": sae, "seed": seed, **reading})
            states = _states(reading, bars, seed, store=work.folder / "hidden_states")
            done = rsae.upgrade(
                teacher,
                states,
                steps=steps,
                seed=seed,
                seeds=seeds,
                device=reading["device"],
                out=out,
                overwrite=overwrite,
                refine=refine,
                ablations=ablations,
                progress=bars.training,
                probe=tasks,
                checkpoint_every=checkpoint_every,
            )
        console.print(report_table(done.report))
        _say(console, done.report.verdict, out)


@main.command()
@_SAE
@_reading
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for the metrics.")
@_OVERWRITE
def evaluate(
    sae: str,
    out: Path | None,
    overwrite: bool,
    **reading: Any,
) -> None:
    """Measure an SAE on the held-out part of a text."""
    from rsae.console import Bars, metrics_table, refusing

    console = Console()
    with refusing("rsae evaluate"):
        import rsae
        from rsae.language_model import pick_device
        from rsae.report import write_text

        if out is not None and out.exists() and not overwrite:
            raise FileExistsError(f"{out} exists: give another name, or --overwrite to replace it")
        place = pick_device(reading["device"])
        subject = rsae.load_sae(sae).to(place)
        with Bars(console) as bars:
            states = _states(reading, bars)
        metrics = rsae.evaluate(subject, states)
        console.print(metrics_table(metrics))
        if out is not None:
            plain = {name: metric.to_json() for name, metric in metrics.items()}
            for entry in plain.values():
                entry["value"] = entry["value"] if math.isfinite(entry["value"]) else None
            tree = {"metrics": plain, "question": {"sae": sae, "hidden_states": states.question}}
            write_text(out, json.dumps(tree, indent=1, allow_nan=False, default=str) + "\n")
            console.print(f"wrote {out}", soft_wrap=True)


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the report and the SAE.")
@click.option("--synthetic", is_flag=True, help="Synthetic hidden states with known features; needs no host model.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps of each arm.  [default: the demo's]")
@_SEED
@_OVERWRITE
def demo(out: Path, synthetic: bool, steps: int | None, seed: int, overwrite: bool) -> None:
    """Upgrade the teacher that comes with the package, on a real language model or on synthetic data."""
    from rsae.console import Bars, refusing, report_table

    console = Console()
    with refusing("rsae demo"):
        from rsae.demo import run
        from rsae.report import free_directory

        began = time.monotonic()
        free_directory(out, overwrite)
        with Bars(console) as bars:
            start = run.on_synthetic if synthetic else run.on_language_model
            done, note = start(out, steps=steps, seed=seed, overwrite=overwrite, say=console.print, bars=bars)
        console.print(report_table(done.report))
        if note:
            console.print(note)
        _say(console, done.report.verdict, out)
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        console.print(f"Took {minutes} min {seconds} s{_peak_memory()}.", highlight=False)


@main.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with hosts/, text/ and teachers/.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for cells; finished ones are kept.")
@click.option("--page", type=click.Path(path_type=Path), help="Markdown file between whose marks the tables go.")
@click.option("--only", multiple=True, help="Studies or teachers whose name contains this; may be repeated.")
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds of each teacher.  [default: each study's own]")
@click.option("--limit", type=click.IntRange(min=0), help="Run at most that many cells now.")
def reproduce(
    data: Path, out: Path, page: Path | None, only: tuple[str, ...], seeds: int | None, limit: int | None
) -> None:
    """Upgrade the teachers of the published comparison, each with its control, and write the table of all cells."""
    from rsae.console import Bars, refusing

    console = Console()
    with refusing("rsae reproduce"):
        from rsae import results
        from rsae.reproduce import reproduce as run

        with Bars(console) as bars:
            cells = run(data, out, only=only, seeds=seeds, limit=limit, progress=bars.training, say=console.print)
        if page is None:
            click.echo(results.page(cells), nl=False)
        else:
            results.fill(page, cells)
            console.print(f"wrote {page}", soft_wrap=True)


def _states(reading: dict[str, Any], bars: Any, seed: int = 0, store: Path | None = None) -> Any:
    """Hidden states as the options of `_reading` ask for them."""
    import rsae

    rest = {name: value for name, value in reading.items() if name not in ("model", "text", "hook")}
    source, text, hook = (reading[name] for name in ("model", "text", "hook"))
    return rsae.hidden_states(source, text, hook, seed=seed, progress=bars.harvest, store=store, **rest)


def _tasks(probe: Path | None, probe_test: Path | None) -> Any:
    from rsae.probing import read_labelled, tasks_of

    if probe is None:
        if probe_test is not None:
            raise ValueError("--probe-test is the test part of --probe; give both")
        return ()
    return tasks_of(*read_labelled(probe), *(read_labelled(probe_test) if probe_test is not None else (None, None)))


def _peak_memory() -> str:
    try:
        import resource  # not on Windows
    except ImportError:
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f", peak memory {peak / 2**30:.1f} GiB"


def _say(console: Console, verdict: str, out: Path) -> None:
    console.print(verdict, soft_wrap=True, highlight=False)
    console.print(f"Report: {(out / 'report.html').resolve()}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main(prog_name="rsae")
