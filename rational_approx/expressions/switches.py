"""Where the branches of a piecewise expression switch: roots of the switch functions, exact where they are polynomials.

The switch of ``abs(u)``, ``sign(u)`` and ``heaviside(u)`` is ``u``; that of ``max``, ``min`` and comparisons is the
difference of both sides. A branch is only ever replaced where its switch is *proved* to keep one sign.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import flint

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.holes import SWITCHED, logarithms
from rational_approx.expressions.nodes import Node, build, number
from rational_approx.expressions.quotients import polynomial
from rational_approx.expressions.roots import (
    RESOLUTION,
    has_values,
    inner_point,
    proved_sign,
    roots,
    sign_at,
    value_at,
)

__all__ = ["at_least", "branches", "breakpoints", "decided", "jumps"]


def _switch(node: Node) -> Node:
    if node.operator == "where":
        node = node.arguments[0]
    if len(node.arguments) == 1:
        return node.arguments[0]
    left, right = node.arguments
    return left if right.value == 0 else build("+", left, build("neg", right))


def _taken(node: Node, sign: int) -> Node:
    if node.operator == "where":
        condition, yes, no = node.arguments
        return yes if (sign > 0) == (condition.operator in (">", ">=")) else no
    first = node.arguments[0]
    if node.operator == "abs":
        return first if sign > 0 else build("neg", first)
    if node.operator in ("max", "min"):
        return first if (sign > 0) == (node.operator == "max") else node.arguments[1]
    return number(sign) if node.operator == "sign" else number((1 + sign) // 2)


def decided(node: Node, lower: End, upper: End) -> Node:
    """The tree with every branch replaced whose switch provably keeps one sign on the open interval, or is zero."""
    if not node.arguments:
        return node
    if node.operator in ("<", "<=", ">", ">="):
        return build(node.operator, *(decided(argument, lower, upper) for argument in node.arguments))
    node = build(node.operator, *(decided(argument, lower, upper) for argument in node.arguments))
    if node.operator in SWITCHED:
        switch = _switch(node)
        sign = proved_sign(switch, lower, upper) if at_least(switch, lower, upper) else 0
        if sign:
            return _taken(node, sign)
        if _vanishes(switch, lower, upper):
            return _at_zero(node)
    return node


def _vanishes(switch: Node, lower: End, upper: End) -> bool:
    # Whether a switch is zero everywhere: as a polynomial, or as u - u where u has a value at every point.
    if polynomial(switch) == 0:
        return True
    first, *rest = switch.arguments or (switch,)
    return switch.operator == "+" and rest == [build("neg", first)] and has_values(first, lower, upper)


def _first_open(node: Node) -> Node | None:
    # The first branch, arguments before their holders, so that its switch holds no other branch.
    return next((part for part in node.walk() if part.operator in SWITCHED), None)


def _replace(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    if not node.arguments:
        return node
    return build(node.operator, *(_replace(argument, old, new) for argument in node.arguments))


def branches(node: Node) -> tuple[Node, Node, Node] | None:
    """The first branch of a tree: a condition, and the tree where it holds and where it does not.

    None where there is no branch, or one with a value of its own at the switch (sign, heaviside).
    """
    first = _first_open(node)
    if first is None or first.operator in ("sign", "heaviside"):
        return None
    condition = first.arguments[0] if first.operator == "where" else build(">", _switch(first), number(0))
    plus, minus = (1, -1) if condition.operator in (">", ">=") else (-1, 1)
    return condition, _replace(node, first, _taken(first, plus)), _replace(node, first, _taken(first, minus))


def _cuts(node: Node, lower: End, upper: End) -> list[Fraction]:
    part = _first_open(node)
    if part is None:
        return []
    switch = _switch(part)
    found = [] if _vanishes(switch, lower, upper) else roots(switch, lower, upper)[0]
    bounds: list[End] = [lower, *found, upper]
    for a, b in pairwise(bounds):
        sign = sign_at(switch, inner_point(a, b))
        # A switch that is zero on the whole piece: abs, sign, min, max are then the number or either side.
        found += _cuts(_replace(node, part, _taken(part, sign) if sign else _at_zero(part)), a, b)
    return found


def _at_zero(part: Node) -> Node:
    if part.operator in ("sign", "abs"):
        return number(0)
    if part.operator == "heaviside":
        return number(Fraction(1, 2))
    if part.operator == "where":
        return part.arguments[1] if part.arguments[0].operator in ("<=", ">=") else part.arguments[2]
    return part.arguments[0]


def breakpoints(node: Node, lower: End, upper: End) -> tuple[Fraction, ...]:
    """Every point of the open interval where a branch switches (exact, or within ``2**-RESOLUTION``)."""
    return tuple(sorted(set(_cuts(node, lower, upper))))


def jumps(node: Node, lower: End, upper: End) -> tuple[Fraction, ...]:
    """The breakpoints at which the two one-sided values provably differ."""
    points = breakpoints(node, lower, upper)
    bounds: list[End] = [lower, *points, upper]
    out = []
    for before, point, after in zip(bounds, points, bounds[2:]):
        with working_bits(2 * RESOLUTION):
            left, right = (value_at(_between(node, a, b), point) for a, b in ((before, point), (point, after)))
            if abs(left - right) > flint.arb(2) ** (-RESOLUTION // 2):
                out.append(point)
    return tuple(out)


def _between(node: Node, lower: End, upper: End) -> Node:
    # The branch-free tree that holds between two neighbouring breakpoints, chosen at a point between them.
    point = inner_point(lower, upper)
    while (part := _first_open(node)) is not None:
        sign = sign_at(_switch(part), point)
        node = _replace(node, part, _taken(part, sign) if sign else _at_zero(part))
    return node


_NON_NEGATIVE = (
    "sqrt",
    "exp",
    "abs",
    "cosh",
    "acosh",
    "sigmoid",
    "softplus",
    "erfc",
    "gammainc",
    "gammaincc",
    "besselk",
)


def _never_negative(node: Node) -> bool:
    # Whether the form of a tree shows that it is nowhere negative.
    if node.value is not None or node.operator in ("+", "*", "/"):
        return node.value >= 0 if node.value is not None else all(map(_never_negative, node.arguments))
    exponent = node.arguments[1].value if node.operator == "^" else None
    even = exponent is not None and (exponent.denominator > 1 or exponent % 2 == 0)
    return even or node.operator in _NON_NEGATIVE


_STARTS = {
    **{"sqrt": (0, None), "acosh": (1, None), "asin": (-1, 1), "acos": (-1, 1)},
    **{"gammainc": (0, None), "gammaincc": (0, None)},
}


def at_least(node: Node, lower: End, upper: End) -> bool:
    """Whether every root and power of a tree provably has its argument inside its domain on the closed interval.

    Logarithms, quotients and gamma need no such proof: their enclosures are not finite outside their domain.
    """
    return all(
        (bound == 0 and _never_negative(inner)) or _on_side(build("+", inner, number(-bound)), sign, lower, upper)
        for part in node.walk()
        for inner, bound, sign in _conditions(part, lower, upper)
    )


def _on_side(gap: Node, sign: int, lower: End, upper: End) -> bool:
    return polynomial(gap) == 0 or proved_sign(gap, lower, upper) == sign


def _conditions(part: Node, lower: End, upper: End) -> Iterator[tuple[Node, int, int]]:
    # Arguments, a number, and the side of it on which they have to stay.
    if part.operator == "^":
        exponent = part.arguments[1].value
        if exponent is not None and exponent.denominator > 1 and exponent > 0:
            yield part.arguments[0], 0, 1
    elif part.operator == "*":
        # A hole of u log(u) cuts off what is negative; a ball spills over the ends of a piece only by rounding.
        for inner, zeros in logarithms(part):
            if any(2 * lower - upper <= zero <= 2 * upper - lower for zero in zeros):
                yield inner, 0, 1
    elif part.operator in _STARTS:
        for bound, sign in zip(_STARTS[part.operator], (1, -1)):
            if bound is not None:
                yield part.arguments[-1], bound, sign
