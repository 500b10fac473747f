"""First of the verifier's three files: exact numbers, expressions and polynomials from the text of a certificate.

Standard library only; see ``verify.py``.
"""

import ast
import re
from fractions import Fraction
from itertools import pairwise
from math import comb, inf
from typing import Any

__all__ = [
    "Failure",
    "Late",
    "chosen",
    "combined",
    "need",
    "number",
    "one_sign",
    "powers",
    "product",
    "read",
    "resolved",
    "value_at",
]

SWITCHED = ("abs", "sign", "heaviside", "min", "max", "where")
SMOOTH = (
    "exp",
    "log",
    "sqrt",
    "erf",
    "erfc",
    "tanh",
    "sinh",
    "cosh",
    "sigmoid",
    "softplus",
    "expm1",
    "log1p",
    "sin",
    "cos",
    "tan",
    "atan",
)
OPERATORS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}


class Failure(Exception):
    """Something in a certificate could not be confirmed."""


class Late(Exception):
    """The time that was given is over."""


def need(condition: object, message: str) -> None:
    """Raise `Failure` unless a condition holds."""
    if not condition:
        raise Failure(message)


def number(text: Any, infinite: bool = False) -> Any:
    """An exact number from its text."""
    if infinite and text in ("inf", "-inf"):
        return inf if text == "inf" else -inf
    need(isinstance(text, str) and len(text) < 6_000, "a number is missing or too long")
    dyadic = re.fullmatch(r"(-?)0x([0-9a-f]+)p([+-]?\d{1,6})", text, re.ASCII)
    if dyadic and abs(int(dyadic[3])) < 20_000:
        return Fraction(int(dyadic[1] + dyadic[2], 16)) * Fraction(2) ** int(dyadic[3])
    plain = re.fullmatch(r"(-?\d{1,4000})(?:/(\d{1,4000}))?", text, re.ASCII)
    need(plain and (plain[2] is None or int(plain[2])), f"{text[:40]!r} is not a number")
    return Fraction(int(plain[1]), int(plain[2] or 1))  # type: ignore[index]


def read(source: Any) -> tuple:
    """An expression in x as nested tuples: ("number", value), ("x",), (operator, argument, ...)."""
    need(isinstance(source, str) and len(source) <= 10_000 and source.isascii(), "an expression is missing or too long")
    need(re.fullmatch(r"[\w\s.()+*/^<>=,-]*", source) and "__" not in source, "an expression has an unknown character")
    decimal = r"(?<![\w.])\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?(?![\w.])"
    exact = re.sub(decimal, lambda match: "({0.numerator}/{0.denominator})".format(Fraction(match[0])), source)
    try:
        return tree(ast.parse(exact.strip().replace("^", "**"), mode="eval").body, 0)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        raise Failure("an expression cannot be read") from None


