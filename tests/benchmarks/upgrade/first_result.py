"""How long is it from nothing to the report of one's own SAE? The lines of docs/upgrading/first-result.md, timed.

    python -m tests.benchmarks.upgrade.first_result --shared ../shared [--write docs/upgrading/first-result.md]

A new environment in a temporary folder, the installation from this checkout, and the upgrade of an SAE whose metadata
name its model and its hook; the model is a local folder of that name. The installation takes what pip is configured to
take, also from its cache.
"""

import argparse
import os
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from tests.benchmarks.machine import machine

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "upgrading" / "first-result.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HOST, TEACHER = "stories260K", "teachers/stories260K_layer2/topk_16"


def lines() -> list[str]:
    """What is typed: the environment, the installation, and the upgrade of a folder."""
    first, own = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [*first.splitlines()[:2], *own.splitlines()]


def timed(line: str, folder: Path) -> tuple[float, float]:
    """Seconds that a line takes in a folder, and those of the processor; its output is shown."""
    print(f"$ {line}", flush=True)
    began, before = time.monotonic(), _processor()
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = subprocess.run(shlex.split(line), cwd=folder, env=surroundings).returncode
    if code not in (0, 3):  # 3: keep the teacher
        raise SystemExit(f"exit code {code}")
    return time.monotonic() - began, _processor() - before


def _processor() -> float:
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    """Type the lines, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the folder of shared data")
    parser.add_argument("--write", type=Path, help="the page to write into, between its marks")
    asked = parser.parse_args()
    data = asked.shared.resolve() / "data"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / HOST).symlink_to(data / "hosts" / HOST)
        typed = [line.replace('".[', f'"{ROOT}[').replace("path/to/sae", str(data / TEACHER)) for line in lines()]
        seconds = [timed(line, folder) for line in typed]
        report = (folder / "run" / "report.html").stat().st_size
    said = [f"{wall / 60:.1f} min ({cpu / 60:.1f} of the processor)" for wall, cpu in seconds]
    shown = (
        f"Measured with `python -m tests.benchmarks.upgrade.first_result` ({machine()}), TopK of layer 2 of {HOST}, "
        f"its model a local folder: environment {said[0]}, installation {said[1]}, upgrade {said[2]}; a report of "
        f"{report / 1000:.0f} kB."
    )
    print(shown)
    if asked.write:
        page = asked.write.read_text(encoding="utf-8")
        inner = f"{BEGIN}\n{shown}\n{END}"
        asked.write.write_text(page.split(BEGIN)[0] + inner + page.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
