"""Code that calculates in its own format, proved, verified and run: ``docs/measured/own-format.md``.

    python -m tests.benchmarks.proof.same_format [--count 10000000] [name:format[:fma] ...]

Each row is proved at every number, verified by the independent verifier, and its C code is run at so many random
numbers, all bits alike, beside enclosures of the target. Rows that are not named stay as they are.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from flint import arb

from rational_approx import Implementation, export, implement, verify
from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.enclosures import AT_POINT
from rational_approx.expressions.expression import parse
from rational_approx.expressions.nodes import evaluate
from tests import provenance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "own-format.md"
ASKED = {
    **{f"{name}:float32": "1" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf")},
    "sigmoid:float32": "3.6",
    **{f"{name}:float32:fma": "1" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf")},
    **{f"{name}:float64": "1" for name in ("exp", "expm1", "log", "log1p", "tanh")},
    **{f"{name}:float64:fma": "1" for name in ("exp", "expm1", "tanh")},
}
"""Functions with their formats, with FMA or without, and the error that is asked for."""
COLUMNS = ("function", "ulp, proved", "operations (longest)", "pieces", "seconds", "to verify", "random", "ulp, seen")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
TYPES = {"float32": "float", "float64": "double"}


def outputs(found: Implementation, x: np.ndarray) -> np.ndarray:
    """What the C code gives."""
    kind = TYPES[found.kernel.format]
    text = f"\nvoid all(const {kind} *x, {kind} *y, size_t n) {{ code_many(x, y, n); }}\n"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "code.c").write_text(export(found, "c", name="code") + text)
        command = ("gcc", "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC", "code.c", "-o", "code.so")
        subprocess.run(command, cwd=folder, check=True)
        y = np.empty_like(x)
        sizes = x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(x.size)
        ctypes.CDLL(f"{folder}/code.so").all(*sizes)
    return y


def seen(found: Implementation, count: int) -> float:
    """The largest error at random numbers that have a value and an output that is no infinity."""
    format = found.kernel.format
    bits, smallest, top = FORMATS[format]
    codes = np.random.default_rng(1).integers(0, 2 ** (32 if format == "float32" else 64), count, dtype=np.uint64)
    x = codes.astype(f"uint{8 * np.dtype(format).itemsize}").view(format)
    x = x[np.isfinite(x)]
    y = outputs(found, x)
    tree, worst = parse(found.expression).tree, 0.0
    for point, got in zip(x[np.isfinite(y)].tolist(), y[np.isfinite(y)].tolist()):
        value = arb.nan()
        for precision in (160, 2400):
            with working_bits(precision):
                value = evaluate(tree, arb(point), AT_POINT)
                if value.rel_accuracy_bits() >= 80:
                    break
        if not value.is_finite() or not abs(value) < arb(2) ** top:
            continue
        mantissa, exponent = abs(value).mid().man_exp()
        unit = arb(2) ** max(int(exponent) + int(mantissa).bit_length() - bits, smallest)
        worst = max(worst, float((abs(value - arb(got)) / unit).upper()))
    assert worst <= found.facts.ulp, (found.name, worst)
    return worst


def row(asked: str, count: int) -> str:
    """One line of the table."""
    name, format, *how = asked.split(":")
    began = time.process_time()
    found = implement(name, format=format, accumulate=format, error=ASKED[asked], fma=how == ["fma"])
    made = time.process_time()
    outcome = verify(found, seconds=1200)
    done = time.process_time()
    assert outcome.outcome == "verified", outcome
    cells = [
        *(asked, f"{float(found.facts.ulp):.6f}", f"{found.operations} ({found.longest})"),
        *(str(len(found.kernel.pieces)), f"{made - began:.1f}", f"{done - made:.1f}"),
        *(f"{count:,}", f"{seen(found, count):.4f}"),
    ]
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
