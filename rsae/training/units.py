"""The units in which an SAE is trained: decoder rows of norm 1 and inputs of mean square 1 a dimension.

Every gate here is homogeneous of degree one in (pre-activation, threshold), so both changes of units are exact, and
learning rates, bandwidths and the controller's gains carry over from one host to another.
"""

import copy

import torch
from torch import Tensor

from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.fold import fold_decoder_norms

__all__ = ["input_scale", "rescaled", "working_copy"]


def input_scale(sae: SparseAutoencoder, x: Tensor) -> float:
    """Root mean square, a dimension, of normalised hidden states [n, d_in] about their centre (medians)."""
    inputs = sae.conventions.normalised(x)[0]
    centred = inputs - inputs.median(0).values
    scale = float(centred.square().sum(1).median().sqrt()) / sae.d_in**0.5
    if not scale > 0:
        raise ValueError("these hidden states are all the same vector, so there is nothing to train on")
    return scale


@torch.no_grad()
def rescaled(sae: SparseAutoencoder, factor: float) -> SparseAutoencoder:
    """A copy for inputs multiplied by ``factor``: its codes and reconstruction are the old ones times ``factor``."""
    copied = copy.deepcopy(sae)
    copied.b_enc.mul_(factor)
    copied.b_dec.mul_(factor)
    if copied.threshold is not None:
        copied.threshold.mul_(factor)
    if copied.activation is not None:
        copied.activation = copied.activation.rescaled(factor)
    return copied


def working_copy(sae: SparseAutoencoder, scale: float) -> SparseAutoencoder:
    """The SAE in training units; norms are folded where that is exact, and otherwise the rows keep their norms."""
    try:
        folded = fold_decoder_norms(sae)
    except ValueError:
        folded = sae
    return rescaled(folded, 1 / scale)
