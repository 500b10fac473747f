"""How many outputs in float32 are right, over every number: the second part of ``docs/measured/functions.md``.

    python -m tests.benchmarks.proof.counts [name ...]

Each function is implemented for an error of 1 ulp, its C code is compiled and run at all 4,278,190,080 finite numbers
(`try_every`), and the independent verifier checks the proofs that this rests on. Rows of functions that are not named
stay as they are.
"""

import sys
import time

from rational_approx import implement, try_every, verify
from tests import provenance
from tests.benchmarks.machine import machine
from tests.benchmarks.proof.functions import PAGE

FUNCTIONS = ("exp", "tanh", "sin", "gelu")
COLUMNS = ("function", "inputs", "ulp, proved", "ulp, found", "nearest number at", "one of the two next at", "turns")
MORE = ("outputs", "second code within, ulp", "decided singly", "open", "seconds")
HEAD = f"| {' | '.join((*COLUMNS, *MORE))} |\n{'|---' * (len(COLUMNS) + len(MORE))}|"


def row(name: str) -> tuple[str, str]:
    """One line of the table, and what ran the code."""
    found = implement(name, format="float32")
    began = time.process_time()
    tried = try_every(found)
    seconds = time.process_time() - began
    outcome = verify(tried, seconds=600)
    assert outcome.outcome == "verified", outcome
    counts = tried.counts
    cells = [
        *(name, str(counts.inputs), f"{float(found.facts.ulp):.6f}", f"{float(counts.ulp):.6f}"),
        f"{counts.correct} ({counts.correct / counts.inputs:.4%})",
        *(str(counts.faithful), str(counts.turns), f"{counts.lowest:.9g} to {counts.highest:.9g}"),
        *(f"{float(tried.reference.within):.6f}", str(counts.singly), str(counts.open), f"{seconds:.0f}"),
    ]
    return f"| {' | '.join(cells)} |", tried.by


def main() -> None:
    """Print the rows, and write them into the page."""
    for name in sys.argv[1:] or FUNCTIONS:
        line, by = row(name)
        print(line, flush=True)
        table = provenance.part(PAGE, "counted")
        rows = {each.split("|")[1].strip(): each for each in table.splitlines()[2:] if each.startswith("|")}
        rows[name] = line
        lines = "\n".join([HEAD, *(rows[each] for each in FUNCTIONS if each in rows)])
        provenance.fill(PAGE, "counted", f"{lines}\n\nRun by {by}. {machine()}.", "tests.benchmarks.proof.counts")


if __name__ == "__main__":
    main()
