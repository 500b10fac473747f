"""`rsae convert`: a TopK or BatchTopK SAE as JumpReLU, with L0 before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import rsae
from rsae.commands import options
from rsae.commands.console import refusing
from rsae.formats.jumprelu import LAYOUTS, save_jumprelu
from rsae.hosts.language_model import pick_device
from rsae.progress import Bars
from rsae.storage.checkpoint import free_directory

__all__ = ["convert"]


@click.command()
@options.subject
@options.reading
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the JumpReLU SAE.")
@click.option(
    "--l0",
    type=click.FloatRange(min=0, min_open=True),
    help="L0 to keep: codes a token on average.  [default: the SAE's own]",
)
@click.option(
    "--per-latent",
    is_flag=True,
    help="For TopK: give each latent a threshold of its own, which keeps how often it fires.",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default=LAYOUTS[0],
    show_default=True,
    help="Library whose files are written.",
)
@options.OVERWRITE
@refusing("rsae convert")
def convert(
    out: Path,
    l0: float | None,
    per_latent: bool,
    layout: str,
    overwrite: bool,
    accept_mismatch: bool,
    **reading: Any,
) -> None:
    """Write a TopK or BatchTopK SAE as JumpReLU, with the same L0.

    Thresholds are chosen on the training part of the hidden states. L0 and MSE, before and after, are measured on the
    held-out part. SAE and SAE_ID are as for rsae upgrade.
    """
    sae, sae_id = options.named(reading)
    free_directory(out, overwrite)
    console = Console(markup=False)
    teacher = rsae.load_sae(sae, sae_id).to(pick_device(reading["device"]))
    with Bars(console) as bars:
        states = options.states(reading, teacher, bars, accept_mismatch=accept_mismatch)
    done = rsae.convert(teacher, states, l0=l0, per_latent=per_latent)
    save_jumprelu(done.sae, out, layout, overwrite=overwrite)
    table = Table("held-out mean, 95% interval", "L0", "MSE")
    columns = {f"before: {done.rule}": done.before, "its file's threshold": done.as_read, "after: JumpReLU": done.after}
    for name, column in columns.items():
        if column is not None:
            table.add_row(name, str(column["l0"]), str(column["mse"]))
    console.print(table)
    for line in (done.sentence, f"wrote {out} ({layout})"):
        console.print(line, soft_wrap=True, highlight=False)
