"""A certificate of a rational against samples: everything in integers."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any

from .reading import in_time, must, need, number
from .stated import Reference, Stated, To_check, decimal

__all__ = ["Samples"]


class Samples(Stated):
    """The error is the largest of those at the samples."""

    covering = "the error at every sample"

    def __init__(self, content: dict[str, Any], fine: int, deadline: float) -> None:
        super().__init__(content, fine, deadline)
        listed = content["target"]["samples"]
        must(isinstance(listed, list) and listed, "there are no samples")
        need(len(listed) <= 200_000, "there are too many samples for the verifier")
        must(len(self.pieces) == 1, "the domain of samples is one interval, without breakpoints")
        must(self.competitors == "one sign", "between samples lie only gaps: the class of competitors is 'one sign'")
        triples = [tuple(number(v) for v in sample) for sample in listed]
        must(all(len(t) == 3 and t[2] >= 0 for t in triples), "a sample is no point, value and weight >= 0")
        must(all(a[0] < b[0] for a, b in pairwise(triples)), "the samples do not increase")
        lower, upper = self.domain[0]
        must(lower <= triples[0][0] and triples[-1][0] <= upper, "a sample lies outside the domain")
        self.samples: dict[Fraction, tuple[Fraction, Fraction]] = {x: (y, weight) for x, y, weight in triples}

    def heading(self) -> list[str]:
        """What the statements are about."""
        weights = sorted({weight for _, weight in self.samples.values()})
        ends = " to ".join(dict.fromkeys(map(decimal, (weights[0], weights[-1]))))
        return [
            f"target    {len(self.samples)} samples, weights {ends}: the error is the one at these points alone",
            *super().heading(),
        ]

    def statements(self) -> Iterator[To_check]:
        """Every statement; the parts of a covering mean nothing for samples."""
        must(not self.content["parts"], "a certificate of samples has parts of a covering")
        yield from super().statements()

    def error(self, x: Any, top: list[Fraction], bottom: list[Fraction]) -> tuple[int, int]:
        """The weighted error at a sample, as a numerator and a positive denominator."""
        must(x in self.samples, "a point is no sample")
        y, weight = self.samples[x]
        common, size = lcm(*(c.denominator for c in top + bottom)), max(len(top), len(bottom))
        values = []
        for side in (top, bottom):  # both polynomials times the same power of the denominator of x
            total, power = 0, x.denominator ** (size - len(side))
            for c in reversed(side):
                total, power = total * x.numerator + int(c * common) * power, power * x.denominator
            values.append(total)
        (above, below), sign = values, 1 if values[1] > 0 else -1
        must(below, "the denominator vanishes at a sample")
        over = weight.numerator * (y.numerator * below - y.denominator * above)
        return sign * over, sign * weight.denominator * y.denominator * below

    def reached(self) -> None:
        """The lower bound at the witness."""
        must(self.content["witness"], "no witness shows the lower bound")
        _, x = self.place(self.content["witness"])
        over, under = self.error(x, self.top, self.bottom)
        must(abs(over) >= self.lower * under, "the error at the witness is below the lower bound")

    def large(self, piece: int, x: Any, sign: int, given: Reference) -> None:
        """That the error at a sample has its sign, and at least the size of the bound."""
        over, under = self.error(x, given.top, given.bottom)
        must(self.samples[x][1] > 0, "the weight at a reference point is not positive")
        good = sign * over > 0 and sign * over >= self.best * under
        must(good, f"the error at {decimal(x)} is not as a reference says")

    def covered(self) -> None:
        """That the upper bound holds at every sample."""
        for x in self.samples:
            in_time(self.deadline)
            over, under = self.error(x, self.top, self.bottom)
            must(abs(over) <= self.upper * under, f"the error at {decimal(x)} is larger than the upper bound")
