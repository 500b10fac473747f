"""Expressions from sympy, which is imported only when one is read."""

from fractions import Fraction
from typing import Any

import mpmath

from rational_approx.arithmetic.precision import fraction
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import ExpressionError, Node, build, number

__all__ = ["from_sympy"]

_SYMPY = {
    **{name: name for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "erfc", "gamma")},
    **{name: name for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    **{"log": "log", "loggamma": "loggamma", "Abs": "abs", "Min": "min", "Max": "max", "sign": "sign"},
    **{"StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">", "GreaterThan": ">="},
    **{"LambertW": "lambertw", "erfinv": "erfinv", "zeta": "zeta", "digamma": "digamma", "sinc": "sinc"},
    **{name: name for name in ("besselj", "bessely", "besseli", "besselk", "airyai", "airybi")},
    **{"Add": "+", "Mul": "*", "Pow": "^"},
}


def from_sympy(value: Any) -> Expression:
    """Read a sympy expression with at most one symbol.

    Raises
    ------
    ExpressionError
        where it holds something outside the language, or several symbols.

    >>> import sympy
    >>> from_sympy(sympy.tanh(2 * sympy.Symbol("t"))).text
    'tanh(2 * t)'
    """
    import sympy

    symbols = sorted(value.free_symbols, key=str)
    if len(symbols) > 1:
        raise ExpressionError(f"one variable is allowed, and the sympy expression has {', '.join(map(str, symbols))}")
    variable = str(symbols[0]) if symbols else "x"

    def chosen(pairs: tuple[Any, ...]) -> Node:
        (then, condition), *rest = pairs
        if condition == True or not rest:  # noqa: E712  (sympy's own truth value)
            return convert(then)
        return under(condition, convert(then), chosen(tuple(rest)))

    def under(condition: Any, yes: Node, no: Node) -> Node:
        if isinstance(condition, sympy.And | sympy.Or):
            for part in condition.args:
                yes, no = (
                    (under(part, yes, no), no) if isinstance(condition, sympy.And) else (yes, under(part, yes, no))
                )
            return yes if isinstance(condition, sympy.And) else no
        return build("where", convert(condition), yes, no)

    def convert(part: Any) -> Node:
        if part.is_Symbol:
            return Node("variable")
        if part is sympy.pi or part is sympy.E:
            return Node("pi" if part is sympy.pi else "e")
        if part.is_Rational:
            return number(Fraction(int(part.p), int(part.q)))
        if part.is_Float:
            return number(fraction(mpmath.mpf(part._mpf_)) if part._prec > 53 else fraction(float(part)))
        name = type(part).__name__
        if name == "Piecewise":
            return chosen(part.args)
        if name == "Heaviside":
            return build("heaviside", convert(part.args[0]))
        if name == "polygamma" and part.args[0] == 0:  # sympy's own form of digamma
            return build("digamma", convert(part.args[1]))
        if name not in _SYMPY:
            raise ExpressionError(
                f"sympy's {name} is not in the language of expressions; {', '.join(sorted(_SYMPY))} are"
            )
        return build(_SYMPY[name], *(convert(argument) for argument in part.args))

    return Expression(convert(value), variable)
