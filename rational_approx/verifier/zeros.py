"""zeros that target and rational share at an end of a piece, where the weight is infinite.

With ``d = abs(x - z)`` the error ``w (f - P/Q)`` is ``(w d) (f / d - (P / d) / Q)``, and every factor is smooth at z.
Standard library only.
"""

from fractions import Fraction
from math import inf
from typing import Any

from .jets import Arithmetic
from .polynomials import divided
from .reading import SWITCHED, Failure

__all__ = ["exact", "without_holes", "without_zeros"]

ZEROS = {
    0: ("sin", "tan", "sinh", "tanh", "asin", "atan", "asinh", "atanh", "erf", "expm1", "log1p", "sqrt"),
    1: ("log", "acos", "acosh", "loggamma"),
    2: ("loggamma",),
}
AT_ZERO = {"exp": 1, "cosh": 1, "cos": 1, "erfc": 1}


def exact(node: tuple, x: Fraction) -> Fraction | None:
    """The exact value at a point, where arithmetic and the values above give it, provided that there is a value."""
    kind = node[0]
    if kind in ("number", "x"):
        return node[1] if kind == "number" else x
    parts = [exact(part, x) for part in node[1:]] if kind not in ("pi", "e", "clipped", *SWITCHED) else [None]
    first, last = parts[0], parts[-1]
    if (kind == "*" and 0 in parts) or (kind == "/" and first == 0 != last):
        return Fraction(0)
    if first is None or last is None:
        return None
    if kind in ("+", "*", "neg"):
        return first + last if kind == "+" else first * last if kind == "*" else -first
    if kind == "/":
        return first / last if last else None
    if kind == "^":
        return first ** int(last) if last.denominator == 1 and 0 <= last <= 64 else None
    if kind in ZEROS.get(int(first) if first.denominator == 1 else -1, ()):
        return Fraction(0)
    return Fraction(AT_ZERO[kind]) if first == 0 and kind in AT_ZERO else None


def without_holes(node: tuple, side: int) -> tuple:
    """A tree with both sides of a quotient over x where both vanish at 0."""
    if node[0] == "/" and exact(node[1], Fraction(0)) == 0 and exact(node[2], Fraction(0)) == 0:
        top, bottom = (("divided", part, Fraction(0), side) for part in node[1:])
        return ("/", top, bottom)
    if node[0] in ("number", "x", "pi", "e", "clipped", "divided"):
        return node
    return (node[0], *(without_holes(part, side) for part in node[1:]))


def lifted(node: tuple, zeros: dict[Fraction, int]) -> tuple | None:
    """A tree times the distances from zeros, where they are all zeros of one of its denominators."""
    kind = node[0]
    if kind == "/" and all(exact(node[2], zero) == 0 for zero in zeros):
        return ("/", node[1], chain(node[2], zeros))
    for k, part in enumerate(node[1:] if kind in ("neg", "*") else node[1:2] if kind == "/" else (), 1):
        inner = lifted(part, zeros)
        if inner is not None:
            return (*node[:k], inner, *node[k + 1 :])
    return None


def chain(node: tuple, zeros: dict[Fraction, int]) -> tuple:
    """A tree over the distances from its zeros."""
    for zero, side in zeros.items():
        node = ("divided", node, zero, side)
    return node


def without_zeros(
    math: Arithmetic, trees: list[tuple], top: list[Fraction], span: tuple[Any, Any]
) -> tuple[list[tuple], list[Fraction], tuple[Fraction, ...]]:
    """Target and weight on a piece, and the numerator, without the zeros that they share, and these zeros.

    As given where it is not certain that both vanish there and that the weight grows as the inverse of the distance, so
    that every rational of finite error vanishes, too.
    """
    zeros: dict[Fraction, int] = {}
    for end, side in zip(span, (1, -1)):
        rest = divided(top, end) if abs(end) < inf and exact(trees[0], end) == 0 else None
        if rest is not None and lifted(trees[1], {end: side}):
            zeros[end] = side
    weight = lifted(trees[1], zeros) if zeros else None
    try:
        if weight is None or not all(math.evaluate(weight, [math.exact(zero)])[0][0] > 0 for zero in zeros):
            return trees, top, ()
    except Failure:
        return trees, top, ()
    for zero, side in zeros.items():
        top = [side * c for c in divided(top, zero) or []]
    return [chain(trees[0], zeros), weight], top, tuple(zeros)
