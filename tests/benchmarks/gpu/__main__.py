"""Everything that is to be measured on a CUDA device, in order of value and within so many minutes.

    python -m tests.benchmarks.gpu --out DIR [--minutes 12] [--only tests,kernels]
    python -m tests.benchmarks.gpu --out DIR --dry-run     # all of it in tiny sizes on a CPU: that it runs, no more

``DIR`` gets ``measured.json``, ``measured.md`` and a log, written anew after every row: what is there when the time is
over, stays. A part that fails is noted, and the next one goes on; time that a part leaves goes to those after it. No
network is needed; libraries of the field, and the weights of SmolLM2, are used where they are installed.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.benchmarks.gpu import gpu_tests, harvesting, kernels, resuming, steps, upgrades
from tests.benchmarks.gpu.part import Part, rows_of
from tests.benchmarks.gpu.results import Found, machine, write

PARTS = (
    Part("tests", "Do the tests marked gpu pass?", 1.0, gpu_tests.measure),
    Part("kernels", "How fast are the Triton kernels beside compiled formulas and a copy?", 2.0, kernels.measure),
    Part("steps", "What does a training step cost, ours and the peers'?", 1.5, steps.measure),
    Part("upgrades", "How long does an upgrade take, its control included?", 5.5, upgrades.measure),
    Part("harvest", "How many tokens a second does a harvest read?", 1.0, harvesting.measure),
    Part("resume", "Does a killed upgrade end with the same bits?", 1.0, resuming.measure),
)


def run(parts: Sequence[Part], folder: Path, minutes: float, dry: bool) -> list[Found]:
    """Run the parts one after another; each may take its share of the time that is left."""
    ends = time.monotonic() + 60 * minutes
    about, found = machine(dry), [Found.of(part) for part in parts]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").unlink(missing_ok=True)
    write(folder, about, found)
    for i, (part, entry) in enumerate(zip(parts, found, strict=True)):
        began = time.monotonic()
        share = part.minutes / sum(later.minutes for later in parts[i:])
        entry.allowed = share * (ends - began)
        if entry.allowed < 1:
            continue
        entry.state = "was cut off"
        for told in rows_of(part, entry.allowed, dry, folder / "log.txt"):
            if isinstance(told, str):
                entry.state = told
            else:
                entry.rows.append(told)
            entry.seconds = time.monotonic() - began
            write(folder, about, found)
        print(f"{part.name}: {entry.seconds:.0f} s, {len(entry.rows)} rows; {entry.state}", flush=True)
    return found


def _prepare() -> None:
    """Import once what the parts of a dry run, which are forked, would each import again; Triton as an interpreter."""
    os.environ["TRITON_INTERPRET"] = "1"
    for name in ("torch._dynamo", "transformers.models.llama.modeling_llama", "matplotlib.backends.backend_svg"):
        importlib.import_module(name)
    del os.environ["TRITON_INTERPRET"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a part did not come to its end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--only", default=",".join(part.name for part in PARTS))
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    asked = options.only.split(",")
    if unknown := set(asked) - {part.name for part in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.dry_run and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --dry-run runs everything in tiny sizes on a CPU")
    if options.dry_run:
        _prepare()
    found = run([part for part in PARTS if part.name in asked], options.out, options.minutes, options.dry_run)
    print(f"{options.out / 'measured.md'}")
    return int(any(part.state != "done" for part in found))


if __name__ == "__main__":
    sys.exit(main())
