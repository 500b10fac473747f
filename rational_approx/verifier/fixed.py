"""The verifier: fixed-point code, run again in integers at every code of its format beside enclosures of the target.

Standard library only. Over a block of codes the target is its Taylor polynomial at the centre, and what remains is
enclosed over the whole block; a block that says too little is halved, down to single codes.
"""

import operator
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any

from . import rays
from .jets import Arithmetic
from .kernel import Pointwise, To_check
from .reading import Failure, in_time, must, need, number, read, shown, text

__all__ = ["SCHEMA", "Fixed"]

SCHEMA = "rational-approx/datapath/1"
KEYS = {"schema", "target", "format", "shift", "guard", "rows", "facts", "wanted", "segments", "status", "hash"}
FACTS = {"inputs", "ulp", "worst", "correct", "faithful", "turns", "lowest", "highest", "widths"}
ROW = {"upper", "coefficients", "origin", "left", "adds", "about"}
MOST_BITS = 24
FINE = 40
"""Values of the target are kept in units of so small a power of two of the last place."""
ORDERS = (3, 14)
"""So many Taylor coefficients are taken before the one that is enclosed over a block: far out few say more."""
BLOCK = 4096


class Fixed:
    """Each statement is checked by trying every code."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        self.content, self.deadline = content, deadline
        must(set(content) == KEYS, "the file has other keys than it should")
        must(set(content["target"]) == {"name", "expression"}, "the target has other keys than it should")
        must(set(content["facts"]) == FACTS, "the facts have other keys than they should")
        match = re.fullmatch(r"fixed([0-9]{1,3})\.([0-9]{1,3})", content["format"], re.ASCII)
        must(match, f"the format is no fixed point: {shown(content['format'])}")
        assert match is not None
        self.fraction, digits = int(match[2]), int(match[1]) + int(match[2])
        must(int(match[1]) >= 1 and digits >= 2, "the format has no bit for the sign, or no other one")
        need(digits <= MOST_BITS, "the format has too many codes for the verifier")
        self.lowest, self.highest = -(1 << digits - 1), (1 << digits - 1) - 1
        self.tree = read(content["target"]["expression"])
        self.shift, self.guard = bits(content["shift"]), bits(content["guard"])
        need(len(content["rows"]) <= 200, "too many rows for the verifier")
        self.rows = [self.row(entry) for entry in content["rows"]]
        uppers = [row[0] for row in self.rows]
        must(uppers and uppers[-1] == self.highest, "the last row does not reach the largest code")
        must(all(a < b for a, b in pairwise([self.lowest - 1, *uppers])), "the rows are not in order")
        self.ulp = number(content["facts"]["ulp"])
        must(self.ulp >= 0 and self.ulp <= number(content["wanted"]), "the error is larger than what was asked for")
        for name in ("inputs", "correct", "faithful", "turns"):
            whole(content["facts"][name])
        must(content["facts"]["inputs"] == 1 << digits, "the number of inputs is not that of the format")
        self.outputs: list[int] = []
        self.ranges: dict[str, tuple[int, int]] = {}
        self.values: list[tuple[int, int]] = []

    def row(self, entry: Any) -> tuple[int, list[int], int | None, int, int]:
        """The last code of a row, its coefficients, origin and shift to the left, and how often the input is added."""
        must(set(entry) == ROW, "a row has other keys than it should")
        c = [whole(each) for each in entry["coefficients"]]
        must(c, "a row has no coefficients")
        need(
            len(c) <= 20 and all(each.bit_length() <= 64 for each in c), "coefficients too many or too large to verify"
        )
        must(entry["adds"] in (-1, 0, 1), "a row adds its input otherwise than once")
        origin = None if entry["origin"] is None else whole(entry["origin"])
        return whole(entry["upper"]), c, origin, bits(entry["left"]), whole(entry["adds"])

    # -- what the code gives -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Every output, and between which numbers every integer stays, once."""
        if self.outputs:
            return
        first = self.lowest
        degree = max(len(row[1]) for row in self.rows) - 1
        for upper, c, origin, left, adds in self.rows:
            in_time(self.deadline)
            codes = range(first, upper + 1)
            t = [0] * len(codes) if origin is None else [(x - origin) << left for x in codes]
            self.seen("t", t)
            top, half = len(c) - 1, 1 << self.shift - 1 if self.shift else 0
            for k in range(degree + 1):
                self.seen(f"c{k}", [c[k] if k <= top else 0])
            for k in range(top, degree):  # coefficients beyond are zero, and so are the products
                for name, value in (("p", 0), ("p", half), ("r", 0), ("a", c[k] if k == top else 0)):
                    self.seen(f"{name}{k}", [value])
            a = [c[top]] * len(codes)
            for k in reversed(range(top)):
                p = list(map(operator.mul, a, t))
                self.seen(f"p{k}", p)
                p = [v + half for v in p]
                self.seen(f"p{k}", p)
                r = [v >> self.shift for v in p]
                self.seen(f"r{k}", r)
                a = [c[k] + v for v in r]
                self.seen(f"a{k}", a)
            self.last(codes, a, adds)
            first = upper + 1

    def last(self, codes: range, a: list[int], adds: int) -> None:
        """The last sum of a row, and what is rounded and moved into the format of it."""
        half = 1 << self.guard - 1 if self.guard else 0
        u = [adds * x for x in codes]
        s = [v + (each << self.guard) for v, each in zip(a, u)]
        r = [v + half >> self.guard for v in s]
        for name, values in (("u", u), ("s", s), ("s", [max(s) + half]), ("r", r)):
            self.seen(name, values)
        self.outputs += [min(max(v, self.lowest), self.highest) for v in r]

    def seen(self, name: str, values: list[int]) -> None:
        """Widen the range of an integer."""
        low, high = self.ranges.get(name, (0, 0))
        self.ranges[name] = min(low, min(values)), max(high, max(values))

    # -- what the target is ------------------------------------------------------------------------------------------

    def enclose(self) -> None:
        """Bounds of the target, moved into the format, at every code, in units of ``2**-FINE`` last places; once."""
        if self.values:
            return
        self.accuracy = 160 + self.fraction
        self.points, self.boxes = Pointwise(self.accuracy, self.deadline), Arithmetic(self.accuracy, self.deadline)
        self.far = {side: self.tail(side) for side in (-1, 1)}
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
        self.values = found

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

    # -- what is stated ----------------------------------------------------------------------------------------------

    def heading(self) -> list[str]:
        """What the statements are about."""
        degree = max(len(row[1]) for row in self.rows) - 1
        return [
            f"target    f(x) = {text(self.tree)}; S(f(x)) is that moved between the least and the largest number",
            f"code      {len(self.rows)} rows of integers, degree {degree}, a shift by {self.shift} bits after each "
            f"product and by {self.guard} at the end, rounded to nearest, ties upwards",
            f"inputs    all {2 * self.highest + 2} codes of {self.content['format']}; y is one of them, too",
        ]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        facts, every = self.content["facts"], "every input, by interval arithmetic"
        yield f"abs(y - S(f(x))) <= {float(self.ulp):.6f} 2^-{self.fraction}, at every input", every, self.near
        words = f"y is at most half a unit from S(f(x)) at {facts['correct']} inputs at least, and less than one"
        yield f"{words} at {facts['faithful']} at least", every, self.counted
        words = f"y moves against S(f) from one input to the next at {facts['turns']} inputs at most"
        yield words, every, self.turned
        low, high = (float(number(facts[name])) for name in ("lowest", "highest"))
        yield f"{low!r} <= y <= {high!r}, both reached", "every input", self.ranged
        stated = ", ".join(f"{shown(name)} {shown(bits)}" for name, bits in facts["widths"].items())
        yield f"every integer fits into its bits: {stated}", "every input", self.wide

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """Every output in the units of the values, with the bounds of its value."""
        self.run()
        self.enclose()
        return ((y << FINE, low, high) for y, (low, high) in zip(self.outputs, self.values))

    def near(self) -> None:
        """The error in units in the last place."""
        n, d = self.ulp.numerator << FINE, self.ulp.denominator
        for k, (y, low, high) in enumerate(self.pairs()):
            if max(high - y, y - low) * d > n:
                x = float(Fraction(k + self.lowest, 1 << self.fraction))
                must(max(low - y, y - high) * d <= n, f"the error at {x!r} is larger than stated")
                need(False, f"the error at {x!r} is not known well enough")

    def counted(self) -> None:
        """How many outputs are near by half a unit, and by one."""
        for name, most in (("correct", 1 << FINE - 1), ("faithful", 1 << FINE)):
            surely = perhaps = 0
            for y, low, high in self.pairs():
                far = max(high - y, y - low)
                surely += far <= most if name == "correct" else far < most
                perhaps += max(low - y, y - high) <= most
            stated = self.content["facts"][name]
            must(stated <= perhaps, f"{name} are only {perhaps} outputs")
            need(stated <= surely, f"only {surely} outputs are seen to be {name}")

    def turned(self) -> None:
        """From how many inputs to the next y moves although f does not surely move in the same direction."""
        count = 0
        for (a, low, high), (b, least, most) in pairwise(self.pairs()):
            if a != b:
                count += not (least > high if b > a else most < low)
        need(count <= self.content["facts"]["turns"], f"{count} turns are not excluded")

    def ranged(self) -> None:
        """The least and the largest output."""
        self.run()
        for name, found in (("lowest", min(self.outputs)), ("highest", max(self.outputs))):
            exact = Fraction(found, 1 << self.fraction)
            must(number(self.content["facts"][name]) == exact, f"the {name} output is {float(exact)!r}")

    def wide(self) -> None:
        """The widths of all integers."""
        self.run()
        stated = self.content["facts"]["widths"]
        must(set(stated) == set(self.ranges), "the widths are not those of the integers of this code")
        for name, (low, high) in self.ranges.items():
            least = -(1 << whole(stated[name]) - 1) if whole(stated[name]) >= 1 else 1
            must(least <= low and high < -least, f"{name} lies between {low} and {high}, which takes more bits")


def whole(value: Any) -> int:
    """An integer."""
    must(type(value) is int, f"{shown(value)} is no integer")
    return int(value)


def bits(value: Any) -> int:
    """A number of bits to shift by."""
    must(whole(value) >= 0, "a shift is negative")
    need(value <= 64, "a shift is too long for the verifier")
    return int(value)
