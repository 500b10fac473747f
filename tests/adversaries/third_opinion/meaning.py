"""What a target means, from ``docs/approximation/semantics.md``: its pieces, the branch-free formula of every part, and
whether it is defined there.

A switch whose argument is a quotient of polynomials is decided exactly. Of others the changes of sign are searched for,
and where the search is not sure, ``doubt`` is set: then nothing is said about the target.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import Any

import mpmath
import numpy as np

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.definedness import violated
from tests.adversaries.third_opinion.reader import SWITCHES, Tree, Unreadable, read
from tests.adversaries.third_opinion.search import Cut, changes, looked_at
from tests.adversaries.third_opinion.values import Undefined, Unsure, ratio, value

__all__ = ["Meaning", "Region", "Unreadable", "meaning", "pieces"]

MOST_REGIONS = 200


@dataclass(frozen=True)
class Region:
    """A part of a piece between switch points, with branch-free formulas of the target and of the weight.

    Ends that are no fractions are enclosed within 2^-190, and ``exact`` says whether they are what they seem.
    """

    piece: int
    low: Any
    high: Any
    exact: tuple[bool, bool]
    target: Tree
    weight: Tree

    def holds(self, x: Fraction) -> bool:
        """Whether a point is inside for certain."""
        slack = Fraction(1, 2**180)
        low = self.low if self.exact[0] else self.low + slack
        return bool(low <= x <= (self.high if self.exact[1] else self.high - slack))


@dataclass
class Meaning:
    """The regions of a target, or why there is no statement about it."""

    pieces: tuple[tuple[Any, Any], ...]
    regions: list[Region] = field(default_factory=list)
    undefined: tuple[Any, str] | None = None
    """A point at which the target or its weight is undefined, for certain, and why."""
    doubt: str = ""
    infinite: list[Fraction] = field(default_factory=list)
    """Points at which the weight is infinite and the target zero."""


def pieces(domain: Any, breakpoints: Any) -> tuple[tuple[Any, Any], ...]:
    """The intervals of the domain, cut at the breakpoints inside them."""
    out: list[tuple[Any, Any]] = []
    for low, high in domain:
        out += pairwise([low, *sorted({b for b in breakpoints if low < b < high}), high])
    return tuple(out)


def _first(tree: Tree) -> Tree | None:
    """A switch whose own argument has no switch in it; of ``where`` the comparison comes before the branches."""
    if not isinstance(tree, tuple):
        return None
    inner = tree[2:4] if tree[0] == "where" else tree[1:]
    for part in inner:
        found = _first(part)
        if found is not None:
            return found
    return tree if tree[0] in SWITCHES else None


def _replaced(tree: Tree, old: Tree, new: Tree) -> Tree:
    if tree == old:
        return new
    return (tree[0], *(_replaced(part, old, new) for part in tree[1:])) if isinstance(tree, tuple) else tree


def _switch(node: Tree) -> Tree:
    if node[0] == "where":
        return ("-", node[2], node[3])
    return ("-", node[1], node[2]) if node[0] in ("min", "max") else node[1]


def _branch(node: Tree, sign: int) -> Tree:
    """The table of ``docs/approximation/semantics.md``."""
    kind = node[0]
    if kind == "where":
        taken = {">": sign > 0, ">=": sign >= 0, "<": sign < 0, "<=": sign <= 0}[node[1]]
        return node[4] if taken else node[5]
    if kind == "sign":
        return Fraction(sign)
    if kind == "heaviside":
        return Fraction(1 + sign, 2)
    if kind == "abs":
        return node[1] if sign > 0 else ("neg", node[1]) if sign < 0 else Fraction(0)
    if kind == "max":
        return node[1] if sign >= 0 else node[2]
    return node[2] if sign >= 0 else node[1]


@lru_cache(maxsize=4000)
def _parts(target: Tree, weight: Tree, low: Any, high: Any) -> tuple[tuple[tuple[Any, ...], ...], str, Any]:
    """The regions of an interval, a doubt, and a point at which a switch has no value."""
    out, doubt, undefined = [], "", None
    stack: list[tuple[Cut, Cut, Tree]] = [(Cut(low, True), Cut(high, True), ("pair", target, weight))]
    while stack:
        start, end, tree = stack.pop()
        node = _first(tree)
        if node is None:
            out.append((start.x, end.x, (start.exact, end.exact), tree[1], tree[2]))
            continue
        if len(out) + len(stack) > MOST_REGIONS:
            return tuple(out), "too many regions", undefined
        u = _switch(node)
        try:
            found = changes(u, start, end)
        except Undefined as problem:
            x = problem.args[1] if len(problem.args) > 1 else None
            if x is not None and _nowhere(u, x, start, end):
                undefined = undefined or (x, "a switch has no value")
            doubt = doubt or "a switch has no value"
            continue
        except Unsure as problem:
            doubt = doubt or str(problem)
            continue
        doubt = doubt or found.doubt
        for (a, b), sign in zip(pairwise([start, *found.cuts, end]), found.signs):
            stack.append((a, b, _replaced(tree, node, _branch(node, sign))))
    return tuple(sorted(out, key=lambda part: part[0])), doubt, undefined


def _nowhere(u: Tree, x: Fraction, start: Cut, end: Cut) -> bool:
    """Whether a switch has no value on both sides of a point, and not at the point alone."""
    for step in (1, -1, 2, -2):
        y = x + step * Fraction(1, 10**9)
        if start.x < y < end.x:
            try:
                value(u, y)
                return False
            except Undefined:
                continue
            except Unsure:
                return False
    return True


def _vanishes(region: Region, z: Fraction) -> bool:
    """Whether the target is zero at a point of a region."""
    try:
        found = value(region.target, z)
    except Unsure:
        return False
    return not found or (not isinstance(found, Fraction) and abs(found) < mpmath.mpf(10) ** (12 - mpmath.mp.dps))


def _grows(region: Region, z: Fraction) -> bool:
    """Whether the weight grows without limit towards a point."""
    for side in (-1, 1):
        sizes = []
        for power in (20, 25, 30):
            x = z + side * Fraction(1, 10**power)
            if not region.holds(x):
                break
            try:
                sizes.append(abs(value(region.weight, x)))
            except Unsure:
                return False
        if sizes and not (len(sizes) == 3 and sizes[0] > 1 and sizes[1] > 20 * sizes[0] and sizes[2] > 20 * sizes[1]):
            return False
    return True


def _defined(out: Meaning, region: Region) -> None:
    """Set what is undefined on a region."""
    for tree, weight in ((region.target, False), (region.weight, True)):
        for found in violated(tree, region):
            if found.sure is False:
                out.doubt = out.doubt or found.why
            elif not weight:
                out.undefined = out.undefined or (found.x, found.why)
            elif found.why != "a division by zero" or not isinstance(found.x, Fraction):
                if found.why == "a power" or not isinstance(found.x, Fraction):
                    out.doubt = out.doubt or "the weight at a power or at no fraction"
                else:
                    out.undefined = out.undefined or (found.x, "weight: " + found.why)
            elif _vanishes(region, found.x):
                if _grows(region, found.x):
                    out.infinite.append(found.x)
                else:
                    out.doubt = out.doubt or "a weight that divides by zero and is not infinite"
            else:
                out.undefined = out.undefined or (found.x, "weight: " + found.why)


@lru_cache(maxsize=2000)
def meaning(expression: str, weight: str, domain: Any, breakpoints: Any) -> Meaning:
    """What a target means on a domain; raises `Unreadable` for a text that is no expression."""
    trees = read(expression), read(weight)
    out = Meaning(pieces(domain, breakpoints))
    with mpmath.workdps(60), np.errstate(all="ignore"):
        for index, (low, high) in enumerate(out.pieces):
            parts, doubt, undefined = _parts(*trees, low, high)
            out.regions += [Region(index, *part) for part in parts]
            out.undefined, out.doubt = out.undefined or undefined, out.doubt or doubt
        for region in out.regions:
            _defined(out, region)
        if not out.undefined:
            _far(out)
    return out


def _far(out: Meaning) -> None:
    """On a half-line the limits at infinity belong to the target: where there are none that show, there is doubt."""
    for region in out.regions:
        for tree in (region.target, region.weight):
            if inf in (region.high, -region.low) and ratio(tree) is None:
                for x in looked_at(region.low, region.high)[-3:]:
                    try:
                        value(tree, x)
                    except Undefined:
                        out.doubt = out.doubt or "no value far out"
                    except Unsure:
                        out.doubt = out.doubt or "a large argument far out"


def identical(first: Tree, top: polynomials.Poly, bottom: polynomials.Poly) -> bool:
    """Whether a branch-free formula is a given rational function."""
    found = ratio(first)
    return found is not None and polynomials.times(found[0], bottom) == polynomials.times(found[1], top)
