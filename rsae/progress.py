"""What is shown while something works, and who else is told: the one place of the library that writes to a screen.

`progress=` of `upgrade`, `finetune` and `hidden_states` is resolved here, once, where the call begins: True shows bars
in a terminal and in a notebook, and elsewhere a line every half minute, both on stderr; False is silent; a callable is
called; a list is all of its entries together. Everything below the boundary knows callables alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any, ParamSpec

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichBars

from rsae import ranks

__all__ = ["Bars", "Progress", "Whom", "asked", "told"]

_P = ParamSpec("_P")
Whom = bool | Callable[..., object] | Sequence[bool | Callable[..., object]] | None
_PERIOD = 30.0  # seconds between two lines where nothing can be drawn over


@dataclass(frozen=True)
class Progress:
    """One event of a training run: what is being trained, how far it is, its loss (squared error) and L0, how many
    seconds are left, and how many of torch's threads it takes."""

    arm: str
    step: int
    steps: int
    loss: float
    l0: float
    seconds_left: float
    threads: int = 1


class Bars:
    """Bars, one for the harvest and one for each arm: steps, loss, L0 and the time left; or lines of the same.

    ``console`` is where they go; default: stderr, and nowhere on another rank than the first. Bars need a terminal, or
    a notebook with ipywidgets.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = Console(stderr=True, quiet=ranks.rank() > 0) if console is None else console
        self._bars = _bars(self.console) if _can_draw(self.console) else None
        self._tasks: dict[str, TaskID] = {}
        self._threads: int | None = None
        self._clock, self._last = clock, clock()

    def __enter__(self) -> "Bars":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def training(self, event: Progress) -> None:
        """Show one event of a training run, and on how many threads it runs: above the bars, or in every line."""
        detail = f"loss {event.loss:.4g}  L0 {event.l0:.2f}  {_time(event.seconds_left)} left"
        threads = f"on {event.threads} thread{'s' if event.threads > 1 else ''}"
        if self._bars is None:
            detail += f"  {threads}"
        elif event.threads != self._threads:
            self._threads = event.threads
            self.note(f"Training {threads}.")
        self._show(event.arm, event.step, event.steps, detail)

    def harvest(self, done: int, total: int) -> None:
        """Show how many tokens the host has read."""
        self._show("hidden states", done, total, "tokens")

    def note(self, text: str) -> None:
        """A line of its own, above the bars."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def _show(self, name: str, done: int, total: int, detail: str) -> None:
        if self._bars is None:
            if self._clock() - self._last >= _PERIOD:
                self._last = self._clock()
                self.note(f"{name}: {done}/{total}  {detail}")
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, detail=detail)
        self._bars.update(self._tasks[name], completed=done, total=total, detail=detail)


def asked(progress: Whom) -> list[Any]:
    """The entries of a ``progress=``, checked where a call begins; TypeError for anything but the four forms."""
    entries: list[Any] = list(progress) if isinstance(progress, list | tuple) else [progress]
    for entry in entries:
        if not callable(entry) and not isinstance(entry, bool | None):
            raise TypeError(f"progress is True, False, a callable or a list of these, not {entry!r}")
    return entries


@contextmanager
def told(
    progress: Whom,
    shown: Callable[[Bars], Callable[_P, None]],
) -> Iterator[Callable[_P, None] | None]:
    """While active, the one function that tells everybody whom ``progress`` names; None where that is nobody.

    ``shown`` is the method of a display for events of this kind. Raises TypeError for anything but the four forms.

    >>> seen = []
    >>> with told([False, seen.append], lambda bars: bars.training) as tell:
    ...     tell("event")
    >>> seen
    ['event']
    """
    entries = asked(progress)
    called = [entry for entry in entries if callable(entry)]
    display = Bars() if True in entries else None
    with nullcontext() if display is None else display:
        if display is not None:
            called.append(shown(display))

        def tell(*args: _P.args, **kwargs: _P.kwargs) -> None:
            for each in called:
                each(*args, **kwargs)

        yield tell if called else None


def _can_draw(console: Console) -> bool:
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


def _bars(console: Console) -> RichBars:
    return RichBars(
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[detail]}"),
        console=console,
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
