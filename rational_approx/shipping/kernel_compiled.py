"""The code of an implementation in C (a header, for C++ too), CUDA and Rust: a number of the format is its 16 bits."""

from math import isinf

import numpy as np

from rational_approx.kernels.implement import Implementation
from rational_approx.shipping.kernel_statements import FORMS, scales, statements, with_lowers

__all__ = ["in_c", "in_cuda", "in_rust"]


def _hexadecimal(value: float, suffix: str) -> str:
    # Six digits hold the 23 bits behind the point: those that Python writes beyond are zero.
    head, exponent = value.hex().split("p")
    if "." in head:
        head = head.rstrip("0").rstrip(".")
    return f"({head}p{exponent}{suffix})"


_C_START = """#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "compiled with -ffast-math or -funsafe-math-optimizations the proof does not hold"
#endif
/* 0, 16 and 32 round float to its own type: 16, which AVX512-FP16 brings, widens _Float16 alone. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 && FLT_EVAL_METHOD != 32
#error "operations must be rounded to their own type (on x86: -msse2 -mfpmath=sse)"
#endif
/* No product and sum may become one operation: compile with -ffp-contract=off, which these lines say again. */
#if defined(__clang__)
#pragma float_control(precise, on, push)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize ("fp-contract=off")
#endif
"""
_C_END = """
/* The same for many numbers: here a compiler can use vector operations. */
static inline void {name}_many(const uint16_t *x, uint16_t *y, size_t count) {{
    for (size_t i = 0; i < count; i++) y[i] = {name}(x[i]);
}}

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
"""
_BITS = """
{static} float {name}_of_bits(uint32_t bits) {{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}}

{static} uint32_t {name}_bits_of(float v) {{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}}
"""
_CUDA_BITS = """
{static} float {name}_of_bits(uint32_t bits) {{ return __uint_as_float(bits); }}

{static} uint32_t {name}_bits_of(float v) {{ return __float_as_uint(v); }}
"""
_SCALED = """
/* v * 2^k for an integral k, in two steps: 2^h and 2^(k - h) are numbers of float. */
{static} float {name}_scaled(float v, float k) {{
    const int32_t whole = (int32_t)k, half = whole / 2;
    const float first = {name}_of_bits((uint32_t)(half + 127) << 23);
    const float second = {name}_of_bits((uint32_t)(whole - half + 127) << 23);
    return {product};
}}
"""
_BFLOAT16 = """
{static} float {name}_read(uint16_t code) {{ return {name}_of_bits((uint32_t)code << 16); }}

/* To the nearest bfloat16, ties to even. */
{static} uint16_t {name}_rounded(float v) {{
    const uint32_t bits = {name}_bits_of(v);
    if (v != v) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}}
"""
_FLOAT16 = """
{static} float {name}_read(uint16_t code) {{
    const uint32_t sign = (uint32_t)(code & 0x8000) << 16, size = code & 0x7FFF;
    if (size >= 0x7C00) return {name}_of_bits(sign | 0x7F800000 | (size & 0x3FF) << 13);
    if (size >= 0x400) return {name}_of_bits(sign | (size + 0x1C000) << 13);
    return {name}_of_bits(sign | {name}_bits_of({tiny}));
}}

/* To the nearest float16, ties to even. */
{static} uint16_t {name}_rounded(float v) {{
    const uint32_t bits = {name}_bits_of(v), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    if (size > 0x7F800000) return (uint16_t)(sign | 0x7E00);
    if (size >= 0x477FF000) return (uint16_t)(sign | 0x7C00);
    if (size >= 0x38800000) return (uint16_t)(sign | (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13);
    return (uint16_t)(sign | ({name}_bits_of({sum}) - 0x3F000000));
}}
"""
_CUDA_FORMS = {op: f"__f{op}_rn({{}}, {{}})" for op in ("add", "sub", "mul", "div")}


def in_c(value: Implementation, notes: list[str], name: str, cuda: bool = False) -> str:
    forms, static = (_CUDA_FORMS, "__device__ __forceinline__") if cuda else (FORMS, "static inline")

    def constant(number: float) -> str:
        if isinf(number):
            return f"{name}_of_bits(0x{0xFF800000 if number < 0 else 0x7F800000:X})"
        return _hexadecimal(number, "f")

    names = {"name": name, "static": static}
    names["product"] = forms["mul"].format(forms["mul"].format("v", "first"), "second")
    names["tiny"] = forms["mul"].format("(float)size", "0x1p-24f")
    names["sum"] = forms["add"].format(f"{name}_of_bits(size)", "0.5f")
    number = _BFLOAT16 if value.kernel.format == "bfloat16" else _FLOAT16
    parts = [_CUDA_BITS if cuda else _BITS]
    if scales(value):
        parts.append(_SCALED)
    helpers = "".join(part.format(**names) for part in [*parts, number])
    lines = []
    for _, piece in with_lowers(value):
        body, result = statements(piece, {**forms, "scale": f"{name}_scaled({{}}, {{}})"}, constant)
        block = [*(f"const float {left} = {right};" for left, right in body), f"return {result};"]
        inner = "\n".join(f"        {line}" for line in block)
        opened = "{" if isinf(piece.upper) else f"if (x <= {constant(piece.upper)}) {{"
        lines.append(f"    {opened} /* {piece.about} */\n{inner}\n    }}")
    whole = "\n".join(lines)
    function = (
        f"\n/* For a number of {value.kernel.format}, before the result is rounded to it. */\n"
        f"{static} float {name}_unrounded(float x) {{\n    if (x != x) return x;\n{whole}\n}}\n"
        f"\n{static} uint16_t {name}(uint16_t x) {{ return {name}_rounded({name}_unrounded({name}_read(x))); }}\n"
    )
    comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
    guard = f"{name.upper()}_IMPLEMENTED"
    if cuda:
        start = "#include <stdint.h>\n\n/* Compile without -ftz=true and --use_fast_math. */\n"
        return f"{comment}\n#ifndef {guard}\n#define {guard}\n{start}{helpers}{function}\n#endif\n"
    end = _C_END.format(name=name)
    return f"{comment}\n#ifndef {guard}\n#define {guard}\n{_C_START}{helpers}{function}{end}\n#endif\n"


