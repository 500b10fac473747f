"""The emitted C code beside glibc's and SLEEF's functions of vectors, on a million points in one run.

    python -m tests.benchmarks.proof.speed [--write docs/measured/gates.md] [--rounds 30] [--work FOLDER]

Each function runs over the same points, all contenders in turn, round after round; of each the fastest round counts.
Ours is ``NAME_many`` of the header, compiled with ``gcc -O3 -fno-math-errno``; the others are called by intrinsics, 8
or 16 numbers of float32 at a time. For bfloat16 the others calculate in float32, and their results are rounded, by one
loop that the compiler makes vectors of. Errors are the largest over these points. Without SLEEF (``apt install
libsleef-dev``) its columns are empty.
"""

import argparse
import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import rational_approx
from rational_approx import Implementation, export, implement
from rational_approx.expressions.expression import parse
from rational_approx.kernels.comparison import compared
from rational_approx.kernels.truth import Truth
from tests import provenance
from tests.benchmarks.machine import machine

COUNT = 1_000_000
FUNCTIONS = {"exp": "exp", "tanh": "tanh", "erf": "erf", "expm1": "expm1", "atan": "atan"}
SETS = {
    "AVX2": (("-mavx2", "-mfma"), 8, "__m256", "_mm256", "d", "avx2"),
    "AVX-512": (("-march=native", "-mprefer-vector-width=512"), 16, "__m512", "_mm512", "e", "avx512f"),
}
"""Of each: flags, numbers at a time, their type, prefix of intrinsics, letter of glibc's ABI, suffix of SLEEF."""
WITHIN, FUSED = "float32_within", "float32_fused"
"""float32 whose operations are in float32, too, and the same with FMA."""
ASKED = {
    WITHIN: {"format": "float32", "accumulate": "float32"},
    FUSED: {"format": "float32", "accumulate": "float32", "fma": True},
}
LABELS = {WITHIN: "float32 in float32", FUSED: "float32 in float32, FMA"}
MARK = "speed"
ABOUT = f"""{COUNT:,} points, uniform on [-10, 10], in one run; each function runs over them in turn, into the same
array, and of each the fastest of many rounds counts, in processor time. Ours is `NAME_many` of the header, compiled by
`gcc -O3 -fno-math-errno` (else a root is a call): it calculates every piece and chooses, so that the compiler uses
vector operations. *glibc* is its vector library libmvec, *SLEEF* its functions within 1 ulp, both called by intrinsics;
for bfloat16 they calculate in float32, and the results are rounded. *glibc / ours*: the ratio of the times; above 1
ours is faster. *Ulp*: the largest error at these points."""
WITHOUT = "SLEEF was not there (`apt install libsleef-dev`)."

