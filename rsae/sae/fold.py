"""Decoder norms folded into the encoder: the same function with decoder rows of norm 1."""

import copy
from dataclasses import replace

import torch

from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["fold_decoder_norms"]


@torch.no_grad()
def fold_decoder_norms(sae: SparseAutoencoder) -> SparseAutoencoder:
    """The same function with decoder rows of norm 1: encoder columns, biases and thresholds take the norms.

    Exact because every gate here is homogeneous of degree one in (pre-activation, threshold). Rows of norm 0 stay. A
    gate that also reads the norm share is not, since that compares ``|h_S|``, whose entries are multiplied by different
    norms, with the input's norm; with rescale_by_decoder_norm h is in these units before.

    Raises
    ------
    ValueError
        for topk without rescale_by_decoder_norm, or groupmax, whose rows differ in norm (there the norm does not take
        part in the selection, so folding would change the support), and where rows differ from norm 1 for a
        `PaperActivation`, which is not homogeneous, for one that reads the norm share, or for steps of a refinement,
        which go along decoder rows of their own length.
    """
    raw = sae.W_dec.norm(dim=1)
    norms = torch.where(raw > 0, raw, 1.0)
    everywhere = sae.latents.all(norms)
    folded_before = torch.allclose(everywhere, torch.ones_like(everywhere), atol=1e-4)
    if sae.dense and not folded_before:
        raise ValueError("decoder norms cannot be folded through the paper's dense activation: fold the teacher first")
    reads_share = sae.activation is not None and "norm" in sae.activation.inputs
    if reads_share and not folded_before and not sae.conventions.rescale_by_decoder_norm:
        raise ValueError(
            "folding decoder norms would change the norm share |x - b_dec| / (|x - b_dec| + |h|) that the activation "
            "reads: fold before the upgrade, or keep the decoder rows as they are"
        )
    if sae.residual_step is not None and bool(sae.residual_step.any()) and not folded_before:
        raise ValueError(
            f"folding decoder norms would change what the refinement {sae.refine!r} does: fold before the upgrade"
        )
    low, high = float(everywhere.min()), float(everywhere.max())
    if sae.k is not None and not sae.conventions.rescale_by_decoder_norm and high > 1.001 * low:
        raise ValueError(
            f"folding decoder norms from {low:.4g} to {high:.4g} would change which latents this SAE selects; "
            "keep its decoder rows as they are"
        )
    folded = copy.deepcopy(sae).float().requires_grad_()
    # With rescale_by_decoder_norm a row of norm 0 also silences its latent, and has to go on doing so.
    encoded = raw if sae.conventions.rescale_by_decoder_norm else norms
    folded.W_enc.mul_(encoded)
    folded.b_enc.mul_(encoded)
    folded.W_dec.div_(norms[:, None])
    if folded.threshold is not None:
        folded.threshold.mul_(norms)
    folded.conventions = replace(sae.conventions, rescale_by_decoder_norm=False)
    return folded
