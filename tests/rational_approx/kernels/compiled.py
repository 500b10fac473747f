"""Emitted code, compiled in a folder and called for many numbers: of 16 bits as their codes, of float32 as they are."""

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from rational_approx import export
from rational_approx.kernels.implement import Implementation

__all__ = ["COMPILERS", "called", "outputs", "outputs_flushing"]

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
SHARED = ("-ffp-contract=off", "-shared", "-fPIC")
COMMANDS = {
    "c": ("-Wno-unknown-pragmas", *SHARED),
    "cuda": ("g++", "-O1", "-std=c++17", *SHARED),
    "rust": ("rustc", "--crate-type=cdylib", "-C", "opt-level=1"),
}
FILES = {"c": "gate.c", "cuda": "gate.cpp", "rust": "gate.rs"}
# What a CUDA compiler has of its own: operations that are rounded one by one.
INTRINSICS = """
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#define __device__ static
#define __forceinline__ inline
#define ROUNDED(name, type, operation) [[maybe_unused]] static type name(type a, type b) { return a operation b; }
#define SAME_BITS(name, to, from) [[maybe_unused]] static to name(from b) { to v; memcpy(&v, &b, sizeof v); return v; }
ROUNDED(__fadd_rn, float, +) ROUNDED(__fsub_rn, float, -) ROUNDED(__fmul_rn, float, *) ROUNDED(__fdiv_rn, float, /)
ROUNDED(__dadd_rn, double, +) ROUNDED(__dsub_rn, double, -) ROUNDED(__dmul_rn, double, *) ROUNDED(__ddiv_rn, double, /)
SAME_BITS(__uint_as_float, float, uint32_t) SAME_BITS(__float_as_uint, uint32_t, float)
SAME_BITS(__longlong_as_double, double, long long) SAME_BITS(__double_as_longlong, long long, double)
[[maybe_unused]] static double __dsqrt_rn(double a) { return std::sqrt(a); }
[[maybe_unused]] static float __fsqrt_rn(float a) { return std::sqrt(a); }
[[maybe_unused]] static double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
[[maybe_unused]] static float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
[[maybe_unused]] static float __double2float_rn(double a) { return (float)a; }
"""
LOOPS = {
    "c": """
void all(const {c} *x, {c} *y, size_t n) {{ gate_many(x, y, n); }}
void single(const {c} *x, {c} *y, size_t n) {{ while (n--) y[n] = gate(x[n]); }}
""",
    "cuda": '\nextern "C" void all(const {c} *x, {c} *y, size_t n) {{ while (n--) y[n] = gate(x[n]); }}\n',
    "rust": """
#[no_mangle]
pub extern "C" fn all(x: *const {rust}, y: *mut {rust}, n: usize) {{
    for i in 0..n {{ unsafe {{ *y.add(i) = gate(*x.add(i)); }} }}
}}
""",
}
TYPES = {"uint16": {"c": "uint16_t", "rust": "u16"}, "float32": {"c": "float", "rust": "f32"}}
TYPES |= {"float64": {"c": "double", "rust": "f64"}}
TYPES |= {f"int{size}": {"c": f"int{size}_t", "rust": f"i{size}"} for size in (8, 16, 32)}


def outputs(found: Implementation, language: str, x: np.ndarray, folder: Path, *command: str) -> np.ndarray:
    """What the code gives for x: float32, codes in uint16, or signed integers of fixed point.

    ``command``: of C, the compiler and flags of its own."""
    head = INTRINSICS if language == "cuda" else ""
    loop = LOOPS[language].format(**TYPES[x.dtype.name])
    (folder / FILES[language]).write_text(head + export(found, language, name="gate") + loop)
    whole = (*command, *COMMANDS[language], FILES[language], "-o", "gate.so")
    subprocess.run(whole, check=True, capture_output=True, cwd=folder)
    made = ctypes.CDLL(str(folder / "gate.so"))
    y = called(made.all, x)
    if language == "c":  # one by one they are the same bits, but for those of NaN
        single, same = called(made.single, x), y
        number = np.ones(x.size, bool)
        if x.dtype.kind != "i":
            bits = f"u{x.dtype.itemsize}"
            single, same = single.view(bits), y.view(bits)
            number = (single & (np.iinfo(bits).max >> 1)) <= {"2": 0x7C00, "4": 0x7F800000, "8": 0x7FF0000000000000}[
                bits[1]
            ]
        assert (single == same)[number].all()
    return y


def called(function: Any, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(x.size))
    return y


_FLUSHING = """
#include <immintrin.h>
void flushing(const TYPE *x, TYPE *y, size_t n) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* flush to zero, and denormals are zero */
    gate_many(x, y, n);
    _mm_setcsr(before);
}
"""


def outputs_flushing(found: Implementation, number: str, x: np.ndarray, folder: Path, *flags: str) -> np.ndarray:
    """What the C code gives on an x86-64 processor that flushes; ``number`` is C's type of its inputs."""
    (folder / "gate.c").write_text(export(found, "c", name="gate") + _FLUSHING.replace("TYPE", number))
    command = (COMPILERS[0], "-O3", "-ffp-contract=off", *flags, "-shared", "-fPIC", "gate.c", "-o", "gate.so", "-lm")
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return called(ctypes.CDLL(str(folder / "gate.so")).flushing, x)
