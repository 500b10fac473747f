"""which branch of a piecewise expression holds on a piece, and what stays in a function's domain.

Standard library only.
"""

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import inf
from typing import Any

from .jets import Arithmetic
from .polynomials import combined, one_sign, product
from .reading import CONTINUOUS, ONE, SWITCHED, Failure, chosen, fold, switch
from .zeros import exact

__all__ = ["identical", "never_negative", "resolved", "shortened", "sign_on", "total"]

DOMAINS: dict[str, tuple[Any, Any]] = {
    "sqrt": (0, inf),
    "^": (0, inf),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "acosh": (1, inf),
}


def polynomial(node: tuple) -> list[Fraction] | None:
    """The exact polynomial that a tree is, or None where it is none, or one of a high degree."""
    kind = node[0]
    if kind in ("number", "x"):
        return [node[1]] if kind == "number" else [Fraction(0), Fraction(1)]
    if kind not in ("+", "*", "neg", "/", "^"):
        return None
    first, *rest = (polynomial(part) for part in node[1:])
    second = rest[0] if rest else [Fraction(-1)]
    if first is None or second is None or len(first) + len(second) > 64:
        return None
    if kind == "+":
        return combined(first, second, Fraction(1))
    if kind in ("*", "neg"):
        return product(first, second)
    if len(second) > 1:
        return None
    if kind == "/":
        return product(first, [1 / second[0]]) if second[0] else None
    if second[0].denominator > 1 or not 0 <= second[0] <= 64 or second[0] * (len(first) - 1) > 64:
        return None  # a negative power is no polynomial, also not that of a constant
    out = [Fraction(1)]
    for _ in range(int(second[0])):
        out = product(out, first)
    return out


def quotient(node: tuple) -> tuple[list[Fraction], list[Fraction]] | None:
    """The exact numerator and denominator that a tree is, or None where it is none, or one of a high degree."""
    whole = polynomial(node)
    if whole is not None:
        return whole, [Fraction(1)]
    kind, parts = node[0], [quotient(part) for part in node[1:]] if node[0] in ("+", "*", "neg", "/", "^") else [None]
    if None in parts or max(len(side) for part in parts for side in part or ()) > 64:
        return None
    (a, b), (c, d) = parts[0], parts[-1]  # type: ignore[misc]
    if kind == "+":
        return combined(product(a, d), product(c, b), Fraction(1)), product(b, d)
    if kind in ("*", "/"):
        return (product(a, c), product(b, d)) if kind == "*" else (product(a, d), product(b, c))
    if kind == "neg":
        return [-x for x in a], b
    exponent = node[2][1] if node[2][0] == "number" else Fraction(1, 2)
    if exponent.denominator > 1 or abs(exponent) * (len(a) + len(b)) > 64:
        return None
    top, bottom = [Fraction(1)], [Fraction(1)]
    for _ in range(abs(int(exponent))):
        top, bottom = product(top, a), product(bottom, b)
    return (top, bottom) if exponent >= 0 else (bottom, top)


def identical(node: tuple, top: list[Fraction], bottom: list[Fraction]) -> bool:
    """Whether a tree is a rational function wherever it has a value."""
    known = quotient(node)
    if known is None or not any(known[1]):
        return False
    return not any(combined(product(known[0], bottom), product(known[1], top), Fraction(-1)))


def total(node: tuple, span: tuple[Any, Any], deadline: float) -> bool:
    """Whether a tree that is a rational function divides by zero nowhere on a closed piece."""
    if not all(total(part, span, deadline) for part in node[1:] if isinstance(part, tuple)):
        return False
    below = node[2] if node[0] == "/" else node[1] if node[0] == "^" and node[2][1] < 0 else None
    if below is None:
        return True
    known = quotient(below)
    sides = ([sign * c for c in known[0]] for sign in (1, -1)) if known else ()
    return any(one_sign(side, *span, True, deadline) for side in sides)


def never_negative(node: tuple) -> bool:
    """Whether the form of a tree shows that it is nowhere negative."""
    kind = node[0]
    if kind in ("number", "+", "*", "/"):
        return node[1] >= 0 if kind == "number" else all(map(never_negative, node[1:]))
    if kind == "^" and node[2][0] == "number":
        return node[2][1].denominator > 1 or node[2][1] % 2 == 0
    return kind in ("sqrt", "exp", "abs", "cosh", "acosh", "sigmoid", "softplus", "erfc")


