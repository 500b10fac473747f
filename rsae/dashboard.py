"""Pages of sae-dashboard for an SAE, ordinary or rational: one file that a browser opens."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["dashboard"]


def dashboard(folder: str | Path, model: Any, tokens: Tensor, hook: str, latents: Sequence[int], out: Path) -> Path:
    """Write the page of some latents of the SAE in ``folder`` (as `save_sae` writes it) with sae-dashboard; its path.

    ``model`` is a ``sae_lens.HookedSAETransformer`` with its tokenizer, ``tokens`` [contexts, positions] are what it
    reads, ``hook`` is a name of TransformerLens. Decoder rows go to norm 1 as sae-dashboard does it; those of an SAE
    whose selection that would change keep their lengths, and so do its codes.

    Raises ImportError where sae-dashboard is not installed, ValueError for latents that the SAE does not have.
    """
    try:
        from sae_dashboard.data_writing_fns import save_feature_centric_vis
        from sae_dashboard.sae_vis_data import SaeVisConfig
        from sae_dashboard.sae_vis_runner import SaeVisRunner
    except ImportError as error:
        message = "dashboards need sae-dashboard, in an environment of its own: docs/upgrading/saelens.md says how"
        raise ImportError(message) from error
    from sae_lens import SAE

    import rsae.saelens  # noqa: F401  # makes SAELens know the architecture

    sae = SAE.load_from_disk(str(folder))
    if not latents or not all(0 <= latent < sae.cfg.d_sae for latent in latents):
        raise ValueError(f"latents are numbers from 0 to {sae.cfg.d_sae - 1}, at least one of them")
    try:
        sae.fold_W_dec_norm()
    except (ValueError, NotImplementedError):  # here and in SAELens: the norm takes no part in the selection
        sae.fold_W_dec_norm = lambda: None  # the runner would ask again
    asked = SaeVisConfig(hook_point=hook, features=list(latents), device="cpu", dtype="float32")
    with torch.no_grad():
        found = SaeVisRunner(asked).run(encoder=sae, model=model, tokens=tokens)
    beside = out.with_name(f".{out.stem}.new.html")
    try:
        save_feature_centric_vis(found, beside)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
    return out
