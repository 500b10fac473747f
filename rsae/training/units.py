"""The units in which an SAE is trained: decoder rows of norm 1 and inputs of mean square 1 a dimension.

Every gate here is homogeneous of degree one in (pre-activation, threshold), so both changes of units are exact, and
learning rates, bandwidths and the controller's gains carry over from one host to another.
"""

import copy

import torch
from torch import Tensor

from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms

__all__ = ["input_scale", "of_target", "rescaled", "working_copy"]


def input_scale(sae: SparseAutoencoder, x: Tensor) -> float | Tensor:
    """Root mean square, a dimension, of normalised hidden states [n, d_in] about their centre (medians).

    Of a transcoder's rows, whose two parts have units of their own, one number for each column [width].
    """
    inputs = sae.conventions.normalised(x)[0]
    if not sae.transcodes:
        return _spread(inputs)
    parts = sae.read(inputs), sae.target(inputs)
    return torch.cat([torch.full((part.shape[1],), _spread(part), device=x.device) for part in parts])


def _spread(inputs: Tensor) -> float:
    centred = inputs - inputs.median(0).values
    scale = float(centred.square().sum(1).median().sqrt()) / inputs.shape[1] ** 0.5
    if not scale > 0:
        raise ValueError("these hidden states are all the same vector, so there is nothing to train on")
    return scale


def of_target(scale: float | Tensor) -> float:
    """The scale of what is given, which codes and errors have too."""
    return scale if isinstance(scale, float) else float(scale[-1])


@torch.no_grad()
def rescaled(sae: SparseAutoencoder, factor: float | Tensor) -> SparseAutoencoder:
    """A copy for inputs (rows) multiplied by ``factor``: its codes and reconstruction are the old ones times that of
    the target."""
    copied = copy.deepcopy(sae)
    given = of_target(factor)
    copied.b_enc.mul_(given)
    copied.b_dec.mul_(given)
    if copied.threshold is not None:
        copied.threshold.mul_(given)
    if copied.activation is not None:
        copied.activation = copied.activation.rescaled(given)
    if isinstance(factor, Tensor):
        copied.W_enc.mul_(given / float(factor[0]))
        if copied.W_skip is not None:
            copied.W_skip.mul_(given / float(factor[0]))
    return copied


def working_copy(sae: SparseAutoencoder, scale: float | Tensor) -> SparseAutoencoder:
    """The SAE in training units; norms are folded where that is exact, and otherwise the rows keep their norms."""
    try:
        folded = fold_decoder_norms(sae)
    except ValueError:
        folded = sae
    return rescaled(folded, 1 / scale)
