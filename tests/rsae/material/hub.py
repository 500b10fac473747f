"""A hub without a connection: repositories laid out as huggingface_hub caches them (HF_HOME)."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

SHA = "0123456789abcdef0123456789abcdef01234567"


def offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, and what was downloaded before lies in ``cache``."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


def repository(cache: Path, name: str, files: Path) -> Path:
    """Lay out ``files`` as the downloaded repository ``name``: blobs, and a snapshot of links to them."""
    home = cache / f"models--{name.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(SHA)
    (home / "blobs").mkdir()
    for number, path in enumerate(sorted(path for path in files.rglob("*") if path.is_file())):
        blob = home / "blobs" / f"{number:040x}"
        shutil.copyfile(path, blob)
        link = home / "snapshots" / SHA / path.relative_to(files)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(*[".."] * len(link.relative_to(home).parts[:-1])) / "blobs" / blob.name)
    return home
