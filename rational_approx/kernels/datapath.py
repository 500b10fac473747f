"""`Datapath`: what fixed-point code computes, integer by integer, for every code of a format.

The inputs are split into rows of a table. All rows share one sequence of integer operations, Horner's rule with a shift
after every product, as one block of hardware does, and differ in their coefficients. For an input code X, of the first
row whose ``upper`` is not below it,

- ``t = (X - origin) 2**left``, or 0 where the row has no origin;
- ``a_n = c_n`` and ``a_k = c_k + R(a_(k+1) t, shift)`` for k from n - 1 to 0;
- ``u = adds X`` and ``s = a_0 + u 2**guard``;
- the output is ``R(s, guard)``, moved to the nearest code of the format where it is none.

``R(v, b) = floor((v + 2**(b-1)) / 2**b)`` rounds to nearest, ties upwards; ``R(v, 0) = v``. All is exact: no integer is
ever cut off, since each has a width that holds it at every input.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rational_approx.arithmetic.values import Value
from rational_approx.kernels.fixed_point import FixedPoint, width

__all__ = ["Datapath", "Row", "TooWide", "rounded_shift"]

LARGEST = 1 << 62


class TooWide(ArithmeticError):
    """An integer has more bits than are calculated with."""


@dataclass(frozen=True)
class Row:
    """Coefficients ``c_0, c_1, ...`` for the codes up to ``upper``, beyond the row before; ``about`` says it in words.

    Without an origin t is 0, so that only ``c_0`` counts. ``adds`` is 1, -1 or 0: the input, or its negative, is added,
    or neither.
    """

    upper: int
    coefficients: tuple[int, ...]
    origin: int | None = None
    left: int = 0
    adds: int = 0
    about: str = ""


@dataclass(frozen=True)
class Datapath(Value):
    """A function of the codes of a format: rows from left to right, and the two shifts that they share."""

    point: FixedPoint
    rows: tuple[Row, ...]
    shift: int
    guard: int

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.point.name

    @cached_property
    def degree(self) -> int:
        """Of the polynomials: so many products are taken one after the other."""
        return max(len(row.coefficients) for row in self.rows) - 1

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """The output codes for codes of the format, as int64."""
        codes = np.asarray(codes, dtype=np.int64)
        last = np.zeros(codes.shape, dtype=np.int64)
        for name, value in self._signals(codes):
            last = value if name == "r" else last
        return np.clip(last, self.point.lowest, self.point.highest)

    @cached_property
    def widths(self) -> dict[str, int]:
        """The least width in two's complement of every integer that occurs at any input of the format, by its name.

        ``t``; ``c0, c1, ...`` the coefficients; ``p2`` the product ``a_3 t``, with and without half a unit added;
        ``r2`` that product shifted; ``a2`` the sum with ``c2``; ``u`` the input where it is added; ``s`` the last sum,
        with half a unit and without; ``r`` the output before it is moved into the format.
        """
        found: dict[str, tuple[int, int]] = {}
        for name, value in self._signals(self.point.codes):
            low, high = found.get(name, (0, 0))
            found[name] = min(low, int(value.min())), max(high, int(value.max()))
        return {name: width(low, high) for name, (low, high) in found.items()}

    @cached_property
    def saturates(self) -> bool:
        """Whether any output has to be moved into the format."""
        return self.widths["r"] > self.point.bits

    @cached_property
    def cost(self) -> int:
        """One-bit adders and bits of the table, about: a product of m and n bits counts m n, a sum its width, a row one
        comparison and the bits of its coefficients."""
        widths, n = self.widths, self.degree
        products = sum(widths[self._factor(k)] * widths["t"] for k in range(n))
        sums = sum(widths[f"a{k}"] for k in range(n)) + widths["s"] + (widths["t"] if n else 0)
        row = self.point.bits + sum(widths[f"c{k}"] for k in range(n + 1))
        return products + sums + (len(self.rows) - 1) * row

    def _factor(self, k: int) -> str:
        return f"a{k + 1}" if k + 1 < self.degree else f"c{k + 1}"

    def _signals(self, codes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Every integer by its name, in order, all ``[codes]``."""
        place = np.searchsorted(np.array([row.upper for row in self.rows]), codes)

        def column(values: list[int]) -> np.ndarray:
            if max(map(abs, values)) >= LARGEST:
                raise TooWide("a coefficient has more bits than are calculated with")
            return np.array(values, dtype=np.int64)[place]

        n = self.degree
        flat = column([row.origin is None for row in self.rows]).astype(bool)
        t = codes - column([row.origin or 0 for row in self.rows])
        t = np.where(flat, 0, t << column([row.left for row in self.rows]))
        yield "t", t
        c = [column([(*row.coefficients, *[0] * n)[k] for row in self.rows]) for k in range(n + 1)]
        yield from ((f"c{k}", each) for k, each in enumerate(c))
        a = c[n]
        for k in reversed(range(n)):
            product = _times(a, t)
            yield f"p{k}", product
            yield f"p{k}", product + _half(self.shift)
            shifted = rounded_shift(product, self.shift)
            yield f"r{k}", shifted
            a = c[k] + shifted
            yield f"a{k}", a
        u = codes * column([row.adds for row in self.rows])
        yield "u", u
        s = a + (u << self.guard)
        yield "s", s
        yield "s", s + _half(self.guard)
        yield "r", rounded_shift(s, self.guard)


def rounded_shift(values: np.ndarray, bits: int) -> np.ndarray:
    """``floor((v + 2**(bits-1)) / 2**bits)``: the nearest integer to ``v / 2**bits``, ties upwards.

    >>> rounded_shift(np.array([-3, -2, -1, 1, 2, 3]), 2).tolist()
    [-1, 0, 0, 0, 1, 1]
    """
    return values + _half(bits) >> bits


def _half(bits: int) -> int:
    return 1 << bits - 1 if bits else 0


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.size and int(np.abs(a).max()) * int(np.abs(b).max()) >= LARGEST:
        raise TooWide("a product has more bits than are calculated with")
    return a * b
