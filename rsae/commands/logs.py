"""``--log``: what a command tells an experiment tracker, besides what it shows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from rsae import ranks
from rsae.loggers import TRACKERS, Logger, logging_to
from rsae.storage.writing import plain

__all__ = ["LOG", "logging"]

LOG = click.option(
    "--log",
    "log",
    type=click.Choice(TRACKERS),
    multiple=True,
    help="Log training and report there, too; files in OUT/logs. May be repeated.",
)


@contextmanager
def logging(names: Sequence[str], out: Path, asked: Mapping[str, Any]) -> Iterator[list[Logger]]:
    """The loggers of some trackers, on the first rank alone; the run is named after the folder of the results."""
    with ExitStack() as stack:
        config = {name: plain(value) for name, value in asked.items() if value is not None}
        yield [
            stack.enter_context(logging_to(name, out / "logs", run=out.name or "upgrade", config=config))
            for name in dict.fromkeys(names)
            if ranks.rank() == 0
        ]
