"""The tests of `rational_approx` with the oldest versions allowed: `python -m tests.release.lowest [TESTS ...]`.

uv chooses the lowest versions of what `pyproject.toml` names, and the newest of what these need in turn: an old version
of ours is our promise, one of theirs is not. The packages of this checkout run, unlike in `wheel`.
"""

import sys
from pathlib import Path

from tests.release.environments import ROOT, WORK, fresh, run, tested

# Old versions use what their own dependencies have deprecated since: warnings are shown, and are not errors.
OPTIONS = ["-W", "default"]


def main() -> None:
    """Resolve, install, test."""
    WORK.mkdir(parents=True, exist_ok=True)
    chosen = WORK / "lowest.txt"
    uv = Path(sys.executable).with_name("uv")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = ["--extra", "testing", "--extra", "plot", "--resolution", "lowest-direct", "--python-version", python]
    run(uv, "pip", "compile", "--quiet", "--no-annotate", *asked, "pyproject.toml", "--output-file", chosen)
    print(chosen.read_text(encoding="utf-8"))
    lowest = fresh("lowest", "-r", chosen, "pytest", "pytest-xdist")
    run(lowest, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--editable", ROOT)
    tested(lowest, ROOT, sys.argv[1:] or ["tests/rational_approx"], *OPTIONS)


if __name__ == "__main__":
    main()
