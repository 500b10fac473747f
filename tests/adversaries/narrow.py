"""Random problems with features that a fixed look misses: narrow peaks, bumps, ramps, and singularities in clusters."""

import random
from dataclasses import replace
from fractions import Fraction

from tests.adversaries.formulas import Tree, X, number
from tests.adversaries.problems import Kinds, Problem, interval, ready, smooth

__all__ = ["NARROW"]

NARROWEST = 6
"""Widths are drawn down to ten to the minus this."""


def _degree(draw: random.Random, most: int = 9) -> tuple[int, int]:
    q = draw.randint(2, most)
    return max(0, q + draw.choice((-1, 0, 0, 0, 1))), q


def _width(draw: random.Random) -> Fraction:
    return number(f"{10 ** draw.uniform(-NARROWEST, -1):.1e}")


def _place(draw: random.Random, domain: tuple[Fraction, Fraction]) -> Fraction:
    low, high = domain
    return number(f"{draw.uniform(float(low) * 0.95 + float(high) * 0.05, float(high)):.7f}")


def _posed(
    draw: random.Random, kind: str, tree: Tree, domain: object, degree: tuple[int, int], places: object
) -> Problem:
    """The problem, without a relative error: what vanishes between two looks has none."""
    posed = ready(draw, kind, tree, domain, degree, places, narrow=True)
    return replace(posed, weight=None, weight_tree=None) if posed.weight == "relative" else posed


def _peak_at(draw: random.Random, at: Fraction, width: Fraction) -> Tree:
    one, inner = Fraction(1), ("^", ("/", ("-", X, at), width), Fraction(2))
    return draw.choice([("exp", ("-", Fraction(0), inner)), ("/", one, ("+", one, inner))])


def _peak(draw: random.Random, kind: str) -> Problem:
    """One peak or two, and nothing else."""
    domain = interval(draw, 2)
    places = [_place(draw, domain) for _ in range(draw.choice((1, 1, 2)))]
    tree = _peak_at(draw, places[0], _width(draw))
    for at in places[1:]:
        tree = ("+", tree, _peak_at(draw, at, _width(draw)))
    return _posed(draw, kind, tree, [domain], _degree(draw), places)


def _bump(draw: random.Random, kind: str) -> Problem:
    """A smooth function with a low and narrow peak on it."""
    domain = interval(draw, 3)
    at, height = _place(draw, domain), number(f"{10 ** draw.uniform(-5, 0):.1e}")
    tree = ("+", smooth(draw), ("*", height, _peak_at(draw, at, _width(draw))))
    return _posed(draw, kind, tree, [domain], _degree(draw), [at])


def _ramp(draw: random.Random, kind: str) -> Problem:
    """A steep way from one level to another, with kinks or without, alone or on a smooth function."""
    domain = interval(draw, 2)
    at, width = _place(draw, domain), _width(draw)
    inner = ("/", ("-", X, at), width)
    tree = draw.choice(
        [
            ("min", ("max", inner, Fraction(0)), Fraction(1)),
            ("tanh", inner),
            ("sigmoid", inner),
            ("sqrt", ("+", Fraction(1), ("^", inner, Fraction(2)))),
        ]
    )
    if draw.random() < 0.4:
        tree = ("+", tree, smooth(draw))
    return _posed(draw, kind, tree, [domain], _degree(draw), [at, at + width])


def _clustered(draw: random.Random, kind: str) -> Problem:
    """Roots and logarithms close to each other, or close to the domain."""
    domain = interval(draw, 2)
    tree: Tree = Fraction(0)
    places = []
    for _ in range(draw.choice((1, 2, 2, 3))):
        at = places[0] + _width(draw) if places and draw.random() < 0.5 else _place(draw, domain)
        if not domain[0] < at < domain[1]:
            at = _place(draw, domain)
        places.append(at)
        size = ("abs", ("-", X, at))
        two, near = Fraction(2), _width(draw)
        tree = (
            "+",
            tree,
            draw.choice(
                [
                    size,
                    ("^", size, Fraction(draw.choice((1, 2, 3)), 2)),
                    ("sqrt", ("+", ("^", ("-", X, at), two), ("^", near, two))),
                    ("log", ("+", size, near)),
                ]
            ),
        )
    return _posed(draw, kind, tree, [domain], _degree(draw, 8), places)


NARROW: Kinds = {
    "narrow peak": (_peak, 0.25),
    "bump": (_bump, 0.25),
    "ramp": (_ramp, 0.25),
    "clustered singularities": (_clustered, 0.25),
}
