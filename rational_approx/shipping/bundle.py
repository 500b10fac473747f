"""The verifier as one file that runs alone: a zip application of its parts, the same bytes each time it is built.

Standard library only, and no import of the package: the build of a wheel runs this file by itself.
"""

import zipfile
from pathlib import Path

__all__ = ["bundle"]

START = '''"""The independent verifier of rational_approx: python verify.pyz proof.json"""

import sys

if sys.version_info < (3, 11):
    sys.exit("usage (Python 3.11 or newer): python verify.pyz proof.json [--json] [--seconds S]")

from verifier.__main__ import main

sys.exit(main(sys.argv[1:]))
'''


def bundle(path: Path) -> Path:
    """Write the zip application; returns the path.

    Every entry has the same date, so that equal sources give equal files.
    """
    parts = sorted((Path(__file__).parents[1] / "verifier").glob("*.py"))
    entries = {"__main__.py": START} | {f"verifier/{part.name}": part.read_text(encoding="utf-8") for part in parts}
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in entries.items():
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, text)
    unfinished.replace(path)
    return path
