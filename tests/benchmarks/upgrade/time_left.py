"""How near the time left that an upgrade shows is to the time that it then takes.

    python -m tests.benchmarks.upgrade.time_left [--steps 3000] [--repeat 3]
    python -m tests.benchmarks.upgrade.time_left -- --sae ... --model ... --hook ... --text ... --out ...

Without further arguments the synthetic world of `rsae demo --synthetic`; with the arguments of `rsae upgrade`, that
command. At so many shares of the time from the first figure shown to the end: by what share the time that was left
differed from the one shown.
"""

import argparse
import time
from collections.abc import Callable

from rsae import upgrade
from rsae.commands.main import main as command_line
from rsae.demo import synthetic
from rsae.progress import Bars, Progress

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
Follow = Callable[[Progress], None]


def run(work: Callable[[Follow], None]) -> str:
    """A row: seconds of all of it and from the first figure on, and the difference at each share."""
    events: list[tuple[float, float]] = []
    began = time.monotonic()
    work(lambda event: events.append((time.monotonic(), event.seconds_left)))
    ended = time.monotonic()
    first = events[0][0]
    cells = [f"{ended - began:.0f}", f"{ended - first:.0f}"]
    for share in SHARES:
        at, left = min(events, key=lambda event: abs(event[0] - (first + share * (ended - first))))
        cells.append(f"{(ended - at) / left - 1:+.0%}")
    return f"| {' | '.join(cells)} |"


def on_command(arguments: list[str]) -> Callable[[Follow], None]:
    """`rsae upgrade` with these arguments, as a user runs it."""

    def work(follow: Follow) -> None:
        shown = Bars.training

        def both(bars: Bars, event: Progress) -> None:
            follow(event)
            shown(bars, event)

        Bars.training = both  # type: ignore[method-assign]
        command_line(["upgrade", *arguments], standalone_mode=False)

    return work


def main() -> None:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("arguments", nargs="*", help="those of rsae upgrade, after --")
    options = parser.parse_args()
    if options.arguments:
        runs = [on_command(options.arguments)]
    else:
        states = synthetic.states()
        teacher = synthetic.teacher(states, steps=300)
        runs = [
            lambda follow, seed=seed: upgrade(teacher, states, steps=options.steps, seed=seed, progress=follow)  # type: ignore[misc]
            for seed in range(options.repeat)
        ]
    rows = [run(work) for work in runs]
    print("| seconds | from the first figure | " + " | ".join(f"at {share:.0%}" for share in SHARES) + " |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
