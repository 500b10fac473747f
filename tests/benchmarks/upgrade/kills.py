"""Kill upgrades at random moments, start them again, and compare every file with an uninterrupted run's.

    python -m tests.benchmarks.upgrade.kills [--kills 50] [--family relu] [--seed 0]

Each of the runs, of `rsae upgrade` on a tiny language model with one thread, is killed once (SIGKILL) at a moment drawn
evenly from the time that a whole run takes, and started again with the same command. It ends at the first difference.
"""

import argparse
import tempfile
from pathlib import Path

from tests.rsae import killing


def main() -> None:
    """Print how often which stage was hit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--family", default="relu", choices=["relu", "jumprelu", "topk"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = killing.command(folder / "inputs", steps=60, every=20, family=options.family)
        killing.run(["--help"])
        killing.run([*arguments, "--out", str(folder / "whole")])
        seconds = killing.run([*arguments, "--out", str(folder / "timed")])
        print(f"{options.family}: a whole run takes {seconds:.1f} s; {options.kills} kills, seed {options.seed}")
        hit = killing.kill_and_resume(arguments, folder, folder / "whole", seconds, options.kills, options.seed)
        for stage, count in sorted(hit.items()):
            print(f"  {count:3d}  {stage}")
        print(f"{options.kills} kills: all ends bit-identical to the uninterrupted run, no other file left")


if __name__ == "__main__":
    main()
