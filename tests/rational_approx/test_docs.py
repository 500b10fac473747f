"""The examples in the pages on approximation print what the pages say."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page for page in (DOCS / "approximation").glob("*.md") if ">>> " in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path) -> None:
    if "import torch" in page.read_text(encoding="utf-8"):
        pytest.importorskip("torch")
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert outcome.attempted >= 2
    assert outcome.failed == 0


def test_the_pages_with_examples_are_found() -> None:
    assert {"fitting", "constraints", "proving", "using"} <= {page.stem for page in PAGES}
