"""Where a target surely has no real value, so that code gives no number there."""

from collections.abc import Callable
from fractions import Fraction

from flint import arb

from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.enclosures import AT_POINT, Undecided
from rational_approx.expressions.nodes import Node, evaluate

__all__ = ["nowhere"]

OUTSIDE: dict[str, Callable[[arb], bool]] = {
    "log": lambda u: bool(u <= 0),
    "log1p": lambda u: bool(u <= -1),
    "sqrt": lambda u: bool(u < 0),
    "acosh": lambda u: bool(u < 1),
    "asin": lambda u: bool(abs(u) > 1),
    "acos": lambda u: bool(abs(u) > 1),
    "atanh": lambda u: bool(abs(u) >= 1),
    "loggamma": lambda u: bool(u <= 0),
}
"""Where functions of one argument have no value."""
MOST = 4000


def nowhere(tree: Node, lower: Fraction, upper: Fraction) -> bool:
    """Whether a tree, of which branches are chosen, has a value at no number from one to another on the same side of
    zero, or at a single one."""
    stack, seen = [(lower, upper)], 0
    while stack:
        (a, b), seen = stack.pop(), seen + 1
        if not _nowhere(tree, to_arb(a).union(to_arb(b))):
            if seen > MOST or a == b:
                return False
            middle = (a + b) / 2
            near, far = sorted((abs(a), abs(b)))
            if near and far > 4 * near:  # far apart they are cut at a power of two
                k = near.numerator.bit_length() - near.denominator.bit_length()
                k += far.numerator.bit_length() - far.denominator.bit_length()
                middle = Fraction(2) ** (k // 2) * (1 if a > 0 else -1)
            stack += [(a, middle), (middle, b)]
    return True


def _nowhere(tree: Node, x: arb) -> bool:
    """The same for an interval as it is."""
    kind, parts = tree.operator, tree.arguments
    if kind == "where":
        taken = _branch(parts, x)
        return taken is not None and _nowhere(taken, x)
    if kind == "*":
        return any(_no_factor(part, parts[:k] + parts[k + 1 :], x) for k, part in enumerate(parts))
    if any(_nowhere(part, x) for part in parts):
        return True
    if kind == "/":
        top, bottom = (_value(part, x) for part in parts)
        return top is not None and bottom is not None and bool(bottom == 0) and bool(top != 0)
    if kind == "^":
        c, base = parts[1].value, _value(parts[0], x)
        if base is None or (c is not None and c.denominator == 1):
            return False
        return bool(base < 0 if c is not None and c > 0 else base <= 0)
    u = _value(parts[0], x) if kind in OUTSIDE else None
    return u is not None and OUTSIDE[kind](u)


def _branch(parts: tuple[Node, ...], x: arb) -> Node | None:
    """The branch that is taken on all of an interval, where that is known."""
    mark, (left, right) = parts[0].operator, (_value(side, x) for side in parts[0].arguments)
    if left is None or right is None:
        return None
    small, large = (left, right) if mark[0] == "<" else (right, left)
    if small < large or (mark[1:] and small <= large):
        return parts[1]
    return parts[2] if small > large or (not mark[1:] and small >= large) else None


def _no_factor(part: Node, others: tuple[Node, ...], x: arb) -> bool:
    """Whether a factor has no value: a product with log(b) has a limit where b and one of the others are 0."""
    if part.operator == "log" and not all(_is_not_zero(other, x) for other in others):
        return _below(part, x)
    return _nowhere(part, x)


def _is_not_zero(tree: Node, x: arb) -> bool:
    value = _value(tree, x)
    return value is not None and bool(value != 0)


def _below(logarithm: Node, x: arb) -> bool:
    u = _value(logarithm.arguments[0], x)
    return _nowhere(logarithm.arguments[0], x) or (u is not None and bool(u < 0))


def _value(tree: Node, x: arb) -> arb | None:
    try:
        value = evaluate(tree, x, AT_POINT)
    except (Undecided, ValueError, ZeroDivisionError):
        return None
    return value if value.is_finite() else None
