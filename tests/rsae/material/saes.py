"""Small random autoencoders for tests."""

from dataclasses import fields
from typing import Any

import torch

from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions


def random_weights(d_in: int = 8, d_sae: int = 24, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights whose decoder rows differ in norm."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "W_enc": torch.randn(d_in, d_sae, generator=generator),
        "b_enc": 0.3 * torch.randn(d_sae, generator=generator),
        "W_dec": torch.randn(d_sae, d_in, generator=generator) * torch.linspace(0.3, 2.0, d_sae)[:, None],
        "b_dec": torch.randn(d_in, generator=generator),
    }


def random_sae(family: str, **options: Any) -> SparseAutoencoder:
    """A random SAE of a family; TopK and GroupMax keep 3 codes, JumpReLU has thresholds of 0 to 1.

    Options are those of `SparseAutoencoder` and of `Conventions`.
    """
    names = {field.name for field in fields(Conventions)} & set(options)
    options["conventions"] = Conventions(**{name: options.pop(name) for name in names})
    if family in ("topk", "groupmax"):
        options.setdefault("k", 3)
    if family == "jumprelu":
        options.setdefault("threshold", torch.linspace(0.0, 1.0, 24))
    return SparseAutoencoder(**random_weights(), family=family, **options)  # type: ignore[arg-type]
