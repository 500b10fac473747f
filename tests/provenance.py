"""Measured pages (`docs/measured`): their first lines name the commands that write the figures, and at which commit.

    > **Measured** by
    >
    > - `python -m tests.adversaries.fuzz`: commit `a909dd6`, 2026-11-25

A command is given with the options that tell it from another one of the page. Where it writes into its page, it writes
its commit as well (`write`). Rows that are older than this file name the commit that put the figures in.
"""

import datetime
import functools
import re
import subprocess
from pathlib import Path

__all__ = ["FIRST", "Row", "fill", "head", "part", "put", "rows", "write"]

FIRST = "> **Measured** by\n>\n"
_ROW = re.compile(r"^> - `([^`]+)`(?: \([^\n]*\))?: (?:not yet|commit `([0-9a-f]{7,}(?:-dirty)?)`, (\d{4}-\d\d-\d\d))$")

Row = tuple[str, str, str]
"""A command, the commit at which it ran, and the day; both empty where it did not run yet."""


def head(text: str) -> str:
    """The lines of a page that name its commands.

    Raises ValueError for a page that has none.
    """
    if FIRST not in text:
        raise ValueError(f"a measured page says below its title {FIRST.splitlines()[0]!r}, with a row a command")
    begin = text.index(FIRST)
    return text[begin : text.index("\n\n", begin) + 1]


def rows(text: str) -> list[Row]:
    """What the first lines of a page say; ValueError for a row that says it in another form."""
    found = []
    for line in head(text).removeprefix(FIRST).splitlines():
        match = _ROW.match(line)
        if match is None:
            raise ValueError(f"{line!r} is not of the form > - `command`: commit `1234567`, 2026-01-31")
        found.append((match[1], match[2] or "", match[3] or ""))
    return found


def part(page: Path, mark: str) -> str:
    """What stands between ``<!-- MARK: begin -->`` and ``<!-- MARK: end -->``; ValueError where they are not there."""
    return _split(page.read_text(encoding="utf-8"), mark)[1]


def put(text: str, mark: str, inside: str) -> str:
    """A text with other figures between two marks.  Raises ValueError where a mark is missing."""
    before, _, after = _split(text, mark)
    return f"{before}<!-- {mark}: begin -->\n{inside.strip()}\n<!-- {mark}: end -->{after}"


def fill(page: Path, mark: str, text: str, command: str) -> None:
    """Put a text between two marks of a measured page, and `write` it.  Raises ValueError where a mark is missing."""
    write(page, put(page.read_text(encoding="utf-8"), mark, text), command)


def _split(text: str, mark: str) -> tuple[str, str, str]:
    begin, end = (f"<!-- {mark}: {word} -->" for word in ("begin", "end"))
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the marks {begin} and {end}, between which the figures go, are not there once each")
    before, rest = text.split(begin)
    inside, after = rest.split(end)
    return before, inside.strip(), after


def write(page: Path, text: str, command: str) -> None:
    """Write a measured page whole, with the present commit in the row of ``python -m command``.

    ``-dirty`` follows a commit whose files were changed, those of docs/ apart: a command writes there itself, and no
    figure comes from there.

    Raises ValueError where the page has no such row.
    """
    git = functools.partial(subprocess.run, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    commit = git(["git", "rev-parse", "--short=7", "HEAD"], check=True).stdout.strip()
    if git(["git", "diff", "--quiet", "HEAD", "--", ".", ":!docs"]).returncode:
        commit += "-dirty"
    row = re.compile(rf"^(> - `python -m {re.escape(command)}`(?: \([^\n]*\))?: ).*$", re.MULTILINE)
    now = f"commit `{commit}`, {datetime.datetime.now(datetime.UTC).date()}"
    text, found = row.subn(lambda match: match[1] + now, text)
    if not found:
        raise ValueError(f"{page} has no row for `python -m {command}` below {FIRST.splitlines()[0]!r}")
    page.write_text(text, encoding="utf-8")
