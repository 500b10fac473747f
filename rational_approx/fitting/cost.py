"""The cost of a type: the number of operations of its evaluated form, with symmetry.

A multiplication, an addition and a division count as one each. Horner's rule takes ``2 p`` for P and, scaled to a
constant term 1, ``2 q`` for Q, and the quotient one more. With a symmetry the sums run over ``y = x**2``, in half as
many terms:

    even          R(x^2)          1 + the operations of R
    odd           x R(x^2)        2 + the operations of R
    c x + even    c x + R(x^2)    3 + the operations of R
"""

from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.target import Target

__all__ = ["Type", "doubled", "halved", "operations", "symmetry"]

Type = tuple[int, int]

EXTRA = {"none": 0, "even": 1, "odd": 2, "linear": 3}


def symmetry(target: Target) -> str:
    """``"even"``, ``"odd"``, ``"linear"`` (a multiple of x plus an even function) or ``"none"``."""
    return "none" if target.samples is not None else symmetry_of(target, (1, 0))[0]


def operations(degree: Type, symmetry: str = "none") -> int:
    """Multiplications, additions and divisions that evaluate a rational of this type once.

    ``symmetry`` is ``"none"``, ``"even"``, ``"odd"`` or ``"linear"`` (a multiple of x plus an even function).

    >>> operations((3, 2)), operations((3, 2), "linear")
    (11, 8)
    """
    m, n = halved(degree, symmetry)
    return (EXTRA[symmetry] if m + n else 0) + 2 * (m + n) + (1 if n else 0)


def halved(degree: Type, symmetry: str) -> Type:
    """The type in ``y = x**2`` (in x itself without symmetry)."""
    p, q = degree
    if symmetry == "none":
        return p, q
    return ((p - 1) // 2 if symmetry == "odd" else p // 2), q // 2


def doubled(m: int, n: int, symmetry: str) -> Type:
    """The smallest type in x that holds the type (m, n) in ``y = x**2``."""
    if symmetry == "none":
        return m, n
    if symmetry == "odd":
        return 2 * m + 1, 2 * n
    return (2 * m if symmetry == "even" else max(2 * m, 2 * n + 1)), 2 * n
