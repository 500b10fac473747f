"""The verifier: running error bounds for a few operations on small ranges of numbers.

An operation is off by half a unit in the last place of the largest number that its result may be. Standard library
only.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from .functions import Functions
from .intervals import Interval, size

__all__ = ["Order", "Ranged", "Running", "Written"]


class Order(NamedTuple):
    """How a polynomial is evaluated: by Estrin's order or by Horner's, with fused operations or without."""

    estrin: bool
    fused: bool

    def coefficients(self, found: list[float]) -> list[float]:
        """The lowest first, of those that were found in the order of the operations."""
        if not self.estrin:
            return found[::-1]
        pairs = [found[k : k + 2] for k in range(0, len(found), 2)]
        return [each for pair in pairs for each in reversed(pair)]


class Ranged(NamedTuple):
    """Bounds of the exact values, and of how far calculated ones are from them, scaled."""

    exact: Interval
    error: int

    @property
    def size(self) -> int:
        """The largest calculated one."""
        return size(self.exact) + self.error


class Running:
    """Operations in a format with so many digits, of which none has a subnormal result; or that is off by ``tiny``
    besides, where such a result may be flushed."""

    def __init__(self, digits: int, tiny: Fraction = Fraction(0)) -> None:
        self.digits, self.math = digits, Functions(260)
        self.one = self.math.one
        self.tiny = self.math.exact(tiny)[1]

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
        return Ranged(exact, error + self.half_place(size(exact) + error) + self.tiny)

    def add(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded((a.exact[0] + b.exact[0], a.exact[1] + b.exact[1]), a.error + b.error)

    def sub(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded((a.exact[0] - b.exact[1], a.exact[1] - b.exact[0]), a.error + b.error)

    def product(self, a: Ranged, b: Ranged) -> Ranged:
        """The exact one."""
        error = (a.size * b.error + size(b.exact) * a.error >> self.math.bits) + 1
        return Ranged(self.math.mul(a.exact, b.exact), error)

    def mul(self, a: Ranged, b: Ranged) -> Ranged:
        return self.rounded(*self.product(a, b))

    def plus(self, a: Ranged, b: Ranged, c: Ranged, fused: bool) -> Ranged:
        """``a b + c``, rounded once or twice."""
        return self.add(self.product(a, b) if fused else self.mul(a, b), c)

    def div(self, a: Ranged, b: Ranged) -> Ranged:
        exact = self.math.div(a.exact, b.exact)
        least = max(b.exact[0], -b.exact[1]) - b.error
        error = ((a.error << self.math.bits) + size(exact) * b.error) // least + 1
        return self.rounded(exact, error)

    def polynomial(self, c: list[Fraction], x: Ranged, scheme: Order) -> Ranged:
        """A polynomial, the lowest coefficient first."""
        terms = [self.known(each, each) for each in c]
        if not scheme.estrin:
            out = terms[-1]
            for each in terms[-2::-1]:
                out = self.plus(out, x, each, scheme.fused)
            return out
        while len(terms) > 1:
            rest = terms[len(terms) // 2 * 2 :]
            terms = [self.plus(b, x, a, scheme.fused) for a, b in zip(terms[::2], terms[1::2])] + rest
            x = self.mul(x, x)
        return terms[0]

    def exp(self, x: Interval) -> Interval:
        return self.math.exp(x[0])[0], self.math.exp(x[1])[1]

    def log(self, x: Interval) -> Interval:
        return self.math.log(x[0])[0], self.math.log(x[1])[1]


class Written:
    """Steps that code should have, each written once."""

    def __init__(self, steps: Iterable[tuple[str, list[Any]]] = ()) -> None:
        self.steps = list(steps)
        self.known: dict[Any, int] = {}
        for number, (op, names) in enumerate(self.steps):
            self.known.setdefault(self._key(op, names), number)

    @staticmethod
    def _key(op: str, names: Iterable[Any]) -> Any:
        return (op, *((isinstance(name, float), name) for name in names))  # 1.0 is not the result of step 1

    def do(self, op: str, *names: Any) -> int:
        """The number of a step."""
        step = self._key(op, names)
        if step not in self.known:
            self.known[step] = len(self.steps)
            self.steps.append((op, list(names)))
        return self.known[step]

    def plus(self, a: Any, b: Any, c: Any, fused: bool) -> Any:
        """``a b + c``."""
        return self.do("fma", a, b, c) if fused else self.do("add", self.do("mul", a, b), c)

    def minus(self, a: Any, b: Any, factor: float, fused: bool) -> Any:
        """``a - factor b``."""
        return self.do("fma", b, -factor, a) if fused else self.do("sub", a, self.do("mul", b, factor))

    def polynomial(self, c: list[float], x: Any, scheme: Order) -> Any:
        """A polynomial, the lowest coefficient first."""
        terms: list[Any] = list(c)
        if not scheme.estrin:
            total = terms[-1]
            for each in terms[-2::-1]:
                total = self.plus(total, x, each, scheme.fused)
            return total
        while len(terms) > 1:
            rest = terms[len(terms) // 2 * 2 :]
            terms = [self.plus(b, x, a, scheme.fused) for a, b in zip(terms[::2], terms[1::2])] + rest
            if len(terms) > 1:
                x = self.do("mul", x, x)
        return terms[0]
