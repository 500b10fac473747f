"""Random targets of the whole language, by family: what each one is meant to catch is its name."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

from tests.adversaries.third_opinion import texts
from tests.adversaries.third_opinion.texts import HALF_LINES, SMOOTH, SWITCHED

__all__ = ["ELEMENTARY", "FAMILIES", "Posed", "posed"]


@dataclass(frozen=True)
class Posed:
    """A target with its weight, domain and breakpoints."""

    family: str
    expression: str
    domain: tuple[tuple[Any, Any], ...]
    weight: str = "1"
    breakpoints: tuple[Fraction, ...] = ()


def decimal(draw: random.Random, low: float, high: float, places: int = 2) -> Fraction:
    """A random decimal number."""
    return Fraction(f"{draw.uniform(low, high):.{places}f}")


def number(x: Fraction) -> str:
    """Its text as an operand."""
    return str(x) if x >= 0 and x.denominator == 1 else f"({x})"


def interval(draw: random.Random) -> tuple[Fraction, Fraction]:
    """A bounded interval."""
    style = draw.random()
    if style < 0.4:
        return Fraction(-1), Fraction(1)
    if style < 0.6:
        return Fraction(0), Fraction(draw.choice((1, 1, 2, 3)))
    low = decimal(draw, -3, 2, 1)
    return low, low + decimal(draw, 0.3, 4, 1)


def _inner(draw: random.Random) -> str:
    a, b = decimal(draw, -2, 2, 1) or Fraction(1), decimal(draw, -1, 1, 1)
    return draw.choice(
        ("x", "x", f"{number(a)}*x", f"x+{number(b)}", f"{number(a)}*x+{number(b)}", "x^2", f"x-{number(b)}")
    )


def _elementary(draw: random.Random) -> Posed:
    text = draw.choice(SMOOTH).format(_inner(draw))
    if draw.random() < 0.25:
        text += draw.choice("+-*") + draw.choice(SMOOTH).format("x")
    return Posed("elementary", text, (interval(draw),))


def _limited(draw: random.Random) -> Posed:
    """Functions with a domain, near its end: some are undefined there."""
    low, high = interval(draw)
    slack = draw.choice(
        (Fraction(0), Fraction(1, 10**12), Fraction(1, 10), Fraction(1), Fraction(-1, 10**12), Fraction(-1, 10))
    )
    text = draw.choice(texts.LIMITED)
    shift = (max(abs(low), abs(high)) if ")/" in text and "1/" not in text[:2] else -low) + slack
    if draw.random() < 0.5:
        shift += draw.choice((1, 2))
    return Posed("limited functions", text.format("x", number(shift)), ((low, high),))


def _zero_switches(draw: random.Random) -> Posed:
    c = number(decimal(draw, 0.1, 0.9, 1))
    text = draw.choice(texts.ZERO_SWITCHES).format(c=c)
    if draw.random() < 0.25:
        text = draw.choice(("x+{}", "-({})", "{}+tanh(x)", "abs({})", "max({}, -5)", "1/(2+{})")).format(text)
    domain = draw.choice(
        ((Fraction(-1), Fraction(1)), (Fraction(-1), Fraction(1)), (Fraction(-2), Fraction(-1, 2)), interval(draw))
    )
    breaks = (Fraction(0),) if draw.random() < 0.5 and domain[0] < 0 < domain[1] else ()
    return Posed("switches that are zero", text, (domain,), "1", breaks)


def _nested(draw: random.Random) -> Posed:
    text = _nest(draw, draw.choice((1, 2, 2, 3, 3, 4)))
    return Posed("nested switches", text, (interval(draw),))


def _nest(draw: random.Random, depth: int) -> str:
    if depth == 0:
        return draw.choice(("x", _inner(draw), number(decimal(draw, -1, 1, 1)), draw.choice(SMOOTH).format("x")))
    a, b = _nest(draw, depth - 1), _nest(draw, draw.randrange(depth))
    if draw.random() < 0.25:
        relation = draw.choice(("<", "<=", ">", ">="))
        return f"where({_nest(draw, 0)} {relation} {b}, {a}, {_nest(draw, draw.randrange(depth))})"
    if draw.random() < 0.25:
        return f"({a}){draw.choice('+-*')}({b})"
    return draw.choice(SWITCHED).format(a, b)


def _powers(draw: random.Random) -> Posed:
    text = draw.choice(texts.POWERS).format(b=number(decimal(draw, -1, 1.5, 1)))
    if draw.random() < 0.2:
        text = draw.choice(("x+{}", "-({})", "tanh({})", "2*({})")).format(text)
    return Posed("powers", text, (interval(draw),))


def _hidden(draw: random.Random) -> Posed:
    """Pieces without a value behind a factor zero, a limit, or a branch that is taken after all."""
    b = decimal(draw, -1.2, 1.2, 1)
    v = draw.choice(("x", "x", f"x-{number(b)}", "x^2-1/2", "sin(x)", "exp(x)-1", "abs(x)", "1-x", "1+x", "x+3"))
    u = draw.choice((v, f"({v})^2", "1-x^2", "max(x,0)", "min(x,0)", "x^2-1/3"))
    return Posed("hidden undefined", draw.choice(texts.HIDDEN).format(u=u, v=v, b=number(b)), (interval(draw),))


def _divisions(draw: random.Random) -> Posed:
    v = draw.choice(("x", "x", f"x-{number(decimal(draw, -1, 1, 1))}", "x^2-1/2", "x+5", "sin(x)"))
    return Posed("divisions by switches", draw.choice(texts.DIVISIONS).format(v=v), (interval(draw),))


def _jumps(draw: random.Random) -> Posed:
    c = draw.choice((decimal(draw, -0.9, 0.9, 1), Fraction(draw.randrange(1, 9), draw.randrange(2, 12)), Fraction(0)))
    relation = draw.choice(("<", "<=", ">", ">="))
    text = draw.choice(
        (
            f"where(x {relation} {number(c)}, 0, 1)",
            f"where(x {relation} {number(c)}, x, x^2+1)",
            f"sign(x-{number(c)})",
            f"heaviside(x-{number(c)})*exp(x)",
            f"where(x {relation} {number(c)}, 0, x)",
            f"sign(x-{number(c)})+sign(x+{number(c)})",
            f"where(-abs(x-{number(c)}) {relation} 0, 5, 0)",
            f"where(-abs(x-{number(c)}) {relation} 0, 5, x)",
            f"where((x-{number(c)})^2 {relation} 0, 5, tanh(x))",
            f"sign(abs(x-{number(c)}))",
            f"heaviside(-abs(x-{number(c)}))",
            f"sign((x-{number(c)})^2)",
            "where(x^2 > 2, 1, 0)",
            "sign(exp(x)-2)",
            "sign(x^3-x/3)",
        )
    )
    breaks = draw.choice(((c,), (c,), (), (c, c), (c, Fraction(1, 7))))
    low, high = draw.choice(((Fraction(-1), Fraction(1)), (c, c + 1), (c - 1, c), interval(draw)))
    style = draw.random()
    if style < 0.1:
        breaks = (*breaks, low, high)
    elif style < 0.15:
        breaks = (*breaks, high + 1)
    domain: tuple[tuple[Fraction, Fraction], ...] = ((low, high),)
    if draw.random() < 0.15 and low < c - Fraction(1, 10) and c + Fraction(1, 10) < high:
        domain = ((low, c - Fraction(1, 10)), (c + Fraction(1, 10), high))
    return Posed("jumps and isolated points", text, domain, "1", breaks)


def _half_lines(draw: random.Random) -> Posed:
    text = draw.choice(HALF_LINES)
    low = draw.choice((Fraction(0), Fraction(0), Fraction(1, 2), Fraction(2)))
    domain = ((low, inf),)
    if draw.random() < 0.2:
        text, domain = text.replace("x^2", "(-x)^2").replace("exp(-x)", "exp(x)"), ((-inf, -low),)
    if draw.random() < 0.1:
        text, domain = draw.choice(("tanh(x)", "1/(1+x^2)", "exp(-x^2)", "atan(x)", "sign(x)")), ((-inf, inf),)
    weight = draw.choice(("1", "1", "1", "1/(1+x)", "exp(-x)", "1+x")) if domain[0][0] != -inf else "1"
    return Posed("half-lines", text, domain, weight)


def _unions(draw: random.Random) -> Posed:
    a = decimal(draw, 0.05, 0.5, 2)
    domain = draw.choice((((Fraction(-1), -a), (a, Fraction(1))), ((Fraction(-2), -a), (a, a + 1), (a + 2, a + 3))))
    text = draw.choice(
        (
            "sign(x)",
            "where(x > 0, 1, 0)",
            "1/x",
            "abs(x)",
            "exp(x)",
            "where(x > 0.01, x, 0)",
            "x/abs(x)",
            "log(abs(x))",
            "x^(-2)",
            "heaviside(x)*tanh(x)",
            "sin(x)/x",
        )
    )
    return Posed("unions", text, domain, draw.choice(("1", "1", "1", "abs(x)", "1+x^2")))


def _weights(draw: random.Random) -> Posed:
    text = draw.choice(
        (
            "x",
            "tanh(x)",
            "sin(x)",
            "expm1(x)",
            "x^2",
            "x^3",
            "exp(x)",
            "1+x",
            "x*exp(x)",
            "abs(x)",
            "relu(x)",
            "sign(x)",
            "x-0.3",
            "x^2-1/4",
            "0",
            "cos(x)",
        )
    )
    return Posed("weights", text, (interval(draw),), draw.choice(texts.WEIGHTS).format(f=text))


def _unlimited(draw: random.Random) -> Posed:
    """A random tree of everything."""
    return Posed("whole language", _tree(draw, draw.choice((1, 2, 2, 3))), (interval(draw),))


def _tree(draw: random.Random, depth: int) -> str:
    if depth == 0:
        return draw.choice(("x", "x", "x", number(decimal(draw, -2, 2, 1)), "pi", "e", str(draw.randrange(4))))
    a, b = _tree(draw, depth - 1), _tree(draw, draw.randrange(depth))
    style = draw.random()
    if style < 0.35:
        name = draw.choice(texts.NAMED)
        return f"{name}({a})"
    if style < 0.5:
        return draw.choice(SWITCHED).format(a, b)
    if style < 0.58:
        return f"where({a} {draw.choice(('<', '<=', '>', '>='))} {b}, {b}, {_tree(draw, draw.randrange(depth))})"
    if style < 0.63:
        return f"({a})^({draw.choice(('2', '3', '-1', '1/2', '0', '-1/2', b))})"
    if style < 0.66:
        return f"clip({a},{draw.choice(('-1', '0', '-1/2'))},{draw.choice(('1', '1/3'))})"
    return f"({a}){draw.choice('+-*/')}({b})"


def _constants(draw: random.Random) -> Posed:
    text = draw.choice(
        (
            "0",
            "1",
            "pi",
            "e",
            "1/3",
            "0.1",
            "sqrt(2)",
            "exp(1)",
            "2.5e-3",
            "1e-30",
            "1e30",
            "pi-pi",
            "e-exp(1)",
            "sin(pi)",
            "x-x",
            "0*x",
            "gamma(5)",
            "erf(0)",
            "log(1)",
            "abs(-3)",
            "(1/3)*x",
            "x/3",
            "(x+1)^2-x^2-2*x-1",
            "(x^2-1)/(x+3)",
        )
    )
    return Posed("constants and identities", text, (interval(draw),))


def _holes(draw: random.Random) -> Posed:
    """Points at which a formula has no value: with a limit, an infinite one, two, or none."""
    b = decimal(draw, -1, 1, 1)
    u = draw.choice(("x", "x", f"x-{number(b)}", f"2*x+{number(b)}", "x^2-1/4"))
    text = draw.choice(texts.HOLES).format(u=u)
    if draw.random() < 0.2:
        text = draw.choice(("x+{}", "-({})", "2*({})", "abs({})")).format(text)
    breaks = (Fraction(0),) if draw.random() < 0.2 else ()
    domain = draw.choice(((Fraction(-1), Fraction(1)), (Fraction(0), Fraction(1)), interval(draw)))
    return Posed("holes", text, (domain,), "1", tuple(b for b in breaks if domain[0] < b < domain[1]))


def _special(draw: random.Random) -> Posed:
    low, high = interval(draw)
    shift = -low + draw.choice((Fraction(0), Fraction(1, 10), Fraction(1), Fraction(-1, 10)))
    return Posed("special functions", draw.choice(texts.SPECIAL).format("x", number(shift)), ((low, high),))


FAMILIES: dict[str, tuple[Callable[[random.Random], Posed], float]] = {
    "elementary": (_elementary, 14),
    "limited functions": (_limited, 7),
    "switches that are zero": (_zero_switches, 11),
    "nested switches": (_nested, 9),
    "powers": (_powers, 9),
    "hidden undefined": (_hidden, 11),
    "divisions by switches": (_divisions, 6),
    "jumps and isolated points": (_jumps, 9),
    "half-lines": (_half_lines, 5),
    "unions": (_unions, 4),
    "weights": (_weights, 9),
    "whole language": (_unlimited, 6),
    "constants and identities": (_constants, 5),
    "holes": (_holes, 8),
    "special functions": (_special, 5),
}
ELEMENTARY = ("elementary",)


def posed(draw: random.Random) -> Posed:
    """A random target."""
    family = draw.choices(list(FAMILIES), [share for _, share in FAMILIES.values()])[0]
    return FAMILIES[family][0](draw)
