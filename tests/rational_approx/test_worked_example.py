"""The worked example runs, block by block, prints what the page says, and counts what is trusted rightly."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rational_approx

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "approximation" / "worked-example.md").read_text()
BLOCKS = re.findall(r"```(python|sh|text)\n(.*?)```", PAGE, re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


def shell(code: str) -> str:
    """Run as a user's shell would, with this Python and this checkout."""
    folder = str(Path(sys.executable).parent)
    here = {"PATH": folder + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    code = code.replace("rational-approx ", "python -m rational_approx ")
    done = subprocess.run(["sh", "-e", "-c", code], env=os.environ | here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_every_block_runs_and_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": "worked_example"}
    printed, compared = "", 0
    for kind, text in BLOCKS:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(text, "worked-example.md", "exec"), space)
            printed = output.getvalue()
        elif kind == "sh":
            printed = shell(text)
        else:
            compared += 1
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", text)
            for mine, theirs in zip(printed.splitlines(), text.splitlines(), strict=True):
                sides = (re.sub(r"reached at \S+", "", side) for side in (mine, theirs))
                found, stated = (list(map(float, NUMBER.findall(side))) for side in sides)
                # The gap is a rounding error of its own, and measured rounding errors hang on the last bits of
                # coefficients, as LAPACK gives them here; all else is the same to the digits shown.
                pairs = [(a, b) for a, b in zip(found, stated) if abs(b) > 1e-12]
                digits = 5e-2 if "inside: True" in theirs or " inputs" in theirs else 1e-3
                assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], rel=digits)
    assert compared == sum(kind == "text" for kind, _ in BLOCKS) >= 8


def test_what_is_trusted_is_as_short_as_the_page_says() -> None:
    home = Path(rational_approx.__file__).parent

    def lines(*patterns: str) -> int:
        return sum(len(path.read_text().splitlines()) for pattern in patterns for path in home.glob(pattern))

    limits = [int(found) for found in re.findall(r"under (\d+) lines", PAGE)]
    assert len(limits) == 2
    counted = [lines("verifier/*.py"), lines("shipping/source_code.py")]
    assert all(found < limit for found, limit in zip(counted, limits))
