"""The verifier: bounds of the target at every code of a fixed-point format.

Standard library only. Over a block of codes the target is its Taylor polynomial at the centre, and what remains is
enclosed over the whole block; a block that says too little is halved, down to single codes.
"""

from fractions import Fraction
from math import inf
from typing import Any

from . import rays
from .jets import Arithmetic
from .kernel import Pointwise
from .reading import Failure

__all__ = ["FINE", "code_values"]

FINE = 40
"""Values of the target are kept in units of so small a power of two of the last place."""
ORDERS = (3, 14)
"""So many Taylor coefficients are taken before the one that is enclosed over a block: far out few say more."""
BLOCK = 4096


def code_values(tree: tuple, fraction: int, codes: range, deadline: float) -> list[tuple[int, int]]:
    """Bounds of a tree at each of some codes, moved between the first and the last of them, in units of ``2**-FINE``
    last places."""
    return Values(tree, fraction, codes, deadline).all()


class Values:
    """A target, and the arithmetic that encloses it at codes."""

    def __init__(self, tree: tuple, fraction: int, codes: range, deadline: float) -> None:
        self.tree, self.fraction, self.lowest, self.highest = tree, fraction, codes[0], codes[-1]
        self.accuracy = 160 + fraction
        self.points, self.boxes = Pointwise(self.accuracy, deadline), Arithmetic(self.accuracy, deadline)
        self.far = {side: self.tail(side) for side in (-1, 1)}

    def all(self) -> list[tuple[int, int]]:
        """Bounds at every code, ascending."""
        found: list[tuple[int, int]] = []
        stack = [(at, min(at + BLOCK - 1, self.highest)) for at in range(self.lowest, self.highest + 1, BLOCK)][::-1]
        while stack:
            first, last = stack.pop()
            block = self.block(first, last)
            if block is None:
                middle = (first + last) // 2
                stack += [(middle + 1, last), (first, middle)]
            else:
                found += block
        return found

    def tail(self, side: int) -> tuple[int, tuple[int, int]] | None:
        """From which size of codes on one pair of bounds does for all, and that pair, where there is one."""
        tree = self.tree if side > 0 else rays.substituted(self.tree, ("neg", ("x",)))
        start = 1 << self.fraction
        while start <= self.highest:
            try:
                low, high = rays.bounds(self.boxes, tree, self.boxes.exact(Fraction(start, 1 << self.fraction)))
                kept = self.kept(low, high)
                if kept[1] - kept[0] <= 1:
                    return start, kept
            except Failure:
                pass
            start *= 2
        return None

    def kept(self, low: Any, high: Any) -> tuple[int, int]:
        """Bounds of the target, moved into the format, in the units that are kept."""
        least, most = self.lowest << FINE, self.highest << FINE
        down = self.accuracy - self.fraction - FINE
        below = least if low == -inf else most if low == inf else min(max(low >> down, least), most)
        above = most if high == inf else least if high == -inf else min(max(-(-high >> down), least), most)
        return below, above

    def block(self, first: int, last: int) -> list[tuple[int, int]] | None:
        """Bounds at the codes of a block; None where it has to be halved."""
        side = 1 if first > 0 else -1
        far, size = self.far[side], min(abs(first), abs(last))
        if far is not None and (first > 0 or last < 0) and size >= far[0]:
            return [far[1]] * (last - first + 1)
        if first == last:
            return [self.kept(*self.single(first))]
        for order in ORDERS:
            try:
                found = self.expanded(first, last, order)
            except Failure:
                return None
            if found is not None:
                return found
        return None

    def expanded(self, first: int, last: int, order: int) -> list[tuple[int, int]] | None:
        """The same by a Taylor polynomial of so many terms."""
        math, unit, steps = self.boxes, Fraction(1, 1 << self.fraction), last - first
        c, h = Fraction(first + last, 2) * unit, Fraction(steps, 2) * unit
        reach, zeros = math.exact(h), [(0, 0)] * order
        box = math.exact(c - h)[0], math.exact(c + h)[1]
        over = math.evaluate(self.tree, [box, reach, *zeros][: order + 1])
        low, high = self.kept(*over[0])
        if low == high and low in (self.lowest << FINE, self.highest << FINE):
            return [(low, high)] * (steps + 1)
        at = math.evaluate(self.tree, [math.exact(c), reach, *zeros][:order])
        slack = sum(b - a for a, b in at) + max(-over[order][0], over[order][1]) + 3
        down = self.accuracy - self.fraction - FINE
        if slack >> down > 1 << FINE - 28:
            return None
        # In powers of q, where (x - c) / h is q over steps; each is rounded by less than a unit of 2^-more.
        more = order * (steps.bit_length() + 1)
        b = [(a + z << more - 1) // steps**k for k, (a, z) in enumerate(at)]
        least, most = self.lowest << FINE, self.highest << FINE
        out = []
        for q in range(-steps, steps + 1, 2):
            v = 0
            for each in reversed(b):
                v = v * q + each
            v >>= more
            out.append((min(max(v - slack >> down, least), most), min(max(-(-(v + slack) >> down), least), most)))
        return out

    def single(self, code: int) -> tuple[Any, Any]:
        """Bounds of the target at one code, or of all codes beyond it."""
        x = Fraction(code, 1 << self.fraction)
        try:
            return self.points.evaluate(self.tree, [self.points.exact(x)])[0]
        except Failure:
            if abs(x) < 16:
                raise
        inward = self.tree if x > 0 else rays.substituted(self.tree, ("neg", ("x",)))
        return rays.bounds(self.points, inward, self.points.exact(abs(x)))
