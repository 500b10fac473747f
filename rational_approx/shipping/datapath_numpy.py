"""A fixed-point implementation in NumPy: arrays of codes in, arrays of codes out."""

from rational_approx.kernels.implement import FixedImplementation

__all__ = ["in_numpy"]


def in_numpy(value: FixedImplementation, notes: list[str], name: str) -> str:
    """The module of one function; a code beyond the format raises an IndexError."""
    path, n = value.kernel, value.kernel.degree
    table = {
        "upper": [row.upper for row in path.rows],
        "origin": [row.origin or 0 for row in path.rows],
        "scale": [0 if row.origin is None else 1 << row.left for row in path.rows],
        "adds": [row.adds for row in path.rows],
    }
    for k in range(n + 1):
        table[f"c{k}"] = [row.coefficients[k] if k < len(row.coefficients) else 0 for row in path.rows]
    if not n:
        del table["origin"], table["scale"]
    lines = ['"""Codes of the format as int64, for codes of it."""', "x = np.asarray(x, dtype=np.int64)"]
    lines.append(f'row = np.searchsorted(_{name}_rows["upper"], x)')
    lines += [f'{key} = _{name}_rows["{key}"][row]' for key in table if key != "upper"]
    if n:
        lines += ["t = (x - origin) * scale", f"a = c{n}"]
        lines += [f"a = c{k} + {_shifted('a * t', path.shift)}" for k in reversed(range(n))]
    else:
        lines.append("a = c0")
    factor = f" * {1 << path.guard}" if path.guard else ""
    lines.append(f"a = {_shifted(f'a + adds * x{factor}', path.guard)}")
    lines.append(f"return np.clip(a, {path.point.lowest}, {path.point.highest})")
    rows = [f'    "{key}": np.array({numbers}, dtype=np.int64),' for key, numbers in table.items()]
    comment = "\n".join(f"# {line}" for line in notes)
    body = "\n".join(f"    {line}" for line in lines)
    columns = "\n".join([f"_{name}_rows = {{", *rows, "}"])
    return f"{comment}\nimport numpy as np\n\n{columns}\n\n\ndef {name}(x):\n{body}\n"


def _shifted(text: str, bits: int) -> str:
    return f"({text} + {1 << bits - 1} >> {bits})" if bits else text
