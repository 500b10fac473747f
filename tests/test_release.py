"""What a release promises: one version everywhere, and a page of the reference for every public name."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REFERENCE = ROOT / "docs" / "reference"
PUBLIC = ["rational_approx", "rational_approx.testing", "rsae", "rsae.formats", "rsae.sae"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def listed() -> dict[str, set[str]]:
    """The names that the summaries of the reference list, by module: each gets a page."""
    found: dict[str, set[str]] = {}
    for page in REFERENCE.glob("*.rst"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            module = line.partition(":: ")[2] if line.startswith(".. currentmodule") else module
            if re.fullmatch(r"   \w+", line):
                found.setdefault(module, set()).add(line.strip())
    return found


def test_the_version_is_one() -> None:
    import rational_approx

    version = PROJECT["version"]
    assert rational_approx.__version__ == version
    assert f"version: {version}" in text("CITATION.cff").splitlines()
    sections = re.findall(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)
    assert next(section for section in sections if section != "Unreleased") == version


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_a_page(module: str) -> None:
    elsewhere = {"gates"} if module == "rational_approx" else set()  # a module, with a page of its own
    names = set(importlib.import_module(module).__all__) - elsewhere
    shown = {name for names in listed().values() for name in names} if "." in module else listed()[module]
    assert names <= shown
    assert listed()[module] <= names
    assert not elsewhere or (REFERENCE / "gates.rst").exists()


def test_every_page_is_in_the_tree_of_contents() -> None:
    tree = text("docs/_toc.yml")
    known = set(re.findall(r"(?:file|root): (\S+)", tree))
    folders = {entry.removesuffix("/*") for entry in re.findall(r"glob: (\S+)", tree)}
    written = [page for kind in ("md", "ipynb") for page in (ROOT / "docs").rglob(f"*.{kind}")]
    pages = {page.relative_to(ROOT / "docs").with_suffix("") for page in written if "checkpoint" not in page.name}
    missing = {str(page) for page in pages if str(page.parent) not in folders} - known - {"inventories/README"}
    assert not missing


def test_the_first_page_lists_every_page() -> None:
    listed_there = {link.rpartition(".")[0] for link in re.findall(r"\]\(([^)#]+)\)", text("docs/index.md"))}
    assert set(re.findall(r"file: (\S+)", text("docs/_toc.yml"))) <= listed_there
