"""What `implement` makes of the usual gates, written to ``docs/approximation/implement.md``.

    python -m tests.benchmarks.proof.kernels [--error 1 --error 0.515625] [--format bfloat16 --format float32]

Each row is proved at every number of its format. Beside it is the largest error of PyTorch's own function on a CPU in
the same format, in the same units, at the same numbers; in float32 at those that bfloat16 has, too. Without torch that
column is empty. Rows of formats that were not asked for stay as they are.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from rational_approx import NoKernel, implement
from rational_approx.expressions.expression import parse
from rational_approx.kernels.facts import TriedFacts, ulp_errors
from rational_approx.kernels.truth import truth

PAGE = Path(__file__).resolve().parents[3] / "docs" / "approximation" / "implement.md"
GATES = (
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "softplus",
    "tanh",
    "sigmoid",
    "erf",
    "elu",
    "selu",
    "hardswish",
    "logsigmoid",
    "exp(x)",
)
HEAD = """| gate | format | ulp, proved | turns | operations (longest) | pieces | seconds | PyTorch, ulp |
|---|---|---|---|---|---|---|---|"""


def peer(name: str, format: str, expression: str) -> str:
    """The largest error of PyTorch's own function."""
    try:
        import torch
    except ImportError:
        return ""
    functional = torch.nn.functional
    own = {
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "erf": torch.erf,
        "exp(x)": torch.exp,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }.get(name, getattr(functional, name, None))
    known = truth(parse(expression), format)
    y = own(torch.from_numpy(known.x).to(getattr(torch, format))).float().numpy()
    error = ulp_errors(y, known.value, format)
    return f"{error.max():.3g} at {float(known.x[int(np.argmax(error))]):.6g}"


def row(name: str, format: str, error: str) -> str:
    """One line of the table."""
    began = time.process_time()
    try:
        found = implement(name, format=format, error=error)
    except NoKernel:
        return f"| {name} | {format} | none within {error} | | | | | |"
    seconds = time.process_time() - began
    turns = str(found.facts.turns) if isinstance(found.facts, TriedFacts) else ""
    cells = [
        *(name, format, f"{float(found.facts.ulp):.6f}", turns),
        *(f"{found.operations} ({found.longest})", str(len(found.kernel.pieces)), f"{seconds:.1f}"),
        peer(name, format, found.expression),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--error", action="append")
    parser.add_argument("--format", action="append")
    given = parser.parse_args()
    formats = given.format or ["bfloat16", "float16", "float32"]
    before, rest = PAGE.read_text().split("<!-- measured: begin -->\n")
    table, after = rest.split("<!-- measured: end -->")
    kept = [line for line in table.splitlines()[2:] if line.split("|")[2].strip() not in formats]
    lines = [HEAD, *kept]
    for format in formats:
        for name in GATES:
            for error in given.error or ("1",):
                lines.append(row(name, format, error))
                print(lines[-1], flush=True)
                rows = "\n".join(lines)
                PAGE.write_text(f"{before}<!-- measured: begin -->\n{rows}\n<!-- measured: end -->{after}")


if __name__ == "__main__":
    main()
