"""Experiment trackers: wandb, TensorBoard and trackio, each a callback of `upgrade` and nothing more.

    with logging_to("wandb", "logs", run="gpt2-8") as log:
        done = rsae.upgrade(teacher, states, progress=[True, log])
        log.report(done.report)

The protocol is `Logger`: it is called with every `rsae.progress.Progress`, and at the end given the report. Whether
anything leaves the machine is the tracker's own affair (``WANDB_MODE=offline``); TensorBoard and trackio write files.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rsae.progress import Progress
from rsae.report.report import Report

__all__ = ["TRACKERS", "Logger", "logging_to"]

TRACKERS = ("wandb", "tensorboard", "trackio")
_PROJECT = "rsae"


class Logger(ABC):
    """A callback that keeps what it is told: of each arm the loss and the L0 by step, of the report every number."""

    def __call__(self, event: Progress) -> None:
        """Keep one event of a training run as ``arm/loss`` and ``arm/l0``, at the arm's own step."""
        self.step(event.arm, event.step, {"loss": event.loss, "l0": event.l0})

    def report(self, report: Report) -> None:
        """Keep every finite metric of every column as ``column/metric``, and the verdict."""
        values = {
            f"{column}/{name}": metric.value
            for column, metrics in report.columns.items()
            for name, metric in metrics.items()
            if math.isfinite(metric.value)
        }
        self.end(values, report.verdict)

    @abstractmethod
    def step(self, arm: str, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers of an arm at one of its steps."""

    @abstractmethod
    def end(self, values: Mapping[str, float], verdict: str) -> None:
        """Keep what the run came to."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


@contextmanager
def logging_to(
    tracker: str, folder: str | Path, *, run: str = "upgrade", config: Mapping[str, Any] | None = None
) -> Iterator[Logger]:
    """While active, the logger of a tracker: ``"wandb"``, ``"tensorboard"`` or ``"trackio"``.

    ``folder`` is where its files go (trackio has a place of its own: ``TRACKIO_DIR``); ``run`` names the run, in a
    project called "rsae" where the tracker has projects; ``config`` is kept beside it. Raises ValueError for another
    name, ImportError where the tracker is not installed.
    """
    if tracker not in TRACKERS:
        raise ValueError(f"a tracker is one of {', '.join(TRACKERS)}, not {tracker!r}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    kinds: dict[str, type[Any]] = {"wandb": _Wandb, "tensorboard": _TensorBoard, "trackio": _Trackio}
    try:
        logger: Logger = kinds[tracker](Path(folder), run, dict(config or {}))
    except ImportError as error:
        message = f'{tracker} is not installed (pip install "rational-sae[{tracker}]")'
        raise ImportError(message) from error
    try:
        yield logger
    finally:
        logger.close()


class _Wandb(Logger):
    def __init__(self, folder: Path, run: str, config: dict[str, Any]) -> None:
        import wandb

        self._run = wandb.init(project=_PROJECT, name=run, dir=str(folder), config=config)
        self._arms: set[str] = set()

    def step(self, arm: str, step: int, values: Mapping[str, float]) -> None:
        if arm not in self._arms:  # arms are trained one after the other, so that each needs an axis of its own
            self._arms.add(arm)
            self._run.define_metric(f"{arm}/step")
            self._run.define_metric(f"{arm}/*", step_metric=f"{arm}/step")
        self._run.log({f"{arm}/{name}": value for name, value in {**values, "step": step}.items()})

    def end(self, values: Mapping[str, float], verdict: str) -> None:
        self._run.summary.update({**values, "verdict": verdict})

    def close(self) -> None:
        self._run.finish()


class _TensorBoard(Logger):
    def __init__(self, folder: Path, run: str, config: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / run))
        self._writer.add_text("config", "\n".join(f"    {name}: {value}" for name, value in config.items()))

    def step(self, arm: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{arm}/{name}", value, step)

    def end(self, values: Mapping[str, float], verdict: str) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"report/{name}", value, 0)
        self._writer.add_text("verdict", verdict)

    def close(self) -> None:
        self._writer.close()


class _Trackio(Logger):
    def __init__(self, folder: Path, run: str, config: dict[str, Any]) -> None:
        import trackio

        self._run = trackio.init(project=_PROJECT, name=run, config=config, embed=False)

    def step(self, arm: str, step: int, values: Mapping[str, float]) -> None:
        self._run.log({f"{arm}/{name}": value for name, value in {**values, "step": step}.items()})

    def end(self, values: Mapping[str, float], verdict: str) -> None:
        self._run.log({**{f"report/{name}": value for name, value in values.items()}, "verdict": verdict})

    def close(self) -> None:
        self._run.finish()