def in_cuda(value: Implementation, notes: list[str], name: str) -> str:
    return in_c(value, notes, name, cuda=True)


# -- Rust ------------------------------------------------------------------------------------------------------------

_RUST_SCALED = """
/// v * 2^k for an integral k, in two steps: 2^h and 2^(k - h) are numbers of f32.
#[inline]
fn {name}_scaled(v: f32, k: f32) -> f32 {{
    let whole = k as i32;
    let half = whole / 2;
    v * f32::from_bits(((half + 127) as u32) << 23) * f32::from_bits(((whole - half + 127) as u32) << 23)
}}
"""
_RUST_BFLOAT16 = """
#[inline]
fn {name}_read(code: u16) -> f32 {{
    f32::from_bits((code as u32) << 16)
}}

/// To the nearest bfloat16, ties to even.
#[inline]
fn {name}_rounded(v: f32) -> u16 {{
    let bits = v.to_bits();
    if v.is_nan() {{
        return (bits >> 16 | 0x40) as u16;
    }}
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}}
"""
_RUST_FLOAT16 = """
#[inline]
fn {name}_read(code: u16) -> f32 {{
    let sign = ((code & 0x8000) as u32) << 16;
    let size = (code & 0x7FFF) as u32;
    if size >= 0x7C00 {{
        return f32::from_bits(sign | 0x7F800000 | (size & 0x3FF) << 13);
    }}
    if size >= 0x400 {{
        return f32::from_bits(sign | (size + 0x1C000) << 13);
    }}
    f32::from_bits(sign | (size as f32 * f32::from_bits(0x33800000)).to_bits())
}}

/// To the nearest float16, ties to even.
#[inline]
fn {name}_rounded(v: f32) -> u16 {{
    let bits = v.to_bits();
    let (sign, size) = (bits >> 16 & 0x8000, bits & 0x7FFFFFFF);
    let code = if size > 0x7F800000 {{
        0x7E00
    }} else if size >= 0x477FF000 {{
        0x7C00
    }} else if size >= 0x38800000 {{
        (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13
    }} else {{
        (f32::from_bits(size) + 0.5).to_bits() - 0x3F000000
    }};
    (sign | code) as u16
}}
"""


def in_rust(value: Implementation, notes: list[str], name: str) -> str:
    def constant(number: float) -> str:
        # Rust has no hexadecimal floats: the bits are exact, and the decimal says what they are.
        bits = int(np.float32(number).view(np.uint32))
        return f"f32::from_bits(0x{bits:08X} /* {float(np.float32(number)):.9g} */)"

    number = _RUST_BFLOAT16 if value.kernel.format == "bfloat16" else _RUST_FLOAT16
    scaled = scales(value)
    helpers = (_RUST_SCALED.format(name=name) if scaled else "") + number.format(name=name)
    lines = []
    for _, piece in with_lowers(value):
        body, result = statements(piece, {**FORMS, "scale": f"{name}_scaled({{}}, {{}})"}, constant)
        rows = [f"// {piece.about}", *(f"let {a} = {b};" for a, b in body), result]
        block = "\n".join(f"        {row}" for row in rows)
        test = "" if isinf(piece.upper) else f"if x <= {constant(piece.upper)} "
        lines.append(f"{test}{{\n{block}\n    }}")
    whole = " else ".join(lines) if len(lines) > 1 else lines[0]
    comment = "\n".join(f"// {line}" for line in notes)
    return (
        f"{comment}\n{helpers}\n"
        f"/// For a number of {value.kernel.format}, before the result is rounded to it.\n#[inline]\n"
        f"pub fn {name}_unrounded(x: f32) -> f32 {{\n"
        f"    if x.is_nan() {{\n        return x;\n    }}\n    {whole}\n}}\n\n"
        f"#[inline]\npub fn {name}(x: u16) -> u16 {{\n    {name}_rounded({name}_unrounded({name}_read(x)))\n}}\n"
    )
