"""`Scheme`: in which order code evaluates polynomials, and which operations it may use."""

from dataclasses import dataclass

from rational_approx.programs.program import Writer

__all__ = ["ORDERS", "PLAIN", "Scheme"]

ORDERS = ("horner", "estrin")


@dataclass(frozen=True)
class Scheme:
    """How the operations of code are chosen.

    Attributes
    ----------
    order:
        ``"horner"``, one term after the other, or ``"estrin"``, pairs of terms, pairs of pairs, and so on: more
        operations, of which fewer wait for one another.
    fma:
        Whether a product and a sum are one operation, rounded once.
    """

    order: str = "horner"
    fma: bool = False

    def writer(self) -> Writer:
        """Writes operations down as this scheme says."""
        return Writer(self.fma, self.order)


PLAIN = Scheme()
"""Horner's rule, every product and every sum rounded by itself."""