def resolved(node: tuple, span: tuple[Any, Any], math: Arithmetic, at: tuple[Any, Any] | None = None) -> tuple:
    """A tree with every branch chosen whose switch keeps one sign inside the piece, or is zero on all of it.

    Single points inside, at which it may be zero, do not count: but for those of ``at``, a closed part of the piece, if
    that is given. Where the argument of a root or an inverse function provably stays in its domain, as a polynomial or
    by its form, it becomes ``("clipped", argument, limits)``, so that rounding does not carry it outside.
    """
    if node[0] in ("number", "x", "pi", "e"):
        return node
    if node[0] in SWITCHED:
        # Only the branch that is taken needs a value: the others are not looked at.
        decider = resolved(switch(node), span, math, at)
        open_end = at is None or node[0] in CONTINUOUS  # both branches of a continuous one agree at a zero
        sign = sign_on(decider, span, math) if open_end else sign_on(decider, at or span, math, True)
        if sign is not None:
            return resolved(chosen(node, sign), span, math, at)
    node = fold((node[0], *(resolved(part, span, math, at) for part in node[1:])))
    limits = DOMAINS.get(node[0])
    if limits is not None and (node[0] != "^" or (node[2][0] == "number" and node[2][1].denominator > 1)):
        if limits == (0, inf) and never_negative(node[1]):
            return (node[0], ("clipped", node[1], limits), *node[2:])
        inner, (low, high) = polynomial(node[1]), limits
        inside = inner is not None and one_sign(
            combined(inner, [Fraction(1)], Fraction(-low)), *span, False, math.deadline
        )
        if inside and (
            high == inf or one_sign(combined([Fraction(high)], inner or [], Fraction(-1)), *span, False, math.deadline)
        ):
            return (node[0], ("clipped", node[1], limits), *node[2:])
    return node


def shortened(node: tuple) -> tuple:
    """A tree with every quotient of two polynomials that are multiples of each other as the number that it is, and
    without factors 1."""
    if node[0] in ("number", "x", "pi", "e", "clipped"):
        return node
    if node[0] == "*" and node[1] == ONE:
        return shortened(node[2])
    if node[0] == "/":
        top, bottom = polynomial(node[1]), polynomial(node[2])
        if top and bottom and bottom[-1] and len(top) == len(bottom):
            ratio = top[-1] / bottom[-1]
            if not any(combined(top, bottom, -ratio)):
                return ("number", ratio)
    return (node[0], *map(shortened, node[1:]))


def sign_on(switch: tuple, span: tuple[Any, Any], math: Arithmetic, strict: bool = False) -> int | None:
    """The sign that a switch has inside a piece but for single points, if ``strict`` everywhere on it, 0 if it is zero
    on all of it, or None."""
    poly = polynomial(switch)
    if poly is not None and not any(poly):
        return 0
    if switch[0] == "+" and switch[2] == fold(("neg", switch[1])) and has_values(switch[1], span, math):
        return 0
    if max(map(abs, span)) < inf:
        with suppress(Failure):
            if math.evaluate(switch, [box(math, *span)])[0] == (0, 0):
                return 0
    return next((sign for sign, one in ((1, switch), (-1, ("neg", switch))) if positive(one, span, math, strict)), None)


def has_values(node: tuple, span: tuple[Any, Any], math: Arithmetic) -> bool:
    """Whether a tree has a value at every point of a bounded piece."""
    return max(map(abs, span)) < inf and everywhere(lambda a, b: bool(math.evaluate(node, [box(math, a, b)])), span)


def box(math: Arithmetic, a: Fraction, b: Fraction) -> tuple[int, int]:
    """The interval between two numbers."""
    return math.exact(a)[0], math.exact(b)[1]


def everywhere(holds: Callable[[Fraction, Fraction], bool], span: tuple[Any, Any]) -> bool:
    """Whether something holds on every box of a piece, halved up to two hundred times."""
    stack, seen = [span], 0
    while stack:
        (a, b), seen = stack.pop(), seen + 1
        try:
            if not holds(a, b):
                raise Failure("not decided")
        except Failure:
            if seen > 200:
                return False
            stack += [((a + b) / 2, b), (a, (a + b) / 2)]
    return True


def positive(switch: tuple, span: tuple[Any, Any], math: Arithmetic, strict: bool) -> bool:
    """Whether a switch is positive inside a piece (a polynomial: nowhere negative), so that its branch holds there; if
    ``strict`` at every point of it."""
    poly = polynomial(switch)
    if poly is not None:
        return any(poly) and bool(one_sign(poly, *span, strict, math.deadline))
    return max(map(abs, span)) < inf and everywhere(lambda a, b: positive_on(switch, a, b, math, strict), span)


def positive_on(switch: tuple, a: Fraction, b: Fraction, math: Arithmetic, strict: bool) -> bool:
    """The same for one box: by its values, or by its slope from an end where it is not negative."""
    (low, _), (_, high) = math.exact(a), math.exact(b)
    value, slope = math.evaluate(switch, [(low, high), (math.one, math.one)])
    if value[0] > 0:
        return True
    if slope[0] <= 0 <= slope[1]:
        return False
    end = a if slope[0] > 0 else b
    if strict:
        return bool(math.evaluate(switch, [math.exact(end)])[0][0] > 0)
    return exact(switch, end) == 0 or math.evaluate(switch, [math.exact(end)])[0][0] >= 0
