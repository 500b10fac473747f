"""The verifier: how functions without operations of their own are written with others.

Each way is an identity of `docs/approximation/semantics-of-code.md`. Standard library only.
"""

from fractions import Fraction

from .reading import ONE

__all__ = ["MINUS", "TWO", "rewritten"]

TWO, MINUS = ("number", Fraction(2)), ("number", Fraction(-1))


def rewritten(node: tuple, negative: bool) -> list[tuple]:
    """The ways to write a function that has no operation of its own with others that have."""
    kind, u = node[0], node[1]
    e, square, below, above = ("exp", u), ("^", u, TWO), ("+", ONE, ("neg", u)), ("+", ONE, u)
    over, root = ("+", u, MINUS), ("sqrt", ("+", ("^", u, TWO), ONE))
    if kind == "asinh" and negative:
        return [("neg", ("asinh", ("neg", u)))]
    if kind == "acos" and negative:
        return [("+", ("pi",), ("neg", ("*", TWO, ("atan", ("sqrt", ("/", above, below))))))]
    if kind == "log":
        return logarithms(u, negative)
    one, two = ("expm1", u), ("expm1", ("*", TWO, u))
    over_u = ("^", ("/", ONE, u), TWO)
    table: dict[str, list[tuple]] = {
        "log1p": [("log", ("+", ONE, u))],
        "expm1": [("+", e, MINUS)],
        "tan": [("/", ("sin", u), ("cos", u))],
        "sinh": [
            ("/", ("+", e, ("neg", ("/", ONE, e))), TWO),
            ("/", ("+", one, ("/", one, ("+", one, ONE))), TWO),
        ],
        "cosh": [("/", ("+", e, ("/", ONE, e)), TWO)],
        "asinh": [
            ("log", ("+", u, root)),
            ("log1p", ("+", u, ("/", square, ("+", root, ONE)))),
            ("+", ("log", u), ("log", ("+", ONE, ("sqrt", ("+", ONE, over_u))))),
        ],
        "acosh": [
            ("log", ("+", u, ("sqrt", ("+", square, MINUS)))),
            ("log1p", ("+", over, ("sqrt", ("*", over, above_of(u))))),
            ("+", ("log", u), ("log", ("+", ONE, ("sqrt", ("+", ONE, ("neg", over_u)))))),
        ],
        "atanh": [("/", ("log", ("/", above, below)), TWO), ("/", ("log1p", ("/", ("*", TWO, u), below)), TWO)],
        "tanh": [("/", two, ("+", two, TWO))],
        "sigmoid": [("/", ONE, ("+", ONE, ("exp", ("neg", u))))],
        "softplus": [("log1p", e), large(u, ONE)],
        "asin": [("*", TWO, ("atan", ("/", u, ("+", ("sqrt", ("*", below, above)), ONE))))],
        "acos": [("*", TWO, ("atan", ("sqrt", ("/", below, above))))],
    }
    return table.get(kind, [])


def logarithms(inner: tuple, negative: bool) -> list[tuple]:
    """The logarithm of a sum with an exponential that may be too large, without it."""
    if inner[0] == "cosh":
        v = ("neg", inner[1]) if negative else inner[1]
        small = ("log1p", ("exp", ("*", ("number", Fraction(-2)), v)))
        half = ("sinh", ("/", inner[1], TWO))
        return [("+", ("+", v, small), ("neg", ("log", TWO))), ("log1p", ("*", TWO, ("^", half, TWO)))]
    if inner[0] == "*" and inner[1][0] == "number" and inner[1][1] > 0:
        return [("+", ("log", inner[2]), ("log", inner[1]))]
    if inner[0] == "expm1":
        return [large(inner[1], MINUS)]
    if inner[0] != "+":
        return []
    return [large(a[1], b) for a, b in (inner[1:], inner[:0:-1]) if a[0] == "exp"][:1]


def large(u: tuple, rest: tuple) -> tuple:
    """``log(rest + exp(u))``."""
    return ("+", u, ("log1p", ("*", rest, ("exp", ("neg", u)))))


def above_of(u: tuple) -> tuple:
    """``u + 1``, in this order."""
    return ("+", u, ONE)
