"""Formulas that are a function by another name, of which this package knows more: inverse hyperbolic ones, softplus.

Rules are looked at before the parts of a formula are changed. Each is an identity over all real x, and both sides have
values at the same x.
"""

from collections.abc import Callable
from fractions import Fraction

from rational_approx.arithmetic.polynomials import exact
from rational_approx.expressions.holes import SWITCHED
from rational_approx.expressions.nodes import Node, build, number
from rational_approx.expressions.quotients import polynomial
from rational_approx.expressions.switches import branches

__all__ = ["known_as", "minus", "splits"]

ONE, TWO = number(1), number(2)


def known_as(tree: Node) -> Node | None:
    """The function that a formula is, or None.

        >>> from rational_approx.expressions.holes import SWITCHED
    from rational_approx.expressions.nodes import text
        >>> from rational_approx.expressions.parser import parse_tree
        >>> [text(known_as(parse_tree(each, "x"))) for each in ("log(x + sqrt(x^2 + 1))", "log((1 + x) / (1 - x))")]
        ['asinh(x)', '2 * atanh(x)']
    """
    rule = RULES.get(tree.operator)
    return None if rule is None else rule(tree)


def minus(u: Node) -> Node:
    """``-u``."""
    return u.arguments[0] if u.operator == "neg" else build("neg", u)


def splits(tree: Node) -> list[tuple[Node, Node]]:
    """A sum of two parts in both orders."""
    parts = tree.arguments
    return [(parts[0], parts[1]), (parts[1], parts[0])] if tree.operator == "+" and len(parts) == 2 else []


def _logarithm(tree: Node) -> Node | None:
    """``log(u + sqrt(u^2 + 1))``, ``log(u + sqrt(u^2 - 1))``, and ``log((s + u) / (s - u))``."""
    inner = tree.arguments[0]
    for u, root in splits(inner) if root_of(inner) else ():
        for square, one in splits(root.arguments[0]) if root.operator == "sqrt" else ():
            if square == build("^", u, TWO) and one.value in (1, -1):
                return build("asinh" if one == ONE else "acosh", u)
    return _twice_atanh(*inner.arguments) if inner.operator == "/" else None


def root_of(tree: Node) -> bool:
    """Whether one of the parts of a sum is a root."""
    return any(part.operator == "sqrt" for part in tree.arguments)


def _twice_atanh(top: Node, bottom: Node) -> Node | None:
    """``log((s + u) / (s - u))`` for a multiple u of x and a positive s, as ``2 atanh(u / s)``."""
    a, b = polynomial(top), polynomial(bottom)
    if a is None or b is None or a.degree() != 1 or (a + b).degree() or not (s := exact(a[0])) > 0 or a[0] != b[0]:
        return None
    slope, x = exact(a[1]) / s, Node("variable")
    return build("*", TWO, build("atanh", x if slope == 1 else build("*", number(slope), x)))


def _sum(tree: Node) -> Node | None:
    """``x + x``, ``softplus(u) - u``, ``u - softplus(u)``, and ``log(a) - log(b)``."""
    p = polynomial(tree)
    if p is not None and p.degree() < 2 and all(part.value is None for part in tree.arguments):
        return _line(exact(p[1]), exact(p[0]))
    for part, other in splits(tree):
        inner = minus(part) if part.operator == "neg" else part
        if inner.operator == "softplus":
            u = inner.arguments[0]
            if part is inner and other == minus(u):
                return build("softplus", minus(u))
            if part is not inner and other == u:
                return build("neg", build("softplus", minus(u)))
        if part is not inner and (b := _argument(inner)) is not None and (a := _argument(other)) is not None:
            found = _twice_atanh(a, b)
            if found is not None:
                return found
    return None


def _line(slope: Fraction, offset: Fraction) -> Node:
    line = number(offset) if slope == 0 else build("*", number(slope), Node("variable"))
    return build("+", line, number(offset)) if slope and offset else line


def _argument(tree: Node) -> Node | None:
    """What something is the logarithm of."""
    if tree.operator == "log1p":
        return build("+", ONE, tree.arguments[0])
    return tree.arguments[0] if tree.operator == "log" else None


def _sinc(u: Node) -> Node | None:
    """``sin(u) / u``, whose holes are filled by limits: branch by branch, since u may be zero on the whole of one."""
    if (found := branches(u)) is not None:
        condition, *sides = found
        yes, no = (_sinc(side) for side in sides)
        if yes is None or no is None or yes == no:
            return yes if no is not None else None
        return build("where", condition, yes, no)
    # Where values begin, as those of a root do, a hole has one side alone, and is not filled.
    if any(part.operator in (*SWITCHED, "sqrt", "log", "^") and polynomial(part) is None for part in u.walk()):
        return None
    u, p = u.arguments[0] if u.operator == "neg" else u, polynomial(u)  # it is even
    return ONE if p is not None and p == 0 else build("/", build("sin", u), u)


RULES: dict[str, Callable[[Node], Node | None]] = {
    "log": _logarithm,
    "+": _sum,
    "sinc": lambda tree: _sinc(tree.arguments[0]),
}
"""The rule for a node, by its operator."""
