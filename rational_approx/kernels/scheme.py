"""`Scheme`: in which order code evaluates polynomials, and which operations it may use."""

from collections.abc import Sequence
from dataclasses import dataclass

from rational_approx.kernels.coefficient_formats import CoefficientFormats
from rational_approx.kernels.machines import KEPT, MACHINES, Machine
from rational_approx.problem.prescribed import Prescribed
from rational_approx.programs.program import Constant, Operand, Result, Step, Writer

__all__ = ["ORDERS", "PLAIN", "SCHEMES", "Scheme"]

ORDERS = ("horner", "estrin")
SCHEMES = (*ORDERS, "barycentric")


@dataclass(frozen=True)
class Scheme:
    """How the operations of code are chosen.

    Attributes
    ----------
    order:
        ``"horner"``, one term after the other, or ``"estrin"``, pairs of terms, pairs of pairs, and so on: more
        operations, of which fewer wait for one another. Or ``"barycentric"``: rationals by values at nodes and weights,
        and in Horner's order the polynomials of exponents and reductions.
    fma:
        Whether a product and a sum are one operation, rounded once.
    flush:
        Whether what is claimed holds also where subnormal operands, results, or both are replaced by zero.
    coefficients:
        The formats of the coefficients of rationals, where some are shorter than that of the operations.
    form:
        What the piece about zero is, with exact operations, where that is prescribed.
    """

    order: str = "horner"
    fma: bool = False
    flush: bool = False
    coefficients: CoefficientFormats | None = None
    form: Prescribed | None = None

    def __str__(self) -> str:
        words = {"estrin": ["Estrin's order"], "barycentric": ["barycentric form"]}.get(self.order, [])
        words = words + ["FMA"] * self.fma
        words += ["for machines that flush, too"] * self.flush
        words += [] if self.form is None else [f"about zero {self.form}"]
        return "".join(f", {word}" for word in words)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """What claims are about."""
        return MACHINES if self.flush else (KEPT,)

    def obeyed(self, steps: Sequence[Step]) -> bool:
        """Whether no step belongs to the other order.

        ``(k z + c) z + c'`` is one of Horner's, and ``u z^2 + (k z + c)`` one of Estrin's, with numbers c and c'.
        Neither belongs to a piece in barycentric form.
        """
        terms = [_term(steps, k) for k in range(len(steps))]
        for a, z, c in filter(None, terms):
            if self.order != "horner" and isinstance(c, Constant):
                before = _inner(terms, a)
                if before is not None and z == before[1]:
                    return False
            if self.order != "estrin" and isinstance(z, Result):
                before = _inner(terms, c)
                if before is not None and steps[z.step] == ("mul", (before[1], before[1])):
                    return False
        return True

    def writer(self) -> Writer:
        """Writes operations down as this scheme says."""
        return Writer(self.fma, self.order if self.order in ORDERS else "horner")


PLAIN = Scheme()
"""Horner's rule, every product and every sum rounded by itself."""


def _inner(terms: Sequence[tuple[Operand, ...] | None], which: Operand) -> tuple[Operand, ...] | None:
    """The operands of a step ``k z + c`` with a number c; None of another operand."""
    found = terms[which.step] if isinstance(which, Result) else None
    return found if found is not None and isinstance(found[2], Constant) else None


def _term(steps: Sequence[Step], index: int) -> tuple[Operand, ...] | None:
    """The operands a, z, c of a step ``a z + c``, fused or not; None of another one."""
    op, names = steps[index]
    if op == "fma":
        return names
    if op == "add" and isinstance(names[0], Result) and steps[names[0].step].op == "mul":
        return *steps[names[0].step].operands, names[1]
    return None
