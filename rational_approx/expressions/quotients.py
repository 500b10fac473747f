"""Trees that are exactly a polynomial, or a quotient of two."""

from typing import Any

import flint

from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.expressions.nodes import Node

__all__ = ["polynomial", "quotient_of"]


def polynomial(node: Node) -> flint.fmpq_poly | None:
    """The exact polynomial that a tree is, or None where it is none or has a degree beyond 200."""
    if node.value is not None:
        return flint.fmpq_poly([fmpq(node.value)])
    if node.operator == "variable":
        return flint.fmpq_poly([0, 1])
    if node.operator not in ("+", "*", "neg", "/", "^"):
        return None
    parts: list[Any] = [polynomial(argument) for argument in node.arguments]
    if any(part is None or part.degree() > 200 for part in parts):
        return None
    first, *rest = parts
    if node.operator == "neg":
        return -first
    if node.operator == "/":
        return first / rest[0][0] if rest[0].degree() == 0 else None
    if node.operator == "^":
        exponent = node.arguments[1].value
        good = exponent is not None and exponent.denominator == 1 and 0 <= exponent <= 200
        return first ** int(exponent) if good and first.degree() * exponent <= 200 else None  # type: ignore
    for part in rest:
        first = first + part if node.operator == "+" else first * part
    return first


def quotient_of(node: Node) -> tuple[flint.fmpq_poly, flint.fmpq_poly] | None:
    """Exact numerator and denominator of a tree that is a rational function, or None."""
    whole = polynomial(node)
    if whole is not None:
        return whole, flint.fmpq_poly([1])
    if node.operator not in ("+", "*", "neg", "/", "^"):
        return None
    exponent = node.arguments[-1].value
    if node.operator == "^":
        base = quotient_of(node.arguments[0])
        if base is None or exponent is None or exponent.denominator != 1 or abs(exponent) > 50:
            return None
        top, bottom = base if exponent > 0 else base[::-1]
        return top ** abs(int(exponent)), bottom ** abs(int(exponent))
    parts: list[Any] = [quotient_of(argument) for argument in node.arguments]
    if any(part is None or max(part[0].degree(), part[1].degree()) > 200 for part in parts):
        return None
    (top, bottom), *rest = parts
    if node.operator == "neg":
        return -top, bottom
    for p, q in rest:
        if node.operator == "+":
            top, bottom = top * q + p * bottom, bottom * q
        else:
            top, bottom = (top * p, bottom * q) if node.operator == "*" else (top * q, bottom * p)
    return top, bottom
