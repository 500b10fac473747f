"""Random problems for `fit`: a function, a domain, a type and a weight, each reproduced by a seed and a number."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tests.adversaries.formulas import KINKS, ZOO, Tree, X, floats, number, substitute, text

__all__ = ["KINDS", "Kinds", "Problem", "interval", "problem", "ready", "smooth"]


@dataclass(frozen=True)
class Problem:
    """One question, in the words of ``fit`` and in those of the independent check."""

    kind: str
    target: Any
    tree: Tree
    domain: tuple[tuple[Any, Any], ...]
    degree: tuple[int, int]
    weight: str | None
    weight_tree: Tree | None
    breaks: tuple[Fraction, ...] = ()
    given_breaks: tuple[Fraction, ...] = ()
    opaque: bool = False
    narrow: bool = False

    def __str__(self) -> str:
        domain = [tuple(str(end) for end in pair) for pair in self.domain]
        shown = self.target if isinstance(self.target, str) else text(self.tree)
        return repr(
            {
                "kind": self.kind,
                "target": shown,
                "degree": self.degree,
                "domain": domain,
                "weight": self.weight,
                "breakpoints": [str(b) for b in self.given_breaks],
            }
        )


Kinds = dict[str, tuple[Callable[[random.Random, str], Problem], float]]
"""Kinds of problems, each with what draws one and with its share."""


def problem(seed: int, index: int, kinds: Kinds | None = None) -> Problem:
    """The problem with this number of the stream with this seed, of the kinds below or of others."""
    draw, kinds = random.Random(f"{seed}/{index}"), KINDS if kinds is None else kinds
    kind = draw.choices(list(kinds), [share for _, share in kinds.values()])[0]
    return kinds[kind][0](draw, kind)


def _decimal(draw: random.Random, low: float, high: float, places: int = 2) -> Fraction:
    return number(f"{draw.uniform(low, high):.{places}f}")


def _degree(draw: random.Random, most: int = 10) -> tuple[int, int]:
    style = draw.random()
    if style < 0.35:  # near the diagonal, as most users choose
        q = draw.randint(1, most)
        return max(0, q + draw.choice((-1, 0, 0, 1, 1))), q
    if style < 0.45:
        return (draw.randint(0, most), 0) if draw.random() < 0.7 else (0, draw.randint(1, 6))
    return draw.randint(0, most), draw.randint(0, most - 1)


def interval(draw: random.Random, reach: float = 4) -> tuple[Fraction, Fraction]:
    if draw.random() < 0.4:
        size = _decimal(draw, 0.5, reach, 1)
        return -size, size
    low = _decimal(draw, -reach, reach / 2, 1)
    return low, low + _decimal(draw, 0.5, reach, 1)


def _weight(draw: random.Random, tree: Tree, domain: Any, breaks: Any = ()) -> tuple[str | None, Tree | None]:
    if draw.random() < 0.6:
        return None, None
    x = np.concatenate([np.linspace(max(float(a), -60), min(float(b), 60), 501) for a, b in domain])
    size = np.abs(floats(tree, x))
    if draw.random() < 0.4 and size.min() > 0.02 * size.max():
        return "relative", ("/", Fraction(1), ("abs", tree))
    one, bounded = Fraction(1), all(math.isfinite(end) for pair in domain for end in pair)
    choices: list[Tree] = [("/", one, ("+", one, ("^", X, Fraction(2)))), ("+", Fraction(2), ("sin", X))]
    if bounded:
        choices += [("+", one, ("^", X, Fraction(2))), ("exp", ("/", X, Fraction(2))), ("exp", ("-", Fraction(0), X))]
        choices += [("+", one, ("abs", X)), ("where", X, Fraction(1, 10), Fraction(3), one)]
    chosen = draw.choice(choices if not breaks else choices[:4])
    if chosen[0] == "where" and not all(b < Fraction(1, 10) or a > Fraction(1, 10) for a, b in domain):
        chosen = choices[0]  # a weight that jumps inside an interval is refused, and rightly
    return text(chosen), chosen


def ready(
    draw: random.Random, kind: str, tree: Tree, domain: Any, degree: Any, breaks: Any = (), **more: Any
) -> Problem:
    weight, weight_tree = _weight(draw, tree, domain)
    kinks = {Fraction(b) for b in breaks} | {Fraction(0)}
    inner = tuple(sorted(b for b in kinks if any(low < b < high for low, high in domain)))
    target = more.pop("target", text(tree))
    return Problem(kind, target, tree, tuple(domain), degree, weight, weight_tree, inner, **more)


def _zoo(draw: random.Random, kind: str) -> Problem:
    name = draw.choice(sorted(ZOO))
    domain = [interval(draw, draw.choice((1.5, 4, 8)))]
    return ready(draw, kind, ZOO[name], domain, _degree(draw), KINKS.get(name, ()), target=name)


def _affine(draw: random.Random) -> tuple[Tree, Callable[[Any], Fraction]]:
    scale = _decimal(draw, 0.3, 3) * draw.choice((1, 1, -1))
    shift = _decimal(draw, -1.5, 1.5)
    return ("+", ("*", scale, X), shift), lambda y: (Fraction(y) - shift) / scale


def _shifted(draw: random.Random, kind: str) -> Problem:
    """A gate of ``a x + b``, times or plus a smooth function."""
    name = draw.choice(sorted(ZOO))
    inner, back = _affine(draw)
    tree = substitute(ZOO[name], inner)
    if draw.random() < 0.5:
        tree = (draw.choice("+*-"), tree, smooth(draw))
    return ready(draw, kind, tree, [interval(draw)], _degree(draw), [back(k) for k in KINKS.get(name, ())])


def smooth(draw: random.Random, depth: int = 1) -> Tree:
    inner = _affine(draw)[0] if depth <= 0 or draw.random() < 0.6 else smooth(draw, depth - 1)
    two = Fraction(2)
    return draw.choice(
        [
            ("exp", ("/", inner, two)),
            ("sin", inner),
            ("cos", inner),
            ("tanh", inner),
            ("atan", inner),
            ("erf", inner),
            ("sigmoid", inner),
            ("softplus", inner),
            ("/", Fraction(1), ("+", Fraction(1), ("^", inner, two))),
            ("sqrt", ("+", Fraction(1), ("^", inner, two))),
            ("exp", ("-", Fraction(0), ("^", inner, two))),
            ("log1p", ("^", inner, two)),
        ]
    )


def _composition(draw: random.Random, kind: str) -> Problem:
    tree = smooth(draw, 2)
    for _ in range(draw.choice((0, 1, 1, 2))):
        tree = (draw.choice("++-*"), tree, smooth(draw, 1))
    domain = [interval(draw, 3)]
    if draw.random() < 0.2:
        low, high = domain[0]
        domain = [(low, low + (high - low) * 2 / 5), (low + (high - low) / 2, high)]
    return ready(draw, kind, tree, domain, _degree(draw))


def _knots(draw: random.Random, domain: tuple[Fraction, Fraction], most: int = 3) -> list[Fraction]:
    low, high = domain
    shares = sorted(draw.sample(range(1, 40), draw.randint(1, most)))
    return [number(f"{float(low + (high - low) * share / 40):.3f}") for share in shares]


def _linear(draw: random.Random, kind: str) -> Problem:
    """A continuous piecewise linear function."""
    domain = interval(draw, 3)
    tree: Tree = ("+", ("*", _decimal(draw, -1, 1), X), _decimal(draw, -1, 1))
    knots = _knots(draw, domain)
    for knot in knots:
        tree = ("+", tree, ("*", _decimal(draw, -2, 2), ("abs", ("-", X, knot))))
    return ready(draw, kind, tree, [domain], _degree(draw, 9), knots)


def _pieces(draw: random.Random, kind: str) -> Problem:
    """Smooth pieces that meet in kinks: a switch, a larger of two, or a kink inside a smooth function."""
    domain = interval(draw, 3)
    knots = _knots(draw, domain, 2)
    style = draw.choice(("switch", "larger", "inside", "folded"))
    f, g = smooth(draw), smooth(draw)
    knot = knots[0]
    distance = ("-", X, knot)
    if style == "switch":  # f left of the knot, f + (x - knot) g right of it
        tree = ("where", X, knot, ("+", f, ("*", distance, g)), f)
        return ready(draw, kind, tree, [domain], _degree(draw, 9), [knot])
    if style == "larger":
        return ready(draw, kind, (draw.choice(("max", "min")), f, g), [domain], _degree(draw, 9))
    if style == "inside":
        tree = ("+", substitute(f, ("abs", distance)), ("*", _decimal(draw, -1, 1), g))
        return ready(draw, kind, tree, [domain], _degree(draw, 9), [knot])
    return ready(draw, kind, ("abs", ("-", f, _decimal(draw, 0.2, 0.7))), [domain], _degree(draw, 9))


def _gap(draw: random.Random, kind: str) -> Problem:
    """A jump with a gap around it, or fitted with both one-sided limits."""
    low, high = interval(draw, 2)
    jump = _knots(draw, (low, high), 1)[0]
    style = draw.choice(("sign", "heaviside", "jumprelu", "switch", "limits"))
    step = ("-", X, jump)
    if style in ("sign", "heaviside"):
        tree: Tree = (style, step)
    elif style == "jumprelu":
        tree = ("where", X, jump, X, Fraction(0))
    else:
        tree = ("where", X, jump, smooth(draw), smooth(draw))
    if style == "limits":
        more = {"given_breaks": (jump,)}
        return ready(draw, kind, tree, [(low, high)], _degree(draw, 6), [jump], **more)
    width = number(draw.choice(("0.01", "0.03", "0.05", "0.1"))) * (high - low) / 4
    domain = [(low, max(jump - width, low + width / 2)), (min(jump + width, high - width / 2), high)]
    return ready(draw, kind, tree, domain, _degree(draw, 9), [jump])


def _halfline(draw: random.Random, kind: str) -> Problem:
    start = draw.choice((Fraction(0), _decimal(draw, -2, 1, 1)))
    rate, one = _decimal(draw, 0.4, 2, 1), Fraction(1)
    inner: Tree = ("*", rate, X)
    tree = draw.choice(
        [
            ("exp", ("-", Fraction(0), inner)),
            ("tanh", inner),
            ("sigmoid", inner),
            ("atan", inner),
            ("erf", inner),
            ("exp", ("-", Fraction(0), ("^", inner, Fraction(2)))),
            ("/", one, ("sqrt", ("+", one, ("^", inner, Fraction(2))))),
            ("*", X, ("exp", ("-", Fraction(0), inner))),
            ("min", ("max", inner, Fraction(-1)), one),
        ]
    )
    kinks = (-1 / rate, 1 / rate) if tree[0] == "min" else ()
    q = draw.randint(1, 8)
    # Where f does not vanish at infinity, p < q leaves an error there that nothing can change: no best is unique.
    degree = (draw.randint(0, q) if abs(floats(tree, np.array([1e6]))[0]) < 1e-5 else q, q)
    domain: list[tuple[Any, Any]] = [(start, math.inf)]
    inner_kinks = tuple(sorted({k for k in (*kinks, Fraction(0)) if k > start}))
    return Problem(kind, text(tree), tree, tuple(domain), degree, None, None, inner_kinks)


def _singular(draw: random.Random, kind: str) -> Problem:
    """A root or a logarithm at an end."""
    high = _decimal(draw, 0.5, 4, 1)
    root: Tree = ("sqrt", X)
    tree = draw.choice(
        [root, ("^", X, Fraction(3, 2)), ("exp", root), ("sqrt", ("sqrt", X)), ("*", root, smooth(draw))]
    )
    low = draw.choice((Fraction(0), number("0.001")))
    return ready(draw, kind, tree, [(low, high)], _degree(draw, 9))


def _opaque(draw: random.Random, kind: str) -> Problem:
    """The same as a callable of float64 arrays, kinks given or not."""
    inner = draw.choice((_zoo, _shifted, _composition, _linear, _pieces))(draw, kind)
    tree, p, q = inner.tree, min(inner.degree[0], 5), min(inner.degree[1], 4)
    given = draw.choice(((), inner.breaks))

    def hidden(x: Any) -> Any:
        return floats(tree, np.asarray(x, dtype=float))

    weight = inner.weight if inner.weight != "relative" else None
    weight_tree = inner.weight_tree if inner.weight != "relative" else None
    return Problem(
        kind, hidden, tree, inner.domain, (p, q), weight, weight_tree, inner.breaks, tuple(given), opaque=True
    )


KINDS: Kinds = {
    "zoo": (_zoo, 0.22),
    "shifted gate": (_shifted, 0.14),
    "composition": (_composition, 0.2),
    "piecewise linear": (_linear, 0.1),
    "smooth pieces": (_pieces, 0.1),
    "jump": (_gap, 0.1),
    "half-line": (_halfline, 0.05),
    "singular end": (_singular, 0.04),
    "opaque": (_opaque, 0.05),
}
