"""An SAE shared out by its latents between processes, and gathered again."""

import copy

from torch import nn

from rsae import ranks
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.latents import Latents
from rsae.storage.checkpoint import fingerprint

__all__ = ["AXES", "divided", "whole"]

AXES = {"W_enc": 1, "b_enc": 0, "W_dec": 0, "threshold": 0}
"""Of an SAE's parameters that have latents, the axis along which they lie."""


def divided(sae: SparseAutoencoder) -> SparseAutoencoder:
    """This process's share of an SAE that every process has whole; in a single process, and of a share, itself.

    Raises
    ------
    ValueError
        if there are more processes than latents, or groups of groupmax would be torn apart.
    """
    group = ranks.latents()
    if group.count == 1 or sae.latents.shared:
        return sae
    width = -(-sae.d_sae // group.count)
    if width * (group.count - 1) >= sae.d_sae:
        raise ValueError(
            f"{sae.d_sae} latents in shares of {width} leave nothing for the last of {group.count} processes: use fewer"
        )
    if sae.family == "groupmax" and sae.k is not None and width % (sae.d_sae // sae.k):
        raise ValueError(
            f"groups of {sae.d_sae // sae.k} latents do not fit into shares of {width}: use fewer processes"
        )
    first = group.rank * width
    held = min(width, sae.d_sae - first)
    named = dict(sae.named_parameters(recurse=False))
    shares = {
        id(named[name]): nn.Parameter(named[name].detach().narrow(axis, first, held).clone())
        for name, axis in AXES.items()
        if name in named
    }
    part = copy.deepcopy(sae, shares)
    part.latents = Latents(sae.d_sae, first, held, fingerprint(sae.parameters()))
    return part


def whole(sae: SparseAutoencoder) -> SparseAutoencoder:
    """The SAE of which every process has a share, in main memory, on each of them; of a whole one itself."""
    if not sae.latents.shared:
        return sae
    part = copy.deepcopy(sae).cpu()
    for name, axis in AXES.items():
        if (value := getattr(part, name)) is not None:
            setattr(part, name, nn.Parameter(sae.latents.all(value.detach(), axis)))
    part.latents = Latents(sae.d_sae, 0, sae.d_sae)
    return part
