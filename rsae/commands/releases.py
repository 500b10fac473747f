"""`rsae releases`: which published SAEs can be read by name."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from rsae.commands.console import refusing
from rsae.formats import Release
from rsae.formats import releases as known_releases

__all__ = ["releases"]


@click.command()
@click.argument("pattern", default="")
@refusing("rsae releases")
def releases(pattern: str) -> None:
    """List the published SAEs that can be read by name.

    PATTERN is a part of a release's name, model or repository, or a glob such as "gemma-scope-2b-*". If one release is
    left, its SAEs are listed, each by the SAE_ID that upgrade, check, evaluate and convert take after its name.
    """
    found = known_releases(pattern)
    if not found:
        raise ValueError(f"no release matches {pattern!r}; rsae releases lists all that are known")
    console = Console(markup=False)
    exact = [release for release in found if release.name == pattern]
    if len(found) == 1 or exact:
        _show_one(console, (exact or found)[0])
        return
    table = Table("release", "family", "host", "SAEs", "reads", "an SAE_ID")
    for release in found:
        count = str(len(release.saes)) if release.saes else "by folder"
        ids = next(iter(release.saes), "")
        table.add_row(release.name, release.family or "-", release.host or "-", count, _reads(release), ids)
    console.print(table)
    refused = sum(bool(release.refused) for release in found)
    readable = f"{len(found) - refused} of {len(found)} releases can be read"
    console.print(f"{readable}; rsae releases NAME lists the SAEs of one.", highlight=False)


def _reads(release: Release) -> str:
    if release.refused:
        return f"no: {release.refused}"
    return "through sae-lens" if release.through_sae_lens else "yes"


def _show_one(console: Console, release: Release) -> None:
    facts = {
        "repository": release.repository,
        "layout": release.layout,
        "family": release.family or "as its configuration says",
        "host": release.host or "not recorded: give --model",
        "reads": _reads(release),
    }
    for lines in ([release.name], [f"  {name}: {value}" for name, value in facts.items()]):
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    if not release.saes:
        console.print(
            f"  SAE_ID: any folder of {release.repository} that holds an SAE", soft_wrap=True, highlight=False
        )
    for sae_id in release.saes:
        console.print(f"  {sae_id}", soft_wrap=True, highlight=False)
