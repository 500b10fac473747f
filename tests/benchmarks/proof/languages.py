"""Emitted code, compiled and run at every number of its format, in every language and with every compiler there is.

    python -m tests.benchmarks.proof.languages [--write docs/measured/gates.md] [--without float32]

The certificates are those of `tests.benchmarks.proof.kernels` in the same folder. Of bfloat16 and float16 every code is
run, NaNs among them, and the bits are compared with those that were tried for the proof; what a header claims (the
error, the range, how many are correct) is counted again from the outputs. Of float32 three gates are run at all 2^32
codes: every compiler's bits, and their error beside the functions of the C library in double.
"""

import argparse
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np

import rational_approx
from rational_approx import Implementation, export
from rational_approx.expressions.expression import parse
from rational_approx.kernels.facts import ulp_errors
from rational_approx.kernels.numbers import KINDS, finite_numbers
from rational_approx.kernels.truth import Truth, truth
from rational_approx.shipping.gate_library import ALL_GATES
from tests import provenance
from tests.benchmarks.machine import machine
from tests.rational_approx.kernels.compiled import COMPILERS, outputs

FLAGS = ("-O3", "-march=native")
WHOLE = {
    "exp": "exp(x)",
    "tanh": "tanh(x)",
    "gelu": "x * erfc(-x * 0.70710678118654752440) / 2",
}
"""Gates of float32 that are run at all codes, in the words of the C library."""
CHUNK = 1 << 24
ABOUT = "Of float32 these gates were run at all 2^32 codes, beside the functions of the C library in double:"
WORST = """
#include <math.h>
#include <stdint.h>
#include <string.h>
/* The largest error in units in the last place, with the function of the C library in double. */
double worst(const float *given, const float *got, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = given[i];
        if (!isfinite(given[i])) continue;
        const double f = TRUTH;
        int e = -124;
        if (f != 0) frexp(f, &e);
        const double unit = ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
        const double y = isinf(got[i]) ? (got[i] > 0 ? 0x1p128 : -0x1p128) : got[i];
        const double error = fabs(f) >= 0x1p128 ? (isinf(got[i]) ? 0 : 1e9) : fabs(y - f) / unit;
        if (!(error <= most)) most = error;
    }
    return most;
}
"""


def ways(found: Implementation, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Outputs by every language and compiler there is, for codes of a 16-bit format."""
    with tempfile.TemporaryDirectory() as folder:
        for compiler in COMPILERS:
            yield f"C, {compiler}", outputs(found, "c", x, Path(folder), compiler, *FLAGS)
        if shutil.which("g++"):
            yield "CUDA's operations, g++", outputs(found, "cuda", x, Path(folder))
        if shutil.which("rustc"):
            yield "Rust", outputs(found, "rust", x, Path(folder))
    for language in ("numpy", "pytorch"):
        space: dict = {}
        exec(export(found, language, name="gate"), space)
        given = wide(x, found.kernel.format)
        if language == "numpy":
            yield "NumPy", codes(np.asarray(space["gate"](given), dtype=np.float32), found.kernel.format)
        else:
            import torch

            yield "PyTorch", codes(space["gate"](torch.from_numpy(given)).float().numpy(), found.kernel.format)


def wide(code: np.ndarray, format: str) -> np.ndarray:
    """Numbers in float32 from their codes."""
    if format == "float16":
        return code.view(np.float16).astype(np.float32)
    return (code.astype(np.uint32) << np.uint32(16)).view(np.float32)


def codes(values: np.ndarray, format: str) -> np.ndarray:
    """Codes of numbers of a format."""
    if format == "float16":
        return values.astype(np.float16).view(np.uint16)
    return (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)


def claims_hold(found: Implementation, known: Truth, y: np.ndarray) -> bool:
    """Whether outputs at all finite numbers, ascending, keep what the header says of error and range."""
    error = ulp_errors(y, known.value, known.format)
    facts = found.facts
    return bool(error.max() <= float(facts.ulp) and y.min() == facts.lowest and y.max() == facts.highest)


def tried(found: Implementation) -> dict[str, tuple[int, bool]]:
    """Of each language: at how many codes the bits differ from those of the proof, and whether the claims hold."""
    format = found.kernel.format
    x = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    given = wide(x, format)
    number, wanted = ~np.isnan(given), codes(found.kernel(given), format)
    count = finite_numbers(format).size // 2
    ascending = np.concatenate([0x8000 + np.arange(count)[::-1], np.arange(count)])  # -0 before 0
    known, out = truth(parse(found.expression), format), {}
    for way, y in ways(found, x):
        result = wide(y, format)
        wrong = int(((y != wanted) & number).sum() + (~np.isnan(result[~number])).sum())
        out[way] = wrong, claims_hold(found, known, result[ascending])
    return out


def whole(found: Implementation, name: str, folder: Path) -> tuple[dict[str, int], float]:
    """Of each compiler at how many of 2^32 codes the bits differ from the first one's; and the largest error."""
    some, made = np.zeros(4, dtype=np.float32), {}
    for language, compiler, flags in [*(("c", each, FLAGS) for each in COMPILERS), ("rust", "rustc", ())]:
        if not shutil.which(compiler):
            continue
        own = folder / compiler
        own.mkdir()
        outputs(found, language, some, own, *((compiler, *flags) if language == "c" else ()))
        made[compiler] = ctypes.CDLL(str(own / "gate.so")).all
    (folder / "worst.c").write_text(WORST.replace("TRUTH", WHOLE[name]))
    build(folder)
    judge = ctypes.CDLL(str(folder / "worst.so")).worst
    judge.restype = ctypes.c_double
    differ, most = dict.fromkeys(made, 0), 0.0
    for start in range(0, 1 << 32, CHUNK):
        x = np.arange(start, start + CHUNK, dtype=np.uint64).astype(np.uint32).view(np.float32)
        number, first = ~np.isnan(x), None
        for compiler, function in made.items():
            y = np.empty_like(x)
            function(*(each.ctypes.data_as(ctypes.c_void_p) for each in (x, y)), ctypes.c_size_t(x.size))
            first = y if first is None else first
            differ[compiler] += int(((y.view(np.uint32) != first.view(np.uint32)) & number).sum())
            differ[compiler] += int((~np.isnan(y[~number])).sum())
        pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (x, first))
        most = max(most, judge(*pointers, ctypes.c_size_t(x.size)))
    return differ, most


