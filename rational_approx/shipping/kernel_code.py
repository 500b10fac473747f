"""Source code of an implementation in C, CUDA, Rust, NumPy, PyTorch and Triton, all from the same operations.

The constants are those that are proved, as hexadecimal floats where a language has them, else as bits or as the
shortest decimal that is read back to the same number. The code has one function from numbers of the format to numbers
of the format; in C, CUDA and Rust a number of the format is its 16 bits.
"""

import shlex
from collections.abc import Callable
from fractions import Fraction
from math import inf, isinf
from typing import Any

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import Piece
from rational_approx.programs.program import Constant, Input, Operand
from rational_approx.shipping.documents import document

__all__ = ["KERNEL_LANGUAGES", "kernel_code"]


def kernel_code(value: Implementation, language: str, name: str) -> str:
    """The code of an implementation, with a function of that name."""
    notes = [line.replace("*/", "* /") for line in _notes(value, language, name)]
    return KERNEL_LANGUAGES[language](value, notes, name)


def _notes(value: Implementation, language: str, name: str) -> list[str]:
    found = value.facts
    target = value.expression if value.name == value.expression else f"{value.name}: {value.expression}"
    command = ["rational-approx", "implement", value.name, "--format", value.kernel.format, "--ulp", str(value.wanted)]
    command += ["--segments", str(value.segments)] if value.segments != 4 else []
    command += ["--language", language, "--name", name]
    half = "bfloat16" if value.kernel.format == "bfloat16" else "float16"
    return [
        f"f(x) = {target}",
        f"for every number of {half}: operations in float32, each rounded to nearest; the result is rounded once",
        f"proved by trying all {found.inputs} finite inputs: abs(y - f(x)) <= {_upwards(found.ulp)} ulp",
        f"the nearest number at {found.correct} inputs, one of the two next to f(x) at {found.faithful}; against the "
        f"direction of f at {found.turns}",
        f"outputs from {found.lowest!r} to {found.highest!r}; NaN gives NaN",
        f"at -inf, -0, 0, inf: {', '.join(map(repr, found.at))}",
        "subnormal numbers are kept: on a machine that flushes them to zero, small outputs differ",
        f"{value.operations} operations in {len(value.kernel.pieces)} pieces (a division is 4, a scaling 2, a piece 1)",
        f"certificate: {document(value)['hash']}",
        f"made by: {shlex.join(command)}",
    ]


def _upwards(value: Fraction) -> str:
    return f"{float(-(-value * 10**6 // 1)) / 10**6:.6f}"


def _pieces(value: Implementation) -> list[tuple[float, Piece]]:
    """The pieces with their lower ends, from left to right."""
    lowers = [-inf, *(piece.upper for piece in value.kernel.pieces)]
    return list(zip(lowers, value.kernel.pieces))


def _float(constant: Fraction) -> float:
    return float(round_to(constant, "float32"))


def _hexadecimal(value: float, suffix: str) -> str:
    # Six digits hold the 23 bits behind the point: those that Python writes beyond are zero.
    head, exponent = value.hex().split("p")
    if "." in head:
        head = head.rstrip("0").rstrip(".")
    return f"({head}p{exponent}{suffix})"


def _body(piece: Piece, forms: dict[str, str], constant: Callable[[float], str]) -> tuple[list[tuple[str, str]], str]:
    """Names and values of the steps, and the result."""

    def operand(which: Operand) -> str:
        if isinstance(which, Constant):
            return constant(_float(which.value))
        return "x" if isinstance(which, Input) else f"v{which.step}"

    lines = [(f"v{k}", forms[op].format(*map(operand, names))) for k, (op, names) in enumerate(piece.steps)]
    return lines, operand(piece.result)


# -- C and CUDA ------------------------------------------------------------------------------------------------------

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
_C_FORMS = {"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}"}
_CUDA_FORMS = {op: f"__f{op}_rn({{}}, {{}})" for op in ("add", "sub", "mul", "div")}


def _c(value: Implementation, notes: list[str], name: str, cuda: bool = False) -> str:
    forms, static = (_CUDA_FORMS, "__device__ __forceinline__") if cuda else (_C_FORMS, "static inline")

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
    if any(op == "scale" for piece in value.kernel.pieces for op, _ in piece.steps):
        parts.append(_SCALED)
    helpers = "".join(part.format(**names) for part in [*parts, number])
    lines = []
    for _, piece in _pieces(value):
        body, result = _body(piece, {**forms, "scale": f"{name}_scaled({{}}, {{}})"}, constant)
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


def _cuda(value: Implementation, notes: list[str], name: str) -> str:
    return _c(value, notes, name, cuda=True)


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


def _rust(value: Implementation, notes: list[str], name: str) -> str:
    def constant(number: float) -> str:
        # Rust has no hexadecimal floats: the bits are exact, and the decimal says what they are.
        bits = int(np.float32(number).view(np.uint32))
        return f"f32::from_bits(0x{bits:08X} /* {float(np.float32(number)):.9g} */)"

    number = _RUST_BFLOAT16 if value.kernel.format == "bfloat16" else _RUST_FLOAT16
    scaled = any(op == "scale" for piece in value.kernel.pieces for op, _ in piece.steps)
    helpers = (_RUST_SCALED.format(name=name) if scaled else "") + number.format(name=name)
    lines = []
    for _, piece in _pieces(value):
        body, result = _body(piece, {**_C_FORMS, "scale": f"{name}_scaled({{}}, {{}})"}, constant)
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


# -- languages of arrays ---------------------------------------------------------------------------------------------


