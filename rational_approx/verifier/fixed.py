"""The verifier: fixed-point code, run again in integers at every code of its format beside enclosures of the target.

Standard library only.
"""

import operator
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .code_values import FINE, code_values
from .kernel import To_check
from .reading import in_time, line, must, need, number, read, shown, text

__all__ = ["SCHEMA", "Fixed"]

SCHEMA = "rational-approx/datapath/1"
KEYS = {"schema", "target", "format", "shift", "guard", "rows", "facts", "wanted", "segments", "status", "hash"}
FACTS = {"inputs", "ulp", "worst", "correct", "faithful", "turns", "lowest", "highest", "widths"}
ROW = {"upper", "coefficients", "origin", "left", "adds", "about"}
MOST_BITS = 24


class Fixed:
    """Each statement is checked by trying every code."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        self.content, self.deadline = content, deadline
        must(set(content) == KEYS, "the file has other keys than it should")
        must(set(content["target"]) == {"name", "expression"}, "the target has other keys than it should")
        must(set(content["facts"]) == FACTS, "the facts have other keys than they should")
        for each in content["target"].values():
            line(each)
        words = f"name: that the target is called {shown(content['target']['name'])}"
        self.unchecked = words, "about: the rows in words", "worst: the input with the largest error"
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
        line(entry["about"])
        c = [whole(each) for each in entry["coefficients"]]
        must(c, "a row has no coefficients")
        need(
            len(c) <= 20 and all(each.bit_length() <= 64 for each in c), "coefficients too many or too large to verify"
        )
        must(entry["adds"] in (-1, 0, 1), "a row adds its input otherwise than once")
        origin = None if entry["origin"] is None else whole(entry["origin"])
        must(origin is None or self.lowest <= origin <= self.highest, "an origin is no code of the format")
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
        if not self.values:
            self.values = code_values(self.tree, self.fraction, range(self.lowest, self.highest + 1), self.deadline)
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
