"""The notebooks were run, in order and without an error; what they keep is what their code prints, on any machine."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
QUICK = ["first_fit", "testing_your_activation"]  # a few seconds each
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:/\d+)?(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
# A folder of a machine, an address in memory, a host.
MACHINE = re.compile(
    r"(?<![\w/.:<])/(?:home|root|work|tmp|usr|opt|var|Users|private)/\w|\b[A-Z]:\\\w|\bat 0x[0-9a-f]{6,}|localhost"
)


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def shown(cell: dict) -> str:
    """All text among the outputs of a cell, pictures left out."""
    texts: list[str] = []
    for output in cell["outputs"]:
        texts += output.get("text", [])
        for kind, data in output.get("data", {}).items():
            texts += data if kind.startswith("text/") else []
    return re.sub(r"base64,[\w+/=]+", "", "".join(texts))


def printed(cell: dict) -> str:
    return "".join(line for output in cell["outputs"] for line in output.get("text", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_in_order_without_an_error(path: Path) -> None:
    code = cells(path)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "run it: make notebooks"
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert re.search(r"image/png|image/svg|<svg", str([cell["outputs"] for cell in code])), "a notebook has a picture"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_nothing_of_the_machine(path: Path) -> None:
    for cell in cells(path):
        assert not MACHINE.search(shown(cell)), MACHINE.search(shown(cell))
        assert "execution" not in cell["metadata"]  # the times at which it ran
        assert not [output for output in cell["outputs"] if output.get("name") == "stderr"]


def test_what_is_of_a_machine_is_seen() -> None:
    for text in ("wrote /home/me/a.json", "<function f at 0x7f1b2c3d4e5f>", "C:\\Users"):
        assert MACHINE.search(text)
    assert not MACHINE.search("0.5 of <b>1/2</b>, https://a.org/home/b, docs/opt/x")


@pytest.mark.parametrize("name", QUICK)
def test_the_cells_of_a_quick_notebook_print_what_it_keeps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": name}
    compared = 0
    try:
        for cell in cells(ROOT / "docs" / "tutorials" / f"{name}.ipynb"):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile("".join(cell["source"]), f"{name}.ipynb", "exec"), space)
            found, kept = output.getvalue(), printed(cell)
            compared += bool(kept)
            # Last digits, and which of many points is named, may be others on another processor.
            assert NUMBER.sub("#", found) == NUMBER.sub("#", kept)
    finally:
        pyplot.close("all")
    assert compared > 5


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_a_kernel(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="notebooks run with the extra `docs`")
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    runner = [sys.executable, str(ROOT / "docs" / "notebooks.py"), str(copy)]
    done = subprocess.run(runner, capture_output=True, text=True, check=False)
    if "not installed" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [NUMBER.sub("#", printed(cell)) for cell in cells(copy)] == [
        NUMBER.sub("#", printed(cell)) for cell in cells(path)
    ]
