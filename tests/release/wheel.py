"""The archives of a release, and the tests against what they install: `python -m tests.release.wheel [TESTS ...]`.

Both archives are built twice and must be the same bytes; the usual checkers look at them; then the wheel goes into two
fresh environments outside the checkout: `rational_approx` alone, where torch must be missing and its fast tests pass,
or those that were named, and both packages with a smoke set.
"""

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.release.environments import ROOT, WORK, fresh, moved, run, tested

DIST = ROOT / "dist"
SMOKE = [
    "tests/rsae/formats/test_version_0_1_0.py",
    "tests/rsae/formats/test_save_sae.py",
    "tests/rsae/activations/test_activation.py",
]
# Never in an archive: data that lie beside the checkout, environments, what a run left.
STRANGE = ("shared/", ".venv", "build/", "__pycache__", ".git/", "demo-run")


def built(folder: Path) -> list[Path]:
    """A source archive, and the wheel that is built from it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1735689600")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return sorted(folder.iterdir())


def names(archive: Path) -> list[str]:
    """The names of what an archive holds."""
    if archive.suffix == ".whl":
        return zipfile.ZipFile(archive).namelist()
    with tarfile.open(archive) as sdist:
        return sdist.getnames()


def check(wheel: Path, sdist: Path) -> None:
    """What the usual checkers say, and that nothing is inside which does not belong there."""
    scripts = Path(sys.executable).parent
    run(scripts / "twine", "check", "--strict", wheel, sdist)
    run(scripts / "check-wheel-contents", wheel)
    run(scripts / "pyroma", "--min", "8", sdist)
    for archive in (wheel, sdist):
        found = [name for name in names(archive) if any(part in f"/{name}" for part in STRANGE)]
        if found:
            sys.exit(f"{archive.name} holds {', '.join(found[:5])}")


def main() -> None:
    """Build, check, install, test."""
    sdist, wheel = sorted(built(DIST), key=lambda path: path.suffix == ".whl")
    for first, again in zip(sorted([sdist, wheel]), built(WORK / "again"), strict=True):
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, again)]
        if len(set(digests)) > 1:
            sys.exit(f"{first.name}: two builds differ")
        print(f"{digests[0]}  {first.name}")
    check(wheel, sdist)
    tools = ["-c", ROOT / "constraints.txt", "hypothesis", "pytest", "pytest-xdist"]
    with tempfile.TemporaryDirectory() as folder:
        outside = moved(sdist, Path(folder) / "tests")
        alone = fresh("rational_approx", *tools, f"{wheel}[plot,testing]")
        run(alone, "-c", "import importlib.util as u; assert u.find_spec('torch') is None, 'torch came with it'")
        tested(alone, outside, sys.argv[1:] or ["tests/rational_approx"])
        tested(fresh("rsae", *tools, f"{wheel}[rsae]"), outside, SMOKE)


if __name__ == "__main__":
    main()
