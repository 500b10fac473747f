"""The verifier: code for a 16-bit format, run again at every number beside enclosures of the target.

Standard library only.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from math import inf, isfinite, isnan
from typing import Any

from .kernel import Code, To_check, plain, written
from .reading import Failure, Refuted, must, need
from .undefined import infinite, nowhere

__all__ = ["Tried"]

ALL = ("inputs", "ulp", "worst", "correct", "faithful", "turns", "lowest", "highest", "at")


class Tried(Code):
    """Each statement is checked by trying every number."""

    facts = frozenset(ALL)

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        super().__init__(content, deadline)
        for name in ("inputs", "correct", "faithful", "turns"):
            must(type(content["facts"][name]) is int, f"{name} is no integer")
        self.numbers = finite(self.format)
        self.outputs: list[list[float]] = []
        self.values: list[Any] = []

    def prepare(self) -> None:
        """Run the code on every machine and enclose the target, once."""
        if self.values:
            return
        for machine in self.scheme.machines:
            outputs = self.run(self.numbers, machine)
            if outputs not in self.outputs:
                self.outputs.append(outputs)
        self.lost = {k for k in range(len(self.numbers)) if self.without_value(k)}
        need(not (self.lost and self.scheme.flush), "machines that flush, where the target has no value")
        unit = 1 << self.bits
        self.scaled: dict[float, Any] = {}
        for y in set().union(*self.outputs):
            if isnan(y):
                continue
            n, d = Fraction(y).as_integer_ratio() if isfinite(y) else ((1 << self.top) * (1 if y > 0 else -1), 1)
            self.scaled[y] = n * unit // d
        self.values = [None if k in self.lost else self.enclosed(x) for k, x in enumerate(self.numbers)]
        self.zero = self.values[self.numbers.index(0.0)]

    def without_value(self, k: int) -> bool:
        """Whether the target has no value at a number, where the code gives none, or an infinity at the end of its
        values."""
        y, point = self.outputs[0][k], Fraction(self.numbers[k])
        if isfinite(y):
            return False
        nothing = nowhere(self.math, self.tree, point, point)
        need(nothing or not isnan(y), f"the target may have a value at {self.numbers[k]!r}")
        if nothing and not isnan(y):
            signs = {infinite(self.math, self.tree, point, side) for side in (-1, 1) if self.goes_on(k, side)}
            need(signs == {1 if y > 0 else -1}, f"no infinity is seen at {self.numbers[k]!r}")
        return nothing

    def goes_on(self, k: int, side: int) -> bool:
        """Whether the code gives a number at the next one on a side."""
        beside = k + side
        while 0 <= beside < len(self.numbers) and self.numbers[beside] == self.numbers[k]:
            beside += side
        return 0 <= beside < len(self.numbers) and not isnan(self.outputs[0][beside])

    def changed(self, outputs: list[float]) -> list[int]:
        """Where outputs are other ones than on the first machine, or all places of that at which f has a value."""
        first = self.outputs[0]
        return [k for k, y in enumerate(outputs) if (outputs is first or y != first[k]) and k not in self.lost]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        facts, every = self.content["facts"], "every input, by interval arithmetic"
        ulp = f"{float(self.ulp):.6f}"
        yield f"abs(y - f(x)) <= {ulp} units in the last place of f(x), at every input", every, self.near
        words = f"y is the number nearest to f(x) at {facts['correct']} inputs at least, and one of the two next to it"
        yield f"{words} at {facts['faithful']} at least", every, self.counted
        words = f"y moves against f from one input to the next at {facts['turns']} inputs at most"
        yield words, every, self.turned
        low, high = (plain(written(facts[name])) for name in ("lowest", "highest"))
        yield f"{low} <= y <= {high}, both reached", "every input", self.ranged
        yield from self.ordered()
        at = ", ".join(plain(written(value)) for value in facts["at"])
        yield f"y at -inf, -0, 0, inf is {at}; y of no number is no number", "evaluation", self.ends

    def near(self) -> None:
        """The error in units in the last place."""
        self.prepare()
        for outputs in self.outputs:
            for k in self.changed(outputs):
                x, y = self.numbers[k], outputs[k]
                if self.may_be_zero(x):
                    with suppress(Failure, Refuted):
                        self.close(x, y, self.zero)
                        continue
                self.close(x, y, self.values[k])

    def close(self, x: float, y: float, value: tuple[Any, Any]) -> None:
        """Whether an output is near to a value of the target."""
        (low, high), top = value, 1 << self.top + self.bits
        least = max(low, -high, 0)
        if least >= top:
            must(abs(y) == inf and (y > 0) == (low > 0), f"the output at {x!r} is not infinite")
            return
        if y == 0 and self.small(max(-low, high)):
            return
        need(abs(low) < inf and abs(high) < inf, f"the target at {x!r} is not known well enough")
        need(max(-low, high) < top or abs(y) == inf, f"the target at {x!r} is not known well enough")
        # The unit at the end nearer to 0 is the smaller one: for confirming that, for refuting the other.
        fine, coarse = (
            1 << max(size.bit_length() - self.digits, self.smallest + self.bits) for size in (least, max(-low, high))
        )
        at, n, d = self.scaled[y], self.ulp.numerator, self.ulp.denominator
        must(max(low - at, at - high, 0) * d <= n * coarse, f"the error at {x!r} is larger than stated")
        need(max(high - at, at - low) * d <= n * fine, f"the error at {x!r} is not known well enough")

    def counted(self) -> None:
        """How many outputs are the nearest number, or one of the two next."""
        self.prepare()
        facts, first = self.content["facts"], self.outputs[0]
        must(facts["correct"] <= len(self.numbers) and facts["faithful"] <= len(self.numbers), "too many inputs")
        known = [self.kinds(k, y) if k not in self.lost else [False] * 3 for k, y in enumerate(first)]
        totals = [sum(kind) for kind in zip(*known)]
        for outputs in self.outputs:
            places = self.changed(outputs) if outputs is not first else []
            more = [[a - b for a, b in zip(self.kinds(k, outputs[k]), known[k])] for k in places]
            correct, perhaps, faithful = (total + sum(row[i] for row in more) for i, total in enumerate(totals))
            must(facts["correct"] <= perhaps, f"only {correct} outputs are the nearest number")
            need(facts["correct"] <= correct, f"only {correct} outputs are seen to be the nearest number")
            need(facts["faithful"] <= faithful, f"only {faithful} outputs are seen to be one of the two next")

    def kinds(self, k: int, y: float) -> list[bool]:
        """Whether an output surely, and perhaps, is the number nearest to the target, and one of the two next."""
        values = [self.values[k], *[self.zero][: self.may_be_zero(self.numbers[k])]]
        return [any(each) for each in zip(*(self.kind(y, *value) for value in values))]

    def kind(self, y: float, low: Any, high: Any) -> tuple[bool, bool, bool]:
        """The same for one value."""
        if max(low, -high) >= 1 << self.top + self.bits:
            return (abs(y) == inf,) * 3
        if y == 0 and self.small(max(-low, high)):
            return (True,) * 3
        at = self.scaled[y]
        below, above = self.next_to(y, at)
        surely = below + at < 2 * low and 2 * high < at + above
        perhaps = surely or (below + at <= 2 * high and 2 * low <= at + above)
        return surely, perhaps, below < low and high < above

    def next_to(self, y: float, at: int) -> tuple[int, int]:
        """The numbers of the format next below and above one of them, or ``2**top`` in the place of the infinite."""
        least = 1 << self.smallest + self.bits
        if at == 0:
            return -least, least
        size, top = abs(at), 1 << self.top + self.bits
        step = max(1 << size.bit_length() - self.digits, least)
        inner = max(step >> 1, least) if size & (size - 1) == 0 else step
        outward, inward = min(size + step, top), size - inner
        return (inward, outward) if at > 0 else (-outward, -inward)

    def turned(self) -> None:
        """From how many inputs to the next y moves although f does not surely move in the same direction."""
        self.prepare()
        moves = [self.values]
        if any(map(self.may_be_zero, self.numbers)):
            moves.append([self.zero if self.may_be_zero(x) else v for x, v in zip(self.numbers, self.values)])
        for outputs in self.outputs:
            count = 0
            for k in range(1, len(self.numbers)):
                a, b = outputs[k - 1], outputs[k]
                if a != b and not {k - 1, k} & self.lost:
                    pairs = ((values[k - 1], values[k]) for values in moves)
                    count += not any(v[0] > u[1] if b > a else v[1] < u[0] for u, v in pairs)
            need(count <= self.content["facts"]["turns"], f"{count} turns are not excluded")

    def ranged(self) -> None:
        """The least and the largest output."""
        self.prepare()
        facts = self.content["facts"]
        for name, bound in (("lowest", min), ("highest", max)):
            found = bound(y for outputs in self.outputs for y in outputs if not isnan(y))
            must(written(facts[name]) == found, f"the {name} output is {found!r}")


def finite(format: str) -> list[float]:
    """Every finite number of a format, ascending, -0 before 0."""
    if format == "float16":
        positive = [struct.unpack("<e", struct.pack("<H", code))[0] for code in range(31 << 10)]
    else:
        positive = [struct.unpack("<f", struct.pack("<I", code << 16))[0] for code in range(255 << 7)]
    return [-v for v in reversed(positive)] + positive
