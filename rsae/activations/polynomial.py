"""`PolynomialActivation`: a polynomial of the pre-activation, to tell what a rational of the ratio is worth."""

from collections.abc import Sequence
from fractions import Fraction

from torch import Tensor

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations.ratio import RationalActivation

__all__ = ["REACH", "PolynomialActivation"]

REACH = 8.0
"""Thresholds up to which the polynomial follows a pre-activation; beyond it its factor is that at the reach."""
_DEGREES = (5, 4)  # 6 coefficients in one variable, 15 in two: not fewer than the rational's 6 and 13


class PolynomialActivation(RationalActivation):
    """``z = h max(P(s), 0)`` on the support, ``s = clamp((h / tau - 1) / (REACH - 1), 0, 1)``.

    P is a polynomial of degree 5 in h, in units of the threshold; with ``("ratio", "norm")`` of total degree 4 in h and
    the norm share. A polynomial of ``tau / h`` would be a rational of h whose denominator is a power of h; this is the
    polynomial to compare a rational with. A column for comparison: no format holds it.

    >>> import torch
    >>> gate = PolynomialActivation()
    >>> [round(z, 5) for z in gate(torch.tensor([3.0, 1.0, -2.0]), torch.tensor(1.5)).tolist()]
    [3.0, 0.0, 0.0]
    """

    def __init__(self, inputs: Sequence[str] = ("ratio",)) -> None:
        one = (Fraction(1), *[Fraction(0)] * _DEGREES[len(inputs) - 1])
        super().__init__(Rational(one, (Fraction(1),), Domain.of((0, 1))), inputs)

    def values(self, h: Tensor, tau: Tensor, share: Tensor | None = None) -> Tensor:
        """``h max(P(s), 0)`` for each entry, with no gate; 0 where h is not positive. Shapes broadcast."""
        s = ((h / tau.clamp_min(1e-6) - 1) / (REACH - 1)).clamp(0.0, 1.0)
        # The curve of the ratio u = s: what `RationalActivation` is given as its threshold is s h.
        return super().values(h, h * s, share)
