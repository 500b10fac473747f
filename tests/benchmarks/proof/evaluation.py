"""How tight the bound on rounding errors is, written into ``docs/measured/evaluation.md``.

    python -m tests.benchmarks.proof.evaluation [NAME ...]

The exported C code, compiled (a C compiler for a machine with fused multiply-add is needed), is run at two million
points and at all numbers near the two hundred worst; the exact value is taken in long double. Names of cases as
arguments print their rows alone.
"""

import ctypes
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rational_approx import Fit, Rational, evaluation_error, export, fit
from tests import provenance

ROOT = Path(__file__).resolve().parents[3]
POINTS, WORST, NEAR = 2_000_000, 200, 1000
CASES = {
    "relu (9, 8)": ("relu", (9, 8), None),
    "gelu (9, 8)": ("gelu", (9, 8), None),
    "jumprelu (9, 8)": ("jumprelu", (9, 8), None),
    "silu (9, 8)": ("silu", (9, 8), None),
    "tanh (7, 6)": ("tanh(x)", (7, 6), (-8, 8)),
    "softplus (7, 6)": ("softplus", (7, 6), None),
    "exp (4, 4)": ("exp(x)", (4, 4), (-1, 1)),
}


def compiled(source: str, dtype: str, folder: str):  # type: ignore[no-untyped-def]
    """The exported function over arrays."""
    kind = "float" if dtype == "float32" else "double"
    loop = f"\nvoid all(const {kind} *x, {kind} *y, long n) {{ for (long i = 0; i < n; i++) y[i] = rational(x[i]); }}\n"
    path = Path(tempfile.mkdtemp(dir=folder))
    (path / "r.c").write_text(source + loop)
    command = ["cc", "-O3", "-march=native", "-Wno-unknown-pragmas", "-shared", "-fPIC", "r.c", "-o", "r.so", "-lm"]
    subprocess.run(command, cwd=path, check=True)
    library = ctypes.CDLL(str(path / "r.so"))

    def call(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        library.all(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(x.size))
        return y

    return call


def largest(rational: Rational, dtype: str, run) -> float:  # type: ignore[no-untyped-def]
    """The largest difference between code and exact value that was found."""
    powers = rational.monomial()
    sides = [np.array([wide(c) for c in side]) for side in (powers.numerator, powers.denominator)]

    def difference(x: np.ndarray) -> np.ndarray:
        top, bottom = (np.polynomial.polynomial.polyval(x.astype(np.longdouble), side) for side in sides)
        return np.abs((top / bottom - run(x)).astype(np.float64))

    rng, found = np.random.default_rng(0), 0.0
    for lower, upper in ((float(a), float(b)) for a, b in rational.domain.intervals):
        spread = max(abs(lower), abs(upper)) * np.geomspace(1e-8, 1, POINTS // 8)
        x = np.concatenate([rng.uniform(lower, upper, POINTS), spread, -spread]).astype(dtype)
        x = x[(x >= lower) & (x <= upper)]
        worst = x[np.argpartition(difference(x), -WORST)[-WORST:]]
        steps = np.arange(-NEAR, NEAR + 1, dtype=np.int32 if dtype == "float32" else np.int64)
        near = (worst.view(steps.dtype)[:, None] + steps).view(dtype).ravel()
        near = near[(near >= lower) & (near <= upper)]
        found = max(found, difference(x).max(), difference(near).max())
    return found


def wide(c) -> np.longdouble:  # type: ignore[no-untyped-def]
    """A fraction as a long double."""
    high = float(c)
    return np.longdouble(high) + np.longdouble(float(c - type(c)(high)))


def rows(name: str, best: Fit, folder: str) -> list[str]:
    """The table's lines of one fit."""
    out = []
    for dtype, scheme, fma in (
        *(("float32", scheme, fma) for scheme in ("horner", "estrin", "clenshaw") for fma in (False, True)),
        ("float64", "horner", False),
    ):
        rational = best.rounded("float32", "chebyshev" if scheme == "clenshaw" else "monomial")
        words = f"{name} | {scheme}{', fma' if fma else ''} | {dtype}"
        try:
            bound = evaluation_error(rational, scheme, dtype, fma)
        except ArithmeticError:
            out.append(f"| {words} | | {float(best.error):.2e} | no bound | | |")
            continue
        run = compiled(export(rational, "c", scheme=scheme, dtype=dtype, fma=fma), dtype, folder)
        found, proved = largest(rational, dtype, run), float(bound.bound)
        assert found <= proved * (1 + 1e-3)
        out.append(
            f"| {words} | {bound.operations} | {float(best.error):.2e} | {proved:.2e} | {found:.2e} "
            f"| {proved / found:.2f} |"
        )
    print("\n".join(out), flush=True)
    return out


def main() -> None:
    """Write the table into its page, between the marks, or print the rows that are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [line for name in sys.argv[1:] or CASES for line in rows(name, fit(*CASES[name]), folder)]
    if sys.argv[1:]:
        return
    head = "| rational | scheme | calculates in | operations | error of the fit | proved | largest found | ratio |"
    table = "\n".join([head, "|---|---|---|---|---|---|---|---|", *lines])
    page = ROOT / "docs" / "measured" / "evaluation.md"
    marks = "<!-- measured: begin -->", "<!-- measured: end -->"
    text = re.sub(f"{marks[0]}.*{marks[1]}", f"{marks[0]}\n{table}\n{marks[1]}", page.read_text(), flags=re.DOTALL)
    provenance.write(page, text, "tests.benchmarks.proof.evaluation")


if __name__ == "__main__":
    main()
