"""Code that calculates in its own format, proved, verified and run: ``docs/measured/own-format.md``.

    python -m tests.benchmarks.proof.same_format [--count 10000000] [name:format[:fma] ...]

Each row is proved at every number, verified by the independent verifier, and its C code is run beside gcc's libquadmath
at so many random numbers, all bits alike, as many between the ends of its pieces, and a million that are chosen to be
hard. A function that is refused has a row that says so. Rows that are not named stay as they are; without libquadmath
the last columns say so.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from flint import arb

from rational_approx import Implementation, NoKernel, implement, verify
from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.enclosures import AT_POINT
from rational_approx.expressions.expression import parse
from rational_approx.expressions.nodes import Node, evaluate
from tests import provenance
from tests.benchmarks.proof.quad import Quad, missing, numbers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "own-format.md"
GATES = ("gelu", "mish", "elu", "selu", "celu", "hardswish", "hardsigmoid", "logsigmoid")
"""Gates that need products without an error, a base in two parts, or many pieces."""
FALLING = ("exp(-x^2)", "x*sigmoid(1.702*x)")
ASKED = {
    **{f"{name}:float32": "1" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf")},
    **{f"{name}:float32": "1" for name in ("sigmoid", "silu", "softplus")},
    **{f"{name}:float32:fma": "1" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf")},
    **{f"{name}:float64": "1" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf")},
    **{f"{name}:float64": "1" for name in ("sigmoid", "silu", "softplus")},
    **{f"{name}:float64:fma": "1" for name in ("exp", "expm1", "tanh")},
    **{f"{name}:{format}": "1" for format in ("float32", "float64") for name in ("sin", "cos")},
    **{f"{name}:float32:fma": "1" for name in ("sin", "cos")},
    **{f"{name}:{format}:fma": "1" for format in ("float32", "float64") for name in GATES},
    **{f"{name}:{format}": "1" for format in ("float32", "float64") for name in GATES},
    **{f"{name}:float32{how}": "1" for how in (":fma", "") for name in FALLING},
}
"""Functions with their formats, with FMA or without, and the error that is asked for."""
FIRST = ("function", "ulp, proved", "operations (longest)", "pieces", "seconds", "to verify")
COLUMNS = (*FIRST, "numbers run", "ulp, seen", "at")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
SAMPLE = 60
"""At so many numbers of each million libquadmath is compared with enclosures."""
QUAD_OFF = 2.0**-45
"""So many units in the last place it may be off there, of numbers of 53 bits; it has 113."""


def exact_error(tree: Node, format: str, point: float, got: float) -> float | None:
    """The error in units in the last place beside an enclosure; None where there is no value, or a too large one."""
    bits, smallest, top = FORMATS[format]
    value = arb.nan()
    for precision in (160, 2400):
        with working_bits(precision):
            value = evaluate(tree, arb(point), AT_POINT)
            if value.rel_accuracy_bits() >= 80:
                break
    if not value.is_finite() or not abs(value) < arb(2) ** top or not np.isfinite(got):
        return None
    mantissa, exponent = abs(value).mid().man_exp()
    unit = arb(2) ** max(int(exponent) + int(mantissa).bit_length() - bits, smallest)
    return float((abs(value - arb(got)) / unit).upper())


def seen(found: Implementation, name: str, count: int) -> tuple[int, float, float]:
    """How many numbers were run, the largest error, and at which of them.

    What libquadmath says is compared with enclosures at the worst number of each million and at some others.
    """
    quad, tree, total, worst, at = Quad(found, name), parse(found.expression).tree, 0, 0.0, 0.0
    low, high = float(found.facts.lowest), float(found.facts.highest)
    compared = 0
    for x in numbers(found, count):
        y, error = quad(x)
        total += x.size
        number = ~np.isnan(y)
        assert ((y >= low) & (y <= high))[number].all(), (name, "an output is out of the stated range")
        most = int(error.argmax())
        for k in {most, *range(0, x.size, x.size // SAMPLE + 1)}:
            exact = exact_error(tree, found.kernel.format, float(x[k]), float(y[k]))
            assert exact is None or abs(exact - error[k]) < QUAD_OFF, (name, x[k], exact, error[k])
            compared += exact is not None
        if error[most] > worst:
            worst, at = float(error[most]), float(x[most])
    assert worst + QUAD_OFF <= found.facts.ulp, (name, at, worst)
    assert compared > SAMPLE
    return total, worst, at


def row(asked: str, count: int) -> str:
    """One line of the table."""
    name, format, *how = asked.split(":")
    began = time.process_time()
    try:
        found = implement(name, format=format, accumulate=format, error=ASKED[asked], fma=how == ["fma"])
    except NoKernel:
        return f"| {asked} | refused | | | {time.process_time() - began:.1f} | | | | |"
    made = time.process_time()
    outcome = verify(found, seconds=1200)
    done = time.process_time()
    assert outcome.outcome == "verified", outcome
    cells = [
        *(asked, f"{float(found.facts.ulp):.6f}", f"{found.operations} ({found.longest})"),
        *(str(len(found.kernel.pieces)), f"{made - began:.1f}", f"{done - made:.1f}"),
    ]
    if missing():
        return f"| {' | '.join([*cells, '-', missing(), '-'])} |"
    total, worst, at = seen(found, name, count)
    cells += [f"{total:,}", f"{worst:.4f}", at.hex()]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("asked", nargs="*")
    parser.add_argument("--count", type=int, default=10_000_000)
    given = parser.parse_args()
    table = provenance.part(PAGE, "measured")
    rows = {line.split("|")[1].strip(): line for line in table.splitlines()[2:]}
    for asked in given.asked or ASKED:
        rows[asked] = row(asked, given.count)
        print(rows[asked], flush=True)
        lines = "\n".join([HEAD, *(rows[name] for name in ASKED if name in rows)])
        provenance.fill(PAGE, "measured", lines, "tests.benchmarks.proof.same_format")


if __name__ == "__main__":
    main()
