"""The type of least multiplicative depth, and then of fewest multiplications, that meets a tolerance.

A division takes 8 levels, as many as a polynomial of degree 255 (see :mod:`fitting.cost`). So polynomials up to there
come first: by bisection, since errors fall and costs rise with the degree. Where none suffices, the fewest levels of a
rational are found with all the degrees that fit into them, and then, for each degree of the denominator, the least of
the numerator. Of types that cost the same the largest is taken, whose error is the smallest.
"""

from collections.abc import Sequence

from rational_approx.fitting.cost import DIVISION_LEVELS, Encrypted, depth, encrypted
from rational_approx.fitting.search import Search, out_of_reach
from rational_approx.problem.ansatz import Type

__all__ = ["shallowest"]

LARGEST = 32
"""Of rationals, in the variable that is left after symmetry."""


def shallowest(search: Search) -> Type:
    """The type, in the variable that is left after symmetry.

    Raises
    ------
    DidNotConverge
        where no type that was tried meets the tolerance.
    """
    polynomials = [(m, 0) for m in range(2**DIVISION_LEVELS) if _levels(search, (m, 0)) <= DIVISION_LEVELS]
    found = _polynomial(search, [t for t in polynomials if search.possible(*t)])
    if found is None:
        found = _rational(search)
    if found is None:
        raise out_of_reach(search)
    return _as_accurate(search, found)


def _levels(search: Search, inner: Type) -> int:
    return depth(search.symmetry.outer(*inner), search.symmetry)


def _cost(search: Search, inner: Type) -> Encrypted:
    return encrypted(search.symmetry.outer(*inner), search.symmetry)


def _polynomial(search: Search, types: Sequence[Type]) -> Type | None:
    """The first polynomial that meets the tolerance: from level to level, and by bisection within one."""
    by_levels: dict[int, list[Type]] = {}
    for each in types:
        by_levels.setdefault(_levels(search, each), []).append(each)
    for _, same in sorted(by_levels.items()):
        if search.meets(*same[-1]):
            return _first(search, same)
    return None


def _rational(search: Search) -> Type | None:
    """The rational of fewest multiplications within the fewest levels."""
    sizes = range(LARGEST)
    types = [(m, n) for n in sizes[1:] for m in sizes if search.possible(m, n)]
    for levels in sorted({_levels(search, each) for each in types}):
        columns = [
            [(m, k) for m, k in types if k == n and _levels(search, (m, k)) <= levels]
            for n in sorted({n for _, n in types})
        ]
        # The largest denominator first: where it does not suffice the others hardly do.
        best: Type | None = None
        for column in reversed([column for column in columns if column]):
            if best is not None and _cost(search, column[0]) >= _cost(search, best):
                continue
            if not search.meets(*column[-1]):
                break
            first = _first(search, column)
            if best is None or _cost(search, first) < _cost(search, best):
                best = first
        if best is not None:
            return best
    return None


def _first(search: Search, types: Sequence[Type]) -> Type:
    """The first that meets the tolerance of types with falling errors, of which the last does."""
    low, high = -1, len(types) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if search.meets(*types[middle]) else (middle, high)
    return types[high]


def _as_accurate(search: Search, found: Type) -> Type:
    """The largest type beside it that costs the same, where its error is smaller."""
    cost, (m, n) = _cost(search, found), found
    for step in ((1, 0), (0, 1)) if n else ((1, 0),):
        larger = (m + step[0], n + step[1])
        while search.possible(*larger) and _cost(search, larger) <= cost:
            m, n = larger
            larger = (m + step[0], n + step[1])
    return (m, n) if search.error(m, n) < search.error(*found) else found