def tree(node: ast.AST, depth: int) -> tuple:
    """The tuples of a syntax tree, from a short list of forms."""
    need(depth < 500, "an expression nests too deeply")
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return ("number", Fraction(node.value))
    if isinstance(node, ast.Name) and node.id in ("x", "pi", "e"):
        return (node.id,)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return fold(("neg", tree(node.operand, depth + 1)))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = tree(node.left, depth + 1), tree(node.right, depth + 1)
        if isinstance(node.op, ast.Sub):
            return fold(("+", left, fold(("neg", right))))
        return fold((OPERATORS[type(node.op)], left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        kind, arguments = node.func.id, list(node.args)
        need(kind in SMOOTH or kind in SWITCHED, f"the verifier does not know the function {kind[:40]!r}")
        need(
            len(arguments) == {"min": 2, "max": 2, "where": 3}.get(kind, 1), f"{kind} has too many or too few arguments"
        )
        if kind != "where":
            return (kind, *(tree(argument, depth + 1) for argument in arguments))
        test = arguments[0]
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, right = tree(test.left, depth + 1), tree(test.comparators[0], depth + 1)
            above = isinstance(test.ops[0], ast.Gt | ast.GtE)
            need(above or isinstance(test.ops[0], ast.Lt | ast.LtE), "a condition compares with <, <=, > or >=")
            small, large = (right, left) if above else (left, right)
            switch = fold(("+", large, fold(("neg", small))))
            return ("where", switch, tree(arguments[1], depth + 1), tree(arguments[2], depth + 1))
    raise Failure("an expression holds something that the verifier does not know")


def fold(node: tuple) -> tuple:
    """A tree with an operation on numbers carried out exactly."""
    if any(part[0] != "number" for part in node[1:]):
        return node
    a, b, kind = node[1][1], node[-1][1], node[0]
    need((kind != "/" or b) and (kind != "^" or a or b > 0), "an expression divides by zero")
    if kind == "^":
        size = max(abs(a.numerator), a.denominator).bit_length()
        if b.denominator > 1:
            return node
        need(abs(b) * size < 20_000, "a power of numbers is too large")
        return ("number", a ** int(b))
    value = a + b if kind == "+" else a * b if kind == "*" else -a if kind == "neg" else a / b
    need(value.numerator.bit_length() + value.denominator.bit_length() < 40_000, "a number is too large")
    return ("number", value)


def affine(node: tuple) -> tuple[Fraction, Fraction] | None:
    """``(a, b)`` where a tree is ``a x + b`` exactly."""
    if node[0] in ("number", "x"):
        return (Fraction(0), node[1]) if node[0] == "number" else (Fraction(1), Fraction(0))
    parts = [affine(part) for part in node[1:]] if node[0] in ("+", "*", "neg", "/") else [None]
    if None in parts:
        return None
    (a, b), (c, d) = parts[0], parts[-1]  # type: ignore[misc]
    if node[0] == "neg":
        return -a, -b
    if node[0] == "+":
        return a + c, b + d
    if node[0] == "*":
        return (a * d + b * c, b * d) if a * c == 0 else None
    return (a / d, b / d) if c == 0 and d else None


def resolved(node: tuple, span: tuple[Any, Any]) -> tuple:
    """A tree with every branch chosen whose affine switch keeps one sign on the piece (zero at an end allowed).

    A square root whose argument is proved not to be negative becomes a ``root``, which may cut off rounding below zero.
    """
    if node[0] in ("number", "x", "pi", "e"):
        return node
    node = (node[0], *(resolved(part, span) for part in node[1:]))
    if node[0] not in (*SWITCHED, "sqrt"):
        return node
    line = affine(("+", node[1], ("neg", node[2])) if node[0] in ("min", "max") else node[1])
    if line is None or not any(line):
        return node
    slope, shift = line
    ends = [slope * end + shift if abs(end) < inf else (end if slope > 0 else -end) if slope else shift for end in span]
    if node[0] == "sqrt":
        return ("root", node[1]) if min(ends) >= 0 else node
    if min(ends) >= 0 or max(ends) <= 0:
        return chosen(node, 1 if max(ends) > 0 else -1)
    return node


def chosen(node: tuple, sign: int) -> tuple:
    """The branch of a piecewise node where its switch has a sign."""
    kind, first = node[0], node[1]
    if kind in ("sign", "heaviside"):
        return ("number", Fraction(sign if kind == "sign" else (sign + 1) // 2))
    if kind == "abs":
        return first if sign > 0 else ("neg", first)
    if kind == "where":
        return node[2] if sign > 0 else node[3]
    return first if (sign > 0) == (kind == "max") else node[2]


# -- polynomials with fractions as coefficients, lowest degree first --------------------------------------------------


def product(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    """The product of two polynomials."""
    out = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def combined(p: list[Fraction], q: list[Fraction], factor: Fraction) -> list[Fraction]:
    """``p + factor q``."""
    size = max(len(p), len(q))
    padded = [side + [Fraction(0)] * (size - len(side)) for side in (p, q)]
    return [a + factor * b for a, b in zip(*padded)]


def powers(coefficients: list[Fraction], basis: str, hull: list[Any]) -> list[Fraction]:
    """Coefficients in powers of x from those in Chebyshev polynomials on the hull, or as they are."""
    need(basis in ("chebyshev", "monomial") and coefficients, "the basis is not known, or there is no coefficient")
    total = coefficients
    if basis == "chebyshev":
        need(hull[0] < hull[1] and all(abs(end) < inf for end in hull), "the Chebyshev basis needs a bounded domain")
        t = [-(hull[0] + hull[1]) / (hull[1] - hull[0]), 2 / (hull[1] - hull[0])]
        before, now, total = [Fraction(1)], t, coefficients[:1]
        for c in coefficients[1:]:
            total = combined(total, now, c)
            before, now = now, combined([2 * a for a in product(t, now)], before, Fraction(-1))
    while len(total) > 1 and total[-1] == 0:
        total = total[:-1]
    return total


def value_at(poly: list[Fraction], x: Fraction) -> Fraction:
    """The exact value."""
    total = Fraction(0)
    for c in reversed(poly):
        total = total * x + c
    return total


def one_sign(poly: list[Fraction], lower: Any, upper: Any, strict: bool) -> bool:
    """Whether a polynomial is positive (not strict: nowhere negative) on a closed interval, by its Bernstein form."""
    if lower == -inf:
        mirrored = [c * (-1) ** k for k, c in enumerate(poly)]
        if upper == inf:
            return one_sign(poly, Fraction(0), inf, strict) and one_sign(mirrored, Fraction(0), inf, strict)
        return one_sign(mirrored, -upper, inf, strict)
    n, shifted = len(poly) - 1, [Fraction(0)]
    for c in reversed(poly):  # powers of s, x = lower + s, or lower + s (upper - lower)
        shifted = combined(product(shifted, [lower, upper - lower if upper < inf else Fraction(1)]), [c], Fraction(1))
    scaled = [c / comb(n, k) for k, c in enumerate(shifted[: n + 1])]
    if upper < inf:
        scaled = [sum((comb(i, j) * scaled[j] for j in range(i + 1)), Fraction(0)) for i in range(n + 1)]
    common = 1
    for c in scaled:
        common = max(common, c.denominator) if common % c.denominator == 0 else common * c.denominator
    stack, seen = [[int(c * common) for c in scaled]], 0
    while stack:
        b, seen = stack.pop(), seen + 1
        if min(b) > 0 or (min(b) >= 0 and (not strict or (b[0] > 0 and b[-1] > 0))):
            continue
        if min(b[0], b[-1]) < (1 if strict else 0) or n == 0 or seen * n * n > 3_000_000:
            return False
        left, right, row = [b[0] << n], [b[-1] << n], b
        for level in range(1, n + 1):
            row = [a + c for a, c in pairwise(row)]
            left.append(row[0] << n - level)
            right.append(row[-1] << n - level)
        stack += [left, right[::-1]]
    return True


def signed(bottom: list[Fraction], lower: Any, upper: Any) -> list[Fraction]:
    """The denominator, or its negative: the one that is positive at one point of the interval."""
    x = lower if lower > -inf else upper if upper < inf else Fraction(0)
    return [c if value_at(bottom, x) > 0 else -c for c in bottom]


def pole_free(bottom: list[Fraction], domain: list[Any]) -> bool:
    """Whether the denominator keeps one strict sign on each interval."""
    return all(one_sign(signed(bottom, lower, upper), lower, upper, True) for lower, upper in domain)


def derivative(poly: list[Fraction]) -> list[Fraction]:
    """The derivative."""
    return [k * c for k, c in enumerate(poly)][1:] or [Fraction(0)]


def claim_holds(name: str, values: list[Any], top: list[Fraction], bottom: list[Fraction], domain: list[Any]) -> bool:
    """Whether a range, monotonicity or Lipschitz bound holds: as polynomials that are nowhere negative."""
    for lower, upper in domain:
        q = signed(bottom, lower, upper)
        p = top if q == bottom else [-c for c in top]
        slope = combined(product(derivative(p), q), product(p, derivative(q)), Fraction(-1))
        negative, square = [-c for c in slope], product(q, q)
        if name == "range":
            tests = [combined(p, q, -values[0]), combined([-c for c in p], q, values[1])]
        elif name == "monotone":
            need(values[0] in ("increasing", "decreasing"), "a claim of monotonicity has no direction")
            tests = [slope if values[0] == "increasing" else negative]
        else:
            need(name == "lipschitz", f"the claim {str(name)[:40]!r} is not known")
            tests = [combined(slope, square, values[0]), combined(negative, square, values[0])]
        if not all(one_sign(test, lower, upper, False) for test in tests):
            return False
    return True
