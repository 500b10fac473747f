"""Numbers, expressions and regions as Coq text: readable real formulas, and the prelude's reflected rational ones."""

from fractions import Fraction
from math import lcm

from rational_approx.arithmetic.domain import End
from rational_approx.expressions.nodes import Node

__all__ = [
    "OWN",
    "hypothesis",
    "inside",
    "integers",
    "number",
    "on_interval",
    "quotient",
    "rational_formula",
    "real",
    "region",
    "theorem",
    "unfolded",
]

OWN = {
    "sigmoid": "1 / (1 + exp (- u))",
    "softplus": "ln (1 + exp u)",
    "expm1": "exp u - 1",
    "log1p": "ln (1 + u)",
    "acosh": "ln (u + sqrt (u ^ 2 - 1))",
    "atanh": "ln ((1 + u) / (1 - u)) / 2",
}
"""Functions that Coq's library does not have, as the formulas by which the file defines them."""

_STANDARD = {
    **{name: name for name in ("exp", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")},
    **{name: name for name in OWN},
    "log": "ln",
    "asinh": "arcsinh",
    "abs": "Rabs",
    "max": "Rmax",
    "min": "Rmin",
}
_UNFOLDED = {"tanh": ("tanh", "sinh", "cosh"), "sinh": ("sinh",), "cosh": ("cosh",), "asinh": ("arcsinh",)}

SUM, PRODUCT, UNARY, POWER, APPLIED, ATOM = range(6)


def number(value: Fraction | int) -> str:
    """A rational number as Coq text that stands anywhere: ``3``, ``(-1)``, ``(3 / 10)``."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator) if value >= 0 else f"({value.numerator})"
    return f"({value.numerator} / {value.denominator})"


def quotient(value: Fraction) -> str:
    """A rational number in the form that the prelude's lemmas end in."""
    return f"(IZR ({value.numerator}) / IZR {value.denominator})"


def integers(values: list[int]) -> str:
    """A list of integers, as the prelude's polynomials are."""
    return f"[{'; '.join(map(str, values))}]%Z"


def region(lower: End, upper: End) -> str:
    """The prelude's region for an interval; an infinite end is no bound."""
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        shared = lcm(lower.denominator, upper.denominator)
        return f"(Segment ({int(lower * shared)}) ({int(upper * shared)}) {shared})"
    for name, end in (("From", lower), ("Upto", upper)):
        if isinstance(end, Fraction):
            return f"({name} ({end.numerator}) {end.denominator})"
    return "Line"


def hypothesis(lower: End, upper: End, x: str = "x") -> str:
    """What is said of a point of an interval."""
    if isinstance(lower, Fraction) and isinstance(upper, Fraction):
        return f"{number(lower)} <= {x} <= {number(upper)}"
    if isinstance(lower, Fraction):
        return f"{number(lower)} <= {x}"
    return f"{x} <= {number(upper)}" if isinstance(upper, Fraction) else "True"


def inside(lower: End, upper: End, x: str = "x", given: str = "X") -> str:
    """A line of a proof: the point lies in the prelude's region."""
    return f"  assert (G{given} : inside {region(lower, upper)} {x}) by (cbn [inside]; first [lra | trivial])."


def theorem(name: str, statement: str, *proof: str, kind: str = "Theorem") -> list[str]:
    """A theorem or lemma, with the lines of its proof."""
    return [f"{kind} {name} : {statement}.", "Proof.", *proof, "Qed.", ""]


def on_interval(name: str, interval: tuple[End, End], conclusion: str, *proof: str, kind: str = "Theorem") -> list[str]:
    """A theorem about every point x of an interval, in whose proof GX says that x lies in the prelude's region."""
    start = f"forall x : R, {hypothesis(*interval)} ->" + (" " if len(conclusion) < 80 else "\n  ")
    return theorem(name, start + conclusion, "  intros x X.", inside(*interval), *proof, kind=kind)


def _whole_power(node: Node) -> int | None:
    exponent = node.arguments[1].value
    return int(exponent) if exponent is not None and exponent.denominator == 1 else None


def _write(node: Node) -> tuple[str, int]:
    kind, parts = node.operator, node.arguments

    def inside(part: Node, least: int) -> str:
        text, level = _write(part)
        return text if level >= least else f"({text})"

    if node.value is not None:
        return number(node.value), ATOM
    if kind == "variable":
        return "x", ATOM
    if kind in ("pi", "e"):
        return ("PI", ATOM) if kind == "pi" else ("exp 1", APPLIED)
    if kind == "+":
        out = inside(parts[0], SUM)
        for part in parts[1:]:
            minus = part.operator == "neg"
            out += f" - {inside(part.arguments[0], PRODUCT)}" if minus else f" + {inside(part, PRODUCT)}"
        return out, SUM
    if kind == "*":
        return " * ".join([inside(parts[0], PRODUCT), *(inside(part, UNARY) for part in parts[1:])]), PRODUCT
    if kind == "/":
        return f"{inside(parts[0], PRODUCT)} / {inside(parts[1], UNARY)}", PRODUCT
    if kind == "neg":
        return f"- {inside(parts[0], POWER)}", UNARY
    if kind == "^":
        return _power(node, inside(parts[0], ATOM), inside(parts[1], ATOM))
    if kind not in _STANDARD:
        raise ValueError(
            f"{kind} has no translation into Coq: its library or CoqInterval does not know it; an error can be proved "
            "for expressions of exp, log, sqrt, sin, cos, tan, sinh, cosh, tanh, atan, asinh, acosh, atanh, expm1, "
            "log1p, sigmoid and softplus; --without-error leaves the target out"
        )
    return " ".join([_STANDARD[kind], *(inside(part, ATOM) for part in parts)]), APPLIED


def _power(node: Node, base: str, exponent: str) -> tuple[str, int]:
    whole = _whole_power(node)
    if whole is not None:
        text = f"{base} ^ {abs(whole)}"
        return (text, POWER) if whole >= 0 else (f"1 / {text}", PRODUCT)
    value = node.arguments[1].value
    if value is not None and value.denominator == 2:
        text = f"sqrt {base}" + (f" ^ {abs(value.numerator)}" if abs(value.numerator) > 1 else "")
        return (text, POWER) if value > 0 else (f"1 / {text}", PRODUCT)
    return f"Rpower {base} {exponent}", APPLIED


def real(node: Node) -> str:
    """An expression tree as a formula of Coq's real numbers, in the variable x.

    Raises
    ------
    ValueError
        where a function has no translation.

    >>> from rational_approx.expressions.expression import parse
    >>> real(parse("relu(x) - 0.3 * x ^ 2").tree)
    'Rmax x 0 - (3 / 10) * x ^ 2'
    """
    return _write(node)[0]


def unfolded(node: Node) -> list[str]:
    """The definitions that have to be unfolded before the tactic `interval` knows every function of a formula."""
    names: dict[str, None] = {}
    for part in node.walk():
        found = _UNFOLDED.get(part.operator, (part.operator,) if part.operator in OWN else ())
        if part.operator == "^" and "Rpower" in _write(part)[0]:
            found = (*found, "Rpower")
        names.update(dict.fromkeys(found))
    # A definition comes before those that it is made of.
    return sorted(names, key=lambda name: name in ("sinh", "cosh"))


def rational_formula(node: Node) -> str:
    """A rational expression without branches as the prelude's `formula`, whose meaning is the text of `real`."""
    kind = node.operator
    if node.value is not None:
        if node.value.denominator == 1:
            return f"(Const ({node.value.numerator}))"
        return f"(Div (Const ({node.value.numerator})) (Const {node.value.denominator}))"
    if kind == "variable":
        return "Var"
    first = rational_formula(node.arguments[0])
    if kind == "neg":
        return f"(Neg {first})"
    if kind == "^":
        whole = _whole_power(node)
        assert whole is not None
        text = f"(Pow {first} {abs(whole)})"
        return text if whole >= 0 else f"(Div (Const 1) {text})"
    for part in node.arguments[1:]:
        first = f"({ {'+': 'Add', '*': 'Mul', '/': 'Div'}[kind] } {first} {rational_formula(part)})"
    return first
