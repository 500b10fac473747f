"""Squared errors: of each token, of each prefix of a nested (Matryoshka) SAE's latents, and what training minimises."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["prefix_errors", "said_of_prefixes", "token_errors", "trained_error"]


@torch.no_grad()
def token_errors(sae: SparseAutoencoder, x: Tensor) -> Tensor:
    """Squared error summed over d_in of each held-out vector (or row) [n, ...], as float64 [n]."""
    gaps = (sae(chunk).reconstruction - sae.target(chunk) for chunk in sae.chunks(x))
    return torch.cat([gap.double().square().sum(1) for gap in gaps])


@torch.no_grad()
def prefix_errors(sae: SparseAutoencoder, x: Tensor) -> dict[int, float]:
    """The squared error, summed over d_in, mean over vectors [n, d_in], of the first m latents alone, by m.

    The last is that of all latents; of an SAE that is not nested there is no other.

    >>> eye = torch.eye(2)
    >>> sae = SparseAutoencoder(
    ...     W_enc=eye, b_enc=[0, 0], W_dec=eye, b_dec=[0, 0], family="topk", k=2, prefixes=[1])
    >>> prefix_errors(sae, torch.tensor([[3.0, 2.0]]))
    {1: 4.0, 2: 0.0}
    """
    widths = sae.prefixes or (sae.d_sae,)
    totals = dict.fromkeys(widths, 0.0)
    for chunk in sae.chunks(x):
        inputs, shift, scale = sae.conventions.normalised(chunk)
        codes = sae.encode(chunk)
        for width in reversed(widths):  # the widest first: each cuts off what the next does not have either
            codes[..., sae.latents.below(width) :] = 0
            left = sae.decoded(codes, inputs) * scale + shift - sae.target(chunk)
            totals[width] += float(left.double().square().sum())
    return {width: total / len(x) for width, total in totals.items()}


def trained_error(sae: SparseAutoencoder, x: Tensor) -> float:
    """What training minimises, on vectors [n, d_in]: the mean squared error, of a nested SAE over all its prefixes."""
    if not sae.prefixes:
        return float(token_errors(sae, x).mean())
    errors = prefix_errors(sae, x)
    return sum(errors.values()) / len(errors)


def said_of_prefixes(columns: Mapping[str, Mapping[int, float]], names: Sequence[str]) -> str:
    """Each prefix's error of the upgraded SAE against the others', in words; empty where nothing is nested.

    >>> said_of_prefixes({"upgraded": {32: 9.0, 64: 2.0}, "teacher": {32: 10.0, 64: 4.0}}, ["teacher"])
    'Of its first 32 latents alone the MSE is 9 (teacher 10).'
    """
    parts: list[str] = []
    for width, error in list(columns["upgraded"].items())[:-1]:
        others = ", ".join(f"{name} {columns[name][width]:.4g}" for name in names)
        parts.append(f"{'of' if parts else 'Of its'} first {width} latents alone the MSE is {error:.4g} ({others})")
    return "; ".join(parts) + "." if parts else ""
