"""The verifier: running error bounds for a few operations on small ranges of numbers.

An operation is off by half a unit in the last place of the largest number that its result may be. Standard library
only.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from .functions import Functions
from .intervals import Interval, size
from .steps import alike

__all__ = ["Ranged", "Running", "Written"]


class Ranged(NamedTuple):
    """Bounds of the exact values, and of how far calculated ones are from them, scaled."""

    exact: Interval
    error: int

    @property
    def size(self) -> int:
        """The largest calculated one."""
        return size(self.exact) + self.error


class Running:
    """Operations in a format with so many digits, of which none has a subnormal result."""

    def __init__(self, digits: int) -> None:
        self.digits, self.math = digits, Functions(260)
        self.one = self.math.one

    def half_place(self, largest: int) -> int:
        """Half a unit in the last place of a size."""
        return (1 << max(largest.bit_length() - 1, 0) >> self.digits) + 1

    def known(self, low: Fraction, high: Fraction) -> Ranged:
        """Numbers of the format between two."""
        return Ranged((self.math.exact(low)[0], self.math.exact(high)[1]), 0)

    def around(self, reach: Fraction) -> Ranged:
        """Numbers of the format up to a size."""
        return self.known(-reach, reach)

    def rounded(self, exact: Interval, error: int) -> Ranged:
        return Ranged(exact, error + self.half_place(size(exact) + error))

    def add(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded((a.exact[0] + b.exact[0], a.exact[1] + b.exact[1]), a.error + b.error)

    def sub(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded((a.exact[0] - b.exact[1], a.exact[1] - b.exact[0]), a.error + b.error)

    def mul(self, a: Ranged, b: Ranged) -> Ranged:
        error = (a.size * b.error + size(b.exact) * a.error >> self.math.bits) + 1
        return self.rounded(self.math.mul(a.exact, b.exact), error)

    def div(self, a: Ranged, b: Ranged) -> Ranged:
        exact = self.math.div(a.exact, b.exact)
        least = max(b.exact[0], -b.exact[1]) - b.error
        error = ((a.error << self.math.bits) + size(exact) * b.error) // least + 1
        return self.rounded(exact, error)

    def horner(self, c: list[Fraction], x: Ranged) -> Ranged:
        """A polynomial, the lowest coefficient first."""
        out = self.known(c[-1], c[-1])
        for each in reversed(c[:-1]):
            out = self.add(self.mul(out, x), self.known(each, each))
        return out

    def exp(self, x: Interval) -> Interval:
        return self.math.exp(x[0])[0], self.math.exp(x[1])[1]

    def log(self, x: Interval) -> Interval:
        return self.math.log(x[0])[0], self.math.log(x[1])[1]


class Written:
    """Steps that code should have, each written once."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, list[Any]]] = []

    def do(self, op: str, *names: Any) -> int:
        """The number of a step."""
        step = (op, list(names))
        known = next((k for k, other in enumerate(self.steps) if alike([other], [step])), None)
        if known is None:
            self.steps.append(step)
        return len(self.steps) - 1 if known is None else known

    def horner(self, c: list[float], x: Any) -> Any:
        """Horner's rule, the lowest coefficient first."""
        total: Any = c[-1]
        for each in reversed(c[:-1]):
            total = self.do("add", self.do("mul", total, x), each)
        return total
