"""Each metric as its definition, in one line: what `rsae.evaluation.metrics` has to find, chunk by chunk."""

import torch
from torch import Tensor

from rsae.evaluation.metrics import DENSE


@torch.no_grad()
def mse(x: Tensor, reconstruction: Tensor) -> float:
    """Squared error summed over the last dimension, mean over the others, of two tensors [..., d_in].

    >>> mse(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
    25.0
    """
    return float((x.double() - reconstruction.double()).square().sum(-1).mean())


def normalised_mse(x: Tensor, reconstruction: Tensor) -> float:
    """`mse` over the total variance of ``x`` [n, d_in] about its mean; not a number where ``x`` does not vary."""
    variance = mse(x, x.mean(0, keepdim=True))
    return mse(x, reconstruction) / variance if variance else float("nan")


def explained_variance(x: Tensor, reconstruction: Tensor) -> float:
    """``1 - normalised_mse``: 1 is perfect, 0 as good as the mean."""
    return 1.0 - normalised_mse(x, reconstruction)


@torch.no_grad()
def cosine(x: Tensor, reconstruction: Tensor) -> float:
    """Mean over tokens of the cosine between rows of two tensors [..., d_in]."""
    return float(torch.nn.functional.cosine_similarity(x.double(), reconstruction.double(), dim=-1).mean())


def l0(codes: Tensor, tolerance: float = 0.0) -> float:
    """Mean count a token of codes [..., d_sae] whose magnitude exceeds ``tolerance``; 0 counts exactly.

    >>> l0(torch.tensor([[0.0, 1e-30], [2.0, 1.0]]))
    1.5
    """
    return float((codes.abs() > tolerance).sum(-1).double().mean())


@torch.no_grad()
def l1(codes: Tensor) -> float:
    """Mean over tokens of the sum of absolute codes [..., d_sae]."""
    return float(codes.double().abs().sum(-1).mean())


def alive_fraction(codes: Tensor) -> float:
    """Share of the latents that fire on at least one token of codes [..., d_sae]."""
    return float((codes != 0).reshape(-1, codes.shape[-1]).any(0).double().mean())


def dense_fraction(codes: Tensor, above: float = DENSE) -> float:
    """Share of the latents that fire on more than the share ``above`` of the tokens of codes [..., d_sae]."""
    return float(((codes != 0).reshape(-1, codes.shape[-1]).double().mean(0) > above).double().mean())
