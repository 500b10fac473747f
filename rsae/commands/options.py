"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rsae.activations.ratio import IDENTITIES
from rsae.data.arrays import MAPPED, open_array
from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from rsae.data.states import HiddenStates
from rsae.data.store import is_store
from rsae.data.tables import is_saved_dataset
from rsae.demo.text import PACKAGES, documents
from rsae.evaluation.probing import Task, read_labelled, tasks_of
from rsae.progress import Bars
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.refinement import REFINEMENTS
from rsae.upgrading.origin import check_origin
from rsae.upgrading.own_states import DEFAULT_TEXT, DEFAULT_TOKENS, hidden_states_of, said_by

_Command = TypeVar("_Command", bound=Callable[..., Any])

__all__ = [
    *("OUT", "OVERWRITE", "PROBE", "PROBE_TEST", "SEED", "THREADS"),
    *("named", "objective", "out", "reading", "states", "subject", "tasks", "upgrading"),
]

SEED = click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of the training data.")
OUT = click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the report and the SAE.")
OUT_OF = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the report and the SAE.  [default: run- and the SAE's name]",
)
PROBE = click.option(
    "--probe",
    type=click.Path(path_type=Path),
    help="CSV file with columns text and category: how well do single latents tell the categories?",
)
PROBE_TEST = click.option(
    "--probe-test",
    type=click.Path(path_type=Path),
    help="CSV file of the texts to test on.  [default: a quarter of --probe]",
)
OBJECTIVE = click.option(
    "--objective",
    type=click.Choice(["mse", "mse+kl"]),
    help="What is trained on. mse+kl: the last steps also keep the model's predictions.  [default: mse; mse+kl with "
    "--kl-share or --kl-weight]",
)
KL_SHARE = click.option(
    "--kl-share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the steps that also keep the predictions.  [default: 0.2]",
)
KL_WEIGHT = click.option(
    "--kl-weight",
    type=click.FloatRange(min=0, min_open=True),
    help="Weight of the predictions in these steps, beside the squared error.  [default: 0.3]",
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the CPU to use.  [default: one or all, whichever is faster in a short trial]",
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


def _with(command: _Command, *parameters: Callable[[_Command], _Command]) -> _Command:
    """A command that takes these, in the order in which its help shows them."""
    for parameter in reversed(parameters):
        command = parameter(command)
    return command


def subject(command: _Command) -> _Command:
    """The SAE that a command is about, in its first two words; `named` says which."""
    return _with(
        command,
        click.argument("sae", required=False),
        click.argument("sae_id", required=False),
        click.option("--sae", "option_sae", help="Another way to give SAE."),
    )


def named(given: dict[str, Any]) -> tuple[str, str | None]:
    """The SAE that the words of `subject` name, taken out of ``given``."""
    first, sae_id, option = (given.pop(name) for name in ("sae", "sae_id", "option_sae"))
    if first is not None and option is not None and sae_id is None:
        first, sae_id = option, first  # --sae RELEASE SAE_ID
    elif option is not None and first is not None:
        raise ValueError(f"two SAEs are named, {first} and {option}: give one of them")
    if (sae := first or option) is None:
        raise ValueError("no SAE is named: give its folder or file, or a release and an SAE_ID (rsae releases)")
    return sae, sae_id


def out(given: Path | None, sae: str, sae_id: str | None) -> Path:
    """The folder for results: the one given, or one named after the SAE."""
    name = re.sub(r"[^\w.-]+", "-", f"{Path(sae).resolve().name if Path(sae).exists() else sae}-{sae_id or ''}")
    return given or Path(f"run-{name.strip('-')}")


def reading(command: _Command) -> _Command:
    """The options of every command that reads a text with a host; they arrive together, as ``**reading``."""
    return _with(
        command,
        click.option(
            "--states",
            "array",
            help="File or folder of hidden states that you have already; then no model and text are needed.",
        ),
        click.option(
            "--model", help="The language model: a folder, a .gguf file, or a hub name.  [default: as the SAE says]"
        ),
        click.option(
            "--hook",
            help="Place in the model where hidden states are read, e.g. model.layers.2.  [default: as the SAE says]",
        ),
        click.option(
            "--text",
            help="Text to read: a UTF-8 file, .json or .jsonl (documents), .parquet, or datasets:NAME.  [default: "
            f"{DEFAULT_TEXT}; without a hub, docstrings of installed packages]",
        ),
        click.option(
            "--max-tokens",
            type=int,
            help=f"Read at most so many tokens.  [default: all; without --text {DEFAULT_TOKENS}]",
        ),
        click.option("--context-length", type=int, help="Tokens of a context.  [default: as the SAE says, else 256]"),
        click.option(
            "--bos/--no-bos",
            "prepend_bos",
            default=None,
            help="Start every context with a beginning-of-sequence token.  [default: as the SAE says, else as the "
            "tokenizer does]",
        ),
        click.option(
            "--held-out",
            type=float,
            default=0.1,
            show_default=True,
            help="Share of the documents that are held out, to measure on.",
        ),
        click.option(
            "--loss-tokens",
            type=click.IntRange(min=1),
            default=32_768,
            show_default=True,
            help="Measure the model's loss on at most so many held-out tokens.",
        ),
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16", "float16"]),
            help="Format of the model's weights.  [default: as the SAE says, else float32]",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
        click.option(
            "--accept-mismatch",
            is_flag=True,
            help="Go on although the SAE names another model or hook, or explains the hidden states badly.",
        ),
    )


def upgrading(command: _Command) -> _Command:
    """The options of the commands that upgrade, besides the SAE and its hidden states."""
    return _with(
        command,
        OUT_OF,
        click.option(
            "--steps",
            type=click.IntRange(min=1),
            help="Training steps of each SAE.  [default: those of the measured results, by kind of SAE]",
        ),
        SEED,
        click.option(
            "--seeds",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Train each SAE so many times, and give intervals over these runs.",
        ),
        click.option(
            "--refine",
            type=click.Choice(REFINEMENTS),
            default="none",
            show_default=True,
            help="Correct codes by what their reconstruction leaves. Lowers the error most, and harms known features.",
        ),
        click.option(
            "--denominator",
            type=click.Choice(list(IDENTITIES)),
            default="fixed",
            show_default=True,
            help="Of the curve. Trainable is the published form, with more scalars; no SAE was seen to gain by it.",
        ),
        PROBE,
        PROBE_TEST,
        click.option(
            "--anchor",
            type=click.FloatRange(min=0),
            default=0.0,
            show_default=True,
            help="Weight of a penalty that keeps each latent near what it was; 10 helps where there is little text.",
        ),
        click.option(
            "--time-budget",
            type=click.FloatRange(min=0, min_open=True),
            help="Minutes for everything. Trains as many steps as fit, at most the default.",
        ),
        click.option(
            "--checkpoint-every",
            type=click.IntRange(min=1),
            default=250,
            show_default=True,
            help="Training steps between two checkpoints. A killed command goes on from the last.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["float32", "bfloat16"]),
            default="float32",
            show_default=True,
            help="Precision of the large products in training; weights stay float32.",
        ),
        click.option(
            "--data-groups",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Under torchrun: groups of processes. They share each batch out, and those of a group the latents.",
        ),
        click.option(
            "--saebench", is_flag=True, help="Add SAEBench's core metrics to the report (needs sae-bench and a model)."
        ),
        OBJECTIVE,
        KL_SHARE,
        KL_WEIGHT,
        THREADS,
        OVERWRITE,
    )


def states(
    reading: dict[str, Any],
    sae: SparseAutoencoder,
    bars: Bars,
    seed: int = 0,
    store: Path | None = None,
    *,
    accept_mismatch: bool,
    threads: int | None = None,
) -> HiddenStates:
    """Hidden states as the options of `reading` ask for them: from a file, or from a host that reads a text.

    Host, hook, contexts and their beginning are those the SAE says it was trained on, where no option says else;
    options that contradict it are refused before the model reads anything, unless ``accept_mismatch``.
    """
    if reading["array"] is not None:
        return _from_array(reading, sae, seed, accept_mismatch)
    said, text, most = said_by(sae), reading["text"], reading["max_tokens"]
    if text is None:
        text, said_of_text = _public_text()
        most = DEFAULT_TOKENS if most is None else most
        bars.note(said_of_text)
    for name in ("model", "hook", "dtype"):
        found = getattr(said, name)
        if reading[name] is None and found is not None and found != "float32":
            bars.note(f"{name.capitalize()}: {found}, as the SAE says.")
    if reading["prepend_bos"] is None and said.prepend_bos is not None:
        begins = "" if said.prepend_bos else "do not "
        bars.note(f"Contexts {begins}begin with a BOS token, as the SAE says it was trained.")
    if said.centred:
        bars.note("Vectors are read without their mean over d_in, as the SAE was trained (center_writing_weights).")
    return hidden_states_of(
        sae,
        text,
        max_tokens=most,
        seed=seed,
        progress=bars.harvest,
        store=store,
        reading=Reading(prepend_bos=reading["prepend_bos"], loss_tokens=reading["loss_tokens"], threads=threads),
        accept_mismatch=accept_mismatch,
        **{name: reading[name] for name in ("model", "hook", "context_length", "held_out", "device", "dtype")},
    )


def _from_array(reading: dict[str, Any], sae: SparseAutoencoder, seed: int, accept_mismatch: bool) -> HiddenStates:
    """Those of ``--states``; where a file's shape is known before its values, that comes first."""
    others = ("model", "text", "context_length", "prepend_bos", "dtype")
    if given := [f"--{name.replace('_', '-')}" for name in others if reading[name] is not None]:
        raise ValueError(f"--states are hidden states already: leave out {', '.join(given)}, which belong to a text")
    path = Path(reading["array"])
    if not path.exists():
        raise FileNotFoundError(f"no hidden states at {path}: give a file, or a folder, of them")
    if path.suffix in MAPPED and path.is_file() and (width := open_array(path).shape[-1]) != sae.width:
        raise ValueError(f"{path} holds vectors of width {width}, but the SAE takes {sae.taken}")
    if path.is_dir() and not (is_store(path) or is_saved_dataset(path)):
        raise ValueError(f"{path} is no folder of hidden states: neither hidden_states(store=) nor datasets saved it")
    hook = reading["hook"]  # the column of a table
    found = hidden_states(path, hook=hook, held_out=reading["held_out"], max_tokens=reading["max_tokens"], seed=seed)
    check_origin(sae, found.question, accept_mismatch=accept_mismatch)
    return found


def _public_text() -> tuple[str | list[str], str]:
    """A data set from the hub where it is in reach, else the documents of the demo; and the word on it."""
    try:
        import datasets  # noqa: F401 - so that its absence is known before a model is loaded
        from huggingface_hub import HfApi

        HfApi().dataset_info(DEFAULT_TEXT.split(":")[1], timeout=5)
        return DEFAULT_TEXT, f"Text: {DEFAULT_TEXT}, streamed; --text gives another."
    except ImportError:
        reason = 'the library datasets is not installed (pip install "rational-sae[data]")'
    except Exception as error:  # whatever a missing connection looks like
        reason = f"the hub is not in reach ({type(error).__name__})"
    packages = ", ".join(PACKAGES)
    return documents("demo"), (
        f"Text: docstrings of the installed {packages}, since {reason}. They are English and code, and no SAE was "
        "trained on the like: give --text for figures that count."
    )


def tasks(probe: Path | None, probe_test: Path | None) -> Sequence[Task]:
    """The probing tasks of a CSV file, if one is given."""
    if probe is None:
        if probe_test is not None:
            raise ValueError("--probe-test is the test part of --probe; give both")
        return ()
    return tasks_of(*read_labelled(probe), *(read_labelled(probe_test) if probe_test is not None else (None, None)))
