"""A change of origin in a formula: ``f(x + a)`` without the rounding errors of ``x + a``.

Floats are dense at 0 alone. Beside another point a, where ``sqrt(x - a)`` or ``log(x - a)`` has its singularity, they
are spaced as a is, and the values there have no digits. So the polynomials inside of the formula are expanded around
a, exactly: ``x - a`` becomes ``x``.
"""

from fractions import Fraction

import flint

from rational_approx.arithmetic.polynomials import fmpq, fractions
from rational_approx.expressions.nodes import Node, build, number
from rational_approx.expressions.quotients import polynomial

__all__ = ["in_powers", "shifted"]


def shifted(tree: Node, by: Fraction) -> Node:
    """The tree of ``f(x + by)``.

    Raises
    ------
    ExpressionError
        where its numbers would be too long.

    >>> from rational_approx.expressions.parser import parse_tree
    >>> from rational_approx.expressions.nodes import text
    >>> text(shifted(parse_tree("sqrt(3 * x - 1) + exp(2 * x^2)"), Fraction(1, 3)))
    'sqrt(x * 3) + exp(2/9 + x * (4/3 + x * 2))'
    """
    whole = polynomial(tree)
    if whole is not None:
        return in_powers(whole(flint.fmpq_poly([fmpq(by), 1])))
    return build(tree.operator, *(shifted(part, by) for part in tree.arguments)) if tree.arguments else tree


def in_powers(poly: flint.fmpq_poly) -> Node:
    """A polynomial as a tree, by Horner's rule."""
    coefficients = list(fractions(poly)) or [Fraction(0)]
    total = number(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = build("*", Node("variable"), total)
        total = build("+", number(c), total) if c else total
    return total
