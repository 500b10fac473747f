"""A fixed-point implementation as a header for C and C++: codes in, codes out, in exact integers."""

from rational_approx.kernels.implement import FixedImplementation

__all__ = ["in_c"]

_START = """#include <stddef.h>
#include <stdint.h>

#if (-3 >> 1) != -2
#error "a shift to the right must keep the sign"
#endif
"""
_END = """
static inline void {name}_many(const {code} *x, {code} *y, size_t n) {{
    for (size_t i = 0; i < n; i++) y[i] = {name}(x[i]);
}}
"""


def in_c(value: FixedImplementation, notes: list[str], name: str) -> str:
    """The header; a code lies in the next larger integer type."""
    path, n = value.kernel, value.kernel.degree
    bits = path.point.bits
    code = f"int{next(size for size in (8, 16, 32) if size >= bits)}_t"
    # One bit more than any result, for the negative of the least code.
    word = "int32_t" if max(path.widths.values()) <= 31 else "int64_t"
    names = ["origin", "scale", *(f"c{k}" for k in range(n + 1)), "adds"]
    table = []
    for row in path.rows:
        c = [*row.coefficients, *[0] * (n + 1 - len(row.coefficients))]
        scale = 0 if row.origin is None else 1 << row.left
        numbers = ", ".join(map(str, (row.origin or 0, scale, *c, row.adds)))
        table.append(f"        {{{numbers}}}, /* {row.about} */")
    uppers = ", ".join(str(row.upper) for row in path.rows[:-1])
    lines = [
        f"    static const {word} rows[{len(table)}][{len(names)}] = {{ /* {', '.join(names)} */",
        *table,
        "    };",
    ]
    if uppers:
        lines.append(f"    static const {word} upper[{len(table) - 1}] = {{{uppers}}};")
    lines += ["    int i = 0;", *([f"    while (i < {len(table) - 1} && x > upper[i]) i++;"] if uppers else [])]
    lines += [f"    const {word} *c = rows[i] + 2;"]
    if n:
        lines += [f"    const {word} t = (x - rows[i][0]) * rows[i][1];", f"    {word} a = c[{n}];"]
        for k in reversed(range(n)):
            lines.append(f"    a = c[{k}] + {_shifted('a * t', path.shift)};")
    else:
        lines.append(f"    {word} a = c[0];")
    factor = f" * {1 << path.guard}" if path.guard else ""
    lines.append(f"    a = {_shifted(f'a + c[{n + 1}] * x{factor}', path.guard)};")
    if path.saturates:
        low, high = path.point.lowest, path.point.highest
        lines.append(f"    a = a < {low} ? {low} : a > {high} ? {high} : a;")
    lines.append(f"    return ({code})a;")
    comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
    guard = f"{name.upper()}_IMPLEMENTED"
    function = "\n".join([f"static inline {code} {name}({code} x) {{", *lines, "}"])
    end = _END.format(name=name, code=code)
    return f"{comment}\n#ifndef {guard}\n#define {guard}\n{_START}\n{function}\n{end}\n#endif\n"


def _shifted(text: str, bits: int) -> str:
    return f"(({text} + {1 << bits - 1}) >> {bits})" if bits else text
