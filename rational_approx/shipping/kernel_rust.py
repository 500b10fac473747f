"""The code of an implementation in Rust: a number of a 16-bit format is its 16 bits."""

from math import inf

import numpy as np

from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import MIDDLE, Function, Piece
from rational_approx.shipping.kernel_statements import BITS, FORMS, called, statements, used, with_lowers

__all__ = ["in_rust"]

_RUST_SCALED = """
/// v * 2^k for an integral k, in two steps: 2^h and 2^(k - h) are numbers of {real}.
#[inline]
fn {name}_scaled(v: {real}, k: {real}) -> {real} {{
    let whole = k as i32;
    let half = whole / 2;
    v * {real}::from_bits(((half + {bias}) as {bits}) << {shift})
        * {real}::from_bits(((whole - half + {bias}) as {bits}) << {shift})
}}
"""
_RUST_WHOLE = """
/// The nearest integer, ties to even: numbers beyond 2^{low} are taken as they are.
#[inline]
fn {name}_whole(v: {real}) -> {real} {{
    let magic = {real}::from_bits(0x{magic:X});
    let bound = {real}::from_bits(0x{bound:X});
    if v < bound && v > -bound {{
        (v + magic) - magic
    }} else {{
        v
    }}
}}
"""
_RUST_EXPONENT = """
/// The k with sqrt(1/2) 2^k <= v < sqrt(2) 2^k, for a normal positive v.
#[inline]
fn {name}_exponent(v: {real}) -> {real} {{
    ((v.to_bits() as {signed}).wrapping_sub(0x{middle:X}) >> {shift}) as {real}
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
_RUST_FLOAT32 = """
#[inline]
fn {name}_read(x: f32) -> {real} {{
    x as {real}
}}

/// To the nearest f32, ties to even.
#[inline]
fn {name}_rounded(v: {real}) -> f32 {{
    v as f32
}}
"""
_RUST_FLOAT64 = """
#[inline]
fn {name}_read(x: f64) -> f64 {{
    x
}}

#[inline]
fn {name}_rounded(v: f64) -> f64 {{
    v
}}
"""
_RUST_FORMATS = {
    "bfloat16": _RUST_BFLOAT16,
    "float16": _RUST_FLOAT16,
    "float32": _RUST_FLOAT32,
    "float64": _RUST_FLOAT64,
}


def in_rust(value: Implementation, notes: list[str], name: str) -> str:
    kernel, (whole, shift, bias) = value.kernel, BITS[value.kernel.inner]
    real, number = f"f{whole}", {"float32": "f32", "float64": "f64"}.get(kernel.format, "u16")
    forms = called(value, FORMS | {"sqrt": "{}.sqrt()", "fma": "{}.mul_add({}, {})"}, f"{name}_")

    def bits_of(given: float) -> int:
        return int(np.dtype(kernel.inner).type(given).view(f"uint{whole}"))

    def constant(given: float) -> str:
        # Rust has no hexadecimal floats: the bits are exact, and the decimal says what they are.
        exact, code = np.dtype(kernel.inner).type(given), bits_of(given)
        return f"{real}::from_bits(0x{code:0{whole // 4}X} /* {float(exact):.{9 if whole == 32 else 17}g} */)"

    def rows(code: Piece | Function) -> list[str]:
        body, result = statements(code, kernel.inner, forms, constant)
        return [f"// {code.about}", *(f"let {a} = {b};" for a, b in body), result]

    names = {"name": name, "real": real, "bits": f"u{whole}", "signed": f"i{whole}", "shift": shift, "bias": bias}
    names |= {"low": shift - 1, "magic": bits_of(1.5 * 2.0**shift), "bound": bits_of(2.0 ** (shift - 1))}
    names["middle"] = MIDDLE[kernel.inner][0]
    own = {"scale": _RUST_SCALED, "round": _RUST_WHOLE, "exponent": _RUST_EXPONENT}
    parts = [*(text for op, text in own.items() if op in used(value)), _RUST_FORMATS[kernel.format]]
    helpers = "".join(part.format(**names) for part in parts)
    for function in kernel.functions:
        block = "\n".join(f"    {row}" for row in rows(function))
        helpers += f"\n#[inline]\nfn {name}_{function.name}(x: {real}) -> {real} {{\n{block}\n}}\n"
    lines = []
    for _, piece in with_lowers(value):
        block = "\n".join(f"        {row}" for row in rows(piece))
        test = "" if piece.upper == inf else f"if x <= {constant(piece.upper)} "
        lines.append(f"{test}{{\n{block}\n    }}")
    body = " else ".join(lines) if len(lines) > 1 else lines[0]
    comment = "\n".join(f"// {line}" for line in notes)
    return (
        f"{comment}\n{helpers}\n"
        f"/// For a number of {kernel.format}, before the result is rounded to it.\n#[inline]\n"
        f"pub fn {name}_unrounded(x: {real}) -> {real} {{\n"
        f"    if x.is_nan() {{\n        return x;\n    }}\n    {body}\n}}\n\n"
        f"#[inline]\npub fn {name}(x: {number}) -> {number} {{\n    "
        f"{name}_rounded({name}_unrounded({name}_read(x)))\n}}\n"
    )
