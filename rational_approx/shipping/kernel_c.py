"""The code of an implementation in C (a header, for C++ too) and CUDA: a number of a 16-bit format is its 16 bits."""

from dataclasses import replace
from fractions import Fraction
from math import inf, isfinite, isinf, isnan

import numpy as np

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import MIDDLE, Function, Piece
from rational_approx.programs.program import Constant, Result, Step
from rational_approx.shipping.kernel_c_parts import (
    BFLOAT16,
    BITS_BACK,
    C_END,
    C_START,
    CUDA_BITS,
    CUDA_BITS_BACK,
    EITHER,
    EXPONENT,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INLINED,
    OF_BITS,
    READ,
    READ_NORMAL,
    SCALED,
    SCALED64_TWICE,
    WHOLE,
)
from rational_approx.shipping.kernel_statements import (
    BITS,
    FORMS,
    called,
    constant_of,
    statements,
    used,
    with_lowers,
)
from rational_approx.shipping.mirrored import parity

__all__ = ["in_c", "in_cuda"]


def _hexadecimal(value: float, suffix: str) -> str:
    # No more digits than the bits behind the point need: those that Python writes beyond are zero.
    head, exponent = value.hex().split("p")
    if "." in head:
        head = head.rstrip("0").rstrip(".")
    return f"({head}p{exponent}{suffix})"


_FORMATS = {"bfloat16": BFLOAT16, "float16": FLOAT16, "float32": FLOAT32, "float64": FLOAT64}
_REAL = {"float32": "float", "float64": "double"}


def _cuda_forms(inner: str) -> dict[str, str]:
    letter = "f" if inner == "float32" else "d"
    forms = {op: f"__{letter}{op}_rn({{}}, {{}})" for op in ("add", "sub", "mul", "div")}
    fused = "__fmaf_rn" if inner == "float32" else "__fma_rn"
    return {**forms, "sqrt": f"__{letter}sqrt_rn({{}})", "fma": f"{fused}({{}}, {{}}, {{}})"}


def _c_forms(inner: str) -> dict[str, str]:
    single = {"sqrt": "sqrtf({})", "fma": "fmaf({}, {}, {})"} if inner == "float32" else {}
    return FORMS | single


