"""A part of the run: what it measures, its share of the time, and a process of its own that can be ended.

Rows reach the caller one by one, so that a part whose time is over, or that breaks down, leaves what it has measured.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import NamedTuple

__all__ = ["Part", "Row", "Run", "rows_of"]

Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class Run:
    """What a part is told: where to measure, for how many seconds at most, and whom to give each row.

    In a ``dry`` run everything has tiny sizes, and the device is the CPU.
    """

    dry: bool
    seconds: float
    tell: Callable[[Row], None]
    began: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> str:
        """Where to measure."""
        return "cpu" if self.dry else "cuda"

    @property
    def left(self) -> float:
        """Seconds that this part still has."""
        return self.seconds - (time.monotonic() - self.began)

    @property
    def processes(self) -> BaseContext:
        """How a part starts processes."""
        return _processes(self.dry)


def _processes(dry: bool) -> BaseContext:
    """Afresh for a card, which a process forked from one that has used it cannot use; else forked, in no time."""
    return multiprocessing.get_context("fork" if dry else "spawn")


class Part(NamedTuple):
    """A name, the question that it answers, its minutes of a run of twelve, and the function that measures."""

    name: str
    question: str
    minutes: float
    measure: Callable[[Run], None]


def rows_of(part: Part, seconds: float, dry: bool, log: Path) -> Iterator[Row | str]:
    """The rows of a part as they come, then in a word how it ended: ``"done"``, or why not.

    It runs in a process of its own, with a session of its own: after ``seconds`` all of it is killed. What it prints
    is added to the file ``log``.
    """
    context = _processes(dry)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(part, seconds, dry, log, theirs))
    ends = time.monotonic() + seconds
    process.start()
    theirs.close()
    try:
        while ours.poll(max(0.0, ends - time.monotonic())):
            yield (told := ours.recv())
            if isinstance(told, str):
                return
        yield f"its time of {seconds:.0f} s was over"
    except EOFError:  # it did not even say how it ended
        process.join(5)
        yield f"its process ended with {process.exitcode}; see {log.name}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _work(part: Part, seconds: float, dry: bool, log: Path, pipe: Connection) -> None:
    os.setsid()
    sys.stdout = sys.stderr = log.open("a", buffering=1, encoding="utf-8")
    for descriptor in (1, 2):
        os.dup2(sys.stdout.fileno(), descriptor)
    warnings.simplefilter("ignore")
    print(f"== {part.name}", flush=True)
    try:
        part.measure(Run(dry, seconds, pipe.send))
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        pipe.send(f"{type(error).__name__}: {first}"[:300])
    else:
        pipe.send("done")
