"""The verifier: where the target has no real value, and at the end of its values the infinity in the place of one.

Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from typing import Any

from .branches import never_negative, sign_on
from .jets import Arithmetic
from .reading import CONTINUOUS, SWITCHED, Failure, chosen, need, switch
from .zeros import exact

__all__ = ["infinite", "nowhere"]

MOST = 5000


def nowhere(math: Arithmetic, tree: tuple, lower: Fraction, upper: Fraction) -> bool:
    """Whether a tree, of which branches are chosen, has no value from one number to another on one side of zero."""
    stack, seen = [(lower, upper)], 0
    while stack:
        (a, b), seen = stack.pop(), seen + 1
        if missing(math, tree, (math.exact(a)[0], math.exact(b)[1]), a if a == b else None):
            continue
        if a == b or seen > MOST:
            return False
        middle, near, far = (a + b) / 2, *sorted((abs(a), abs(b)))
        if near and far > 4 * near:
            middle = 2 * near if a > 0 else -2 * near  # far apart: from the inner end outwards
        stack += [(a, middle), (middle, b)]
    return True


def missing(math: Arithmetic, node: tuple, x: Any, point: Fraction | None) -> bool:
    """Whether a tree has no value at any number of an interval, or at a point."""
    kind, parts = node[0], [part for part in node[1:] if isinstance(part, tuple)]
    if kind in ("where", "where="):
        found = values(math, node[1], x)
        known = found is not None and (sign(found) or (point is not None and exact(node[1], point) == 0))
        return bool(known) and missing(math, chosen(node, sign(found)), x, point)
    if kind == "clipped":
        return False
    if kind == "*":
        return any(no_factor(math, each, x, point) for each in (parts, parts[::-1]))
    if any(missing(math, part, x, point) for part in parts):
        return True
    if kind == "/":
        top = values(math, node[1], x)
        zero = point is not None and exact(node[2], point) == 0
        return zero and top is not None and bool(top[0] > 0 or top[1] < 0)
    if kind == "^":
        c = node[2][1] if node[2][0] == "number" else None
        return (c is None or c.denominator > 1) and below(math, node[1], x, 0, c is not None and c > 0)
    ends = {"log": (0, False), "log1p": (-1, False), "sqrt": (0, True), "loggamma": (0, False), "acosh": (1, True)}
    at_end = exact(node[1], point) if point is not None and kind in (*ends, "atanh") else None
    if kind in ends:
        end, strict = ends[kind]
        return (at_end == end and not strict) or below(math, node[1], x, end, strict)
    if kind == "atanh" and at_end in (-1, 1):
        return True
    if kind in ("asin", "acos", "atanh"):
        strict = kind != "atanh"
        return below(math, node[1], x, -1, strict) or below(math, ("neg", node[1]), x, -1, strict)
    return False


def no_factor(math: Arithmetic, pair: list, x: Any, point: Fraction | None) -> bool:
    """Whether the first factor has no value: a product with log(b) has a limit where b and the other one are 0."""
    part, other = pair
    beside = values(math, other, x) if part[0] == "log" else None
    if part[0] != "log" or (beside is not None and sign(beside)):
        return missing(math, part, x, point)
    return missing(math, part[1], x, point) or below(math, part[1], x, 0, True)


def values(math: Arithmetic, node: tuple, x: Any) -> Any:
    """Bounds of a tree, or None."""
    with suppress(Failure):
        return math.evaluate(node, [x])[0]
    return None


def below(math: Arithmetic, node: tuple, x: Any, end: int, strict: bool) -> bool:
    """Whether a tree is everywhere below a number, or equal to it unless ``strict``."""
    found = values(math, node, x)
    return found is not None and (found[1] < end * math.one or (not strict and found[1] == end * math.one))


def infinite(math: Arithmetic, node: tuple, x: Fraction, side: int) -> int:
    """The sign of the infinity that a tree has at a number seen from a side: logarithms of zero, and quotients by zero;
    0 where it has none.
    """
    kind = node[0]
    if kind in ("where", "where="):  # the branch beside the number
        near = sign_beside(math, node[1], x, side)
        return infinite(math, chosen(node, near), x, side) if near else 0
    if kind == "log" and exact(node[1][1] if node[1][0] == "abs" else node[1], x) == 0:
        return -1
    if kind == "log1p" and exact(node[1], x) == -1:
        return -1
    if kind == "atanh" and (end := exact(node[1], x)) in (-1, 1):
        return int(end or 0)
    if kind == "^" and node[2][0] == "number" and node[2][1] < 0 and exact(node[1], x) == 0:
        need(node[2][1].denominator > 1, "a pole of which the sign is not known")
        return 1
    if kind == "neg":
        return -infinite(math, node[1], x, side)
    if kind in ("exp", "expm1", "log", "log1p", "softplus"):
        return max(infinite(math, node[1], x, side), 0)
    if kind in ("abs", "sqrt", "^"):
        base, power = infinite(math, node[1], x, side), node[2][1] if kind == "^" and node[2][0] == "number" else 0
        if kind == "abs" or base == 1:
            return abs(base) if kind != "^" or power > 0 else 0
        return base ** int(power) if power > 0 and power.denominator == 1 else 0
    if kind not in ("+", "*", "/"):
        return 0
    signs = [infinite(math, part, x, side) for part in node[1:]]
    if kind == "/" and not any(signs) and exact(node[2], x) == 0:
        return sign(at(math, node[1], x, side)) * sign_beside(math, node[2], x, side)
    if kind == "/" and signs[1]:
        return 0
    if kind == "/" and signs[0] and exact(node[2], x) == 0:
        return signs[0] * sign_beside(math, node[2], x, side)
    if signs[0] and signs[1]:
        return signs[0] * signs[1] if kind == "*" else signs[0] if signs[0] == signs[1] else 0
    if not any(signs):
        return 0
    other = at(math, node[2] if signs[0] else node[1], x, side)
    return sum(signs) * (1 if kind == "+" else sign(other))


def sign_beside(math: Arithmetic, node: tuple, x: Fraction, side: int) -> int:
    """The sign that a tree has everywhere from a number to one beside it, where it is not 0; or 0. It is not enough to
    look at a near number: it may lie beyond a change of sign."""
    ends = sorted((x, x + side * Fraction(1, 2 ** (3 * math.bits // 8))))
    return 1 if never_negative(node) else sign_on(node, (ends[0], ends[1]), math) or 0


def at(math: Arithmetic, node: tuple, x: Fraction, side: int) -> Any:
    """Bounds of the limit of a tree at a number from a side, of the branches that are taken there."""
    return math.evaluate(taken(math, node, x, side), [math.exact(x)])[0]


def taken(math: Arithmetic, node: tuple, x: Fraction, side: int) -> tuple:
    """A tree with the branches beside a number: at it another one may hold."""
    if node[0] in SWITCHED and node[0] not in CONTINUOUS:
        near = sign_beside(math, taken(math, switch(node), x, side), x, side)
        need(near, "a branch beside a number that is not known")
        return taken(math, chosen(node, near), x, side)
    return (node[0], *(taken(math, part, x, side) if isinstance(part, tuple) else part for part in node[1:]))


def sign(value: Any) -> int:
    """The sign of what is enclosed, or 0."""
    return (value[0] > 0) - (value[1] < 0)
