"""The verifier: processors that replace subnormal operands, results, or both by zeros of their sign.

Whether a result is subnormal some decide when it has been rounded, as if exponents had no end, others before. Standard
library only.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import copysign
from typing import NamedTuple

from .steps import FORMATS

__all__ = ["KEPT", "MACHINES", "Machine", "least_normal"]

EXACT: dict[str, Callable[..., Fraction]] = {
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "fma": lambda a, b, c: a * b + c,
}
"""Operations that may round a smaller number up to the smallest normal one; sums that are so small are exact."""


class Machine(NamedTuple):
    """Whether operands are flushed, and ``rounded`` or ``exact`` results, or none."""

    operands: bool
    results: str

    def given(self, values: Sequence[float], inner: str) -> Sequence[float]:
        """Operands as they are taken."""
        return flushed(values, least_normal(inner)) if self.operands else values

    def done(self, op: str, values: Sequence[float], given: list[Sequence[float]], inner: str) -> Sequence[float]:
        """Results as they are left."""
        if not self.results:
            return values
        least = least_normal(inner)
        out = list(flushed(values, least))
        if op in EXACT:
            bound = Fraction(least)
            if self.results == "rounded":
                bound -= bound / 2 ** (FORMATS[inner][0] + 1)
            for k in [k for k, value in enumerate(out) if value == least or value == -least]:
                if abs(EXACT[op](*(Fraction(part[k]) for part in given))) < bound:
                    out[k] = copysign(0.0, out[k])
        return out


KEPT = Machine(False, "")
MACHINES = tuple(Machine(operands, results) for operands in (False, True) for results in ("", "rounded", "exact"))


def least_normal(inner: str) -> float:
    """The smallest normal number of a format."""
    digits, smallest, _ = FORMATS[inner]
    return float(2.0 ** (smallest + digits - 1))


def flushed(values: Sequence[float], least: float) -> Sequence[float]:
    """Subnormal numbers replaced by zeros of their sign."""
    return [copysign(0.0, v) if -least < v < least else v for v in values]
