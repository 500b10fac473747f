"""An MLP that is sparse by construction, rows of what it reads and gives, and transcoders that know it roughly."""

from typing import Any

import torch

from rsae.data.states import HiddenStates
from rsae.sae.conventions import Conventions
from rsae.sae.transcoder import Transcoder

D_READ, D_GIVEN, D_SAE = 12, 8, 32


def truth() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Directions that are read [d_read, d_sae], directions that are given [d_sae, d_given], and a linear part."""
    generator = torch.Generator().manual_seed(4)
    read = torch.randn(D_READ, D_SAE, generator=generator) / D_READ**0.5
    given = torch.randn(D_SAE, D_GIVEN, generator=generator)
    return read, given / given.norm(dim=1, keepdim=True), 0.3 * torch.randn(D_READ, D_GIVEN, generator=generator)


def rows(n: int = 4000, skip: bool = False, scale: float = 1.0) -> HiddenStates:
    """Rows [x, y] with y a sparse function of x, and its linear part where ``skip``; y is ``scale`` times as large."""
    generator = torch.Generator().manual_seed(5)
    read, given, linear = truth()
    x = torch.randn(n, D_READ, generator=generator)
    y = (x @ read - 1.2).relu() @ given + 0.2 + 0.02 * torch.randn(n, D_GIVEN, generator=generator)
    both, cut = torch.cat([x, scale * (y + (x @ linear if skip else 0))], 1), n - n // 4
    return HiddenStates(both[:cut], both[:1000], both[cut:])


def transcoder(family: str, skip: bool = False, scale: float = 1.0, **options: Any) -> Transcoder:
    """One of a family whose decoder rows differ in norm, and are a little off."""
    read, given, linear = truth()
    sizes = torch.linspace(0.5, 2.0, D_SAE)
    bias = {"topk": -1.0, "jumprelu": -1.0, "relu": -1.2}[family]
    if family == "jumprelu":
        options["threshold"] = scale * 0.15 / sizes
    if family == "topk":
        options |= {"k": 5, "conventions": Conventions(False, rescale_by_decoder_norm=True)}
    off = 0.1 * torch.randn(D_SAE, D_GIVEN, generator=torch.Generator().manual_seed(6))
    return Transcoder(
        W_enc=scale * read / sizes,
        b_enc=torch.full((D_SAE,), scale * bias) / sizes,
        W_dec=(given + off) * sizes[:, None],
        b_dec=torch.full((D_GIVEN,), 0.2 * scale),
        W_skip=0.9 * scale * linear if skip else None,
        family=family,
        **{"conventions": Conventions(apply_b_dec_to_input=False)} | options,
    )
