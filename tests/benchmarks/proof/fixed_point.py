"""What `implement` makes of the usual gates in fixed point, written to ``docs/measured/fixed-point.md``.

    python -m tests.benchmarks.proof.fixed_point [--format fixed4.12 --format fixed8.8] [--error 1]

Each row is proved at every input of its format. Icarus Verilog runs the module at every input, and Yosys maps it to
look-up tables of six inputs, without multipliers of their own; where a tool is not installed its column is empty. Rows
of formats that were not asked for stay as they are.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from rational_approx import NoKernel, implement
from rational_approx.kernels.implement import FixedImplementation
from tests import provenance
from tests.rational_approx.kernels.simulated import SIMULATOR, simulated

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "fixed-point.md"
GATES = ("sigmoid", "tanh", "gelu", "silu", "softplus", "erf", "mish", "selu", "hardswish", "exp(x)", "relu")
GATES += ("where(x > 0, sqrt(x), 0)", "where(x > 0, 1/sqrt(x), 0)", "sin(pi*x)")
ROWS = 32
COLUMNS = ("function", "format", "asked", "ulp, proved", "nearest", "turns", "rows", "degree", "widest", "cost", "LUTs")
COLUMNS += ("simulated", "seconds")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def tables(folder: Path) -> str:
    """How many look-up tables Yosys needs for the module in a folder."""
    if shutil.which("yosys") is None:
        return ""
    script = "read_verilog -sv gate.sv; synth -flatten -top gate -lut 6; tee -o stat.txt stat"
    subprocess.run(("yosys", "-q", "-p", script), check=True, cwd=folder, capture_output=True)
    found = re.search(r"\$lut\s+(\d+)", (folder / "stat.txt").read_text())
    return found[1] if found else "0"


def row(name: str, format: str, error: str) -> str:
    """One line of the table."""
    began = time.process_time()
    try:
        found = implement(name, format=format, error=error, segments=ROWS)
    except NoKernel:
        return f"| `{name}` | {format} | {error} | none within {ROWS} rows |{' |' * (len(COLUMNS) - 4)}"
    seconds = time.process_time() - began
    assert isinstance(found, FixedImplementation)
    facts, path = found.facts, found.kernel
    with tempfile.TemporaryDirectory() as name_of:
        folder, same, luts = Path(name_of), "", ""
        if SIMULATOR:
            equal = np.array_equal(simulated(found, folder), path(path.point.codes))
            same, luts = "the same" if equal else "**differs**", tables(folder)
    cells = [
        *(f"`{name}`", format, error, f"{float(facts.ulp):.6f}", f"{100 * facts.correct / facts.inputs:.1f}%"),
        *map(str, (facts.turns, len(path.rows), path.degree, max(facts.widths.values()), path.cost)),
        *(luts, same, f"{seconds:.1f}"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", action="append")
    parser.add_argument("--error", default="1")
    given = parser.parse_args()
    formats = given.format or ["fixed4.12", "fixed8.8", "fixed3.5"]
    table = provenance.part(PAGE, "measured")
    asked = {(format, given.error) for format in formats}
    kept = [
        line for line in table.splitlines()[2:] if tuple(cell.strip() for cell in line.split("|")[2:4]) not in asked
    ]
    lines = [HEAD, *kept]
    for format in formats:
        for name in GATES:
            lines.append(row(name, format, given.error))
            print(lines[-1], flush=True)
            provenance.fill(PAGE, "measured", "\n".join(lines), "tests.benchmarks.proof.fixed_point")


if __name__ == "__main__":
    main()
