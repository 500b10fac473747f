"""Dictionaries of several layers, whose weights lie in a file a layer: told by name, and refused.

Features of a cross-layer transcoder read at one layer and write at all that follow; those of a crosscoder of Gemma
Scope 2 have one code for several layers. What one part reconstructs is no vector of the host, so it has no error.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["check_whole"]

_PART = re.compile(r"(?:params_layer|W_enc|W_dec)_\d+\.safetensors")
_KINDS = {"clt": "a cross-layer transcoder", "crosscoder": "a crosscoder"}


def check_whole(path: str | Path, config: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Refuse a file or a folder of a dictionary of several layers, as names and its configuration tell.

    Raises ValueError that says which kind it is, and what to take in its place.
    """
    path = Path(path)
    names = [path.name, *(entry.name for entry in path.iterdir())] if path.is_dir() else [path.name]
    named = re.search(r"/(crosscoder|clt)[/_]", f"{path.as_posix()}/")
    kind = _KINDS.get(str(config.get("type")), _KINDS[named[1]] if named else None)
    if kind is None and any(_PART.fullmatch(name) for name in names):
        kind = _KINDS["clt"]
    if kind is not None:
        raise ValueError(
            f"{path} is {kind}: it joins several layers, and none of its parts can be upgraded alone; take an SAE or a "
            "transcoder of one layer (rsae releases lists them)"
        )
