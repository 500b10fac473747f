"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rsae.commands.console import Bars
from rsae.data.states import HiddenStates, Reading, hidden_states
from rsae.evaluation.probing import Task, read_labelled, tasks_of
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import REFINEMENTS

_Command = TypeVar("_Command", bound=Callable[..., Any])

__all__ = [
    *("OUT", "OVERWRITE", "PROBE", "PROBE_TEST", "SAE", "SEED", "THREADS"),
    *("objective", "reading", "states", "tasks", "upgrading"),
]

SAE = click.option("--sae", required=True, help="Folder or file of the sparse autoencoder.")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Order of the training data.")
OUT = click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the report and the SAE.")
PROBE = click.option("--probe", type=click.Path(path_type=Path), help="CSV of text, category: probe codes on it, too.")
PROBE_TEST = click.option("--probe-test", type=click.Path(path_type=Path), help="Test texts.  [default: a quarter]")
OBJECTIVE = click.option(
    "--objective",
    type=click.Choice(["mse", "mse+kl"]),
    help="mse+kl: the last steps also keep the host's predictions.  [default: mse; mse+kl with one of the next two]",
)
KL_SHARE = click.option(
    "--kl-share", type=click.FloatRange(0, 1, min_open=True), help="Share of the steps with mse+kl.  [default: 0.2]"
)
KL_WEIGHT = click.option(
    "--kl-weight",
    type=click.FloatRange(min=0, min_open=True),
    help="Weight of the divergence of predictions there, beside the squared error.  [default: 0.3]",
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of the CPU, for all of it.  [default: one or all, whichever takes a training step faster at the start]",
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the results that --out holds.")


def objective(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that these options ask for, taken out of ``given``."""
    named = given.pop("objective")
    rest = {name: given.pop(name) for name in ("kl_share", "kl_weight")}
    rest = {name: value for name, value in rest.items() if value is not None}
    if rest and named == "mse":
        raise ValueError("--kl-share and --kl-weight belong to --objective mse+kl; leave them out, or give that")
    return {"objective": named or ("mse+kl" if rest else "mse"), **rest}


def reading(required: bool = True) -> Callable[[_Command], _Command]:
    """The options of every command that reads a text with a host; they arrive together, as ``**reading``."""
    shared = (
        click.option("--model", required=required, help="Host model: a local folder, a .gguf file, or a hub name."),
        click.option("--hook", required=required, help="Where its hidden states are read, e.g. model.layers.2."),
        click.option("--text", required=required, help="Text: UTF-8, .json or .jsonl (documents), or .parquet."),
        click.option("--max-tokens", type=int, help="Read at most that many tokens.  [default: all]"),
        click.option("--context-length", type=int, help="Tokens read at once.  [default: the SAE's own, or 256]"),
        click.option(
            "--bos/--no-bos",
            "prepend_bos",
            default=None,
            help="Start every context with a beginning-of-sequence token.  [default: as the SAE says, else as the "
            "tokenizer]",
        ),
        click.option("--held-out", type=float, default=0.1, show_default=True, help="Share of documents held out."),
        click.option(
            "--loss-tokens",
            type=click.IntRange(min=1),
            default=32_768,
            show_default=True,
            help="Held-out tokens on which cross-entropies are measured, at most.",
        ),
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16", "float16"]),
            default="float32",
            show_default=True,
            help="Format of the host's weights.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    )

    def decorated(command: _Command) -> _Command:
        for option in reversed(shared):
            command = option(command)
        return command

    return decorated


def upgrading(command: _Command) -> _Command:
    """The options of the commands that upgrade, besides the SAE and its hidden states."""
    shared = (
        OUT,
        click.option("--steps", type=click.IntRange(min=1), help="Training steps of each arm.  [default: as measured]"),
        SEED,
        click.option(
            "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Train each arm so many times."
        ),
        click.option(
            "--refine",
            type=click.Choice(REFINEMENTS),
            default="none",
            show_default=True,
            help="Codes corrected by what their reconstruction leaves; one to four decodes more.",
        ),
        PROBE,
        PROBE_TEST,
        click.option(
            "--time-budget",
            type=click.FloatRange(min=0, min_open=True),
            help="Minutes for all of it, in the place of --steps: as many steps as fit, at most the default.",
        ),
        click.option(
            "--checkpoint-every",
            type=click.IntRange(min=1),
            default=250,
            show_default=True,
            help="Training steps between two checkpoints, from which the same command goes on after a kill.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["float32", "bfloat16"]),
            default="float32",
            show_default=True,
            help="Of the dense products in training; weights stay float32.",
        ),
        OBJECTIVE,
        KL_SHARE,
        KL_WEIGHT,
        THREADS,
        OVERWRITE,
    )
    for option in reversed(shared):
        command = option(command)
    return command


def states(
    reading: dict[str, Any], sae: SparseAutoencoder, bars: Bars, seed: int = 0, store: Path | None = None
) -> HiddenStates:
    """Hidden states as the options of `reading` ask for them, in contexts such as the SAE says it was trained on.

    Their length and whether they begin with a beginning-of-sequence token are the SAE's own where no option says else.
    """
    own = sae.metadata.get("context_length")
    if reading["context_length"] is None:
        reading = reading | {"context_length": own if isinstance(own, int) and own >= 8 else 256}
    begins = sae.metadata.get("prepend_bos")
    if reading["prepend_bos"] is None and isinstance(begins, bool):
        reading = reading | {"prepend_bos": begins}
        bars.note(f"Contexts {'' if begins else 'do not '}begin with a BOS token, as the SAE says it was trained.")
    source, text, hook = (reading[name] for name in ("model", "text", "hook"))
    rest = {name: reading[name] for name in ("context_length", "max_tokens", "held_out", "device", "dtype")}
    kept = Reading(prepend_bos=reading["prepend_bos"], loss_tokens=reading["loss_tokens"])
    return hidden_states(source, text, hook, seed=seed, progress=bars.harvest, store=store, reading=kept, **rest)


def tasks(probe: Path | None, probe_test: Path | None) -> Sequence[Task]:
    """The probing tasks of a CSV file, if one is given."""
    if probe is None:
        if probe_test is not None:
            raise ValueError("--probe-test is the test part of --probe; give both")
        return ()
    return tasks_of(*read_labelled(probe), *(read_labelled(probe_test) if probe_test is not None else (None, None)))
