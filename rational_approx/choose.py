"""Choosing a type: the cheapest one that meets a tolerance, and the table of types against errors (Walsh's table).

The cost of a type is the number of operations of its evaluated form, where a multiplication, an addition and a
division count as one each. Horner's rule takes ``2 p`` for P and, scaled to a constant term 1, ``2 q`` for Q, and the
quotient one more. With a symmetry the sums run over ``y = x**2``, in half as many terms:

    even          R(x^2)          1 + the operations of R
    odd           x R(x^2)        2 + the operations of R
    c x + even    c x + R(x^2)    3 + the operations of R
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from rational_approx.remez import DidNotConverge, Fit, fit
from rational_approx.symmetry import symmetry_of
from rational_approx.target import Target

__all__ = ["WalshTable", "cheapest", "operations", "walsh_table"]

Type = tuple[int, int]

LARGEST = 32
"""The largest type that is tried is (LARGEST, LARGEST) in the variable that is left after symmetry."""

HOPELESS = 100.0
"""Along types of equal cost the search turns back where the error is this many times too large."""

EXTRA = {"none": 0, "even": 1, "odd": 2, "linear": 3}


def operations(degree: Type, symmetry: str = "none") -> int:
    """Multiplications, additions and divisions that evaluate a rational of this type once.

    ``symmetry`` is ``"none"``, ``"even"``, ``"odd"`` or ``"linear"`` (a multiple of x plus an even function).

    >>> operations((3, 2)), operations((3, 2), "linear")
    (11, 8)
    """
    m, n = _halved(degree, symmetry)
    return (EXTRA[symmetry] if m + n else 0) + 2 * (m + n) + (1 if n else 0)


def _halved(degree: Type, symmetry: str) -> Type:
    """The type in ``y = x**2`` (in x itself without symmetry)."""
    p, q = degree
    if symmetry == "none":
        return p, q
    return ((p - 1) // 2 if symmetry == "odd" else p // 2), q // 2


def _doubled(m: int, n: int, symmetry: str) -> Type:
    """The smallest type in x that holds the type (m, n) in ``y = x**2``."""
    if symmetry == "none":
        return m, n
    if symmetry == "odd":
        return 2 * m + 1, 2 * n
    return (2 * m if symmetry == "even" else max(2 * m, 2 * n + 1)), 2 * n


def _symmetry(target: Target) -> str:
    return "none" if target.samples is not None else symmetry_of(target, (1, 0))[0]


class _Search:
    """The fits of one target that a search has asked for, each made once."""

    def __init__(self, target: Target) -> None:
        self.target, self.symmetry = target, _symmetry(target)
        self.fits: dict[Type, Fit | None] = {}

    def possible(self, m: int, n: int) -> bool:
        """Whether a type can be the answer to anything: other types are equal to smaller ones, or too large."""
        p, q = _doubled(m, n, self.symmetry)
        if p < len(self.target.relative_zeros):
            return False
        if self.target.samples is not None:
            return p + q + 2 <= len(self.target.samples[0])
        if not self.target.domain.bounded:
            return m <= n
        return m >= n or self.symmetry != "linear"

    def error(self, m: int, n: int) -> float:
        """The best error of a type, infinite where none was found."""
        degree = _doubled(m, n, self.symmetry)
        if not self.possible(m, n):
            return inf
        if degree not in self.fits:
            try:
                self.fits[degree] = fit(self.target, degree)
            except DidNotConverge:
                self.fits[degree] = None
        found = self.fits[degree]
        return inf if found is None else float(found.error)

    def best(self) -> Fit | None:
        """The fit with the smallest error so far."""
        return min((found for found in self.fits.values() if found), key=lambda found: found.error, default=None)


def cheapest(target: object, tolerance: float, *, digits: int | None = None) -> Fit:
    """The best approximant of the cheapest type whose error is at most ``tolerance``.

    The diagonal of the table of types is bisected for a first type that meets the tolerance. From there the search goes
    down, one coefficient at a time, to any type of that cost that still meets it: nearest first, both ways along the
    types of equal cost, and back where the error is a hundred times too large. A polynomial that is as cheap is tried as
    well; of types of equal cost the result is the one that is locally best. A type for which ``fit`` finds no best
    approximant counts as one that misses.

    Parameters
    ----------
    target:
        A :class:`~rational_approx.target.Target`, or what makes one with its default domain (a gate).
    tolerance:
        The largest (weighted) error allowed.
    digits:
        As for :func:`~rational_approx.remez.fit`, for the answer.

    Raises
    ------
    ValueError
        for a tolerance that is not a positive number.
    DidNotConverge
        where no type tried meets the tolerance, with the best fit seen.

    >>> cheapest(Target("exp(x)", (-1, 1)), 1e-6).degree
    (3, 3)
    """
    target = target if isinstance(target, Target) else Target(target)
    try:
        allowed = float(tolerance)
    except (TypeError, ValueError):
        allowed = -1.0
    if isinstance(tolerance, bool) or not (isfinite(allowed) and allowed > 0):
        raise ValueError(f"tolerance must be a positive number, not {tolerance!r}: give the largest error allowed")
    search = _Search(target)
    corner = _descended(search, _corner(search, allowed), allowed)
    degree = _doubled(*corner, search.symmetry)
    return fit(target, degree, digits=digits) if digits is not None else _known(search.fits[degree])


def _known(found: Fit | None) -> Fit:
    assert found is not None
    return found


def _corner(search: _Search, allowed: float) -> Type:
    """The first type near the diagonal that meets the tolerance: by doubling, then bisection."""

    def meets(n: int) -> Type | None:
        for m, k in ((n, n), (n + 1, n)):
            if search.error(m, k) <= allowed:
                return m, k
            if search.error(m, k) < inf:
                return None
        return None

    low, high, found = -1, 0, meets(0)
    while found is None:
        low, high = high, max(1, 2 * high)
        failed = search.error(low, low) == inf and search.error(low + 1, low) == inf
        if high > LARGEST or (failed and low >= 4):
            best = search.best()
            message = f"no type of {search.target!r} that was tried meets the tolerance {allowed:g}"
            if best is not None:
                message += f"; the smallest error found is {float(best.error):.3g}, at type {best.degree}"
            raise DidNotConverge(message + ": raise the tolerance, or shrink the domain", best)
        found = meets(high)
    while high - low > 1:
        middle = (low + high) // 2
        better = meets(middle)
        if better is None:
            low = middle
        else:
            high, found = middle, better
    return found


def _descended(search: _Search, corner: Type, allowed: float) -> Type:
    """The cheapest type that meets the tolerance, given one that does."""
    best = corner
    while sum(best) > 0:
        better = next((t for t in _outwards(search, best, allowed) if search.error(*t) <= allowed), None)
        if better is None:
            break
        best = better
    m = sum(best)  # a polynomial of this degree saves the division
    if best[1] > 0 and search.error(m, 0) <= allowed:
        while m > 0 and search.error(m - 1, 0) <= allowed:
            m -= 1
        return m, 0
    for step in (-1, 1):  # of equal cost, towards the smaller error
        while best[1] > 0 and min(best[0] - step, best[1] + step - 1) >= 0:
            other = best[0] - step, best[1] + step
            if not search.error(*other) < search.error(*best):
                break
            best = other
    return best


def _outwards(search: _Search, best: Type, allowed: float) -> Iterator[Type]:
    """The types with one coefficient less than ``best``, nearest first, until the error is hopeless either way."""
    m, n = best
    ways = {-1: (m - 1, n), 1: (m, n - 1)}  # a step to smaller m and larger n, and the other way
    while ways:
        for way, (p, q) in list(ways.items()):
            if min(p, q) < 0:
                del ways[way]
                continue
            yield p, q
            if search.possible(p, q) and search.error(p, q) > HOPELESS * allowed:
                del ways[way]
            else:
                ways[way] = p + way, q - way


@dataclass(frozen=True)
class WalshTable:
    """Best errors by type; ``errors[p, q]`` is None where no best approximant was found.

    ``blocks[p, q]`` is the smallest type with the same best approximant by symmetry: the type itself where there is
    none. ``str()`` prints the table: a row for each p, a column for each q, ``<`` and ``^`` for an entry of the same
    block as the one on its left or above it, and ``?`` where no best approximant was found.
    """

    target: Target
    symmetry: str
    errors: dict[Type, float | None]
    blocks: dict[Type, Type]

    def cheapest(self, tolerance: float) -> Type | None:
        """The cheapest type in the table that meets a tolerance (of equal cost the most accurate), or None."""
        meets = [
            (operations(t, self.symmetry), e, t) for t, e in self.errors.items() if e is not None and e <= tolerance
        ]
        return min(meets)[2] if meets else None

    def __str__(self) -> str:
        most_p, most_q = max(self.errors)
        title = {"none": "no symmetry", "linear": "c x + even"}.get(self.symmetry, self.symmetry)
        lines = [f"{self.target.name} on {self.target.domain}: {title}"]
        lines.append("   p\\q" + "".join(f"{q:>10}" for q in range(most_q + 1)))
        for p in range(most_p + 1):
            lines.append(f"{p:>6}" + "".join(f"{self._entry(p, q):>10}" for q in range(most_q + 1)))
        return "\n".join(lines)

    def _entry(self, p: int, q: int) -> str:
        block = self.blocks[p, q]
        if q and self.blocks[p, q - 1] == block:
            return "<"
        if p and self.blocks[p - 1, q] == block:
            return "^"
        error = self.errors[p, q]
        return "?" if error is None else f"{error:.2e}"


def walsh_table(
    target: object,
    max_p: int,
    max_q: int,
    domain: object = None,
    *,
    weight: object = None,
    breakpoints: Sequence[object] = (),
) -> WalshTable:
    """The best errors of all types up to ``(max_p, max_q)``, one fit for each symmetry block.

    Parameters
    ----------
    target, domain, weight, breakpoints:
        See :class:`~rational_approx.target.Target`, which may also be given itself.
    max_p, max_q:
        The largest degrees of numerator and denominator.

    Raises
    ------
    ValueError
        for degrees that are not integers of at least 0, or a target that makes no sense.

    >>> print(walsh_table("abs(x)", 3, 4, (-1, 1)))
    abs(x) on Domain([-1, 1]): even
       p\\q         0         1         2         3         4
         0  5.00e-01         <  2.07e-01         <  1.38e-01
         1         ^         <         ^         <         ^
         2  1.25e-01         <  4.37e-02         <  2.46e-02
         3         ^         <         ^         <         ^
    """
    if not isinstance(target, Target):
        target = Target(target, domain, weight=weight, breakpoints=breakpoints)
    for name, degree in (("max_p", max_p), ("max_q", max_q)):
        if not isinstance(degree, int) or isinstance(degree, bool) or degree < 0:
            raise ValueError(f"{name} must be an integer of at least 0, not {degree!r}")
    symmetry = _symmetry(target)
    types = [(p, q) for p in range(max_p + 1) for q in range(max_q + 1)]
    blocks = {degree: _block(degree, symmetry) for degree in types}
    known: dict[Type, float | None] = {}
    for degree in types:
        smallest = blocks[degree]
        if smallest not in known:
            known[smallest] = _error(target, smallest)
    return WalshTable(target, symmetry, {degree: known[blocks[degree]] for degree in types}, blocks)


def _error(target: Target, degree: Type) -> float | None:
    if degree[0] < len(target.relative_zeros):
        return None
    if target.samples is not None and sum(degree) + 2 > len(target.samples[0]):
        return None
    try:
        return float(fit(target, degree).error)
    except DidNotConverge:
        return None


def _block(degree: Type, symmetry: str) -> Type:
    """The smallest type with the same best approximant, by symmetry."""
    p, q = degree
    if symmetry == "odd" and p == 0:  # the best one is odd and so zero
        return 0, 0
    if symmetry == "none" or (symmetry == "linear" and p <= q):  # c x + P/Q has type (q + 1, q) at least
        return degree
    return _doubled(*_halved(degree, symmetry), symmetry)
