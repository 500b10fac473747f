"""For SAEs that do not say where they belong: does a teacher explain another layer better than the one it is given?"""

import math

import torch
from torch import Tensor

from rsae.evaluation.errors import token_errors
from rsae.hosts.hooks import Hook, capture, layer_names, outputs
from rsae.hosts.host import Host, evaluating
from rsae.sae.autoencoder import SparseAutoencoder

__all__ = ["elsewhere", "unexplained"]

_TOKENS = 512  # of which every layer's hidden states are held at once


@torch.no_grad()
def elsewhere(teacher: SparseAutoencoder, host: Host) -> tuple[dict[str, float], float]:
    """Which share of the variance a teacher leaves unexplained at each other layer's output, and at the host's hook.

    Measured on a few hundred tokens of the first held-out contexts: enough to tell a half from a whole.
    """
    own = host.hook.module if isinstance(host.hook, Hook) and not host.hook.reads_input else ""
    others = [name for name in layer_names(host.model) if name != own]
    found: dict[str, list[Tensor]] = {name: [] for name in ("", *others)}
    read = 0
    with evaluating(host.model):
        for context in host.contexts:
            tokens = torch.tensor([list(context)[:_TOKENS]], device=host.device)
            hidden = outputs(host.model, others, tokens) | {"": capture(host.model, host.hook, tokens)}
            for name, states in hidden.items():
                found[name].append(states[0, 1:].float())
            read += tokens.shape[1]
            if read >= _TOKENS:
                break
    shares = {name: _share(teacher, torch.cat(parts)) for name, parts in found.items() if parts}
    here = shares.pop("", math.nan)
    return {name: share for name, share in shares.items() if math.isfinite(share)}, here


def _share(teacher: SparseAutoencoder, x: Tensor) -> float:
    """The share left of tokens [n, d_in] without outliers; NaN where the width is another."""
    if x.shape[1] != teacher.d_in:
        return math.nan
    norms = x.norm(dim=1)
    return unexplained(teacher, x[norms <= 5 * norms.median()])


def unexplained(teacher: SparseAutoencoder, x: Tensor) -> float:
    """Squared error on rows [n, width] as a share of the variance of what they are to give."""
    y = teacher.target(x)
    return float(token_errors(teacher, x).mean()) / max(float((y - y.mean(0)).square().sum(1).mean()), 1e-30)
