"""What pages, docstrings and commands point to exists: links, their anchors, paths of files, modules after ``-m``."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("docs", "tests", "rational_approx", "rsae")
KINDS = ("*.md", "*.ipynb")
PAGES = sorted([*ROOT.glob("*.md"), *(page for room in OURS for kind in KINDS for page in (ROOT / room).rglob(kind))])
SOURCES = [*PAGES, ROOT / "Makefile", *sorted(source for room in OURS for source in (ROOT / room).rglob("*.py"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
FILE = re.compile(rf"(?<![\w./-])(?:{'|'.join(OURS)})/[\w./-]*\w\.(?:py|md|svg|v|json)\b")
FOLDER = re.compile(rf"`((?:{'|'.join(OURS)})/[\w./-]*/)`")
MODULE = re.compile(r"-m ((?:tests|rational_approx|rsae)(?:\.[a-z]\w*)*)")
WITHOUT_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(page: Path) -> str:
    """The text of a page; of a notebook the cells that are prose."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that a site gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link, anchor in LINK.findall(WITHOUT_CODE.sub("", text_of(page))):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def test_files_and_modules_that_are_named_exist() -> None:
    missing = []
    for source in SOURCES:
        text = text_of(source)
        paths = [*FILE.findall(text), *FOLDER.findall(text)]
        for module in MODULE.findall(text):
            path = module.replace(".", "/")
            paths.append(path if (ROOT / path).is_dir() else f"{path}.py")
        missing += [f"{named(source)}: {path}" for path in paths if not (ROOT / path).exists()]
    assert not missing, "\n".join(missing)


def test_the_house_has_every_room_and_no_file_that_is_gone() -> None:
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    for package in ("rational_approx", "rsae"):
        part = page.split(f"## The rooms of `{package}`")[1].split("## ")[0]
        rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert set(re.findall(r"^\| `(\w+)/`", part, re.MULTILINE)) == rooms
    named_files = re.findall(r"`(\w+/\w+\.py)`", page)
    homes = [ROOT / "rational_approx", ROOT / "rsae"]
    assert not [name for name in named_files if not any((home / name).exists() for home in homes)]


def test_the_checks_find_what_they_look_for() -> None:
    assert len(PAGES) > 30
    assert LINK.findall("[a](b.md#c) [d](https://e)") == [("b.md", "c")]
    assert FILE.findall("see `docs/index.md`, not x/docs/index.md") == ["docs/index.md"]
    assert MODULE.findall("python -m tests.adversaries.fuzz --seed 1") == ["tests.adversaries.fuzz"]
