"""Emitted C code beside the same functions of gcc's libquadmath, at tens of millions of numbers.

A number of ``__float128`` has 113 bits: a unit in its last place is 2^-60 of one of float64. The functions of
libquadmath are good to a few of its units; what they are off by is looked at beside enclosures, which
:mod:`tests.benchmarks.proof.same_format` does.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rational_approx import Implementation, export
from rational_approx.arithmetic.floats import FORMATS

__all__ = ["NAMES", "Quad", "missing", "numbers"]

NAMES = {
    **{name: f"{name}q(x)" for name in ("exp", "expm1", "log", "log1p", "tanh", "atan", "erf", "sin", "cos")},
    "sigmoid": "1 / (1 + expq(-x))",
    "silu": "x / (1 + expq(-x))",
    "softplus": "fmaxq(x, 0) + log1pq(expq(-fabsq(x)))",
    "logsigmoid": "fminq(x, 0) - log1pq(expq(-fabsq(x)))",
    "elu": "x > 0 ? x : expm1q(x)",
    "celu": "x > 0 ? x : expm1q(x)",
    "gelu": "x * erfcq(-x * M_SQRT1_2q) / 2",
    "mish": "x * tanhq(fmaxq(x, 0) + log1pq(expq(-fabsq(x))))",
    "selu": "1.0507009873554804934193349852946Q * (x > 0 ? x : 1.6732632423543772848170429916717Q * expm1q(x))",
    "exp(-x^2)": "expq(-x * x)",
    "x*sigmoid(1.702*x)": "x / (1 + expq(-1.702Q * x))",
    "hardsigmoid": "x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6",
    "hardswish": "x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6",
}
"""Functions as libquadmath has them."""
PROGRAM = """
#include <quadmath.h>
static __float128 truth(__float128 x) { return TRUTH; }

/* The outputs, and how far they are off in units in the last place: a value that is too large should be infinite. */
void beside(const NUMBER *given, NUMBER *made, double *error, size_t count) {
    const __float128 top = ldexpq(1, TOP);
    code_many(given, made, count);
    for (size_t i = 0; i < count; i++) {
        const __float128 f = truth(given[i]);
        __float128 y = made[i], unit = ldexpq(1, SMALLEST);
        error[i] = 0;
        if (isnanq(f) || isnanq(y)) {
            if (!isnanq(f) || !isnanq(y)) error[i] = INFINITY;
            continue;
        }
        if (fabsq(f) >= top || isinfq(y)) {
            if (!isinfq(y)) { error[i] = INFINITY; continue; }
            if (fabsq(f) >= top) { if ((f > 0) != (y > 0)) error[i] = INFINITY; continue; }
            y = copysignq(top, y);
        }
        if (f != 0) unit = fmaxq(unit, ldexpq(1, ilogbq(f) + 1 - BITS));
        error[i] = (double)(fabsq(y - f) / unit);
    }
}
"""
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")


def missing() -> str:
    """Why there is no such truth here; empty where there is."""
    if shutil.which("gcc") is None:
        return "no gcc"
    done = subprocess.run(("gcc", "-E", "-"), input="#include <quadmath.h>", capture_output=True, text=True)
    return "" if done.returncode == 0 else "gcc without libquadmath"


class Quad:
    """The code of an implementation, with the truth beside it."""

    def __init__(self, found: Implementation, name: str) -> None:
        self.format = found.kernel.format
        bits, smallest, top = FORMATS[self.format]
        words = {"TRUTH": NAMES[name], "BITS": str(bits), "SMALLEST": str(smallest), "TOP": str(top)}
        words["NUMBER"] = {"float32": "float", "float64": "double"}[self.format]
        program = PROGRAM
        for word, value in words.items():
            program = program.replace(word, value)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "code.c").write_text(export(found, "c", name="code") + program)
            subprocess.run(("gcc", *FLAGS, "code.c", "-lquadmath", "-o", "code.so"), cwd=folder, check=True)
            self.made = ctypes.CDLL(f"{folder}/code.so").beside

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The outputs for numbers of the format, and their errors in units in the last place."""
        x = np.ascontiguousarray(x, dtype=self.format)
        y, error = np.empty_like(x), np.empty(x.size)
        self.made(*(each.ctypes.data_as(ctypes.c_void_p) for each in (x, y, error)), ctypes.c_size_t(x.size))
        return y, error


def numbers(found: Implementation, count: int, seed: int = 1) -> Iterator[np.ndarray]:
    """So many random numbers, all finite bit patterns alike, as many between the ends of pieces, and neighbours.

    These are the numbers next to ends of pieces, to zero, to powers of two, and to multiples of ``log(2)/2`` and
    of ``pi/4``, where reductions turn.
    """
    format, rng = found.kernel.format, np.random.default_rng(seed)
    _, smallest, top = FORMATS[format]
    whole = np.dtype(f"uint{8 * np.dtype(format).itemsize}")
    ends = [float(piece.upper) for piece in found.kernel.pieces if np.isfinite(piece.upper)]
    with np.errstate(over="ignore"):
        special = [*ends, 0.0, *(2.0**k for k in range(smallest, top))]
        special += [k * unit for unit in (np.log(2) / 2, np.pi / 4) for k in range(2200)]
        near = np.array([*special, *(-x for x in special)], format).view(whole)
    around = near[:, None] + np.arange(-64, 65).astype(whole)[None, :]
    yield _finite(around.ravel().view(format))
    left, size = count, 1 << 20
    while left > 0:
        codes = rng.integers(0, np.iinfo(whole).max, min(size, left), dtype=whole, endpoint=True)
        x = _finite(codes.view(format))
        left -= x.size
        yield x
    ends = sorted({*ends, -1.0, 0.0, 1.0, min([*ends, -1.0]) * 2, max([*ends, 1.0]) * 2})
    ends = [x for x in ends if abs(x) < 2**20] or [-1.0, 1.0]
    left = count
    while left > 0:
        at = rng.integers(0, len(ends) - 1, min(size, left))
        low, high = np.array(ends)[at], np.array(ends)[at + 1]
        yield _finite((low + (high - low) * rng.random(at.size)).astype(format))
        left -= at.size


def _finite(x: np.ndarray) -> np.ndarray:
    return x[np.isfinite(x)]
