"""The command line of the study: ``python -m tests.study --data DATA --out RUNS [--page docs/measured/results.md]``."""

from pathlib import Path

import click
from rich.console import Console

from rsae.commands.console import refusing
from rsae.progress import Bars
from tests.study import results
from tests.study.reproduce import reproduce

__all__ = ["main"]


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with hosts/, text/ and teachers/.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for cells; finished ones are kept.")
@click.option("--page", type=click.Path(path_type=Path), help="Markdown file between whose marks the tables go.")
@click.option("--only", multiple=True, help="Studies or teachers whose name contains this; may be repeated.")
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds of each teacher.  [default: each study's own]")
@click.option("--limit", type=click.IntRange(min=0), help="Run at most that many cells now.")
def main(data: Path, out: Path, page: Path | None, only: tuple[str, ...], seeds: int | None, limit: int | None) -> None:
    """Upgrade the teachers of the published comparison, each with its control, and write the table of all cells."""
    console = Console()
    with refusing("tests.study"):
        with Bars(console) as bars:
            cells = reproduce(data, out, only=only, seeds=seeds, limit=limit, progress=bars.training, say=console.print)
        if page is None:
            click.echo(results.page(cells), nl=False)
        else:
            console.print(f"wrote {', '.join(results.fill(page, cells))} into {page}", soft_wrap=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.study")
