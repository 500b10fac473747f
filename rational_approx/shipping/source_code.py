"""Source code of a rational in C, NumPy, PyTorch, JAX and Triton, all from one sequence of operations."""

import keyword
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from rational_approx.arithmetic.domain import finite
from rational_approx.arithmetic.floats import round_to
from rational_approx.composition.composite import Composite
from rational_approx.kernels.counted import Counted
from rational_approx.kernels.implement import FixedImplementation, Implementation
from rational_approx.programs.program import Constant, Input, Operand, Program, program
from rational_approx.programs.rounding_errors import EvaluationError, evaluation_error
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.shipping.composite_code import COMPOSITE_LANGUAGES, composite_code
from rational_approx.shipping.datapath_code import DATAPATH_LANGUAGES, datapath_code
from rational_approx.shipping.documents import document
from rational_approx.shipping.kernel_code import KERNEL_LANGUAGES, counted_code, kernel_code

__all__ = ["LANGUAGES", "check_name", "export"]


_TAKEN = (
    " auto case char const default do double enum extern float goto inline int long register restrict short signed "
    "sizeof static struct switch typedef union unsigned void volatile x np torch jax jnp triton tl fma fmaf beyond "
)
"""Names that C or the code itself uses, beside Python's keywords."""


def export(
    rational: Rational | Saturated[Rational] | Implementation | Counted | Composite,
    language: str,
    *,
    certificate: Any = None,
    scheme: str | None = None,
    dtype: str = "float32",
    fma: bool = False,
    clamp: bool = False,
    name: str = "rational",
) -> str:
    """Source code with a function of one argument that evaluates the rational on its domain.

    A comment states the proved bound on the rounding error and, with a certificate, the proved bound of the
    approximation, of both together, and the certificate's hash. The bounds hold where additions, multiplications and
    divisions are rounded to nearest. Outside the domain the function is whatever the formula gives, unless the input
    is clamped.

    Parameters
    ----------
    rational:
        A rational, or one that is saturated: by constants that is ``clamp=True``, and beyond an end with a slope the
        line is added to the value at the last number in the domain, so that nothing jumps. Or an implementation, whose
        code stands for every number of its format, or a composition, whose coefficients are written; then only the
        language and the name are asked for.
    language:
        ``"c"``, ``"numpy"``, ``"pytorch"``, ``"jax"`` or ``"triton"`` (a function for use in kernels); of an
        implementation ``"c"`` (a header for C and C++), ``"cuda"``, ``"rust"``, ``"numpy"``, ``"pytorch"`` or
        ``"triton"``, and in fixed point ``"systemverilog"``, ``"c"`` or ``"numpy"``; of a composition ``"chebyshev"``
        or ``"powers"`` (plain lists of numbers), ``"lattigo"``, ``"openfhe"`` or ``"heir"``.
    certificate:
        The certificate of this very rational.
    scheme, dtype:
        See :func:`rational_approx.programs.rounding_errors.evaluation_error`. Exact coefficients are converted to the
        basis of the scheme; without a scheme they are in powers of x where that takes fewer operations and the bound on
        the rounding error is not larger than twice the other.
    fma:
        Multiply and add in one operation, in the languages that have one: C and Triton.
    clamp:
        Move an input beyond the domain, infinite ones too, to its first or last number; NaN stays NaN.
    name:
        The function's name.

    Raises
    ------
    TypeError
        for what is no rational, such as a fit.
    ValueError
        for an unknown language, a name that is no identifier, or the certificate of another rational or domain.
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
    check_name(name)
    if not isinstance(rational, Rational | Saturated | Implementation | FixedImplementation | Counted | Composite):
        raise TypeError(f"code is made of a rational, not of a {type(rational).__name__}: give its .rational")
    languages, write = _WITH_PROOF.get(type(rational), (_LANGUAGES, None))
    if language not in languages:
        raise ValueError(f"language must be one of {', '.join(languages)}, not {language!r}")
    if write is not None:
        if certificate is not None or scheme is not None or dtype != "float32" or fma or clamp:
            raise ValueError("an implementation or a composition has its own proof: give a language and a name alone")
        return write(rational, language, name)
    assert not isinstance(rational, Implementation | Counted | Composite)
    slopes: tuple[Fraction, ...] = (Fraction(0), Fraction(0))
    if isinstance(rational, Saturated):
        slopes, clamp = rational.slopes, True
        rational = rational.rational
    if fma and not _LANGUAGES[language].fma:
        raise ValueError(f"{language} has no fused multiply-add: take fma=False, or the language 'c' or 'triton'")
    if certificate is not None and certificate.rational != rational:
        raise ValueError("the certificate is of another rational: certify the one that is exported (round first)")
    if certificate is not None and certificate.domain != rational.domain:
        raise ValueError(
            f"the certificate is for {certificate.domain} and the rational for {rational.domain}: certify it on its own"
        )
    rational = _based(rational, scheme, dtype, fma)
    bound = evaluation_error(rational, scheme, dtype, fma)
    code = program(rational, scheme, fma)
    notes, ends = _notes(rational, bound, certificate), None
    if clamp:
        ends = _ends(rational, slopes, dtype)
        notes += _continued(ends)
    return _LANGUAGES[language].source(code, notes, dtype, name, ends)


def check_name(name: str) -> None:
    """ValueError where that cannot be the name of a function in every language."""
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name) or f" {name} " in _TAKEN:
        raise ValueError(f"the function's name must be an identifier of its own, not {name!r}")


def _based(rational: Rational, scheme: str | None, dtype: str, fma: bool) -> Rational:
    """The rational in the basis that its scheme, or without one the fewest operations, ask for; rounded ones stay."""
    if rational.format != "exact" or rational.basis == ("chebyshev" if scheme == "clenshaw" else "monomial"):
        return rational
    powers = rational.chebyshev() if scheme == "clenshaw" else rational.monomial()
    if scheme is not None:
        return powers
    bounds: list[Fraction | None] = []
    for each in (rational, powers):
        try:
            bounds.append(evaluation_error(each, None, dtype, fma).bound)
        except ArithmeticError:
            bounds.append(None)
    fewer = len(program(powers, None, fma).steps) < len(program(rational, None, fma).steps)
    own, other = bounds
    return powers if other is not None and (own is None or (fewer and other <= 2 * own)) else rational


class Ends(NamedTuple):
    """To what the input is clamped, and the slopes, numbers of the type, with which the value goes on beyond."""

    first: float
    last: float
    slopes: tuple[float, float]

    def beyond(self) -> list[tuple[str, float]]:
        """The sides of the domain, as comparisons, on which the value goes on with a slope."""
        return [(side, slope) for side, slope in zip("<>", self.slopes) if slope]


def _ends(rational: Rational, slopes: tuple[Fraction, ...], dtype: str) -> Ends:
    left, right = (float(round_to(slope, dtype)) for slope in slopes)
    return Ends(*_inside(rational, dtype), (left, right))


def _continued(ends: Ends) -> list[str]:
    # Each of the three operations of a line is rounded once.
    out = []
    sides = (("below", ends.first, ends.slopes[0]), ("above", ends.last, ends.slopes[1]))
    for name, end, slope in sides:
        if slope:
            out.append(f"an input x {name} {end!r}: the value there plus {slope!r} * (x - {end!r}), in the type")
        else:
            out.append(f"an input {name} {end!r} counts as that")
    return out


def _inside(rational: Rational, dtype: str) -> tuple[float, float]:
    # The first and the last number of the type in the domain.
    first, last = (
        np.dtype(dtype).type(float(round_to(finite(end), dtype)))
        for end in (rational.domain.lower, rational.domain.upper)
    )
    first = first if Fraction(float(first)) >= finite(rational.domain.lower) else np.nextafter(first, last)
    last = last if Fraction(float(last)) <= finite(rational.domain.upper) else np.nextafter(last, first)
    if not finite(rational.domain.lower) <= Fraction(float(first)) <= Fraction(float(last)):
        raise ValueError(f"no number of {dtype} lies in {rational.domain}, to which inputs could be clamped")
    return float(first), float(last)


def _notes(rational: Rational, bound: EvaluationError, certificate: Any) -> list[str]:
    out = [
        f"r = P / Q of type {rational.type}, coefficients in {rational.format}, on {rational.domain}",
        f"{bound.scheme}{' with fma' if bound.fma else ''}, {bound.operations} operations in {bound.dtype}",
        f"proved: abs(computed - r) <= {_upwards(bound.bound)} on the domain",
    ]
    if certificate is not None:
        shown = "no bound" if certificate.upper is None else _upwards(certificate.upper)
        out.append(
            f"{certificate.status}: error of r for {certificate.target}, weight {certificate.weight}: <= {shown}"
        )
        if certificate.status == "proved":
            out += _totals(rational, bound, certificate)
        out.append(f"certificate: {document(certificate)['hash']}")
    return [" ".join(line.replace("*/", "* /").splitlines()) for line in out]


def _totals(rational: Rational, bound: EvaluationError, certificate: Any) -> list[str]:
    # w (computed - f) = w (computed - r) + w (r - f): each part has its own bound.
    name = "weight" if certificate.samples else f"({certificate.weight})"
    difference = "computed - target" if certificate.weight == "1" else f"{name} * (computed - target)"
    if any(round_to(x, bound.dtype) != x for x, _, _ in certificate.samples):
        return [f"not proved: a total, since not every sample is at a number of {bound.dtype}"]
    if certificate.samples:
        rounding, where = max(weight for _, _, weight in certificate.samples) * bound.bound, " at the samples"
    else:
        weighted = evaluation_error(rational, bound.scheme, bound.dtype, bound.fma, weight=certificate.weight)
        rounding, where = weighted.bound, ""
    # What the certificate itself states of this very code, so that its verifier confirms it.
    code = ("rounding", bound.dtype, bound.scheme, "fma" if bound.fma else "no fma")
    stated = [claim.arguments[3] for claim in certificate.claims if (claim.name, *claim.arguments[:3]) == code]
    return [
        f"proved: abs({difference}) <= {_upwards(certificate.upper + rounding)}{where}",
        *(f"stated in the certificate: abs({difference}) <= {_upwards(certificate.upper + own)}" for own in stated),
    ]


def _upwards(value: Fraction) -> str:
    # A decimal of 4 digits that is not below the exact bound.
    text = f"{float(value):.3e}"
    if Fraction(text) < value:
        mantissa, exponent = text.split("e")
        text = f"{float(mantissa) + 0.001:.3f}e{exponent}"
    return text


# -- languages -------------------------------------------------------------------------------------------------------


def _lines(
    code: Program, constant: Callable[[Fraction, bool], str], fma: str = "", division: str = "{} / {}"
) -> list[str]:
    def operand(which: Operand, op: str) -> str:
        if isinstance(which, Constant):
            return constant(which.value, op == "div")
        return "x" if isinstance(which, Input) else f"v{which.step}"

    forms = {"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": division, "fma": fma}
    return [
        f"v{number} = {forms[op].format(*(operand(which, op) for which in names))}"
        for number, (op, names) in enumerate(code.steps)
    ]


_GUARD = """#include <float.h>
#include <math.h>

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "compiled with -ffast-math or -funsafe-math-optimizations the bound does not hold"
#endif
/* 0, 16 and 32 round float and double to their own types: 16, which AVX512-FP16 brings, widens _Float16 alone. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 && FLT_EVAL_METHOD != 32
#error "operations must be rounded to their own type (on x86: -msse2 -mfpmath=sse)"
#endif
#if defined(__clang__)
#pragma float_control(precise, on)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize ("fp-contract=off")
#endif
"""


@dataclass(frozen=True)
class _Python:
    """A language that is Python: how a module begins, how the argument and constants get their type.

    ``divided`` is a constant in a division, which some libraries replace by the product with a rounded reciprocal.
    """

    imports: str
    argument: str
    clamped: str
    where: str
    constant: str
    divided: str = ""
    decorator: str = ""
    fma: str = ""
    division: str = "{} / {}"
    guard64: str = ""

    def source(self, code: Program, notes: list[str], dtype: str, name: str, ends: Ends | None) -> str:
        def constant(value: Fraction, divided: bool) -> str:
            form = self.divided if divided and self.divided else self.constant
            return form.format(value=repr(float(round_to(value, dtype))), dtype=dtype)

        division = self.division if dtype == "float32" else "{} / {}"
        lines = [f"x = {self.argument.format(dtype=dtype)}"]
        result = f"v{len(code.steps) - 1}"
        if ends is not None:
            clamped = self.clamped.format(*(constant(Fraction(end), False) for end in ends[:2]))
            lines += [f"beyond = x - {clamped}"] * any(ends.slopes) + [f"x = {clamped}"]
        lines += _lines(code, constant, self.fma, division)
        for side, slope in ends.beyond() if ends is not None else ():
            line = f"{result} + {constant(Fraction(slope), False)} * beyond"
            lines.append(f"{result} = " + self.where.format(f"beyond {side} 0", line, result))
        if dtype == "float64" and self.guard64:
            lines[:0] = self.guard64.split("\n")
        comment, body = "\n".join(f"# {line}" for line in notes), "\n".join(f"    {line}" for line in lines)
        function = f"{self.decorator}def {name}(x):\n{body}\n    return {result}\n"
        return f"{comment}\n{self.imports}\n\n\n{function}"


class _C:
    fma = "fma"

    def source(self, code: Program, notes: list[str], dtype: str, name: str, ends: Ends | None) -> str:
        kind, suffix = ("float", "f") if dtype == "float32" else ("double", "")

        def constant(value: Fraction, divided: bool) -> str:
            return f"({float(round_to(value, dtype)).hex()}{suffix})"

        comment = "\n".join(["/*", *(f" * {line}" for line in notes), " */"])
        lines = _lines(code, constant, f"{self.fma}{suffix}({{}}, {{}}, {{}})")
        body = "\n".join(f"    const {kind} {line};" for line in lines)
        result = f"v{len(lines) - 1}"
        if ends is not None:
            first, last = (constant(Fraction(end), False) for end in ends[:2])
            clamped = f"x < {first} ? {first} : x > {last} ? {last} : x"
            start = [f"const {kind} beyond = x - ({clamped});"] * any(ends.slopes) + [f"x = {clamped};"]
            body = "\n".join([*(f"    {line}" for line in start), body])
            for side, slope in ends.beyond():
                line = f"{result} + {constant(Fraction(slope), False)} * beyond"
                body += f"\n    if (beyond {side} 0) return {line};"
        return f"{comment}\n{_GUARD}\n{kind} {name}({kind} x) {{\n{body}\n    return {result};\n}}\n"


