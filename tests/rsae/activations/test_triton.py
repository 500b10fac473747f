"""The Triton kernels, each time in a process of its own: at its import Triton decides whether it interprets.

The cases themselves are in `tests/rsae/material/triton_cases.py`.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed (it is for Linux)")


def run(names: str, tmp_path: Path, **environment: str) -> None:
    cases = Path(__file__).parents[1] / "material/triton_cases.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(cases), "-k", names],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout, done.stdout


def test_interpreted_on_a_cpu(tmp_path: Path) -> None:
    # NumPy adds in one order: whether the bits are the same each time is asked of a card alone.
    run("not without_a_card and not same_bits", tmp_path, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_compiled_for_cards_that_are_not_here(tmp_path: Path) -> None:
    run("without_a_card", tmp_path)


@pytest.mark.gpu
def test_compiled_on_a_card(tmp_path: Path) -> None:
    run("not without_a_card", tmp_path)
