"""The verifier: compositions of odd polynomials near sign or ReLU. Standard library only; all in exact numbers."""

from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from .kernel import To_check
from .polynomials import one_sign, powers, size, value_at
from .reading import in_time, must, need, number, shown

__all__ = ["SCHEMAS", "Composite"]

SCHEMAS = ("rational-approx/composite/1",)
KEYS = {"schema", "function", "gap", "noise", "unit", "stages", "error", "status", "hash"}
STAGE_KEYS = {"coefficients", "lower", "low", "high", "cuts"}
POINTS = 256
"""Of the gap, at which ReLU is looked at."""


class Stage(NamedTuple):
    """An odd polynomial in powers of x, and what is said of it."""

    p: list[Fraction]
    coefficients: list[Fraction]
    lower: Fraction
    low: Fraction
    high: Fraction
    cuts: list[Fraction]


class Composite:
    """What a file says of its polynomials."""

    unchecked = ("cuts: points that help to check the values of a stage",)

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        self.deadline = deadline
        must(set(content) == KEYS, "the file has other keys than it should")
        must(content["function"] in ("sign", "relu"), f"the function is unknown: {shown(content['function'])}")
        self.function = content["function"]
        self.gap, self.noise, self.unit, self.error = (number(content[k]) for k in ("gap", "noise", "unit", "error"))
        must(0 < self.gap < 1 and self.noise >= 0 and self.unit > 0, "the gap, the noise or the unit makes no sense")
        must(isinstance(content["stages"], list) and content["stages"], "there is no stage")
        need(len(content["stages"]) <= 60, "too many stages for the verifier")
        self.stages = [self.stage(entry) for entry in content["stages"]]

    def stage(self, entry: Any) -> Stage:
        """A stage of the file."""
        must(set(entry) == STAGE_KEYS, "a stage has other keys than it should")
        coefficients, cuts = (list(map(number, entry[name])) for name in ("coefficients", "cuts"))
        need(len(coefficients) <= 64 and len(cuts) <= 64, "a stage is too large for the verifier")
        must(coefficients, "a stage has no coefficient")
        lower, low, high = (number(entry[name]) for name in ("lower", "low", "high"))
        must(0 < lower < 1, "a stage is asked for on no interval")
        must(all(a < b for a, b in pairwise((lower, *cuts, Fraction(1)))), "the cuts of a stage are not in order")
        padded = [c for odd in coefficients for c in (Fraction(0), odd)]
        p = powers(padded, "chebyshev", (Fraction(-1), Fraction(1)), self.deadline)
        return Stage(p, coefficients, lower, low, high, cuts)

    def heading(self) -> list[str]:
        """What the file is about."""
        degrees = ", ".join(str(2 * len(stage.coefficients) - 1) for stage in self.stages)
        return [f"{self.function} by odd polynomials of degrees {degrees}, one after the other"]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        signs = "signs of polynomials, exact"
        for k, stage in enumerate(self.stages, 1):
            low, high, lower = map(rounded, (stage.low, stage.high, stage.lower))
            words = f"stage {k}: {low} <= p(x) <= {high} for {lower} <= x <= 1"
            yield words, signs, partial(self.between, stage)
            yield f"stage {k} rises for abs(x) <= {lower}", signs, partial(self.rises, stage)
        noise = f", each stage off by up to {rounded(self.noise)}" if self.noise else ""
        yield f"all values but the last are in [-1, 1], for x in [-1, 1]{noise}", "comparison", self.chained
        error, gap = rounded(self.error), rounded(self.gap)
        if self.function == "sign":
            words = f"abs(s(x) - sign(x)) <= {error} for {gap} <= abs(x) <= 1"
            yield words, "the bounds of the last stage", partial(self.reached, self.error)
        else:
            words = f"abs(x (1 + s(x))/2 - max(x, 0)) <= {error} for abs(x) <= 1"
            yield words, "the bounds of the last stage, and values in the gap", self.of_relu
        yield f"coefficients are multiples of {rounded(self.unit)}", "division", self.multiples

    def between(self, stage: Stage) -> None:
        """The values of a stage on [lower, 1], piece by piece."""
        for a, b in pairwise((stage.lower, *stage.cuts, Fraction(1))):
            for bound, sign in ((stage.low, 1), (stage.high, -1)):
                rest = [sign * c for c in stage.p]
                rest[0] -= sign * bound
                self.decided(one_sign(rest, a, b, False, self.deadline), "a value is beyond a bound")

    def rises(self, stage: Stage) -> None:
        """That the slope is positive from 0 to the lower end; it is even."""
        slope = [k * c for k, c in enumerate(stage.p)][1:]
        self.decided(one_sign(slope, Fraction(0), stage.lower, True, self.deadline), "the slope is not positive")

    @staticmethod
    def decided(answer: bool | None, against: str) -> None:
        """Refuted where an answer is no, not decided where there is none."""
        need(answer is not None, "the signs of a polynomial are not decided")
        must(answer, against)

    def chained(self) -> None:
        """That each stage takes what the one before gives. On [-lower, lower] it rises, so that its values lie between
        those at the ends."""
        must(self.stages[0].lower == self.gap, "the first stage is not for the gap")
        for before, after in pairwise(self.stages):
            must(before.high + self.noise <= 1, "a value beyond 1 is passed on")
            must(after.lower <= before.low - self.noise, "a value below the next stage's interval is passed on")

    def reached(self, error: Fraction) -> None:
        """The error beyond the gap."""
        last = self.stages[-1]
        must(max(1 - last.low, last.high - 1) + self.noise <= error, "the last stage has values that are further off")

    def of_relu(self) -> None:
        """Beyond the gap, half of the error of s; within it x (1 - s(x))/2 from point to point, since s rises there."""
        self.reached(2 * self.error)
        places = 96 + 2 * size(self.gap)
        for k in range(POINTS):
            value = self.gap * k / POINTS
            for stage in self.stages:
                in_time(self.deadline)
                need(value >= -stage.lower, "the noise is too large for the check of the gap")
                # On [value, 1] p is at least p(value) while it rises, and beyond that its bound.
                least = min(value_at(stage.p, min(value, stage.lower)), stage.low)
                value = Fraction(int(least * 2**places // 1), 2**places) - self.noise
            must(self.gap * (k + 1) / POINTS * (1 - value) / 2 <= self.error, "the error in the gap is not excluded")

    def multiples(self) -> None:
        """Of the unit."""
        for stage in self.stages:
            must(all(c % self.unit == 0 for c in stage.coefficients), "a coefficient is no multiple of the unit")


def rounded(value: Fraction) -> str:
    """Ten digits of a number, or of its distance from 1 where that is small."""
    near = 0 < abs(1 - value) < Fraction(1, 100)
    rest = abs(1 - value) if near else value
    digits = f"{Context(prec=10).divide(Decimal(rest.numerator), Decimal(rest.denominator)):.10g}"
    return f"1 {'-' if value < 1 else '+'} {digits}" if near else digits
