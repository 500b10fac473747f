"""The verifier: code for a 16-bit format, run again at every number beside enclosures of the target.

Standard library only.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from math import inf, isfinite, isnan
from typing import Any

from .kernel import Code, To_check, plain, written
from .reading import must, need

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
        self.outputs: list[float] = []
        self.values: list[tuple[Any, Any]] = []

    def prepare(self) -> None:
        """Run the code and enclose the target, once."""
        if self.values:
            return
        outputs = self.run(self.numbers)
        must(not any(map(isnan, outputs)), "an output is no number")
        unit = 1 << self.bits
        self.scaled: dict[float, Any] = {}
        for y in set(outputs):
            n, d = Fraction(y).as_integer_ratio() if isfinite(y) else ((1 << self.top) * (1 if y > 0 else -1), 1)
            self.scaled[y] = n * unit // d
        self.outputs, self.values = outputs, [self.enclosed(x) for x in self.numbers]

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
        top = 1 << self.top + self.bits
        for x, y, (low, high) in zip(self.numbers, self.outputs, self.values):
            least = max(low, -high, 0)
            if least >= top:
                must(abs(y) == inf and (y > 0) == (low > 0), f"the output at {x!r} is not infinite")
                continue
            need(abs(low) < inf and abs(high) < inf, f"the target at {x!r} is not known well enough")
            need(max(-low, high) < top or abs(y) == inf, f"the target at {x!r} is not known well enough")
            # The unit at the end nearer to 0 is the smaller one: for confirming that, for refuting the other.
            fine, coarse = (
                1 << max(size.bit_length() - self.digits, self.smallest + self.bits)
                for size in (least, max(-low, high))
            )
            at, n, d = self.scaled[y], self.ulp.numerator, self.ulp.denominator
            must(max(low - at, at - high, 0) * d <= n * coarse, f"the error at {x!r} is larger than stated")
            need(max(high - at, at - low) * d <= n * fine, f"the error at {x!r} is not known well enough")

    def counted(self) -> None:
        """How many outputs are the nearest number, or one of the two next."""
        self.prepare()
        top = 1 << self.top + self.bits
        correct = faithful = unsure = 0
        for y, (low, high) in zip(self.outputs, self.values):
            at = self.scaled[y]
            if max(low, -high) >= top:
                correct, faithful = correct + (abs(y) == inf), faithful + (abs(y) == inf)
                continue
            below, above = self.next_to(y, at)
            faithful += below < low and high < above
            surely = below + at < 2 * low and 2 * high < at + above
            correct += surely
            unsure += not surely and below + at <= 2 * high and 2 * low <= at + above
        facts = self.content["facts"]
        must(facts["correct"] <= len(self.numbers) and facts["faithful"] <= len(self.numbers), "too many inputs")
        must(facts["correct"] <= correct + unsure, f"only {correct} outputs are the nearest number")
        need(facts["correct"] <= correct, f"only {correct} outputs are seen to be the nearest number")
        need(facts["faithful"] <= faithful, f"only {faithful} outputs are seen to be one of the two next")

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
        count = 0
        for k in range(1, len(self.numbers)):
            a, b = self.outputs[k - 1], self.outputs[k]
            if a != b:
                before, after = self.values[k - 1], self.values[k]
                count += not (after[0] > before[1] if b > a else after[1] < before[0])
        need(count <= self.content["facts"]["turns"], f"{count} turns are not excluded")

    def ranged(self) -> None:
        """The least and the largest output."""
        self.prepare()
        facts = self.content["facts"]
        for name, found in (("lowest", min(self.outputs)), ("highest", max(self.outputs))):
            must(written(facts[name]) == found, f"the {name} output is {found!r}")


def finite(format: str) -> list[float]:
    """Every finite number of a format, ascending, -0 before 0."""
    if format == "float16":
        positive = [struct.unpack("<e", struct.pack("<H", code))[0] for code in range(31 << 10)]
    else:
        positive = [struct.unpack("<f", struct.pack("<I", code << 16))[0] for code in range(255 << 7)]
    return [-v for v in reversed(positive)] + positive
