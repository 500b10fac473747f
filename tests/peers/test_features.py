"""The table of docs/upgrading/features.md: every name in it exists, ours here and a peer's where it is installed."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.peers.environments import peers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "upgrading" / "features.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")][
    1:
]
LIBRARIES = ["sae_lens", "dictionary_learning", "sparsify"]


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def meant(name: str) -> Any:
    """The object of a dotted name; AttributeError or ModuleNotFoundError where there is none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and something that it needs is not
            continue
        for part in parts[count:]:
            fields = getattr(found, "__dataclass_fields__", {})
            found = fields[part] if part in fields else getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_the_table_has_a_cell_for_each_library() -> None:
    assert len(ROWS) > 20
    assert {len(row) for row in ROWS} == {5}
    for row in ROWS:
        assert any(row[1:]), row[0]
        for library, cell in zip(LIBRARIES, row[1:4]):
            assert bool(cell) == bool(names(cell)), f"{row[0]}: a cell names what does it"
            assert all(name.split(".")[0] == library for name in names(cell)), row[0]


@pytest.mark.parametrize("row", [row for row in ROWS if row[4]], ids=lambda row: row[0])
def test_what_is_here_exists_and_has_a_test(row: list[str]) -> None:
    for name in names(row[4]):
        meant(name)
    tested = re.findall(r"tests/[\w/]+\.py", row[4])
    assert tested, "each cell of ours names its test"
    for path in tested:
        assert "def test_" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_a_peer_has_is_there(library: str) -> None:
    pytest.importorskip(library, exc_type=ImportError)
    column = 1 + LIBRARIES.index(library)
    for row in ROWS:
        for name in names(row[column]):
            meant(name)


def test_every_peer_has_tests_and_something_to_install() -> None:
    for name, peer in peers().items():
        assert set(peer) <= {"install", "alone", "imports", "environment", "select", "tests"}, name
        assert peer["install"], name
        assert peer["imports"], name
        assert peer["tests"], name
