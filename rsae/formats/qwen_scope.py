"""Qwen Scope: one file ``layer12.sae.pt`` a layer, in a folder whose name says model, width and k."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsae.formats.checked import check_size, described, weights
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["is_qwen_scope", "read_qwen_scope"]

_FILE = re.compile(r"layer(\d+)\.sae\.pt")
_FOLDER = re.compile(r"SAE-Res-(.+?)-W(\d+)K-L0_(\d+)")


def is_qwen_scope(file: Path) -> bool:
    """Whether a file has the name of one of these SAEs."""
    return _FILE.fullmatch(file.name) is not None


def read_qwen_scope(state: Mapping[str, Any], file: Path) -> SparseAutoencoder:
    """The TopK SAE of a state dictionary, whose matrices are stored transposed: W_enc [d_sae, d_in].

    b_dec is not subtracted from the input. Raises ValueError where no folder above the file has the release's name
    (``SAE-Res-Qwen3-8B-Base-W64K-L0_100``): k is written nowhere else.
    """
    layer = _FILE.fullmatch(file.name)
    release = next((m for part in reversed(file.parts[:-1]) if (m := _FOLDER.search(part))), None)
    if layer is None or release is None:
        raise ValueError(
            f"{file} does not say how many codes a token keeps: keep it in a folder with the release's name, such as "
            "SAE-Res-Qwen3-8B-Base-W64K-L0_100"
        )
    names = {"W_enc": "W_enc.T", "b_enc": "b_enc", "W_dec": "W_dec.T", "b_dec": "b_dec"}
    found = weights(state, str(file), **names)
    check_size(1024 * int(release[2]), found["W_enc"].shape[1], "the width in the release's name", str(file))
    about = described(
        "qwen-scope", str(file), {}, hook=f"model.layers.{layer[1]}", model=f"Qwen/{release[1]}", l0=float(release[3])
    )
    conventions = Conventions(apply_b_dec_to_input=False)
    return SparseAutoencoder(**found, family="topk", k=int(release[3]), conventions=conventions, metadata=about)
