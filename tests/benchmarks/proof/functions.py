"""What `implement` makes of elementary functions over all exponents of float32: ``docs/measured/functions.md``.

    python -m tests.benchmarks.proof.functions [name ...]

Each row is proved at every number of float32, for an error of 1 ulp, and verified by the independent verifier. Beside
it is the largest error of PyTorch's own function in float32 on a CPU, at the numbers that bfloat16 has as well. Rows of
functions that are not named stay as they are.
"""

import sys
import time
from math import isnan
from pathlib import Path

import numpy as np

from rational_approx import implement, verify
from rational_approx.expressions.expression import parse
from rational_approx.kernels.facts import ulp_errors
from rational_approx.kernels.truth import truth
from tests import provenance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "functions.md"
FUNCTIONS = {
    **{f"{name}(x)": name for name in ("sin", "cos", "tan", "log", "log1p", "expm1", "asinh", "acosh", "atanh")},
    **{f"{name}(x)": name for name in ("atan", "sinh", "cosh", "sqrt")},
    "log(x) / log(2)": "log2",
    "1 / sqrt(x)": "rsqrt",
    "sign(x) * abs(x)^(1/3)": "",
    "x^1.5": "",
    "sin(pi * x)": "",
}
"""Targets, and what PyTorch calls them."""
COLUMNS = ("function", "ulp, proved", "at -inf, -0, 0, inf", "operations (longest)", "pieces", "seconds", "to verify")
HEAD = f"| {' | '.join(COLUMNS)} | PyTorch, ulp |\n{'|---' * 8}|"


def peer(expression: str, name: str) -> str:
    """The largest error of PyTorch's own function."""
    try:
        import torch
    except ImportError:
        return ""
    if not name:
        return ""
    known = truth(parse(expression), "float32")
    y = getattr(torch, name)(torch.from_numpy(known.x)).numpy()
    error = ulp_errors(y, known.value, "float32")
    return f"{error.max():.3g} at {float(known.x[int(np.argmax(error))]):.6g}"


def row(expression: str, name: str) -> str:
    """One line of the table."""
    began = time.process_time()
    found = implement(expression, format="float32")
    made = time.process_time()
    outcome = verify(found, seconds=600)
    done = time.process_time()
    assert outcome.outcome == "verified", outcome
    at = ", ".join("NaN" if isnan(y) else f"{y:.6g}" for y in found.facts.at)
    cells = [
        *(expression, f"{float(found.facts.ulp):.6f}", at),
        *(f"{found.operations} ({found.longest})", str(len(found.kernel.pieces))),
        *(f"{made - began:.1f}", f"{done - made:.1f}", peer(expression, name)),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, and write them into the page."""
    table = provenance.part(PAGE, "measured")
    rows = {line.split("|")[1].strip(): line for line in table.splitlines()[2:]}
    for expression in sys.argv[1:] or FUNCTIONS:
        rows[expression] = row(expression, FUNCTIONS.get(expression, ""))
        print(rows[expression], flush=True)
        lines = "\n".join([HEAD, *(rows[name] for name in FUNCTIONS if name in rows)])
        provenance.fill(PAGE, "measured", lines, "tests.benchmarks.proof.functions")


if __name__ == "__main__":
    main()
