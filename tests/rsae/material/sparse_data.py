"""Hidden states with known features, and teachers that know them roughly."""

from typing import Any

import torch

from rsae.data.states import HiddenStates
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

D_IN, D_SAE = 16, 48


def features() -> torch.Tensor:
    """Unit feature directions [d_sae, d_in]."""
    rows = torch.randn(D_SAE, D_IN, generator=torch.Generator().manual_seed(1))
    return rows / rows.norm(dim=1, keepdim=True)


def sparse_states(n: int = 6000, scale: float = 1.0) -> HiddenStates:
    """Sums of about three positive features, an offset and noise; the last sixth is held out."""
    generator = torch.Generator().manual_seed(2)
    strengths = torch.rand(n, D_SAE, generator=generator) + 0.3
    codes = strengths * (torch.rand(n, D_SAE, generator=generator) < 3 / D_SAE)
    x = codes @ features() + 0.5 + 0.1 * torch.randn(n, D_IN, generator=generator)
    x, cut = scale * x, n - n // 6
    return HiddenStates(x[:cut], x[:1500], x[cut:])


def teacher(family: str, scale: float = 1.0) -> SparseAutoencoder:
    """An untrained SAE on the true features, whose L0 on `sparse_states` is 4 to 10; decoder rows differ in norm."""
    rows, sizes = features(), torch.linspace(0.5, 2.0, D_SAE)
    options: dict[str, dict[str, Any]] = {
        "topk": {"k": 4, "conventions": Conventions(rescale_by_decoder_norm=True)},
        "jumprelu": {"threshold": scale * 0.15 / sizes},
    }
    return SparseAutoencoder(
        W_enc=rows.T / sizes,
        b_enc=torch.full((D_SAE,), (-0.1 if family == "topk" else -0.3) * scale) / sizes,
        W_dec=rows * sizes[:, None] if family == "topk" else rows * sizes[:, None] * 0.9,
        b_dec=torch.full((D_IN,), 0.5 * scale),
        family=family,  # type: ignore[arg-type]
        **options.get(family, {}),
    )
