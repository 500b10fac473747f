"""What Estrin's order, the barycentric form and fused operations do to code: operations, proved error, and time in C.

    python -m tests.benchmarks.proof.schemes [--write docs/measured/schemes.md] [--rounds 30]

All contenders run over the same points in turn, round after round, and of each the fastest round counts. *Many* is
``NAME_many`` over an array; *one by one* is ``NAME_unrounded``, where each number waits for the result before it.
"""

import argparse
import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from rational_approx import Implementation, export, implement
from tests import provenance
from tests.benchmarks.machine import machine

COUNT = 200_000
FUNCTIONS = ("tanh", "exp", "silu")
FORMATS = ("float32", "bfloat16")
SCHEME_ORDERS = ("horner", "estrin", "barycentric")
SCHEMES = [(order, fma) for order in SCHEME_ORDERS for fma in (False, True)]
FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=off")
MARK = "measured"
ABOUT = f"""{COUNT:,} points, uniform on [-10, 10], compiled by `gcc {" ".join(FLAGS)}`; of each the fastest of many
rounds counts, in processor time. *Operations*: of all pieces, a division counted as four, and in brackets of the
longest. *Many*: nanoseconds a number by `NAME_many`, with vector operations. *One by one*: the same by `NAME_unrounded`
where each number waits for the result before it."""
HEAD = "| function | format | order | FMA | operations | ulp, proved | many, ns | one by one, ns |\n|" + "---|" * 8
LOOP = """
static double {name}_chain(const float *x, size_t n) {{
    {real} v = 0;
    for (size_t i = 0; i < n; i++) v = {name}_unrounded(x[i] + v * 0);
    return v;
}}
"""
TIMED = """
#include <time.h>
volatile double kept;
double timed(int which, const void *x, void *y, size_t n) {{
    struct timespec begin, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    switch (which) {{
{cases}
    }}
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}}
"""


def library(work: Path, made: list[Implementation]) -> ctypes.CDLL:
    """All of them compiled: two cases each, many and one by one."""
    text, cases = "", []
    for number, found in enumerate(made):
        name = f"f{number}"
        real = "double" if found.kernel.format == "float32" else "float"
        text += export(found, "c", name=name) + LOOP.format(name=name, real=real)
        cases.append(f"    case {2 * number}: {name}_many(x, y, n); break;")
        cases.append(f"    case {2 * number + 1}: kept = {name}_chain(x, n); break;")
    (work / "schemes.c").write_text(text + TIMED.format(cases="\n".join(cases)))
    command = ("gcc", *FLAGS, "-shared", "-fPIC", "schemes.c", "-o", "schemes.so", "-lm")
    subprocess.run(command, cwd=work, check=True)
    out = ctypes.CDLL(str(work / "schemes.so"))
    out.timed.restype = ctypes.c_double
    out.timed.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    return out


def main() -> None:
    """Print the table, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    asked = [(name, format, *how) for name in FUNCTIONS for format in FORMATS for how in SCHEMES]
    made = [implement(name, format=format, scheme=order, fma=fma) for name, format, order, fma in asked]
    points = np.random.default_rng(1).uniform(-10, 10, COUNT).astype(np.float32)
    codes = (points.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    times = np.full(2 * len(made), np.inf)
    with tempfile.TemporaryDirectory() as work:
        timed = library(Path(work), made).timed
        for _ in range(given.rounds):
            for number in range(times.size):
                bits = number % 2 == 0 and made[number // 2].kernel.format == "bfloat16"
                x = codes if bits else points
                y = np.empty_like(x)
                times[number] = min(times[number], timed(number, x.ctypes.data, y.ctypes.data, COUNT))
    lines = []
    for number, ((name, format, order, fma), found) in enumerate(zip(asked, made)):
        many, chain = 1e9 * times[2 * number : 2 * number + 2] / COUNT
        cells = [name, format, order.title(), "yes" if fma else "no", f"{found.operations} ({found.longest})"]
        cells += [f"{float(found.facts.ulp):.6f}", f"{many:.2f}", f"{chain:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    text = "\n\n".join([ABOUT, "\n".join([HEAD, *lines]), machine() + "."])
    print(text)
    if given.write:
        provenance.fill(given.write, MARK, text, "tests.benchmarks.proof.schemes")


if __name__ == "__main__":
    main()
