"""Source code of a rational in C, NumPy and PyTorch, all from one sequence of operations."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rational_approx.documents import document
from rational_approx.evaluation import EvaluationError, evaluation_error
from rational_approx.formats import round_to
from rational_approx.program import INPUT, Operand, Program, program
from rational_approx.rational import Rational

__all__ = ["LANGUAGES", "export"]

LANGUAGES = ("c", "c-fma", "numpy", "pytorch")

_GUARD = """#include <float.h>
#include <math.h>

#ifdef __FAST_MATH__
#error "compiled with -ffast-math the bound does not hold"
#endif
#if FLT_EVAL_METHOD != 0
#error "operations must be rounded to their own type (on x86: -msse2 -mfpmath=sse)"
#endif
"""


def export(
    rational: Rational,
    language: str,
    *,
    certificate: Any = None,
    scheme: str | None = None,
    dtype: str = "float32",
    name: str = "rational",
) -> str:
    """Source code with a function of one argument that evaluates the rational on its domain.

    A comment states the proved bound on the rounding error and, with a certificate, the proved bound of the
    approximation and the certificate's hash. Outside the domain the function is whatever the formula gives.

    Parameters
    ----------
    language:
        ``"c"``, ``"c-fma"`` (with ``fma``), ``"numpy"`` or ``"pytorch"``.
    certificate:
        The certificate of this very rational.
    scheme, dtype:
        See :func:`rational_approx.evaluation.evaluation_error`.
    name:
        The function's name.

    Raises
    ------
    ValueError
        for an unknown language, a name that is no identifier, or the certificate of another rational.
    ArithmeticError
        where no bound on the rounding error exists.

    >>> from rational_approx import Domain
    >>> half = Fraction(1, 2)
    >>> r = Rational((half, half), (2 * half, 0 * half, half), Domain.of((-1, 1)), basis="monomial")
    >>> print(export(r, "numpy").split("# ")[-1].split("def ")[1])
    rational(x):
        x = np.asarray(x, dtype=np.float32)
        v0 = np.float32(0.5) * x
        v1 = v0 + np.float32(0.5)
        v2 = x * x
        v3 = np.float32(0.5) * v2
        v4 = v3 + np.float32(1.0)
        v5 = v1 / v4
        return v5
    <BLANKLINE>
    """
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"the function's name must be an identifier, not {name!r}")
    if certificate is not None and certificate.rational != rational:
        raise ValueError("the certificate is of another rational: certify the one that is exported (round first)")
    scheme = scheme or ("clenshaw" if rational.basis == "chebyshev" else "horner")
    bound = evaluation_error(rational, scheme, dtype, language == "c-fma")
    code = program(rational, scheme, language == "c-fma")
    notes = _notes(rational, bound, certificate)
    if language in ("c", "c-fma"):
        return _c(code, notes, dtype, name)
    return _python(code, notes, dtype, name, language)


def _notes(rational: Rational, bound: EvaluationError, certificate: Any) -> list[str]:
    out = [
        f"r = P / Q of type {rational.type}, coefficients in {rational.format}, on {rational.domain}",
        f"{bound.scheme}, {bound.operations} operations in {bound.dtype}",
        f"proved: abs(computed - r) <= {_upwards(bound.bound)} on the domain",
    ]
    if certificate is not None:
        shown = "no bound" if certificate.upper is None else _upwards(certificate.upper)
        out.append(
            f"{certificate.status}: error of r for {certificate.target}, weight {certificate.weight}: <= {shown}"
        )
        if certificate.status == "proved" and certificate.weight == "1":
            out.append(f"proved: abs(computed - target) <= {_upwards(certificate.upper + bound.bound)}")
        out.append(f"certificate: {document(certificate)['hash']}")
    return [line.replace("*/", "* /").replace("\n", " ") for line in out]


def _upwards(value: Fraction) -> str:
    # A decimal of 4 digits that is not below the exact bound.
    text = f"{float(value):.3e}"
    if Fraction(text) < value:
        mantissa, exponent = text.split("e")
        text = f"{float(mantissa) + 0.001:.3f}e{exponent}"
    return text


def _lines(code: Program, constant: Callable[[Fraction], str], fma: str = "") -> list[str]:
    def operand(which: Operand) -> str:
        if isinstance(which, Fraction):
            return constant(which)
        return "x" if which == INPUT else f"v{which}"

    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
    out = []
    for number, (op, operands) in enumerate(code.steps):
        names = [operand(which) for which in operands]
        value = f"{fma}({', '.join(names)})" if op == "fma" else f" {signs[op]} ".join(names)
        out.append(f"v{number} = {value}")
    return out


def _c(code: Program, notes: list[str], dtype: str, name: str) -> str:
    kind, suffix = ("float", "f") if dtype == "float32" else ("double", "")

    def constant(value: Fraction) -> str:
        return f"({float(round_to(value, dtype)).hex()}{suffix})"

    comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
    pragma = (
        "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#elif defined(__GNUC__)\n"
        '#pragma GCC optimize ("fp-contract=off")\n#endif\n'
    )
    body = "\n".join(f"    const {kind} {line};" for line in _lines(code, constant, f"fma{suffix}"))
    return f"{comment}\n{_GUARD}{pragma}\n{kind} {name}({kind} x) {{\n{body}\n    return v{len(code.steps) - 1};\n}}\n"


def _python(code: Program, notes: list[str], dtype: str, name: str, language: str) -> str:
    comment = "\n".join(f"# {line}" for line in notes)
    if language == "numpy":
        head, cast = "import numpy as np", f"np.asarray(x, dtype=np.{dtype})"

        def constant(value: Fraction) -> str:
            return f"np.{dtype}({float(round_to(value, dtype))!r})"
    else:
        head, cast = "import torch", f"x.to(torch.{dtype})"

        def constant(value: Fraction) -> str:
            return f"({float(round_to(value, dtype))!r})"

    body = "\n".join(f"    {line}" for line in _lines(code, constant))
    return f"{comment}\n{head}\n\n\ndef {name}(x):\n    x = {cast}\n{body}\n    return v{len(code.steps) - 1}\n"
