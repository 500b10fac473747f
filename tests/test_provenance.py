"""Measured pages say by which commands their figures came, and at which commit; the commands exist."""

import re
import shutil
from pathlib import Path

import pytest

from rsae.commands.main import main
from tests.provenance import FIRST, fill, part, rows, write

ROOT = Path(__file__).resolve().parents[1]
MEASURED = sorted((ROOT / "docs" / "measured").glob("*.md"))


def exists(command: str) -> bool:
    """Whether a module, a goal of the Makefile or a command of rsae is there."""
    program, first = command.replace("python -m", "python").split()[:2]
    if program == "make":
        return re.search(rf"^{first}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) is not None
    if program == "rsae":
        return first in main.commands
    place = ROOT / first.replace(".", "/")
    return program == "python" and (place.with_suffix(".py").is_file() or (place / "__main__.py").is_file())


@pytest.mark.parametrize("page", MEASURED, ids=lambda page: page.stem)
def test_a_measured_page_names_commands_that_exist_and_their_commits(page: Path) -> None:
    title, rest = page.read_text(encoding="utf-8").split("\n\n", 1)
    assert title.startswith("# ")
    assert rest.startswith(FIRST), "below the title"
    assert rows(rest)
    assert [command for command, _, _ in rows(rest) if not exists(command)] == []


def test_the_check_of_commands_fails() -> None:
    assert exists("python -m tests.adversaries.fuzz --narrow")
    assert exists("make test-coq")
    for command in ("python -m " + "tests.no_such", "make tea", "rsae downgrade", "ls tests.peers"):
        assert not exists(command)


def test_every_command_of_make_pages_has_a_row() -> None:
    goal = (ROOT / "Makefile").read_text(encoding="utf-8").split("\npages: $(STAMP)")[1].split("\n\n")[0]
    every = [command for page in MEASURED for command, _, _ in rows(page.read_text(encoding="utf-8"))]
    named = {command.split()[2] for command in every if command.startswith("python -m ")}
    writes_no_page = {"tests.adversaries.threads"}
    assert set(re.findall(r"-m (tests[\w.]+)", goal)) - named <= writes_no_page


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a checkout")
def test_a_command_writes_its_commit(tmp_path: Path) -> None:
    page, old = tmp_path / "page.md", "commit `1234567`, 2026-01-31"
    lines = f"> - `python -m a`: {old}\n> - `python -m a --b` (of b): {old}"
    write(page, f"# A page\n\n{FIRST}{lines}\n\nFigures.\n", "a --b")
    text = page.read_text(encoding="utf-8")
    first, second = rows(text)
    assert first == ("python -m a", "1234567", "2026-01-31")
    assert second[0] == "python -m a --b"
    assert second[2] > "2026-01-31"
    assert text.endswith(f" (of b): commit `{second[1]}`, {second[2]}\n\nFigures.\n")
    assert rows(f"{FIRST}> - `python -m a`: not yet\n\n") == [("python -m a", "", "")]
    with pytest.raises(ValueError, match="no row for `python -m c`"):
        write(page, text, "c")
    with pytest.raises(ValueError, match="says below its title"):
        rows("# A page\n")
    with pytest.raises(ValueError, match="is not of the form"):
        rows(f"# A page\n\n{FIRST}> - `python -m a`: yesterday\n\n")


def test_a_part_of_a_page_is_filled_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    row = "> - `python -m tests.adversaries.fuzz`: not yet\n"
    page.write_text(
        f"# Page\n\n{FIRST}{row}\nbefore\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n", encoding="utf-8"
    )
    assert part(page, "a") == "old"
    fill(page, "a", "new\n", "tests.adversaries.fuzz")
    assert part(page, "a") == "new"
    text = page.read_text(encoding="utf-8")
    assert text.endswith("before\n<!-- a: begin -->\nnew\n<!-- a: end -->\nafter\n")
    assert rows(text)[0][1]
    with pytest.raises(ValueError, match="the marks <!-- b: begin -->"):
        fill(page, "b", "new", "tests.adversaries.fuzz")