SOURCE = """
#include <immintrin.h>
#include <time.h>
#include <math.h>
{headers}
{declarations}
#define LANES {lanes}
typedef {vector} V;
static uint16_t shortened(float v) {{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return v != v ? (uint16_t)(bits >> 16 | 0x40) : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}}
#define PEER(name, call) \\
    static void name(const float *x, float *y, size_t n) {{ \\
        for (size_t i = 0; i < n; i += LANES) {prefix}_storeu_ps(y + i, call({prefix}_loadu_ps(x + i))); \\
    }} \\
    static void name##_bfloat16(const uint16_t *x, uint16_t *y, size_t n) {{ \\
        for (size_t i = 0; i < n; i += LANES) {{ \\
            float in[LANES], out[LANES]; \\
            uint32_t bits[LANES]; \\
            for (int k = 0; k < LANES; k++) bits[k] = (uint32_t)x[i + k] << 16; \\
            memcpy(in, bits, sizeof in); \\
            {prefix}_storeu_ps(out, call({prefix}_loadu_ps(in))); \\
            for (int k = 0; k < LANES; k++) y[i + k] = shortened(out[k]); \\
        }} \\
    }}
{peers}
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


def has_sleef() -> bool:
    """Whether a program with SLEEF's header can be linked."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.c").write_text("#include <sleef.h>\nint main(void) { return 0; }\n")
        done = subprocess.run(["gcc", "t.c", "-lsleef"], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def implementation(name: str, format: str, work: Path) -> Implementation:
    """Ours, within 1 ulp, kept in the folder."""
    file = work / f"{name}_{format}.json"
    if not file.exists():
        rational_approx.save(implement(name, **ASKED.get(format, {"format": format})), file)
    found = rational_approx.load(file)
    assert isinstance(found, Implementation)
    return found


def contenders(name: str, format: str, sleef: bool) -> list[tuple[str, str]]:
    """Labels, and the functions of the library that is compiled."""
    end = "_bfloat16" if format == "bfloat16" else ""
    out = [("ours", f"{name}_{format}_many"), ("glibc", f"glibc_{name}{end}")]
    if sleef:
        out.append(("SLEEF u10", f"sleef_{name}{end}"))
    return out


Calls = list[tuple[str, str, str]]


def library(
    work: Path, formats: tuple[str, ...], sleef: bool, set_: str
) -> tuple[ctypes.CDLL, list[tuple[str, str, str]]]:
    """Everything compiled for one set of instructions, and its calls by their numbers."""
    flags, lanes, vector, prefix, letter, suffix = SETS[set_]
    headers, declarations, peers, cases = ["#include <sleef.h>"] * sleef, [], [], []
    calls: Calls = []
    for name in FUNCTIONS:
        vectorised = f"_ZGV{letter}N{lanes}v_{name}f"
        declarations.append(f"{vector} {vectorised}({vector});")
        peers.append(f"PEER(glibc_{name}, {vectorised})")
        if sleef:
            peers.append(f"PEER(sleef_{name}, Sleef_{name}f{lanes}_u10{suffix})")
        for format in formats:
            header = work / f"{name}_{format}.h"
            header.write_text(export(implementation(name, format, work), "c", name=f"{name}_{format}"))
            headers.append(f'#include "{header.name}"')
            for label, call in contenders(name, format, sleef):
                cases.append(f"        case {len(calls)}: {call}(x, y, n); break;")
                calls.append((name, format, label))
    text = SOURCE.format(
        headers="\n".join(headers),
        declarations="\n".join(declarations),
        peers="\n".join(peers),
        cases="\n".join(cases),
        lanes=lanes,
        vector=vector,
        prefix=prefix,
    )
    stem = f"speed_{suffix}"
    (work / f"{stem}.c").write_text(text)
    libraries = ["-lmvec", "-lm", *["-lsleef"] * sleef]
    command = [
        "gcc",
        "-O3",
        *flags,
        "-ffp-contract=off",
        "-fno-math-errno",
        "-shared",
        "-fPIC",
        f"{stem}.c",
        "-o",
        f"{stem}.so",
        *libraries,
    ]
    subprocess.run(command, cwd=work, check=True)
    made = ctypes.CDLL(str(work / f"{stem}.so"))
    made.timed.restype = ctypes.c_double
    made.timed.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    return made, calls


def truth_at(found: Implementation, x: np.ndarray) -> Truth:
    """Values in float64, right to 2^-50 for these functions at these points."""
    from scipy import special

    functions = {"erf": special.erf, "atan": np.arctan}
    value = functions.get(found.name, getattr(np, found.name, None))(x.astype(np.float64))
    return Truth(parse(found.expression), found.kernel.format, x, value)


def rows(work: Path, rounds: int, set_: str, formats: tuple[str, ...], sleef: bool) -> list[str]:
    """The table's lines for one set of instructions."""
    made, calls = library(work, formats, sleef, set_)
    points = np.sort(np.random.default_rng(1).uniform(-10, 10, COUNT)).astype(np.float32)
    points = np.random.default_rng(2).permutation(points)
    codes = (points.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    inputs = {"float32": points, WITHIN: points, FUSED: points, "bfloat16": codes}
    # All write into the same array: with one each, what is measured is whose pages lie well in memory.
    written = {format: np.zeros_like(x) for format, x in (("float32", points), ("bfloat16", codes))}
    times, outputs = np.full(len(calls), np.inf), {}
    for number in [k for _ in range(rounds) for k in range(len(calls))]:
        format = calls[number][1]
        x, y = inputs[format], written["bfloat16" if format == "bfloat16" else "float32"]
        times[number] = min(times[number], made.timed(number, x.ctypes.data, y.ctypes.data, x.size))
        if number not in outputs:
            outputs[number] = y.copy()
    lines = []
    for name in FUNCTIONS:
        for format in formats:
            own = {label: number for number, (n, f, label) in enumerate(calls) if (n, f) == (name, format)}
            found = implementation(name, format, work)
            cells = [
                name,
                LABELS.get(format, format),
                set_,
                f"{1e9 * times[own['ours']] / COUNT:.2f}",
            ]
            for label in ("ours", "glibc", "SLEEF u10"):
                if label not in own:
                    cells += [""] * (2 if label != "ours" else 1)
                    continue
                y, x = outputs[own[label]], inputs[format]
                if format == "bfloat16":
                    x, y = ((v.astype(np.uint32) << np.uint32(16)).view(np.float32) for v in (x, y))
                error = compared(y, truth_at(found, x)).ulp
                if label != "ours":
                    cells.append(f"{times[own[label]] / times[own['ours']]:.2f}")
                cells.append(f"{error:.2f}")
            lines.append(f"| {' | '.join(cells)} |")
    return lines


HEAD = (
    "| function | format | instructions | ours, ns | ours, ulp | glibc / ours | glibc, ulp | SLEEF / ours "
    "| SLEEF, ulp |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Print the table, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    sleef = has_sleef()
    wide = "avx512f" in Path("/proc/cpuinfo").read_text()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        lines = []
        for set_ in SETS if wide else ("AVX2",):
            lines += rows(work, given.rounds, set_, ("float32", WITHIN, FUSED, "bfloat16"), sleef)
    text = "\n\n".join([ABOUT if sleef else f"{ABOUT} {WITHOUT}", "\n".join([HEAD, *lines]), machine() + "."])
    print(text)
    if given.write:
        provenance.fill(given.write, MARK, text, "tests.benchmarks.proof.speed")


if __name__ == "__main__":
    main()
