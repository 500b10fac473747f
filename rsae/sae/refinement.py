"""Refinements: codes brought nearer to their token on their own support, by reading what the reconstruction leaves.

Not activations, since each code then depends on the others; a pass costs one or two sparse decodes more.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

__all__ = ["REFINEMENTS", "Refinement", "corrected", "first_steps", "least_squares_gain"]

Refinement = Literal["none", "gain", "residual", "residual_twice", "search", "search_twice"]
REFINEMENTS: tuple[str, ...] = get_args(Refinement)
_PASSES = {"residual": 1, "residual_twice": 2, "search": 1, "search_twice": 2}
# Of a searched step: where active decoder rows nearly depend on each other, the best one is a quotient of noise.
_LONGEST = 10.0


def first_steps(refine: str) -> nn.Parameter | None:
    """The trained factors of the passes, a scalar for one pass, else [passes]; at 0 they change nothing yet."""
    if refine not in _PASSES:
        return None
    return nn.Parameter(torch.zeros(_PASSES[refine]).squeeze())


def corrected(
    codes: Tensor,
    image: Tensor,
    target: Tensor,
    *,
    steps: Tensor,
    searched: bool,
    decode: Callable[[Tensor], Tensor],
    pull: Callable[[Tensor], Tensor],
    spread: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Codes and their image after a pass for each of ``steps``: ``z <- max(z + eta t, 0)`` where ``z > 0``.

    ``t = W_dec (target - image)`` on the support. ``searched``: times the step that is best for the token's squared
    error, at most 10, which costs one more decode. ``decode`` gives the image [..., d_in] of codes, ``pull`` the
    products of what is left [..., d_in] with the decoder rows, and ``spread`` lays a number for each token [..., 1]
    out as codes are. Codes that are 0 stay 0, but pass their gradient on.
    """
    for step in steps.reshape(-1):
        left = target - image
        move = pull(left) * (codes > 0)
        if searched:
            along = decode(move)
            best = (left * along).sum(-1, keepdim=True) / along.square().sum(-1, keepdim=True).clamp_min(1e-12)
            move = move * spread(best.clamp(0.0, _LONGEST))
        codes = (codes + step * move).clamp_min(0.0)
        image = decode(codes)
    return codes, image


def least_squares_gain(target: Tensor, image: Tensor) -> Tensor:
    """The gain [..., 1] in [0.5, 2] that brings ``gain * image`` [..., d_in] nearest to ``target``.

    The squared error is convex in the gain and the interval holds 1, so no token's error rises.
    """
    power = image.square().sum(-1, keepdim=True)
    gain = (target * image).sum(-1, keepdim=True) / power.clamp_min(1e-12)
    return torch.where(power > 1e-12, gain.clamp(0.5, 2.0), 1.0)