def build(folder: Path) -> None:
    """The judge of errors as a library."""
    command = (COMPILERS[0], *FLAGS, "-ffp-contract=off", "-shared", "-fPIC", "worst.c", "-o", "worst.so", "-lm")
    subprocess.run(command, cwd=folder, check=True)


def sixteen_bits(work: Path) -> list[str]:
    """Lines of the page on the formats of which every code is run."""
    lines = [
        "| format | gates | language | codes run | bits that differ | claims that fail |",
        "|---|---|---|---|---|---|",
    ]
    for format in KINDS:
        totals: dict[str, list[int]] = {}
        for name in ALL_GATES:
            file = work / f"{name}_{format}.json"
            found = rational_approx.load(file) if file.exists() else None
            if not isinstance(found, Implementation):
                continue
            for way, (wrong, right) in tried(found).items():
                sums = totals.setdefault(way, [0, 0, 0])
                for k, more in enumerate((1, wrong, not right)):
                    sums[k] += more
            print(format, name, totals, flush=True)
        for way, (gates, wrong, failed) in totals.items():
            lines.append(f"| {format} | {gates} | {way} | {gates << 16} | {wrong} | {failed} |")
    return lines


def all_of_float32(work: Path) -> Iterator[str]:
    """The table of the gates of float32 that are run at every code, anew after each of them."""
    lines = [
        "| gate | codes run | bits that differ | ulp, proved | largest found | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for name in WHOLE:
        file = work / f"{name}_float32.json"
        found = rational_approx.load(file) if file.exists() else None
        if not isinstance(found, Implementation):
            continue
        began = monotonic()
        with tempfile.TemporaryDirectory() as folder:
            differ, most = whole(found, name, Path(folder))
        bits = ", ".join(f"{compiler} {count}" for compiler, count in differ.items())
        minutes = (monotonic() - began) / 60
        lines.append(f"| {name} | {1 << 32} | {bits} | {float(found.facts.ulp):.6f} | {most:.6f} | {minutes:.0f} |")
        yield "\n".join(lines)


def written(page: Path | None, mark: str, text: str) -> None:
    """Print a part, and put it between its marks on the page."""
    text = f"{text}\n\n{machine()}."
    print(text, flush=True)
    if page is not None:
        provenance.fill(page, mark, text, "tests.benchmarks.proof.languages")


def main() -> None:
    """Print the tables, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/pages/gates"))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--without", choices=["16 bits", "float32"])
    given = parser.parse_args()
    if given.without != "float32":
        for table in all_of_float32(given.work):
            written(given.write, "every float32", f"{ABOUT}\n\n{table}")
    if given.without != "16 bits":
        written(given.write, "languages", "\n".join(sixteen_bits(given.work)))


if __name__ == "__main__":
    main()
