"""Source code of an implementation in C, CUDA, Rust, NumPy, PyTorch, JAX and Triton, all from the same operations.

The constants are those that are proved, as hexadecimal floats where a language has them, else as bits or as the
shortest decimal that is read back to the same number. The code has one function from numbers of the format to numbers
of the format.
"""

import shlex
from collections.abc import Callable
from fractions import Fraction

from rational_approx.kernels.counted import Counted
from rational_approx.kernels.facts import TriedFacts
from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.numbers import INNER
from rational_approx.kernels.scheme import PLAIN
from rational_approx.shipping.documents import document
from rational_approx.shipping.kernel_arrays import NUMPY, PYTORCH, TRITON, in_arrays
from rational_approx.shipping.kernel_c import in_c, in_cuda
from rational_approx.shipping.kernel_jax import in_jax
from rational_approx.shipping.kernel_rust import in_rust
from rational_approx.targets import gates

ORDERED = {
    "horner": "polynomials in Horner's order",
    "estrin": "polynomials in Estrin's order",
    "barycentric": "rationals in barycentric form",
}
__all__ = ["KERNEL_LANGUAGES", "counted_code", "kernel_code"]


def kernel_code(value: Implementation, language: str, name: str) -> str:
    """The code of an implementation, with a function of that name."""
    return _code(value, _notes(value, document(value)["hash"], [], language, name), language, name)


def counted_code(value: Counted, language: str, name: str) -> str:
    """The same, which says what was counted at every number as well."""
    found = value.counts
    counts = [
        f"run at every number by {value.by}: abs(y - f(x)) <= {_upwards(found.ulp)} ulp, outputs from "
        f"{found.lowest!r} to {found.highest!r}",
        f"the nearest number at {found.correct} of {found.inputs} inputs, one of the two next to f(x) at "
        f"{found.faithful}; against the direction of f at {found.turns}",
    ]
    made = value.implementation
    return _code(made, _notes(made, document(value)["hash"], counts, language, name), language, name)


def _code(value: Implementation, notes: list[str], language: str, name: str) -> str:
    return KERNEL_LANGUAGES[language](value, [line.replace("*/", "* /") for line in notes], name)


def _notes(value: Implementation, certificate: str, counts: list[str], language: str, name: str) -> list[str]:
    found = value.facts
    target = value.expression if value.name == value.expression else f"{value.name}: {value.expression}"
    command = [
        "rational-approx",
        "implement",
        _asked(value),
        "--format",
        value.kernel.format,
        "--ulp",
        str(value.wanted),
    ]
    own = value.kernel.inner == value.kernel.format
    command += ["--accumulate", value.kernel.inner] if value.kernel.inner != INNER[value.kernel.format] else []
    command += ["--segments", str(value.segments)] if value.segments != (8 if own else 4) else []
    scheme = value.kernel.scheme
    command += ["--scheme", scheme.order] if scheme.order != PLAIN.order else []
    command += ["--fma"] * scheme.fma + ["--flush"] * scheme.flush
    command += ["--coefficients", str(scheme.coefficients)] if scheme.coefficients is not None else []
    if scheme.form is not None:
        command += ["--constraints", *map(_written, scheme.form)]
    command += ["--every-input"] * bool(counts)
    command += ["--language", language, "--name", name]
    exactly = isinstance(found, TriedFacts)
    how = "trying all" if exactly else "intervals that hold all"
    lines = [
        f"f(x) = {target}",
        f"for every number of {value.kernel.format}: operations in {value.kernel.inner}, each rounded to nearest"
        + ("" if own else "; the result is rounded once"),
        f"{ORDERED[scheme.order]}; a product and a sum "
        + ("are one operation, rounded once (FMA)" if scheme.fma else "are two operations"),
        f"proved by {how} {found.inputs} finite inputs: abs(y - f(x)) <= {_upwards(found.ulp)} ulp",
    ]
    if isinstance(found, TriedFacts):
        lines.append(
            f"the nearest number at {found.correct} inputs, one of the two next to f(x) at {found.faithful}; against "
            f"the direction of f at {found.turns}"
        )
    return [
        *lines,
        f"outputs {'from' if exactly else 'within'} {found.lowest!r} to {found.highest!r}; NaN gives NaN",
        f"at -inf, -0, 0, inf: {', '.join(map(repr, found.at))}",
        *counts,
        *_asked_of(value),
        _subnormal(value),
        f"{value.operations} operations in {len(value.kernel.pieces)} pieces (a division is 4, a scaling 2, a piece 1)",
        f"certificate: {certificate}",
        f"made by: {shlex.join(command)}",
    ]


def _written(side: tuple[Fraction | None, ...]) -> str:
    """Coefficients as the command line takes them; one alone would be a degree."""
    return ",".join("*" if c is None else str(c) for c in side) + "," * (len(side) == 1)


def _asked_of(value: Implementation) -> list[str]:
    """What was asked of the coefficients."""
    formats, form = value.kernel.scheme.coefficients, value.kernel.scheme.form
    lines = [] if formats is None else [f"coefficients are numbers of {formats.words}, found together"]
    return lines if form is None else [*lines, f"the piece about zero is P / Q with {form}, with exact operations"]


def _subnormal(value: Implementation) -> str:
    if not value.kernel.scheme.flush:
        return "subnormal numbers are kept: on a machine that flushes them to zero, small outputs differ"
    holds = "all this also holds on machines that flush subnormal operands, results, or both to zero"
    if value.kernel.format == "float16":
        return holds
    return f"{holds}, where 0 is right for f(x) below 2^-126, and f(0) for such x"


def _asked(value: Implementation) -> str:
    """What `implement` is asked for the same target: a gate with other parameters than the usual ones has no name."""
    gate = gates.find(value.name)
    return value.name if gate is None or gate.expression == value.expression else value.expression


def _upwards(value: Fraction) -> str:
    return f"{float(-(-value * 10**6 // 1)) / 10**6:.6f}"


def _in(words: dict[str, str]) -> Callable[[Implementation, list[str], str], str]:
    return lambda value, notes, name: in_arrays(value, notes, name, words)


KERNEL_LANGUAGES: dict[str, Callable[[Implementation, list[str], str], str]] = {
    "c": in_c,
    "cuda": in_cuda,
    "rust": in_rust,
    "numpy": _in(NUMPY),
    "pytorch": _in(PYTORCH),
    "jax": in_jax,
    "triton": _in(TRITON),
}
