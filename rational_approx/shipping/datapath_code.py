"""Source code of a fixed-point implementation in SystemVerilog, C and NumPy, all from the same table of integers."""

import shlex
from collections.abc import Callable

from rational_approx.kernels.implement import TABLE, FixedImplementation
from rational_approx.shipping.datapath_c import in_c
from rational_approx.shipping.datapath_numpy import in_numpy
from rational_approx.shipping.datapath_systemverilog import in_systemverilog
from rational_approx.shipping.documents import document

__all__ = ["DATAPATH_LANGUAGES", "datapath_code"]

DATAPATH_LANGUAGES: dict[str, Callable[[FixedImplementation, list[str], str], str]] = {
    "systemverilog": in_systemverilog,
    "c": in_c,
    "numpy": in_numpy,
}


def datapath_code(value: FixedImplementation, language: str, name: str) -> str:
    """The code of an implementation, with a module or a function of that name."""
    notes = [line.replace("*/", "* /") for line in _notes(value, language, name)]
    return DATAPATH_LANGUAGES[language](value, notes, name)


def _notes(value: FixedImplementation, language: str, name: str) -> list[str]:
    found, path = value.facts, value.kernel
    point, widths = path.point, found.widths
    target = value.expression if value.name == value.expression else f"{value.name}: {value.expression}"
    command = ["rational-approx", "implement", value.name, "--format", path.format, "--ulp", str(value.wanted)]
    command += ["--segments", str(value.segments)] if value.segments != TABLE else []
    command += ["--language", language, "--name", name]
    least, most = (float(point.number(code)) for code in (point.lowest, point.highest))
    moved = "outputs beyond are moved there" if path.saturates else "no output has to be moved there"
    scheme = "a constant, or the input and a constant, for each row of a table"
    if path.degree:
        scheme = (
            f"{len(path.rows)} rows of a table; Horner's rule with {path.degree} products, each shifted right by "
            f"{path.shift}, and the sum by {path.guard}: to nearest, ties upwards"
        )
    ulp = f"{float(-(-found.ulp * 10**6 // 1)) / 10**6:.6f}"
    return [
        f"f(x) = {target}",
        f"for every input of {path.format}: a code X of {point.bits} bits in two's complement is X 2^-{point.fraction}",
        f"from {least!r} to {most!r}, where S(f(x)) ends, too; {moved}",
        scheme,
        f"proved by trying all {found.inputs} inputs: abs(y - S(f(x))) <= {ulp} 2^-{point.fraction}",
        f"at most half a unit from S(f(x)) at {found.correct} inputs, less than one at {found.faithful}; against the "
        f"direction of S(f) at {found.turns}",
        f"outputs from {float(found.lowest)!r} to {float(found.highest)!r}",
        "bits that hold every integer at every input: " + ", ".join(f"{key} {bits}" for key, bits in widths.items()),
        f"cost {path.cost}: a product of m and n bits m n, a sum its bits, a row a comparison and its coefficients",
        f"certificate: {document(value)['hash']}",
        f"made by: {shlex.join(command)}",
    ]
