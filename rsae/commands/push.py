"""`rsae push`: a finished run's SAE to the hub, with a card that says what it is worth."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from rsae.commands.console import refusing
from rsae.commands.options import OVERWRITE
from rsae.formats.repository import check_repository, check_token, push_folder
from rsae.report.publication import FILES, publication

__all__ = ["push"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("repository")
@click.option("--dry-run", type=click.Path(path_type=Path), help="Only write what would be uploaded, into this folder.")
@click.option(
    "--licence",
    "--license",
    help="Licence of the SAE that was upgraded, e.g. mit.  [default: what a card beside its files says]",
)
@click.option("--public", is_flag=True, help="Make a new repository public.  [default: private]")
@OVERWRITE
@refusing("rsae push")
def push(run: Path, repository: str, dry_run: Path | None, licence: str | None, public: bool, overwrite: bool) -> None:
    """Upload an upgraded SAE to the hub.

    RUN is the folder of a finished upgrade, REPOSITORY is owner/name. What goes up are the weights, the configuration,
    and a model card with the verdict, the table with the control, and the licence. `load_sae("owner/name")` reads it
    back.
    """
    check_repository(repository)
    if dry_run is not None:
        publication(run, dry_run, repository, licence=licence, overwrite=overwrite)
        click.echo(f"wrote {', '.join(FILES)} to {dry_run}; nothing was uploaded")
        return
    check_token()
    with tempfile.TemporaryDirectory() as scratch:
        folder = publication(run, Path(scratch) / "new", repository, licence=licence)
        click.echo(f"uploaded to {push_folder(folder, repository, private=not public)}")
