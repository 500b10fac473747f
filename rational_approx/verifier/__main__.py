"""The command line of the verifier alone: Python 3.11 or newer, and nothing else."""

import argparse
import json
import sys
from pathlib import Path

from .checker import SECONDS, verify

CODES = {"verified": 0, "refuted": 1, "not decided": 3}


def main(words: list[str]) -> int:
    """Print the outcome of one file; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python verify.pyz",
        description="Checks the statements of a certificate again, with the standard library alone, and prints them.",
        epilog="Exit code: 0 verified, 1 refuted, 3 not decided, 2 wrong usage. Python 3.11 or newer.",
    )
    parser.add_argument("file", type=Path, help="a certificate, such as proof.json")
    parser.add_argument("--json", action="store_true", help="print the outcome and every statement as JSON")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="what it may take (default: %(default)s)")
    given = parser.parse_args(words)
    if not given.file.is_file():
        parser.error(f"there is no file {given.file}")
    found = verify(given.file, given.seconds)
    sys.stdout.write((json.dumps(found.to_json(), indent=1) if given.json else str(found)) + "\n")
    return CODES[found.outcome]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
