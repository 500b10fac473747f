"""The page of the versions that passed: rows of the peers that were tried take the place of their last ones."""

from pathlib import Path

from tests.peers.environments import peers
from tests.peers.page import BEGIN, END, Row, counted, write

ROOT = Path(__file__).parents[2]


def test_rows_are_replaced_in_the_order_of_the_peers_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    write(page, [Row("b", "2 passed", {"lib": "1.0"}, "2026-01-01", passed=True)], ["a", "b"])
    write(page, [Row("a", "1 failed", {}, "2026-01-02")], ["a", "b"])
    write(page, [Row("b", "3 passed", {"lib": "2.0"}, "2026-01-03", passed=True)], ["a", "b"])
    before, *table, after = page.read_text().replace(BEGIN, "").replace(END, "").split("\n\n")
    assert (before, after) == ("before", "after\n")
    rows = [line.split(" | ") for line in "\n".join(table).splitlines()[2:]]
    assert [row[0] for row in rows] == ["| a", "| b"]
    assert rows[0][1] == "**1 failed**"
    assert rows[1][1:3] == ["3 passed", "lib 2.0"]
    write(page, [], ["a"])
    assert "| b" not in page.read_text(), "a peer that is no more"


def test_tests_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    kinds = ["", "", "<skipped/>", "<failure/>", "<error/>"]
    cases = "".join(f"<testcase>{kind}</testcase>" for kind in kinds)
    (tmp_path / "tests.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert counted(tmp_path / "tests.xml") == "2 passed, 2 failed, 1 skipped"
    (tmp_path / "tests.xml").write_text("<testsuites/>")
    assert counted(tmp_path / "tests.xml") == "no test"


def test_the_page_has_no_rows_but_of_peers() -> None:
    table = (ROOT / "docs/measured/peers.md").read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    named = [line.split("|")[1].strip() for line in table.splitlines()[3:]]
    assert named == [name for name in peers() if name in named]
