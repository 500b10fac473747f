"""How near the time left that an upgrade shows is to the time that it then takes.

    python tests/benchmarks/time_left.py [--steps 3000] [--repeat 3]

The synthetic world of `rsae demo --synthetic`. At a tenth, a quarter, half and three quarters of a run: by what share
the time that was left differed from the one shown.
"""

import argparse
import time

from rsae import upgrade
from rsae.demo import synthetic
from rsae.finetune import Progress

SHARES = (0.1, 0.25, 0.5, 0.75)


def run(steps: int, seed: int) -> list[str]:
    """The seconds of a run, and the difference at each share of it."""
    states = synthetic.states()
    teacher = synthetic.teacher(states, steps=300)
    events: list[tuple[float, float]] = []

    def follow(event: Progress) -> None:
        events.append((time.monotonic(), event.seconds_left))

    began = time.monotonic()
    upgrade(teacher, states, steps=steps, seed=seed, progress=follow)
    ended = time.monotonic()
    cells = []
    for share in SHARES:
        at, left = min(events, key=lambda event: abs(event[0] - (began + share * (ended - began))))
        cells.append(f"{(ended - at) / left - 1:+.0%}")
    return [f"{ended - began:.0f}", *cells]


def main() -> None:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print("| seconds | " + " | ".join(f"at {share:.0%}" for share in SHARES) + " |")
    for seed in range(options.repeat):
        print(f"| {' | '.join(run(options.steps, seed))} |", flush=True)


if __name__ == "__main__":
    main()
