"""Fresh environments, and tests that run in one outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "WORK", "fresh", "moved", "run", "tested"]

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "release"


def run(*words: str | Path, cwd: Path = ROOT, **surroundings: str) -> None:
    """Run a command; its failure ends the programme."""
    command = list(map(str, words))
    print("+", *command, flush=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if code := subprocess.run(command, cwd=cwd, env=kept | surroundings).returncode:
        sys.exit(f"{' '.join(command[:6])} ...: exit code {code}")


def fresh(name: str, *wanted: str | Path) -> Path:
    """The Python of a new environment that holds what is wanted and nothing of this checkout."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    return python


def moved(sdist: Path, folder: Path) -> Path:
    """An sdist unpacked into a new folder, without the two packages: what is imported there is what is installed."""
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    for package in ("rational_approx", "rsae"):
        shutil.rmtree(inside / package)
    return inside


def tested(python: Path, folder: Path, tests: Sequence[str], *options: str) -> None:
    """Run tests that lie in a folder with an environment's Python, which has pytest and pytest-xdist."""
    words = ["-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider"]
    run(python, "-m", "pytest", *words, *options, *tests, cwd=folder)
