"""Levels and multiplications: counted while a polynomial is evaluated."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from rational_approx.fitting.cost import depth, encrypted, levels, multiplications, operations
from rational_approx.problem.ansatz import Ansatz

PUBLISHED = [0, 2, 3, 5, 5, 6, 7, 8, 8, 8, 9, 9, 10, 10, 11, 12, 11, 11, 11, 11, 12, 12, 13, 13, 14, 14, 14, 14, 15, 15]
PUBLISHED += [16, 17]
"""Of odd polynomials of degree 1, 3, ..., 63 (func.cpp of MinimaxComp_degrees, by Lee, Lee, No and Kim 2021)."""


class Meter:
    """How many products were taken."""

    products = 0


@dataclass
class Cipher:
    """A number that knows its level; a product with a constant takes one, and is not counted."""

    value: Fraction
    level: int
    meter: Meter

    def __add__(self, other):
        if not isinstance(other, Cipher):
            return Cipher(self.value + other, self.level, self.meter)
        return Cipher(self.value + other.value, max(self.level, other.level), self.meter)

    def __mul__(self, other):
        if not isinstance(other, Cipher):
            return Cipher(self.value * other, self.level + 1, self.meter)
        self.meter.products += 1
        return Cipher(self.value * other.value, max(self.level, other.level) + 1, self.meter)


def _powers(x: Cipher, squares: int, highest: int, odd: bool) -> dict[int, Cipher]:
    known = {1: x}
    for i in range(1, squares + 1):
        known[2**i] = known[2 ** (i - 1)] * known[2 ** (i - 1)]
    for k in range(3, highest + 1, 2 if odd else 1):
        if k not in known:
            large = 2 ** (k.bit_length() - 1)
            known[k] = known[large] * known[k - large]
    return known


def _evaluated(c: list[Fraction], known: dict[int, Cipher], squares: int, highest: int, within: int):
    """The sum of ``c[k] x**k`` with ``q x**(2**i) + r``; a constant where it is one, None where the levels do not
    suffice."""
    while len(c) > 1 and c[-1] == 0:
        c = c[:-1]
    d, odd = len(c) - 1, not any(c[::2])
    if d <= highest and (d == 0 or 1 + (d - 1).bit_length() <= within):
        total = c[0]
        for k in range(1, d + 1):
            if c[k]:
                total = known[k] * c[k] + total
        return total
    i = max((i for i in range(1, squares + 1) if i < within and (2**i < d if odd else 2**i <= d)), default=0)
    if not i:
        return None
    q = _evaluated(c[2**i :], known, squares, highest, within - 1)
    r = _evaluated(c[: 2**i], known, squares, highest, within)
    return None if q is None or r is None else known[2**i] * q + r


def _cheapest(c: list[Fraction], x: Fraction, odd: bool) -> tuple[int, int]:
    """Products and levels of the cheapest way that the scheme has, each way run."""
    d, ways = len(c) - 1, []
    exact = sum(a * x**k for k, a in enumerate(c))
    for squares in range(1, levels(d) + 1):
        for highest in range(1, min(d, 2 ** (squares + 1) - 1) + 1, 2 if odd else 1):
            meter = Meter()
            known = _powers(Cipher(x, 0, meter), squares, highest, odd)
            y = _evaluated(c, known, squares, highest, levels(d))
            if y is not None:
                assert y.value == exact
                assert y.level <= levels(d)
                ways.append((meter.products, y.level))
    return min(ways)


@pytest.mark.parametrize("degree", [3, 5, 7, 9, 13, 15, 17, 27, 31, 33])
def test_an_odd_polynomial_is_evaluated_at_its_cost(degree):
    c = [Fraction(k + 1, 7) if k % 2 else Fraction(0) for k in range(degree + 1)]
    products, level = _cheapest(c, Fraction(3, 5), odd=True)
    assert products == multiplications(degree, odd=True)
    assert level == levels(degree)


@pytest.mark.parametrize("degree", [2, 3, 4, 6, 7, 8, 11, 12, 15, 16, 20])
def test_a_polynomial_is_evaluated_at_its_cost(degree):
    products, _ = _cheapest([Fraction(k + 1, 7) for k in range(degree + 1)], Fraction(3, 5), odd=False)
    assert products == multiplications(degree)


def test_odd_polynomials_cost_what_was_published():
    assert [multiplications(d, odd=True) for d in range(1, 64, 2)] == PUBLISHED


def test_within_a_depth_a_higher_degree_costs_as_much_or_more():
    for kind in ({}, {"odd": True}, {"even": True}):
        costs = [multiplications(d, **kind) for d in range(1, 128)]
        for n in range(2, 8):
            within = costs[2 ** (n - 1) - 1 : 2**n - 1][:: 2 if kind else 1]
            assert within == sorted(within)


def test_types_with_symmetry():
    even, odd, linear = Ansatz(2), Ansatz(2, (Fraction(0),)), Ansatz(2, (), (Fraction(0), Fraction(1, 2)))
    assert encrypted((6, 0), even) == (3, multiplications(3) + 1)
    assert encrypted((7, 0), odd) == (3, 5)
    assert encrypted((6, 0), linear) == encrypted((6, 0), even)
    assert encrypted((1, 0), linear) == (1, 0)
    # Goldschmidt's iteration takes 8 levels and 15 multiplications.
    assert encrypted((3, 2), odd) == (2 + 8, 2 + 1 + 15)
    assert encrypted((0, 3)) == (2 + 8, 0 + 2 + 15)
    assert depth((0, 0)) == 0
    assert operations((7, 0), odd) == 2 + 2 * 3
