"""The code of an implementation in C (a header, for C++ too) and CUDA: a number of a 16-bit format is its 16 bits."""

from math import isinf

from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import Function, Piece
from rational_approx.shipping.kernel_statements import BITS, FORMS, called, scales, statements, with_lowers

__all__ = ["in_c", "in_cuda"]


def _hexadecimal(value: float, suffix: str) -> str:
    # No more digits than the bits behind the point need: those that Python writes beyond are zero.
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
/* The same for many numbers: without a branch, so that a compiler can use vector operations. */
static inline void {name}_many(const {number} *x, {number} *y, size_t count) {{
    for (size_t i = 0; i < count; i++) y[i] = {name}_rounded({name}_selected({name}_read(x[i])));
}}

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
"""
_BITS = """
{static} {real} {name}_of_bits({bits} bits) {{
    {real} v;
    memcpy(&v, &bits, sizeof v);
    return v;
}}
"""
_BITS_BACK = """
{static} {bits} {name}_bits_of({real} v) {{
    {bits} bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}}
"""
_CUDA_BITS = """
{static} {real} {name}_of_bits({bits} bits) {{ return {of_bits}(bits); }}
"""
_CUDA_BITS_BACK = """
{static} {bits} {name}_bits_of({real} v) {{ return {bits_of}(v); }}
"""
# A conditional expression may become a branch again, around operations that no compiler then makes vectors of.
_EITHER = """
/* The first number where that is chosen, else the second. */
static inline {real} {name}_either(int first, {real} a, {real} b) {{
    const {bits} mask = -({bits})first;
    return {name}_of_bits(({name}_bits_of(a) & mask) | ({name}_bits_of(b) & ~mask));
}}
"""
_SCALED = """
/* v * 2^k for an integral k, in two steps: 2^h and 2^(k - h) are numbers of {real}. */
{static} {real} {name}_scaled({real} v, {real} k) {{
    const int32_t whole = (int32_t)k, half = whole / 2;
    const {real} first = {name}_of_bits(({bits})(half + {bias}) << {shift});
    const {real} second = {name}_of_bits(({bits})(whole - half + {bias}) << {shift});
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
_FLOAT32 = """
{static} {real} {name}_read(float x) {{ return x; }}

/* To the nearest float, ties to even. */
{static} float {name}_rounded({real} v) {{ return {narrow}; }}
"""
_FORMATS = {"bfloat16": _BFLOAT16, "float16": _FLOAT16, "float32": _FLOAT32}
_REAL = {"float32": "float", "float64": "double"}


def _cuda_forms(inner: str) -> dict[str, str]:
    letter = "f" if inner == "float32" else "d"
    return {op: f"__{letter}{op}_rn({{}}, {{}})" for op in ("add", "sub", "mul", "div")}


class _Dialect:
    """C, or CUDA, with the names and the types of one implementation."""

    def __init__(self, value: Implementation, name: str, cuda: bool) -> None:
        inner = value.kernel.inner
        self.value, self.name, self.inner, self.cuda = value, name, inner, cuda
        basic = _cuda_forms(inner) if cuda else FORMS
        self.forms = called(value, basic, f"{name}_")
        self.own = {"scale", *(function.name for function in value.kernel.functions)}
        whole, shift, bias = BITS[inner]
        double = inner == "float64"
        self.names = {
            "name": name,
            "static": "__device__ __forceinline__" if cuda else "static inline",
            "real": _REAL[inner],
            "bits": f"uint{whole}_t",
            "number": "float" if value.kernel.format == "float32" else "uint16_t",
            "shift": str(shift),
            "bias": str(bias),
            "product": basic["mul"].format(basic["mul"].format("v", "first"), "second"),
            "tiny": basic["mul"].format("(float)size", "0x1p-24f"),
            "sum": basic["add"].format(f"{name}_of_bits(size)", "0.5f"),
            "narrow": "__double2float_rn(v)" if cuda else "(float)v",
            "of_bits": "__longlong_as_double" if double else "__uint_as_float",
            "bits_of": "__double_as_longlong" if double else "__float_as_uint",
        }

    def constant(self, number: float) -> str:
        if isinf(number):
            whole, shift, bias = BITS[self.inner]
            code = (2 * bias + 1 << shift) | ((number < 0) << whole - 1)
            return f"{self.name}_of_bits(0x{code:X})"
        return _hexadecimal(number, "f" if self.inner == "float32" else "")

    def code(self) -> str:
        """Everything: bits of numbers where they are asked for, scaling, reading and rounding, functions, pieces."""
        kernel = self.value.kernel
        parts = [_SCALED] if scales(self.value) else []
        out = "".join(part.format(**self.names) for part in [*parts, _FORMATS[kernel.format]])
        for function in kernel.functions:
            out += self.defined(function.name, function)
        for number, piece in enumerate(kernel.pieces):
            out += self.defined(f"piece{number}", piece) if piece.steps else ""
        out += self.function() + ("" if self.cuda else self.selected())
        bits = {"of_bits": (_BITS, _CUDA_BITS), "bits_of": (_BITS_BACK, _CUDA_BITS_BACK)}
        used = [texts[self.cuda] for key, texts in bits.items() if f"{self.name}_{key}(" in out]
        return "".join(text.format(**self.names) for text in used) + out

    def defined(self, name: str, code: Piece | Function) -> str:
        """A function with the operations of a piece or a function."""
        lines, result = statements(code, self.inner, self.forms, self.constant)
        real = self.names["real"]
        body = "\n".join(f"    const {real} {left} = {right};" for left, right in lines)
        head = f"{self.names['static']} {real} {self.name}_{name}({real} x)"
        return f"\n/* {code.about} */\n{head} {{\n{body}\n    return {result};\n}}\n"

    def called(self, number: int, x: str = "x") -> str:
        """The value of a piece."""
        piece = self.value.kernel.pieces[number]
        if piece.steps:
            return f"{self.name}_piece{number}({x})"
        return statements(piece, self.inner, self.forms, self.constant)[1]

    def function(self) -> str:
        """The function of numbers, and the same before the result is rounded."""
        lines = []
        for number, piece in enumerate(self.value.kernel.pieces):
            test = "" if isinf(piece.upper) and piece.upper > 0 else f"if (x <= {self.constant(piece.upper)}) "
            about = "" if piece.steps else f" /* {piece.about} */"
            lines.append(f"    {test}return {self.called(number)};{about}\n")
        static, real, number_, name = (self.names[key] for key in ("static", "real", "number", "name"))
        return (
            f"\n/* For a number of {self.value.kernel.format}, before the result is rounded to it. */\n"
            f"{static} {real} {name}_unrounded({real} x) {{\n    if (x != x) return x;\n{''.join(lines)}}}\n"
            f"\n{static} {number_} {name}({number_} x) {{ return {name}_rounded({name}_unrounded({name}_read(x))); }}\n"
        )

    def selected(self) -> str:
        """The same before the result is rounded: every piece is calculated, and one chosen."""
        pieces, name, real = with_lowers(self.value), self.name, self.names["real"]
        lines: list[str] = []
        for number in reversed(range(len(pieces))):
            lower, piece = pieces[number]
            x = "x"
            if any(op in self.own for op, _ in piece.steps):  # an integer is made of its numbers: none too large
                lines.append(f"const {real} x{number} = {self.within(lower, piece.upper)};")
                x = f"x{number}"
            value = self.called(number, x)
            chosen = f"{name}_either(x <= {self.constant(piece.upper)}, {value}, y)"
            lines.append(f"y = {chosen};" if number < len(pieces) - 1 else f"{real} y = {value};")
        body = "\n".join(f"    {line}" for line in [*lines, f"return {name}_either(x == x, y, x);"])
        head = f"static inline {real} {name}_selected({real} x)"
        return f"{_EITHER.format(**self.names)}\n/* As {name}_unrounded. */\n{head} {{\n{body}\n}}\n"

    def within(self, lower: float, upper: float) -> str:
        """The input, moved into a piece."""
        low, high = self.constant(lower), self.constant(upper)
        name = self.name
        return f"{name}_either(x > {low}, {name}_either(x < {high}, x, {high}), {low})"


def in_c(value: Implementation, notes: list[str], name: str, cuda: bool = False) -> str:
    dialect = _Dialect(value, name, cuda)
    code = dialect.code()
    comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
    guard = f"{name.upper()}_IMPLEMENTED"
    if cuda:
        start = "#include <stdint.h>\n\n/* Compile without -ftz=true and --use_fast_math. */\n"
        return f"{comment}\n#ifndef {guard}\n#define {guard}\n{start}{code}\n#endif\n"
    end = _C_END.format(**dialect.names)
    return f"{comment}\n#ifndef {guard}\n#define {guard}\n{_C_START}{code}{end}\n#endif\n"


def in_cuda(value: Implementation, notes: list[str], name: str) -> str:
    return in_c(value, notes, name, cuda=True)
