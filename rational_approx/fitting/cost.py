"""What a type costs: the operations of its evaluated form, or its depth and multiplications, with symmetry.

**Operations.** A multiplication, an addition and a division count as one each. Horner's rule takes ``2 p`` for P and,
scaled to a constant term 1, ``2 q`` for Q, and the quotient one more. With a symmetry the sums run over ``y = x**2``,
in half as many terms:

    even          R(x^2)          1 + the operations of R
    odd           x R(x^2)        2 + the operations of R
    c + odd       c + x R(x^2)    3 + the operations of R
    c x + even    c x + R(x^2)    3 + the operations of R

**Depth.** For arithmetic on ciphertexts. Additions are free. A multiplication by a constant takes a level as every
other one does, but only products of two values that depend on x are counted: they are what takes time. A polynomial of
degree d takes ``ceil(log2(d + 1))`` levels, the fewest possible, and within them the fewest multiplications of this
scheme: squares ``x**2, x**4, ..., x**(2**g)``; powers ``x, x**2, ..., x**l`` (odd ones alone for an odd polynomial);
and, above degree l, ``q x**(2**i) + r`` with the largest square that fits, again and again. The best of all g and l
counts. For odd polynomials these are the numbers of the odd baby-step giant-step method of Lee, Lee, No and Kim (2021).

P and Q are counted each on its own, and their quotient as Goldschmidt's iteration with 7 squarings, which starts from
P: 8 levels and 15 multiplications. It has 20 bits where the largest value of Q is 16 times the smallest.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from rational_approx.problem.ansatz import Ansatz, Type

__all__ = ["Encrypted", "depth", "encrypted", "levels", "multiplications", "operations"]

NOTHING = Ansatz()
DIVISION_LEVELS, DIVISION_MULTIPLICATIONS = 8, 15
NEVER = 1 << 30


def operations(degree: Type, symmetry: Ansatz = NOTHING) -> int:
    """Multiplications, additions and divisions that evaluate a rational of this type and symmetry once.

    >>> operations((4, 2)), operations((4, 2), Ansatz(step=2))
    (13, 8)
    """
    m, n = symmetry.inner(degree)
    return (symmetry.operations if m + n else 0) + 2 * (m + n) + (1 if n else 0)


class Encrypted(NamedTuple):
    """The cost on ciphertexts: levels first, then multiplications."""

    levels: int
    multiplications: int


def encrypted(degree: Type, symmetry: Ansatz = NOTHING) -> Encrypted:
    """Levels and multiplications that evaluate a rational of this type and symmetry once.

    >>> encrypted((7, 0)), encrypted((3, 2))
    (Encrypted(levels=3, multiplications=5), Encrypted(levels=10, multiplications=18))
    """
    p, q = _degrees(degree, symmetry)
    odd = symmetry.step == 2 and len(symmetry.roots) % 2 == 1
    even = symmetry.step == 2 and not odd
    products = multiplications(p, odd=odd, even=even)
    if q:
        products += multiplications(q, even=symmetry.step == 2) + DIVISION_MULTIPLICATIONS
    return Encrypted(depth(degree, symmetry), products)


def depth(degree: Type, symmetry: Ansatz = NOTHING) -> int:
    """The levels alone.

    >>> depth((7, 0)), depth((8, 0)), depth((3, 2))
    (3, 4, 10)
    """
    p, q = _degrees(degree, symmetry)
    linear = 1 if len(symmetry.offset) > 1 else 0
    return max(levels(p), levels(q), linear) + (DIVISION_LEVELS if q else 0)


def _degrees(degree: Type, symmetry: Ansatz) -> Type:
    """Of numerator and denominator, without what is added to their quotient."""
    m, n = symmetry.inner(degree)
    nothing = m + n == 0 and symmetry.offset  # no odd or even part is left
    return 0 if nothing else symmetry.step * m + len(symmetry.roots), symmetry.step * n


def levels(degree: int) -> int:
    """``ceil(log2(degree + 1))``, the multiplicative depth of a polynomial.

    >>> [levels(d) for d in (0, 1, 3, 4, 7, 15, 31)]
    [0, 1, 2, 3, 3, 4, 5]
    """
    return degree.bit_length()


@cache
def multiplications(degree: int, *, odd: bool = False, even: bool = False) -> int:
    """Products of two values that depend on x, for a polynomial of this degree within `levels` of it.

    >>> [multiplications(d, odd=True) for d in (3, 5, 7, 9, 15, 27, 31)]
    [2, 3, 5, 5, 8, 10, 12]
    """
    if even:
        return multiplications(degree // 2) + 1 if degree else 0
    least = 0 if degree <= 1 else NEVER
    for fixed, squares, highest in sorted(_sizes(degree, odd)):
        if fixed >= least:
            break
        least = min(least, fixed + _split_products(degree, squares, highest, odd))
    return least


def _sizes(degree: int, odd: bool) -> Iterator[tuple[int, int, int]]:
    """How many squares, up to which power, and the multiplications that they take."""
    for squares in range(1, levels(degree) + 1):
        for highest in range(1, min(degree, 2 ** (squares + 1) - 1) + 1, 2 if odd else 1):
            powers = (highest - 1) // 2 if odd else highest - levels(highest)
            yield powers + squares, squares, highest


def _split_products(degree: int, squares: int, highest: int, odd: bool) -> int:
    """The products ``q x**(2**i)``; `NEVER` where the levels do not suffice."""

    @cache
    def left(d: int, within: int) -> int:
        if d <= highest and (d == 0 or 1 + (d - 1).bit_length() <= within):
            return 0
        i = min(squares, within - 1, levels(d - odd) - 1)
        if i < 1:
            return NEVER
        # Where q is a constant its product with a power is one by a constant.
        return (d > 2**i) + left(d - 2**i, within - 1) + left(2**i - 1, within)

    return left(degree, levels(degree))
