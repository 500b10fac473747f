"""`PaperActivation`: the published dense form ``z = C_out r(h / C_in)``, under its own name.

A rational is zero at finitely many points only, so every one of the d_sae codes is non-zero: L0 depends on a tolerance,
and is always reported with it. The default upgrade keeps an exact support instead (`RationalActivation`). Both
answer the same: the value at (h, tau, share), ``dense``, ``tolerance``, ``rescaled``, ``learned`` and ``rational``.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations import kernels
from rsae.activations.denominator import expand, positive_form
from rsae.activations.ratio import RationalActivation, exact_coefficients

__all__ = ["Activation", "PaperActivation"]


class PaperActivation(nn.Module):
    """``z = C_out P(t) / Q(t)``, ``t = clamp(h / C_in, -1, 1)``, ``Q = 1 + B(t)^2 + (1 - t^2) C(t)^2``.

    P, B and C are Chebyshev sums. The denominator form is free of poles whatever its parameters, and holds every
    denominator that is positive on [-1, 1], so nothing of the published safe-Padé family is lost.

    Parameters
    ----------
    rational:
        The approximated gate on [-1, 1] (Yin & Yu: type (3, 2) for ReLU, (9, 8) for JumpReLU and TopK).
    input_scale, output_scale:
        ``C_in > 0`` and ``C_out``; both are trained.
    tolerance:
        Codes whose magnitude is at most this are counted as zero in L0; they still enter the reconstruction.

    Raises
    ------
    ValueError
        for a domain other than [-1, 1], a scale or tolerance that is not positive, or a denominator that vanishes.

    Source: Yin & Yu, *Rational Sparse Autoencoder*, arXiv 2606.14990.
    """

    dense = True
    inputs: tuple[str, ...] = ("value",)

    def __init__(
        self, rational: Rational, input_scale: float, output_scale: float = 1.0, tolerance: float = 1e-3
    ) -> None:
        super().__init__()
        if (rational.domain.lower, rational.domain.upper) != (-1, 1):
            raise ValueError(f"the paper's activation reads h / C_in in [-1, 1], not in {rational.domain}")
        if not (input_scale > 0 and tolerance > 0):
            raise ValueError(f"input_scale and tolerance must be positive, not {input_scale!r} and {tolerance!r}")
        exact = rational.chebyshev()
        scale, b, c = positive_form([float(x) for x in exact.denominator])
        self.numerator = nn.Parameter(torch.tensor([float(x) * scale for x in exact.numerator]))
        self.denominator = nn.Parameter(torch.tensor(b, dtype=torch.float32))
        self.arch = nn.Parameter(torch.tensor(c, dtype=torch.float32))
        self.input_scale = nn.Parameter(torch.tensor(float(input_scale)))
        self.output_scale = nn.Parameter(torch.tensor(float(output_scale)))
        self.tolerance = float(tolerance)

    def forward(self, pre_activations: Tensor, threshold: Tensor | None = None, share: Tensor | None = None) -> Tensor:
        """Dense codes [..., d] of pre-activations [..., d], called as a `RationalActivation` is."""
        return self.values(pre_activations)

    def values(self, h: Tensor, tau: Tensor | None = None, share: Tensor | None = None) -> Tensor:
        """The same: each code reads its own pre-activation alone."""
        inputs = (h, self.input_scale, self.output_scale, self.numerator, self.denominator, self.arch)
        return kernels.differentiable(kernels.dense, kernels.dense_gradients, inputs)

    def rational(self) -> Rational:
        """``r`` as an exact `Rational` of t on [-1, 1]; the activation is ``C_out r(h / C_in)``."""
        p, b, c = (exact_coefficients(x) for x in (self.numerator, self.denominator, self.arch))
        return Rational(tuple(p), expand(b, c), Domain.of((-1, 1)))

    @torch.no_grad()
    def rescaled(self, factor: float) -> "PaperActivation":
        """The activation for pre-activations ``factor`` times as large, whose codes are as many times as large."""
        other = copy.deepcopy(self)
        other.input_scale.mul_(factor)
        other.output_scale.mul_(factor)
        other.tolerance *= factor
        return other

    @torch.no_grad()
    def learned(self, start: Any) -> dict[str, list[float]]:
        """What it became: codes at 201 pre-activations within both scales, and ``before`` those of the start."""
        widest = max(float(start.input_scale), float(self.input_scale))
        h = torch.linspace(-widest, widest, 201)
        before, after = (gate(h.to(gate.numerator.device)).tolist() for gate in (start, self))
        return {"pre_activation": h.tolist(), "before": before, "after": after}


Activation = RationalActivation | PaperActivation
