"""Each library of the field in an environment of its own, and the tests against it there.

    python -m tests.peers [NAME ...] [--write docs/measured/peers.md]     # NAME: a section of peers.toml; default: all

Environments lie in build/peers/NAME and are kept; one whose section has changed is made again. None sees another, and
none can change the one that runs this, whose packages they all see behind their own. Every peer is tried, whatever
became of those before it; at the end there is a line for each, and the exit code is 1 unless all of them passed.
With --write the rows of those that were tried are written anew, with the versions that were met and the date.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.peers.environments import PLACE, ROOT, made, peers, surroundings, versions
from tests.peers.page import Row, counted, today, write


def tried(name: str, peer: dict[str, Any]) -> Row:
    """What became of a peer; its tests ran in the environment that is made for it."""
    python, failure = made(name, peer)
    if failure:
        return Row(name, failure, {}, today())
    report = PLACE / name / "tests.xml"
    words = [str(python), "-m", "pytest", "-m", peer.get("select", "peers"), "-p", "no:cacheprovider"]
    report.unlink(missing_ok=True)
    code = subprocess.run([*words, f"--junitxml={report}", *peer["tests"]], cwd=ROOT, env=surroundings(peer)).returncode
    said = counted(report) if report.exists() else f"its tests did not run (pytest: {code})"
    return Row(name, said, versions(python, peer), today(), passed=code == 0)


def main() -> None:
    """Try the peers that are asked for, say what became of them, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", type=Path, help="a page that has the marks, such as docs/measured/peers.md")
    asked = parser.parse_args()
    known = peers()
    if unknown := set(asked.names) - set(known):
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows = []
    for name in asked.names or known:
        print(f"== {name}", flush=True)
        rows.append(tried(name, known[name]))
        if asked.write:
            write(asked.write, rows, list(known))
    for row in rows:
        print(f"{row.name:20} {'passed' if row.passed else 'FAILED'}: {row.said}")
    sys.exit(not all(row.passed for row in rows))


if __name__ == "__main__":
    main()
