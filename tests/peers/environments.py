"""The environment of each peer: what `peers.toml` asks for, made once, and made again where that has changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["PLACE", "ROOT", "made", "peers", "surroundings", "versions"]

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "peers"
_COMMON = ["torch", "transformers", "numpy"]  # what every peer may contradict
_OF_ONE_BUILD = ["torchvision", "torchaudio"]  # with another build of torch than theirs, importing them is an error
_VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name).partition("+")[0] for name in sys.argv[1:]}))
"""


def peers() -> dict[str, dict[str, Any]]:
    """The sections of peers.toml."""
    return tomllib.loads(Path(__file__).with_name("peers.toml").read_text(encoding="utf-8"))


def made(name: str, peer: dict[str, Any]) -> tuple[Path, str]:
    """The Python of a peer's environment, and what could not be installed or imported ("": everything is there)."""
    folder = PLACE / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    parts = {key: peer.get(key) for key in ("install", "alone", "imports", "environment")}
    stamp, wanted = folder / "ready", repr([parts, sys.version, version("torch")])
    if stamp.exists() and stamp.read_text() == wanted:
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, upgrade_deps=True)  # an old pip tries combinations for minutes
    own = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    # Behind a peer's own packages those of this environment, so that none installs torch again. A path alone: what it
    # holds is seen, and an editable installation of this project in it is not (the tests are those of ROOT).
    Path(own.strip(), "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    steps = [[*pip, "install", f"torch=={version('torch').partition('+')[0]}", *peer["install"]]]
    steps += [[*pip, "install", "--no-deps", *peer["alone"]]] if "alone" in peer else []
    steps += [[*pip, "uninstall", "--yes", *_OF_ONE_BUILD]]
    steps += [[str(python), "-W", "ignore", "-c", f"import {', '.join(peer['imports'])}"]]
    for step in steps:
        if subprocess.run(step, cwd=ROOT, env=surroundings(peer)).returncode:
            return python, "it installs, but does not import" if step is steps[-1] else "it could not be installed"
    stamp.write_text(wanted)
    return python, ""


def surroundings(peer: dict[str, Any]) -> dict[str, str]:
    """The environment variables that a peer's commands run with."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | peer.get("environment", {})


def versions(python: Path, peer: dict[str, Any]) -> dict[str, str]:
    """The versions in an environment of what its section names, and of what any peer may contradict."""
    asked = [re.split(r"[<>=!~\[; ]", wanted)[0] for wanted in [*peer.get("alone", []), *peer["install"]]]
    names = list(dict.fromkeys([*asked, *_COMMON]))
    return json.loads(
        subprocess.check_output([str(python), "-c", _VERSIONS, *names], env=surroundings(peer), text=True)
    )
