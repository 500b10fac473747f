"""The cost of a type: the number of operations of its evaluated form, with symmetry.

A multiplication, an addition and a division count as one each. Horner's rule takes ``2 p`` for P and, scaled to a
constant term 1, ``2 q`` for Q, and the quotient one more. With a symmetry the sums run over ``y = x**2``, in half as
many terms:

    even          R(x^2)          1 + the operations of R
    odd           x R(x^2)        2 + the operations of R
    c + odd       c + x R(x^2)    3 + the operations of R
    c x + even    c x + R(x^2)    3 + the operations of R
"""

from rational_approx.problem.ansatz import Ansatz, Type

__all__ = ["operations"]

NOTHING = Ansatz()


def operations(degree: Type, symmetry: Ansatz = NOTHING) -> int:
    """Multiplications, additions and divisions that evaluate a rational of this type and symmetry once.

    >>> operations((4, 2)), operations((4, 2), Ansatz(step=2))
    (13, 8)
    """
    m, n = symmetry.inner(degree)
    return (symmetry.operations if m + n else 0) + 2 * (m + n) + (1 if n else 0)
