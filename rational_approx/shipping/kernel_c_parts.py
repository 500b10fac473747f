"""The fixed parts of C and CUDA code, with names in braces: heads, bits of numbers, scalings, formats."""

__all__ = [
    "BFLOAT16",
    "BITS_BACK",
    "CUDA_BITS",
    "CUDA_BITS_BACK",
    "C_END",
    "C_START",
    "EITHER",
    "EXPONENT",
    "FLOAT16",
    "FLOAT32",
    "FLOAT64",
    "INLINED",
    "OF_BITS",
    "READ",
    "READ_NORMAL",
    "SCALED",
    "SCALED32",
    "SCALED64",
    "SCALED64_TWICE",
    "WHOLE",
]

C_START = """#include <float.h>
#include <math.h>
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
#pragma GCC optimize ("fp-contract=off", "no-trapping-math")
#endif
"""
# Where a file has many functions, or fma(), which it takes for a call, gcc leaves calls and makes no vector operations.
INLINED = """
#if defined(__GNUC__)
#define {macro} static inline __attribute__((always_inline))
#else
#define {macro} static inline
#endif
"""
C_END = """
/* The same for many numbers: without a branch, so that a compiler can use vector operations. */
static inline void {name}_many(const {number} *x, {number} *y, size_t count) {{
    for (size_t i = 0; i < count; i++) y[i] = {chosen};
}}

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
"""
OF_BITS = """
{static} {real} {name}_of_bits({bits} bits) {{
    {real} v;
    memcpy(&v, &bits, sizeof v);
    return v;
}}
"""
BITS_BACK = """
{static} {bits} {name}_bits_of({real} v) {{
    {bits} bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}}
"""
CUDA_BITS = """
{static} {real} {name}_of_bits({bits} bits) {{ return {of_bits}(bits); }}
"""
CUDA_BITS_BACK = """
{static} {bits} {name}_bits_of({real} v) {{ return {bits_of}(v); }}
"""
# A conditional expression may become a branch again, around operations that no compiler then makes vectors of: gcc
# does so unless it is told that operations do not trap.
EITHER = """
/* The first number where that is chosen, else the second. */
{inlined} {carried} {name}_either(int first, {carried} a, {carried} b) {{
#if defined(__GNUC__) && !defined(__clang__)
    return first ? a : b;
#else
    const {mask} mask = -({mask})first;
    {mask} one, other;
    memcpy(&one, &a, sizeof one);
    memcpy(&other, &b, sizeof other);
    one = (one & mask) | (other & ~mask);
    memcpy(&a, &one, sizeof a);
    return a;
#endif
}}
"""
# The integer k + 254 stands in the last bits of k + 254 + 1.5 2^23, and k + 1023 in those of k + 1023 + 1.5 2^52: no
# conversion is undefined, whatever k is, and no compiler needs instructions for one. Shifted into the place of an
# exponent they lose what stands before them; half of k + 254 stands for 2^h, with h half of k rounded down. Multiplied
# by the larger one first, an odd k gives the bits of the law, which halves towards zero.
SCALED32 = """
/* v * 2^k for t = k + 254 + 1.5 2^23, in two steps, the larger one first: both are numbers of float. */
{static} float {name}_raised(float v, float t) {{
    const uint32_t whole = {name}_bits_of(t), half = whole >> 1 << 23;
    const float first = {name}_of_bits((whole << 23) - half), second = {name}_of_bits(half);
    return {product};
}}
{static} float {name}_scaled(float v, float k) {{ return {name}_raised(v, {shifted}); }}
"""
SCALED64 = """
/* v * 2^k for an integral k between -1022 and 1023, where that is no subnormal number. */
{static} double {name}_scaled(double v, double k) {{
    const double first = {name}_of_bits({name}_bits_of({shifted}) << 52);
    return {product};
}}
"""
SCALED64_TWICE = """
/* v * 2^k for t = k + 2046 + 1.5 2^52, in two steps, the larger one first: both are numbers of double. */
{static} double {name}_raised(double v, double t) {{
    const uint64_t whole = {name}_bits_of(t), half = whole >> 1 << 52;
    const double first = {name}_of_bits((whole << 52) - half), second = {name}_of_bits(half);
    return {products};
}}
{static} double {name}_scaled(double v, double k) {{ return {name}_raised(v, {twice}); }}
"""
SCALED = {"float32": SCALED32, "float64": SCALED64}
WHOLE = """
/* The nearest integer, ties to even: numbers beyond 2^{low} are taken as they are. */
{static} {real} {name}_whole({real} v) {{
    return v < {bound} && v > -{bound} ? {rounding} : v;
}}
"""
EXPONENT = """
/* The k with sqrt(1/2) 2^k <= v < sqrt(2) 2^k, for a normal positive v. */
{static} {real} {name}_exponent({real} v) {{
    return ({real})((int{whole}_t)((uint{whole}_t){name}_bits_of(v) - {middle}) >> {shift});
}}
"""
BFLOAT16 = """
{static} float {name}_read(uint16_t code) {{ return {name}_of_bits((uint32_t)code << 16); }}

/* To the nearest bfloat16, ties to even. */
{static} uint16_t {name}_rounded(float v) {{
    const uint32_t bits = {name}_bits_of(v);
    if (v != v) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}}
"""
FLOAT16 = """
{reading}

/* To the nearest float16, ties to even. */
{static} uint16_t {name}_rounded(float v) {{
    const uint32_t bits = {name}_bits_of(v), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    const uint32_t capped = size < 0x477FF000 ? size : 0x477FF000; /* from here on infinite */
    const uint32_t normal = (capped - 0x38000000 + 0xFFF + (capped >> 13 & 1)) >> 13;
    const uint32_t subnormal = {name}_bits_of({sum}) - 0x3F000000, mask = -(uint32_t)(size < 0x38800000);
    return (uint16_t)(sign | (uint32_t)(size > 0x7F800000) << 9 | (normal & ~mask) | (subnormal & mask));
}}
"""
FLOAT32 = """
{static} {real} {name}_read(float x) {{ return x; }}

/* To the nearest float, ties to even. */
{static} float {name}_rounded({real} v) {{ return {narrow}; }}
"""
FLOAT64 = """
{static} double {name}_read(double x) {{ return x; }}

{static} double {name}_rounded(double v) {{ return v; }}
"""
READ = """/* Read as the bits of a float a finite number is 2^112 times too small. */
{static} float {name}_read(uint16_t code) {{
    const uint32_t sign = (uint32_t)(code & 0x8000) << 16, size = (uint32_t)(code & 0x7FFF) << 13;
    const uint32_t infinite = size >= 0xF800000 ? 0x7F800000 : 0;
    return {name}_of_bits(sign | infinite | {name}_bits_of({large}));
}}"""
READ_NORMAL = """/* A subnormal number is what its bits add to 2^-14, also where subnormal floats are zero. */
{static} float {name}_read(uint16_t code) {{
    const uint32_t sign = (uint32_t)(code & 0x8000) << 16, size = (uint32_t)(code & 0x7FFF) << 13;
    const uint32_t infinite = size >= 0xF800000 ? 0x7F800000 : 0, small = -(uint32_t)(size < 0x800000);
    const uint32_t subnormal = {name}_bits_of({less});
    return {name}_of_bits(sign | infinite | (subnormal & small) | ((size + 0x38000000) & ~small));
}}"""