class _Dialect:
    """C, or CUDA, with the names and the types of one implementation."""

    def __init__(self, value: Implementation, name: str, cuda: bool) -> None:
        inner = value.kernel.inner
        self.value, self.name, self.inner, self.cuda = value, name, inner, cuda
        basic = _cuda_forms(inner) if cuda else _c_forms(inner)
        product = basic["mul"].format("v", "first")
        self.forms = called(value, basic, f"{name}_") | {"raise": f"{name}_raised({{}}, {{}})"}
        whole, shift, _ = BITS[inner]
        double = inner == "float64"
        magic, bound = (_hexadecimal(v, "" if double else "f") for v in (1.5 * 2.0**shift, 2.0 ** (shift - 1)))
        self.names = {
            "name": name,
            "static": "__device__ __forceinline__" if cuda else "static inline",
            "inlined": f"{name.upper()}_INLINED",
            "real": _REAL[inner],
            "bits": f"uint{whole}_t",
            "number": {"float32": "float", "float64": "double"}.get(value.kernel.format, "uint16_t"),
            "carried": "double" if value.kernel.format == "float64" else "float",
            "mask": "uint64_t" if value.kernel.format == "float64" else "uint32_t",
            "whole": str(whole),
            "shift": str(shift),
            "low": str(shift - 1),
            "bound": bound,
            "rounding": basic["sub"].format(basic["add"].format("v", magic) if cuda else f"(v + {magic})", magic),
            "middle": f"0x{MIDDLE[inner][0]:X}",
            "product": product if double else basic["mul"].format(product, "second"),
            "products": basic["mul"].format(product, "second"),
            "twice": basic["add"].format("k", "0x1.80000000007fep+52"),
            "shifted": basic["add"].format("k", "0x1.80000000003ffp+52" if double else "0x1.8001fcp+23f"),
            "large": basic["mul"].format(f"{name}_of_bits(size)", "0x1p112f"),
            "less": basic["sub"].format(f"{name}_of_bits(size + 0x38800000)", "0x1p-14f"),
            "sum": basic["add"].format(f"{name}_of_bits(capped)", "0.5f"),
            "narrow": ("__double2float_rn(v)" if cuda else "(float)v") if double else "v",
            "of_bits": "__longlong_as_double" if double else "__uint_as_float",
            "bits_of": "__double_as_longlong" if double else "__float_as_uint",
        }

        reading = READ_NORMAL if value.kernel.scheme.flush else READ
        self.names["reading"] = reading.format(**self.names)

    def constant(self, number: float) -> str:
        if not isfinite(number):
            whole, shift, bias = BITS[self.inner]
            code = (2 * bias + 1 << shift) | ((number < 0) << whole - 1) | (isnan(number) << shift - 1)
            return f"{self.name}_of_bits(0x{code:X})"
        return _hexadecimal(number, "f" if self.inner == "float32" else "")

    def code(self) -> str:
        """Everything: bits of numbers where they are asked for, scaling, reading and rounding, functions, pieces."""
        kernel = self.value.kernel
        # Only where results are in double they may be subnormal.
        scaled = SCALED64_TWICE if kernel.format == "float64" else SCALED[kernel.inner]
        helpers = {"scale": scaled, "round": WHOLE, "exponent": EXPONENT}
        parts = [text for op, text in helpers.items() if op in used(self.value)]
        out = "".join(part.format(**self.names) for part in [*parts, _FORMATS[kernel.format]])
        for function in kernel.functions:
            out += self.defined(function.name, function)
        for number, piece in enumerate(kernel.pieces):
            out += (
                self.defined(f"piece{number}", piece) if constant_of(piece, self.inner) is None and piece.steps else ""
            )
        out += self.function() + ("" if self.cuda else self.selected())
        bits = {"of_bits": (OF_BITS, CUDA_BITS), "bits_of": (BITS_BACK, CUDA_BITS_BACK)}
        wanted = [texts[self.cuda] for key, texts in bits.items() if f"{self.name}_{key}(" in out]
        return "".join(text.format(**self.names) for text in wanted) + out

    def defined(self, name: str, code: Piece | Function) -> str:
        """A function with the operations of a piece or a function."""
        lines, result = statements(self.direct(code), self.inner, self.forms, self.constant)
        real = self.names["real"]
        body = "\n".join(f"    const {real} {left} = {right};" for left, right in lines)
        static = self.names["static" if self.cuda else "inlined"]
        head = f"{static} {real} {self.name}_{name}({real} x)"
        return f"\n/* {code.about} */\n{head} {{\n{body}\n    return {result};\n}}\n"

    def direct(self, code: Piece | Function) -> Piece | Function:
        """The same where a power of two is taken from the sum with k in its last bits that k was read from."""
        if self.inner == "float64" and self.value.kernel.format != "float64":
            return code
        (bits, _, top), steps = FORMATS[self.inner], list(code.steps)
        magic = Constant(Fraction(3 * 2 ** (bits - 2) + 2 * (top - 1)))
        for index, (op, (v, *more)) in enumerate(code.steps):
            k = code.steps[more[0].step] if op == "scale" and isinstance(more[0], Result) else None
            if k is not None and k.op == "sub" and k.operands[1] == magic:
                steps[index] = Step("raise", (v, k.operands[0]))
        return replace(code, steps=tuple(steps))

    def called(self, number: int) -> str:
        """The value of a piece."""
        piece = self.value.kernel.pieces[number]
        fixed = constant_of(piece, self.inner)
        if fixed is not None:
            return self.constant(fixed)
        if piece.steps:
            return f"{self.name}_piece{number}(x)"
        return statements(piece, self.inner, self.forms, self.constant)[1]

    def function(self) -> str:
        """The function of numbers, and the same before the result is rounded."""
        lines = []
        for number, piece in enumerate(self.value.kernel.pieces):
            test = "" if piece.upper == inf else f"if (x <= {self.constant(piece.upper)}) "
            about = "" if piece.steps else f" /* {piece.about} */"
            lines.append(f"    {test}return {self.called(number)};{about}\n")
        static, real, number_, name = (self.names[key] for key in ("static", "real", "number", "name"))
        return (
            f"\n/* For a number of {self.value.kernel.format}, before the result is rounded to it. */\n"
            f"{static} {real} {name}_unrounded({real} x) {{\n    if (x != x) return x;\n{''.join(lines)}}}\n"
            f"\n{static} {number_} {name}({number_} x) {{ return {name}_rounded({name}_unrounded({name}_read(x))); }}\n"
        )

    def selected(self) -> str:
        """The same in float or double: every piece is calculated, rounded to that type as well, and one chosen.

        The choice begins with a piece that gives NaN for NaN, of which every comparison is false.
        """
        pieces, name, sign = with_lowers(self.value), self.name, parity(self.value)
        fixed = [constant_of(piece, self.inner) for _, piece in pieces]
        first = next((k for k, value in enumerate(fixed) if value is None or isnan(value)), None)
        start = len(pieces) // 2 if sign else len(pieces) - 1 if first is None else first
        form = f"{name}_rounded({{}})" if self.value.kernel.format in _REAL else "{}"
        carried = self.names["carried"]

        def end(number: float) -> str:
            return (
                f"{'-' if number < 0 else ''}INFINITY"
                if isinf(number)
                else _hexadecimal(number, "f" if carried == "float" else "")
            )

        lines = [f"{carried} y = {form.format(self.called(start))};"]
        below = [] if sign else [(k, f"x <= {end(pieces[k][1].upper)}") for k in reversed(range(start))]
        others = below + [(k, f"x > {end(pieces[k][0])}") for k in range(start + 1, len(pieces))]
        lines += [f"y = {name}_either({test}, {form.format(self.called(k))}, y);" for k, test in others]
        whole = fixed[start] is None or isnan(fixed[start] or 0.0)
        lines.append("return y;" if whole else f"return {name}_either(x == x, y, x);")
        about = f"The result, for a number of {carried}." if form != "{}" else f"As {name}_unrounded."
        helper = EITHER.format(**self.names) if any(f"{name}_either(" in line for line in lines) else ""

        def written(words: str, ends_in: str, body: list[str]) -> str:
            inside = "\n".join(f"    {line}" for line in body)
            head = f"\n/* {words} */\n{self.names['inlined']} {carried} {name}_{ends_in}({carried} x)"
            return f"{head} {{\n{inside}\n}}\n"

        if not sign:
            return helper + written(about, "selected", lines)
        size = f"{name}_from_zero({'fabs' if carried == 'double' else 'fabsf'}(x))"
        body = [f"return {size};"] if sign > 0 else [f"const {carried} y = {size};", self.signed()]
        return (
            helper
            + written("The result, for a number that is not negative.", "from_zero", lines)
            + written(f"{about} It has the same bits on both sides of zero, but the sign.", "selected", body)
        )

    def signed(self) -> str:
        """The statement that returns y with the sign of x: at -0 as the operations leave it, which may be as at 0."""
        if len(set(np.signbit(self.value.kernel(np.array([-0.0, 0.0]))))) == 1:
            return f"return {self.name}_either(x < 0, -y, y);"
        return f"return {'copysign' if self.names['carried'] == 'double' else 'copysignf'}(1, x) * y;"


def in_c(value: Implementation, notes: list[str], name: str, cuda: bool = False) -> str:
    dialect = _Dialect(value, name, cuda)
    code = dialect.code()
    comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
    guard = f"{name.upper()}_IMPLEMENTED"
    if cuda:
        flags = "--use_fast_math" if value.kernel.scheme.flush else "-ftz=true and --use_fast_math"
        start = f"#include <stdint.h>\n\n/* Compile without {flags}. */\n"
        return f"{comment}\n#ifndef {guard}\n#define {guard}\n{start}{code}\n#endif\n"
    selected = (
        f"{name}_selected(x[i])"
        if value.kernel.format in _REAL
        else (f"{name}_rounded({name}_selected({name}_read(x[i])))")
    )
    end = C_END.format(**dialect.names, chosen=selected)
    start = C_START + INLINED.format(macro=dialect.names["inlined"])
    return f"{comment}\n#ifndef {guard}\n#define {guard}\n{start}{code}{end}\n#endif\n"


def in_cuda(value: Implementation, notes: list[str], name: str) -> str:
    return in_c(value, notes, name, cuda=True)
