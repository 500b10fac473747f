"""Each library of the field in an environment of its own, and the tests against it there.

    python -m tests.peers [NAME ...]        # NAME: a section of peers.toml; all of them without one

Environments lie in build/peers/NAME and are kept; one whose section has changed is made again. None sees another, and
none can change the one that runs this, whose packages they all see behind their own. Every peer is tried, whatever
became of those before it; at the end there is a line for each, and the exit code is 1 unless all of them passed.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "peers"


def peers() -> dict[str, dict[str, Any]]:
    """The sections of peers.toml."""
    return tomllib.loads(Path(__file__).with_name("peers.toml").read_text(encoding="utf-8"))


def made(name: str, peer: dict[str, Any]) -> tuple[Path, str]:
    """The Python of a peer's environment, and what could not be installed or imported ("": everything is there)."""
    folder = PLACE / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp, wanted = folder / "ready", repr([peer, sys.version, version("torch")])
    if stamp.exists() and stamp.read_text() == wanted:
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    own = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    # Behind a peer's own packages those of this environment, so that none installs torch again. A path alone: what it
    # holds is seen, and an editable installation of this project in it is not (the tests are those of ROOT).
    Path(own.strip(), "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[*pip, f"torch=={version('torch').partition('+')[0]}", *peer["install"]]]
    steps += [[*pip, "--no-deps", *peer["alone"]]] if "alone" in peer else []
    steps += [[str(python), "-W", "ignore", "-c", f"import {', '.join(peer['imports'])}"]]
    for step in steps:
        if subprocess.run(step, cwd=ROOT, env=surroundings(peer)).returncode:
            return python, "it installs, but does not import" if step is steps[-1] else "it could not be installed"
    stamp.write_text(wanted)
    return python, ""


def surroundings(peer: dict[str, Any]) -> dict[str, str]:
    """The environment variables that a peer's commands run with."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | peer.get("environment", {})


def outcome(name: str, peer: dict[str, Any]) -> str:
    """What became of a peer; "passed" where its tests did."""
    python, failure = made(name, peer)
    if failure:
        return failure
    words = [str(python), "-m", "pytest", "-m", "peers", "-p", "no:cacheprovider", *peer["tests"]]
    code = subprocess.run(words, cwd=ROOT, env=surroundings(peer)).returncode
    return "passed" if code == 0 else f"its tests failed (pytest: {code})"


if __name__ == "__main__":
    known = peers()
    asked = sys.argv[1:] or list(known)
    if unknown := set(asked) - set(known):
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    found = {}
    for name in asked:
        print(f"== {name}", flush=True)
        found[name] = outcome(name, known[name])
    for name, said in found.items():
        print(f"{name:20} {said}")
    sys.exit(any(said != "passed" for said in found.values()))
