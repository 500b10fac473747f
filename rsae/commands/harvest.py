"""`rsae harvest`: hidden states of a text into a folder, part by part, by as many processes as there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console

from rsae import ranks
from rsae.commands.console import refusing
from rsae.data.parts import copy_parts, harvest_parts, join_parts, mine
from rsae.data.reading import Reading
from rsae.hosts.language_model import pick_device
from rsae.progress import Bars
from rsae.threads import using

__all__ = ["harvest"]


@click.command()
@click.option("--model", help="The language model: a folder, a .gguf file, or a hub name.")
@click.option("--hook", help="Place in the model, e.g. model.layers.2; with --states the column.")
@click.option("--text", help="Text to read: a UTF-8 file, .json or .jsonl (documents), .parquet, or datasets:NAME.")
@click.option(
    "--states", help="Table of hidden states, or a folder that datasets saved, to copy in place of reading a text."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the hidden states.")
@click.option(
    "--parts", type=click.IntRange(min=1), default=1, show_default=True, help="Number of parts to read the text in."
)
@click.option(
    "--part", "only", multiple=True, type=click.IntRange(min=0), help="Read only this part, and join nothing."
)
@click.option("--max-tokens", type=int, help="Read at most so many tokens.  [default: all]")
@click.option("--context-length", type=int, default=256, show_default=True, help="Tokens of a context.")
@click.option(
    "--bos/--no-bos",
    "prepend_bos",
    default=None,
    help="Start every context with a beginning-of-sequence token.  [default: as the tokenizer]",
)
@click.option("--held-out", type=float, default=0.1, show_default=True, help="Share of a part's documents held out.")
@click.option("--text-field", default="text", show_default=True, help="Field or column that holds the texts.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Contexts read at once.  [default: 16 on a CPU, else 64]"
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    help="Format of the model's weights.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the CPU to use.  [default: one or all, whichever is faster in a short trial]",
)
@refusing("rsae harvest")
def harvest(out: Path, parts: int, only: tuple[int, ...], **asked: Any) -> None:
    """Read hidden states off a text, and write them to disk.

    Then rsae upgrade takes them: --states FOLDER. Under torchrun every process reads its share of --parts, and the
    first joins them at the end. Any other engine can share them out with --part; the command without --part then joins
    what is there. If the command is killed, the same command goes on after the last whole shard.
    """
    first = os.environ.get("RANK", "0") == "0"
    console = Console(markup=False, quiet=not first)
    chosen = [(number, parts) for number in only or mine(parts)]
    if asked["states"] is not None:
        _copy(out, chosen, **asked)
    else:
        _read(out, chosen, console, **asked)
    if only:
        return
    with ranks.joined("cpu"):
        ranks.meet()
    if first:
        join_parts(out)
        console.print(f"wrote {out}", soft_wrap=True, highlight=False)


def _copy(
    out: Path, parts: Sequence[tuple[int, int]], states: str, hook: str | None, held_out: float, **rest: Any
) -> None:
    """The parts of hidden states that exist."""
    if given := [f"--{name}" for name in ("model", "text") if rest[name] is not None]:
        raise ValueError(f"--states are hidden states already: leave out {', '.join(given)}")
    copy_parts(states, out, parts, hook=hook, held_out=held_out)


def _read(
    out: Path, parts: Sequence[tuple[int, int]], console: Console, device: str, threads: int | None, **asked: Any
) -> None:
    """The parts of a text, with this process's own GPU."""
    if missing := [f"--{name}" for name in ("model", "hook", "text") if asked[name] is None]:
        raise ValueError(f"a text is read by a model: give {', '.join(missing)}, or --states for what has been read")
    place = pick_device(device)
    if place.type == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    reading = Reading(threads=threads, **{name: asked[name] for name in ("batch_size", "prepend_bos", "text_field")})
    with using(threads), Bars(console) as bars:
        harvest_parts(
            asked["model"],
            asked["text"],
            asked["hook"],
            out,
            parts,
            **{name: asked[name] for name in ("context_length", "max_tokens", "held_out", "dtype")},
            device=place,
            progress=bars.harvest,
            reading=reading,
        )
