"""`RationalActivation`: a trainable rational of the ratio ``u = tau / h``, with its analytic backward pass."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebval
from torch import Tensor, nn

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rsae.activations import kernels
from rsae.activations.denominator import expand, positive_form
from rsae.activations.kernels.formula import exponents

__all__ = [
    *("IDENTITIES", "IDENTITY", "Denominator", "Inputs", "RationalActivation"),
    *("exact_coefficients", "norm_share"),
]

Inputs = tuple[Literal["ratio"]] | tuple[Literal["ratio"], Literal["norm"]]
INPUTS: tuple[Inputs, ...] = (("ratio",), ("ratio", "norm"))

Denominator = Literal["fixed", "trainable"]
IDENTITIES: Mapping[Denominator, Rational] = {
    "fixed": Rational((Fraction(1), Fraction(0), Fraction(0), Fraction(0)), (Fraction(1),), Domain.of((0, 1))),
    "trainable": Rational(
        (Fraction(1045, 1000), Fraction(0), Fraction(45, 1000), Fraction(0)),
        (Fraction(1045, 1000), Fraction(0), Fraction(45, 1000)),
        Domain.of((0, 1)),
    ),
}
"""The constant 1, the teacher's own gate, as curves start from it.

``"fixed"``: a cubic in u, so that a code is ``(a0 h^3 + a1 tau h^2 + a2 tau^2 h + a3 tau^3) / h^2``, a rational of h
whose denominator is not trained. ``"trainable"``: a rational of u of the published type (3, 2), whose denominator
``1 + (0.3 v)^2`` has a gradient from the first step.
"""
IDENTITY = IDENTITIES["fixed"]
"""The one of the two that is the default everywhere: fewer scalars do the same (docs/measured/curves.md)."""


class RationalActivation(nn.Module):
    """``z = h max(rho(u), 0)`` on the support, exactly 0 elsewhere; ``u = clamp(tau / h, 0, 1)``.

    As equations, with ``v = 2u - 1``, ``w = 2q - 1`` and Chebyshev polynomials T::

        rho = P / Q,   P = sum a_ij T_i(v) T_j(w),   Q = 1 + B^2 + (1 - v^2) C^2 >= 1

    where B and C are sums of the same kind, of half the degree; a curve that starts as a polynomial of u has neither,
    so that Q is 1. With ``inputs=("ratio",)`` only ``j = 0`` occurs, and rho is a rational of u; in h a code is
    ``tau r(h / tau)``, the paper's ``C_out r(h / C_in)`` scaled by the threshold.
    With ``("ratio", "norm")`` rho also reads the token's norm share ``q = |x - b_dec| / (|x - b_dec| + |h_S|)``;
    degrees are then total degrees, and at the start rho does not depend on q.

    u and q lie in [0, 1] by construction: nothing is ever evaluated outside the domain.

    Parameters
    ----------
    rational:
        The curve at the start: a pole-free rational whose domain is [0, 1]. Its denominator is trained, too, where it
        has one that is no constant. Default: `IDENTITY`, the teacher's own gate as a cubic; `IDENTITIES` has both.
    inputs:
        ``("ratio",)`` or ``("ratio", "norm")``.

    Raises
    ------
    ValueError
        for another domain, a denominator that vanishes on it, or unknown inputs.

    >>> gate = RationalActivation(IDENTITY)
    >>> [round(z, 5) for z in gate(torch.tensor([3.0, 1.0, -2.0]), torch.tensor(1.5)).tolist()]
    [3.0, 0.0, 0.0]
    """

    dense = False
    tolerance = 0.0

    def __init__(self, rational: Rational = IDENTITY, inputs: Sequence[str] = ("ratio",)) -> None:
        super().__init__()
        if tuple(inputs) not in INPUTS:
            raise ValueError(f"inputs must be ('ratio',) or ('ratio', 'norm'), not {inputs!r}")
        if (rational.domain.lower, rational.domain.upper) != (0, 1):
            raise ValueError(
                f"a rational activation reads tau / h in [0, 1], so its domain is [0, 1], not {rational.domain}"
            )
        exact = rational.chebyshev()
        scale, b, c = positive_form([float(x) for x in exact.denominator])
        both = len(inputs) == 2
        numerator = [float(x) * scale for x in exact.numerator]
        self.inputs = cast(Inputs, tuple(inputs))
        self.numerator = nn.Parameter(_spread(numerator, both))
        # What starts at 0 is left out: at B = 0 the gradient of B^2 is 0, so B could never move anyway, and C alike.
        self.denominator = nn.Parameter(_spread(b.tolist() if b.any() else [], both))
        self.arch = nn.Parameter(_spread(c.tolist() if c.any() else [], both))

    @classmethod
    def from_coefficients(
        cls, numerator: Any, denominator: Any, arch: Any, inputs: Sequence[str] = ("ratio",)
    ) -> "RationalActivation":
        """The activation with these parameters, as `state_dict` gives them (P, B and C, in that order).

        Raises
        ------
        ValueError
            if a count of coefficients belongs to no degree, or a coefficient is NaN or infinite.
        """
        gate = cls(IDENTITY, inputs)
        for name, values in (("numerator", numerator), ("denominator", denominator), ("arch", arch)):
            tensor = torch.as_tensor(values, dtype=torch.float32).detach().clone()
            if tensor.ndim != 1 or not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"the {name} of a rational activation must be a list of finite numbers")
            exponents(len(tensor), len(gate.inputs) == 2)
            setattr(gate, name, nn.Parameter(tensor))
        return gate

    def forward(self, pre_activations: Tensor, threshold: Tensor, share: Tensor | None = None) -> Tensor:
        """Codes [..., d] of pre-activations [..., d] above a threshold that broadcasts against them.

        ``share`` is q, broadcastable too; required with ``("ratio", "norm")``. Entries at or below the threshold, or
        not positive, give exactly 0, and their value is never computed.
        """
        h, tau = torch.broadcast_tensors(pre_activations, threshold)
        support = (h > tau) & (h > 0)
        if share is not None:
            share = share.expand(h.shape)[support]
        values = self.values(h[support], tau[support], share)
        return torch.zeros_like(h).masked_scatter(support, values)

    def values(self, h: Tensor, tau: Tensor, share: Tensor | None = None) -> Tensor:
        """``h max(rho(tau / h), 0)`` for each entry, with no gate; 0 where h is not positive. Shapes broadcast."""
        if ("norm" in self.inputs) != (share is not None):
            raise ValueError(f"inputs {self.inputs} need the norm share of the token exactly when 'norm' is among them")
        inputs = (h, tau, share, self.numerator, self.denominator, self.arch)
        if not torch.is_grad_enabled():
            return kernels.value(kernels.curve_measured, inputs)
        return kernels.differentiable(kernels.curve, kernels.curve_gradients, inputs)

    @property
    def scalars(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def of_fixed_denominator(self) -> bool:
        """Whether rho is a polynomial of u (and q): a rational of h whose denominator is not trained."""
        return not (self.denominator.numel() or self.arch.numel())

    def curve(self, ratio: Tensor, share: Tensor | None = None) -> Tensor:
        """``max(rho(u, q), 0)`` at ratios u in [0, 1]."""
        return self.values(torch.ones_like(ratio), ratio, share)

    def rational(self, share: float = 0.5) -> Rational:
        """The curve rho as an exact `Rational` of u on [0, 1]; with ``("ratio", "norm")`` its slice at q = share."""
        w = 2 * Fraction(share) - 1
        slices = [
            _slice(parameter, len(self.inputs) == 2, w) for parameter in (self.numerator, self.denominator, self.arch)
        ]
        return Rational(tuple(slices[0]) or (Fraction(0),), expand(slices[1], slices[2]), Domain.of((0, 1)))

    def rescaled(self, factor: float) -> "RationalActivation":
        """The activation in units ``factor`` times as fine: itself, as it reads ratios alone."""
        return self

    @torch.no_grad()
    def learned(self, start: Any) -> dict[str, list[float]]:
        """What it became: rho at 101 ratios, for three norm shares where it reads them, and ``before`` the gate's 1."""
        ratio = torch.linspace(0, 1, 101)
        u = ratio.to(self.numerator.device)
        found = {"ratio": ratio.tolist(), "before": [1.0] * len(ratio)}
        if "norm" not in self.inputs:
            return found | {"after": self.curve(u).tolist()}
        shares = (0.25, 0.5, 0.75)
        return found | {f"after, norm share {q}": self.curve(u, torch.full_like(u, q)).tolist() for q in shares}

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"inputs={self.inputs}, {self.scalars} scalars"


