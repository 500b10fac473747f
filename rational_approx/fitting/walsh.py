"""Walsh's table: types against best errors, with the blocks of types that share a best approximant by symmetry."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from rational_approx.fitting.best import Question, fitted
from rational_approx.fitting.cost import operations
from rational_approx.fitting.result import DidNotConverge
from rational_approx.problem.ansatz import Ansatz, Type
from rational_approx.problem.symmetry import symmetry_of
from rational_approx.targets.target import Target

__all__ = ["WalshTable", "walsh_table"]


@dataclass(frozen=True)
class WalshTable:
    """Best errors by type; ``errors[p, q]`` is None where no best approximant was found.

    ``blocks[p, q]`` is the smallest type with the same best approximant by symmetry: the type itself where there is
    none. ``str()`` prints the table: a row for each p, a column for each q, ``<`` and ``^`` for an entry of the same
    block as the one on its left or above it, and ``?`` where no best approximant was found.
    """

    target: Target
    symmetry: Ansatz
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
        lines = [f"{self.target.name} on {self.target.domain}: {self.symmetry}"]
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
        See :class:`~rational_approx.targets.target.Target`, which may also be given itself.
    max_p, max_q:
        The largest degrees of numerator and denominator.

    Raises
    ------
    ValueError
        for degrees that are not integers of at least 0, or a target that makes no sense.

    >>> print(walsh_table("abs(x)", 3, 4, (-1, 1)))
    abs(x) on Domain([-1, 1]): even
       p\\q         0         1         2         3         4
         0  5.00e-01         <  2.68e-01         <  1.81e-01
         1         ^         <         ^         <         ^
         2  1.25e-01         <  4.37e-02         <  2.48e-02
         3         ^         <         ^         <         ^
    """
    if not isinstance(target, Target):
        target = Target(target, domain, weight=weight, breakpoints=breakpoints)
    for name, most in (("max_p", max_p), ("max_q", max_q)):
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise ValueError(f"{name} must be an integer of at least 0, not {most!r}")
    symmetry = symmetry_of(target)
    types = [(p, q) for p in range(max_p + 1) for q in range(max_q + 1)]
    blocks = {degree: _block(degree, symmetry) for degree in types}
    known: dict[Type, float | None] = {}
    for degree in types:
        smallest = blocks[degree]
        if smallest not in known:
            known[smallest] = _error(target, smallest)
    return WalshTable(target, symmetry, {degree: known[blocks[degree]] for degree in types}, blocks)


def _error(target: Target, degree: Type) -> float | None:
    if degree[0] < len(target.zeros):
        return None
    if target.samples is not None and sum(degree) + 2 > len(target.samples[0]):
        return None
    try:
        return float(fitted(Question(target, degree, None, (), (-inf, inf))).error)
    except DidNotConverge:
        return None


def _block(degree: Type, symmetry: Ansatz) -> Type:
    """The smallest type with the same best approximant, by symmetry."""
    p, q = degree
    if p == 0 and symmetry.roots and not symmetry.offset:  # the best one is odd and so zero
        return 0, 0
    # c x + P/Q has type (q + 1, q) at least
    return degree if p < symmetry.needed(q) else symmetry.outer(*symmetry.inner(degree))
