"""``--log``: what a command tells an experiment tracker, besides what it shows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from rsae import ranks
from rsae.loggers import TRACKERS, Logger, logging_to
from rsae.storage.writing import plain

__all__ = ["LOG", "logging"]


def _installed(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a tracker that is not installed before any work; a folder of its name, such as wandb makes, is none."""
    for name in names:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise click.BadParameter(f'{name} is not installed (pip install "rational-sae[{name}]")')
    return names


LOG = click.option(
    "--log",
    "log",
    type=click.Choice(TRACKERS),
    multiple=True,
    callback=_installed,
    help="Experiment tracker to log to; its files go to OUT/logs. May be repeated.",
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