def norm_share(size: Tensor, norm: Tensor) -> Tensor:
    """``q`` [..., 1] from ``|x - b_dec|`` and ``|h_S|``."""
    return size / (size + norm).clamp_min(1e-12)


def exact_coefficients(parameter: Tensor) -> list[Fraction]:
    """The values of a parameter as fractions, without rounding."""
    return [Fraction(float(x)) for x in parameter.detach().cpu()]


def _spread(coefficients: list[float], both: bool) -> Tensor:
    """Coefficients of a polynomial in u, laid out for one or two inputs (constant in the second)."""
    degree = len(coefficients) - 1
    pairs = exponents((degree + 1) * (degree + 2) // 2 if both else degree + 1, both)
    return torch.tensor([coefficients[i] if j == 0 else 0.0 for i, j in pairs])


def _slice(parameter: Tensor, both: bool, w: Fraction) -> list[Fraction]:
    """Exact Chebyshev coefficients in v at a fixed w."""
    values = exact_coefficients(parameter)
    if not values:
        return []
    pairs = exponents(len(values), both)
    table = np.full([1 + max(index) for index in zip(*pairs, strict=True)], Fraction(0))
    for pair, value in zip(pairs, values, strict=True):
        table[pair] = value
    return list(chebval(w, table.T))
