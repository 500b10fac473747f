"""A certificate of a rational against a target and a weight that are expressions."""

from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any

from . import branches, code, models, polynomials, rays, zeros
from .intervals import Interval
from .jets import Arithmetic
from .reading import ONE, Failure, Refuted, must, need, number, read, text
from .stated import Reference, Stated, To_check, decimal

__all__ = ["Expressed"]

MOST_BITS = 6000
MOST_BOXES = 20_000


class Expressed(Stated):
    """The error is a supremum, which Taylor models on the parts of a covering bound."""

    covering = "Taylor models and interval arithmetic, on a covering of the domain"

    def __init__(self, content: dict[str, Any], fine: int, deadline: float) -> None:
        super().__init__(content, fine, deadline)
        self.trees = read(content["target"]["expression"]), read(content["target"]["weight"])
        need(len(content["parts"]) <= 50_000, "too many parts for the verifier")
        self.parts = []
        for piece, a, b in content["parts"]:
            must(type(piece) is int and 0 <= piece < len(self.pieces), "a part names no piece")
            self.parts.append((piece, number(a, True), number(b, True)))
            low, high = self.pieces[piece]
            must(low <= self.parts[-1][1] < self.parts[-1][2] <= high, "a part is empty, or lies outside its piece")
        self.math = Arithmetic(self.bits(), deadline)
        sharp = Arithmetic(900, deadline)  # breakpoints that are no fractions are close to 2^-400
        small = min(Fraction(1), max(self.upper, Fraction(1, 2**200)))
        order = min(40, max(10, 4 + int(1 / small).bit_length() // 6))  # Taylor coefficients of a model
        self.near = list(self.pieces)
        """The bounded part of each piece, on which branches are decided."""
        for piece, a, b in self.parts:
            if inf in (b, -a):
                low, high = self.near[piece]
                self.near[piece] = (low, a) if b == inf else (b, high)
        self.plain: list[models.Curve] = []
        self.curves: dict[Any, models.Curve] = {}
        self.zeros: set[Fraction] = set()
        for index, span in enumerate(self.near):
            trees = [branches.resolved(tree, span, sharp) if span[0] < span[1] else tree for tree in self.trees]
            smooth, top, shared = zeros.without_zeros(self.math, trees, self.top, span)
            self.plain.append(models.Curve(self.math, trees, [self.top, self.bottom], order))
            self.curves[index] = models.Curve(self.math, smooth, [top, self.bottom], order)
            self.zeros.update(shared)
        self.far = models.Curve(self.math, list(self.trees), [self.top, self.bottom], order)
        for piece, a, b in self.parts:
            if inf in (b, -a):
                self.curves[piece, b if b == inf else a] = self.beyond(a, b)

    def bits(self) -> int:
        """The working precision: what the bound needs, and what cancellation in P and Q takes at the ends."""
        ends = [end for pair in self.pieces for end in pair if abs(end) < inf] or [Fraction(0)]
        reach = max([Fraction(1), *map(abs, ends)])
        small, size = min(Fraction(1), max(self.upper, Fraction(1, 2**200))), max(len(self.top), len(self.bottom))
        lost = 1
        for end in ends[:8]:
            below = abs(polynomials.value_at(self.bottom, end, self.deadline))
            whole = polynomials.value_at([abs(c) for c in self.bottom], abs(end), self.deadline)
            lost = max(lost, int(whole / below).bit_length() if below else 1)
        bits = 160 + 8 * size + size * int(reach).bit_length() + 2 * int(1 / small).bit_length() + lost
        bits = bits if self.fine == 1 else 2 * bits + 200
        need(bits < MOST_BITS, "the certificate needs more precision than the verifier has")
        return bits

    def heading(self) -> list[str]:
        """What the statements are about."""
        f, w = map(text, self.trees)
        return [
            f"target    f(x) = {f}",
            f"weight    w(x) = {w}; the error is the supremum of abs(w (f - r)), from either side of every point",
            *super().heading(),
        ]

    def beyond(self, lower: Any, upper: Any) -> models.Curve:
        """A curve in ``y = 1/x`` for a part that reaches infinity: the target there is a constant interval."""
        need(lower > 0 or upper < 0, "an unbounded part holds zero")
        bounds, m = [], self.math
        for tree in self.trees:
            inward = tree if upper == inf else rays.substituted(tree, ("neg", ("x",)))
            low, high = rays.bounds(m, inward, m.exact(lower if upper == inf else -upper))
            need(-inf < low and high < inf, "the target is not bounded on a half-line")
            bounds.append(("interval", (low, high)))
        return models.Curve(m, bounds, flipped(self.top, self.bottom), self.far.order)

    # -- at points ---------------------------------------------------------------------------------------------------

    def error(self, piece: int, x: Any, top: list[Fraction], bottom: list[Fraction]) -> tuple[Interval, Interval]:
        """The error of a rational at a point, seen from inside a piece, and the weight there; r itself is exact."""
        curve, at, sides = self.plain[piece], x, [top, bottom]
        if abs(x) == inf:
            must((piece, x) in self.curves, "a point at infinity has no part that reaches it")
            curve, at, sides = self.curves[piece, x], Fraction(0), flipped(top, bottom)
        elif x in self.zeros and top == self.top:
            curve, sides = self.curves[piece], self.curves[piece].exact
        elif not self.near[piece][0] <= x <= self.near[piece][1]:
            curve = self.far
        above, below = (polynomials.value_at(side, at, self.deadline) for side in sides)
        need(below, "the denominator vanishes at a point")
        f, w = (self.math.evaluate(tree, [self.math.exact(at)])[0] for tree in curve.trees)
        low, high = self.math.exact(above / below)
        return self.math.mul(w, (f[0] - high, f[1] - low)), w

    def reached(self) -> None:
        """The lower bound at the witness."""
        must(self.content["witness"], "no witness shows the lower bound")
        (low, high), _ = self.error(*self.place(self.content["witness"]), self.top, self.bottom)
        stated = self.math.exact(self.lower)
        must(max(-low, high) >= stated[0], "the error at the witness is below the lower bound")
        need(max(low, -high) >= stated[1], "the error at the witness is not known well enough")

    def large(self, piece: int, x: Any, sign: int, given: Reference) -> None:
        """That the error at a point of a reference has its sign, and at least the size of the bound."""
        (low, high), weight = self.error(piece, x, given.top, given.bottom)
        must(weight[1] > 0, "the weight at a reference point is not positive")
        need(weight[0] > 0, "the weight at a reference point may not be positive")
        if sign < 0:
            low, high = -high, -low
        stated = self.math.exact(self.best)
        must(high >= stated[0] and high > 0, f"the error at {decimal(x)} is not as a reference says")
        need(low >= stated[1] and low > 0, f"the error at {decimal(x)} is not known well enough")

    def shared_zeros(self, given: Reference) -> set[Fraction]:
        """Where every rational of finite error agrees with the target, the given one with them."""
        return {zero for zero in self.zeros if polynomials.value_at(given.top, zero) == 0}

    # -- on parts ----------------------------------------------------------------------------------------------------

    def statements(self) -> Iterator[To_check]:
        """Every statement, and first that there is something to speak about."""
        must(bool(self.parts) == bool(self.upper), "parts belong to an upper bound that is not zero, and to no other")
        yield from super().statements()

    def covered(self) -> None:
        """That the parts cover every piece without a gap, and that the upper bound holds on each.

        An error of zero is not enclosed, but exact: the target is the rational itself, and defined everywhere.
        """
        if self.upper == 0:
            return self.identical()
        chains: dict[int, list[Any]] = {index: [] for index in range(len(self.pieces))}
        for box in self.parts:
            chains[box[0]].append(box)
        for index, (start, end) in enumerate(self.pieces):
            chain = chains[index]
            whole = chain and chain[0][1] == start and chain[-1][2] == end
            must(whole, f"the parts miss an end of piece {index}")
            must(all(a[2] == b[1] for a, b in pairwise(chain)), f"the parts of piece {index} leave a gap or overlap")
        self.below(self.upper)
        return None

    def identical(self) -> None:
        """That the target is the rational itself on every piece, and that it and the weight are defined there."""
        for index, (curve, span) in enumerate(zip(self.plain, self.pieces)):
            same = branches.identical(curve.trees[0], self.top, self.bottom)
            need(same, "the target is not seen to be the rational itself")
            need(branches.total(curve.trees[0], span, self.deadline), "the target may be undefined at a point")
            if curve.trees[1][0] != "number":
                need(max(map(abs, span)) < inf, "a weight on a half-line, with an error of zero")
                self.halved([(index, *span)], lambda curve, a, b: curve.defined(a, b))

    def below(self, stated: Fraction) -> None:
        """That the error is at most a bound on every part, which may be halved for that."""
        bound = self.math.exact(stated)[0]
        self.halved(self.parts, lambda curve, a, b: curve.below(a, b, bound), bound)

    def halved(self, parts: list[Any], confirmed: Any, bound: int | None = None) -> None:
        """That something is confirmed on every part, or on its halves; refuted where a point shows the contrary."""
        boxes = 0
        for piece, start, end in parts:
            curve, stack = self.curves[piece], [(start, end, 0)]
            if inf in (end, -start):
                curve = self.curves[piece, end if end == inf else start]
                ends = sorted((1 / x if abs(x) < inf else Fraction(0)) for x in (start, end))
                stack = [(ends[0], ends[1], 0)]
            while stack:
                a, b, depth = stack.pop()
                boxes += 1
                if confirmed(curve, a, b):
                    continue
                if bound is not None and depth % 4 == 0:
                    self.contradicted(curve, (a + b) / 2, bound, depth)
                limit = depth < 40 and boxes < MOST_BOXES
                need(limit, f"a bound is not confirmed from {decimal(start)} to {decimal(end)}")
                stack += [((a + b) / 2, b, depth + 1), (a, (a + b) / 2, depth + 1)]

    def contradicted(self, curve: models.Curve, x: Fraction, bound: int, depth: int) -> None:
        """Raise where the value at a point is above a bound, or is not known well enough to say more."""
        try:
            low, high = curve.at(x)[0]
        except Failure:
            return
        if max(low, -high) > bound + 1:
            raise Refuted(f"the upper bound does not hold near {decimal(x)}")
        need(depth < 8 or 4 * (high - low) < bound, "the precision does not suffice")

    def otherwise(self, name: str, values: list[Any]) -> None:
        """The claims that look at the target or the weight."""
        if name == "rounding":
            return self.rounded(*values)
        if name != "derivative":
            return super().otherwise(name, values)
        need(len(self.curves) == len(self.pieces), "the error of a derivative is not followed to infinity")
        other = copy(self)
        other.curves = {
            piece: models.Curve(curve.math, [curve.trees[0], ONE], curve.exact, curve.order, 1)
            for piece, curve in enumerate(self.plain)
        }
        other.below(values[0])
        return None

    def rounded(self, dtype: str, scheme: str, fma: str, bound: Fraction) -> None:
        """The bound of the rounding errors of code."""
        weight = code.weight_on(self.math, self.trees[1])
        top, bottom = self.written
        sides = top, bottom, self.basis, list(self.hull), self.domain
        found = code.rounding_below(*sides, dtype, scheme, fma == "fma", weight, bound, self.deadline)
        need(found, "the rounding bound is not confirmed")


def flipped(top: list[Fraction], bottom: list[Fraction]) -> list[list[Fraction]]:
    """The rational in ``y = 1/x``."""
    size = max(len(top), len(bottom))
    return [[Fraction(0)] * (size - len(side)) + side[::-1] for side in (top, bottom)]
