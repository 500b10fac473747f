"""The page that says which versions of the libraries of the field passed, and when."""

import platform
import xml.etree.ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["BEGIN", "END", "Row", "counted", "today", "write"]

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
_HEAD = "| peer | tests | versions | Python | date |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """A peer, what became of its tests, the versions that they met, and the date."""

    name: str
    said: str
    versions: Mapping[str, str]
    date: str
    passed: bool = False

    def line(self) -> str:
        """The row of the table."""
        met = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        said = self.said if self.passed else f"**{self.said}**"
        return f"| {self.name} | {said} | {met} | {platform.python_version()} | {self.date} |"


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def counted(report: Path) -> str:
    """How many tests of a JUnit file passed, and how many did not and why.

    A test that is skipped belongs to another peer, in files that several share.
    """
    kinds = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    found = Counter(
        next((kinds[part.tag] for part in case if part.tag in kinds), "passed")
        for case in xml.etree.ElementTree.parse(report).iter("testcase")
    )
    return ", ".join(f"{found[kind]} {kind}" for kind in ("passed", "failed", "skipped") if found[kind]) or "no test"


def write(page: Path, rows: Sequence[Row], order: Sequence[str]) -> None:
    """Put these rows into the table of a page, in the place of the same peers' rows; peers that are no more go."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    lines = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    lines |= {row.name: row.line() for row in rows}
    shown = "\n".join([_HEAD, *(lines[name] for name in order if name in lines)])
    page.write_text(f"{before}{BEGIN}\n{shown}\n{END}{after}", encoding="utf-8")