_LANGUAGES: dict[str, _C | _Python] = {
    "c": _C(),
    "numpy": _Python(
        "import numpy as np",
        "np.asarray(x, dtype=np.{dtype})",
        "np.clip(x, {}, {})",
        "np.where({}, {}, {})",
        "np.{dtype}({value})",
        "np.full_like(x, {value})",  # a constant over a constant has the shape of x, too
    ),
    "pytorch": _Python(
        "import torch",
        "x.to(torch.{dtype})",
        "torch.clamp(x, {}, {})",
        "torch.where({}, {}, {})",
        "({value})",
        "torch.full_like(x, {value})",
    ),
    "jax": _Python(
        "import jax\nimport jax.numpy as jnp",
        "jnp.asarray(x, dtype=jnp.{dtype})",
        "jnp.clip(x, {}, {})",
        "jnp.where({}, {}, {})",
        # Compiled, XLA would merge constants: (x * a) * b into x * (a b), and (x + a) - b into x + (a - b).
        "jax.lax.optimization_barrier(jnp.{dtype}({value}))",
        "jax.lax.optimization_barrier(jnp.full_like(x, {value}))",
        # Without that switch JAX calculates in float32, whatever type it is asked for.
        guard64="if not jax.config.jax_enable_x64:\n"
        '    raise TypeError("switch jax_enable_x64 on: the bound is one for float64")',
    ),
    "triton": _Python(
        "import triton\nimport triton.language as tl",
        "x.to(tl.{dtype})",
        "tl.where(x < {0}, {0}, tl.where(x > {1}, {1}, x))",
        "tl.where({}, {}, {})",
        # A Python number would pass through float32 on its way into some operations.
        "tl.full((), {value}, tl.{dtype})",
        decorator="@triton.jit\n",
        fma="tl.fma({}, {}, {})",
        # The operator / is off by up to two units in the last place in float32.
        division="tl.div_rn({}, {})",
    ),
}
LANGUAGES = tuple(_LANGUAGES)
_WITH_PROOF: dict[type, tuple[Any, Callable[[Any, str, str], str] | None]] = {
    Implementation: (KERNEL_LANGUAGES, kernel_code),
    Counted: (KERNEL_LANGUAGES, counted_code),
    FixedImplementation: (DATAPATH_LANGUAGES, datapath_code),
    Composite: (COMPOSITE_LANGUAGES, composite_code),
}
"""What brings its operations and its proof along: its languages, and who writes them."""
