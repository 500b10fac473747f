"""`rsae dashboard`: the pages of sae-dashboard for the SAE of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from rsae.commands.console import refusing
from rsae.dashboard import dashboard as write_page
from rsae.data.text import pack, read_documents
from rsae.hosts.places import hook_point
from rsae.report.report import Report

__all__ = ["dashboard"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", help="Name of the model in TransformerLens.  [default: the run's, if it was a hub name]")
@click.option("--text", help="Text to show the latents on.  [default: the run's]")
@click.option(
    "--latents",
    default="",
    help="Latents to show: numbers, and ranges such as 0-31.  [default: the 32 that changed most]",
)
@click.option(
    "--contexts",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Contexts of the text to show them on.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File for the page.  [default: RUN/dashboard.html]")
@refusing("rsae dashboard")
def dashboard(run: Path, model: str | None, text: str | None, latents: str, contexts: int, out: Path | None) -> None:
    """Write sae-dashboard's page for an upgraded SAE.

    RUN is the folder of a finished upgrade. sae-dashboard has to be installed. The model is read through
    TransformerLens, without its processing of weights, so that hidden states are those that the SAE was trained on.
    """
    report = Report.load(run / "report.json")
    states = report.asked.hidden_states
    place = hook_point(str(states.get("hook", "")))
    shown = numbers(latents) if latents else [int(i) for i in report.continuity.get("order", range(32))][:32]
    documents = read_documents(text or str(states.get("text", "")))
    host = _host(model or str(states.get("source", "")))
    length = int(states.get("context_length", 128))
    found = pack(documents, host.tokenizer, length, states.get("prepend_bos")).tokens
    whole = [context for context in found if len(context) == length][:contexts]
    if not whole:
        raise ValueError(f"the text gives not one context of {length} tokens; give more text")
    path = write_page(run / "sae", host, torch.tensor(whole), place, shown, out or run / "dashboard.html")
    click.echo(f"wrote {path}")


def numbers(text: str) -> list[int]:
    """The numbers of a list such as "3,8,16-31".

    >>> numbers("3,8-10")
    [3, 8, 9, 10]
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdigit() and last.isdigit()):
            raise ValueError(f"latents are numbers and ranges such as 3,8,16-31, not {part!r}")
        found += range(int(first), int(last) + 1)
    return found


def _host(name: str) -> Any:
    """A model with SAELens's hooks, by its name in TransformerLens, with the weights as they were published."""
    try:
        from sae_lens import HookedSAETransformer
    except ImportError as error:
        message = "dashboards need sae-dashboard, in an environment of its own: docs/upgrading/saelens.md says how"
        raise ImportError(message) from error
    try:
        return HookedSAETransformer.from_pretrained_no_processing(name, device="cpu")
    except Exception as error:  # of several libraries: an unknown name, or no connection
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(
            f"TransformerLens does not load {name!r} ({reason}); give its name there with --model"
        ) from error