def _arrays(value: Implementation, notes: list[str], name: str, words: dict[str, str]) -> str:
    """Every piece is calculated for all inputs, moved into its own range, and the results are chosen among."""

    def constant(number: float) -> str:
        text = f'float("{number}")' if isinf(number) else repr(number)
        return words["constant"].format(text)

    forms = {**_C_FORMS, "div": words["div"], "scale": f"_{name}_scaled({{}}, {{}})"}
    lines = [words["start"]]
    chosen = False
    for lower, piece in reversed(_pieces(value)):
        body, result = _body(piece, forms, constant)
        if body:
            low, high = constant(lower), constant(piece.upper)
            inside = "given"
            inside = inside if isinf(lower) else words["above"].format(inside, low)
            inside = inside if isinf(piece.upper) else words["below"].format(inside, high)
            lines.append(f"x = {inside}  # {piece.about}")
            lines += [f"{a} = {b}" for a, b in body]
        piece_result = words["full"].format(result) if isinstance(piece.result, Constant) else result
        if not body and result == "x":
            piece_result = "given"
        if chosen:
            lines.append(f"y = {words['where'].format(f'given <= {constant(piece.upper)}', piece_result, 'y')}")
        else:
            lines.append(f"y = {piece_result}")
            chosen = True
    lines.append(f"y = {words['where'].format('given == given', 'y', 'given')}")
    lines.append(f"return {words['finish_' + value.kernel.format].format(name=name)}")
    scaled = any(op == "scale" for piece in value.kernel.pieces for op, _ in piece.steps)
    helpers = (words["scaled"] if scaled else "") + words.get("helper_" + value.kernel.format, "")
    comment = "\n".join(f"# {line}" for line in notes + ([words["note"]] if "note" in words else []))
    indent = words.get("indent", "    ")
    block = "\n".join(f"{indent}{line}" for line in lines)
    opened = words.get("opened", "")
    head = f"{comment}\n{words['imports']}\n{helpers.format(name=name)}\n\n{words['decorator']}"
    return f"{head}def {name}(x):\n{opened}{block}\n"


_NUMPY: dict[str, str] = {
    "imports": "import numpy as np\n",
    "start": "given = np.asarray(x, dtype=np.float32)",
    "opened": '    with np.errstate(all="ignore"):\n',
    "indent": "        ",
    "decorator": "",
    "constant": "np.float32({})",
    "div": "{} / {}",
    "above": "np.maximum({}, {})",
    "below": "np.minimum({}, {})",
    "where": "np.where({}, {}, {})",
    "full": "np.full_like(given, {})",
    "finish_bfloat16": "_{name}_rounded(y)",
    "finish_float16": "y.astype(np.float16)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * np.float32(0.5)).astype(np.int32)
    rest = k.astype(np.int32) - half
    return v * ((half + 127) << 23).view(np.float32) * ((rest + 127) << 23).view(np.float32)
""",
    "helper_bfloat16": """

def _{name}_rounded(v):
    \"\"\"To the nearest bfloat16, ties to even, as float32.\"\"\"
    bits = np.asarray(v).view(np.uint32)
    short = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(v == v, short.view(np.float32), v)
""",
}
_PYTORCH: dict[str, str] = {
    "imports": "import torch\n",
    "start": "given = x.to(torch.float32)",
    "decorator": "",
    "constant": "{}",
    "div": "{} / {}",
    "above": "torch.clamp({}, min={})",
    "below": "torch.clamp({}, max={})",
    "where": "torch.where({}, {}, {})",
    "full": "torch.full_like(given, {})",
    "finish_bfloat16": "y.to(torch.bfloat16)",
    "finish_float16": "y.to(torch.float16)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * 0.5).to(torch.int32)
    rest = k.to(torch.int32) - half
    return v * ((half + 127) << 23).view(torch.float32) * ((rest + 127) << 23).view(torch.float32)
""",
    "note": "run as it stands, operation by operation: a compiler may make one operation of a product and a sum",
}
_TRITON: dict[str, str] = {
    "imports": "import triton\nimport triton.language as tl\n",
    "start": "given = x.to(tl.float32)",
    "decorator": "@triton.jit\n",
    "constant": "tl.full((), {}, tl.float32)",
    "div": "tl.div_rn({}, {})",
    "above": "tl.where({0} < {1}, {1}, {0})",
    "below": "tl.where({0} > {1}, {1}, {0})",
    "where": "tl.where({}, {}, {})",
    "full": "tl.where(given == given, {0}, {0})",
    "finish_bfloat16": "y.to(tl.bfloat16)",
    "finish_float16": "y.to(tl.float16)",
    "scaled": """

@triton.jit
def _{name}_scaled(v, k):
    half = (k * 0.5).to(tl.int32)
    rest = k.to(tl.int32) - half
    first = ((half + 127) << 23).to(tl.float32, bitcast=True)
    return v * first * ((rest + 127) << 23).to(tl.float32, bitcast=True)
""",
    "note": "start kernels that use it with enable_fp_fusion=False: no product and sum may become one operation",
}


def _in(words: dict[str, str]) -> Callable[[Implementation, list[str], str], str]:
    return lambda value, notes, name: _arrays(value, notes, name, words)


KERNEL_LANGUAGES: dict[str, Callable[[Implementation, list[str], str], Any]] = {
    "c": _c,
    "cuda": _cuda,
    "rust": _rust,
    "numpy": _in(_NUMPY),
    "pytorch": _in(_PYTORCH),
    "triton": _in(_TRITON),
}
