"""Coefficients of a composition as text that libraries for encrypted arithmetic read."""

from collections.abc import Callable
from fractions import Fraction

from rational_approx.composition.composite import Composite, decimal
from rational_approx.shipping.documents import document

__all__ = ["COMPOSITE_LANGUAGES", "composite_code"]

Coefficients = list[list[Fraction]]


def composite_code(value: Composite, language: str, name: str) -> str:
    """The coefficients in a language, with what is proved of them in a comment."""
    mark, basis, write = COMPOSITE_LANGUAGES[language]
    about = f"{value.function} by {len(value.stages)} polynomials, one after the other, of degrees {value.degrees}"
    of = "Chebyshev polynomials T_0, T_1, ... on [-1, 1]" if basis == "chebyshev" else "1, x, x^2, ..."
    notes = [about, f"coefficients of {of}", *str(value).splitlines()]
    if value.function == "relu":
        notes.append("the product of x and the last value is relu(x)")
    notes.append(f"certificate {document(value)['hash']}")
    lines = [f"{mark} {note}" for note in notes]
    return "\n".join([*lines, *write(value.coefficients(basis), name)]) + "\n"


def _joined(stage: list[Fraction], quote: str = "") -> str:
    return ", ".join(f"{quote}{decimal(c)}{quote}" for c in stage)


def _list(stages: Coefficients, name: str) -> list[str]:
    return [f"{name} = [", *(f"    [{_joined(stage)}]," for stage in stages), "]"]


def _lattigo(stages: Coefficients, name: str) -> list[str]:
    rows = ["\t{" + _joined(stage, '"') + "}," for stage in stages]
    return [f"var {name} = [][]string{{ // minimax.NewPolynomial({name})", *rows, "}"]


def _openfhe(stages: Coefficients, name: str) -> list[str]:
    # EvalChebyshevSeries takes half of the first coefficient.
    doubled = [[2 * stage[0], *stage[1:]] for stage in stages]
    rows = ["    {" + _joined(stage) + "}," for stage in doubled]
    called = f"// for (const auto& c : {name}) x = cc->EvalChebyshevSeries(x, c, -1, 1);"
    return ["#include <vector>", f"const std::vector<std::vector<double>> {name} = {{", *rows, "};", called]


def _heir(stages: Coefficients, name: str) -> list[str]:
    kind, ends = "!polynomial.polynomial<ring=<coefficientType=f64>>", "domain_lower = -1.0 : f64, domain_upper = 1.0"
    lines = [f"func.func @{name}(%x0: f64) -> f64 {{"]
    for k, stage in enumerate(stages):
        row = ", ".join(text if "." in (text := decimal(c)) else f"{text}.0" for c in stage)
        attribute = f"#polynomial.typed_chebyshev_polynomial<[{row}]> : {kind}"
        lines.append(f"  %x{k + 1} = polynomial.eval {attribute}, %x{k} {{{ends} : f64}} : f64")
    return [*lines, f"  return %x{len(stages)} : f64", "}"]


COMPOSITE_LANGUAGES: dict[str, tuple[str, str, Callable[[Coefficients, str], list[str]]]] = {
    "chebyshev": ("#", "chebyshev", _list),
    "powers": ("#", "powers", _list),
    "lattigo": ("//", "chebyshev", _lattigo),
    "openfhe": ("//", "chebyshev", _openfhe),
    "heir": ("//", "chebyshev", _heir),
}
"""The mark of a comment, the basis, and how the coefficients are written."""
