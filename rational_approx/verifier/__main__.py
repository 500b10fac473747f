"""The command line of the verifier alone: Python 3.11 or newer, and nothing else."""

import json
import sys
from pathlib import Path

from .checker import verify

USAGE = """usage (Python 3.11 or newer): python verify.pyz proof.json [--json] [--seconds S]

Checks the statements of a certificate again, with the standard library alone, and prints them.
Exit code: 0 verified, 1 refuted, 3 not decided, 2 wrong usage."""
CODES = {"verified": 0, "refuted": 1, "not decided": 3}


def main(words: list[str]) -> int:
    """Print the outcome of one file; the exit code."""
    seconds = {}
    if "--seconds" in words[:-1]:
        at = words.index("--seconds")
        seconds = {"seconds": float(words[at + 1])}
        words = words[:at] + words[at + 2 :]
    files = [word for word in words if word != "--json"]
    if len(files) != 1 or files[0].startswith("-") or not Path(files[0]).is_file():
        missing = [f"there is no file {file}" for file in files if not Path(file).is_file()]
        sys.stderr.write("\n".join([*missing[:1], USAGE]) + "\n")
        return 2
    found = verify(files[0], **seconds)
    sys.stdout.write((json.dumps(found.to_json(), indent=1) if "--json" in words else str(found)) + "\n")
    return CODES[found.outcome]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
