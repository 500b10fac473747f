"""The examples in the pages on fitting print what the pages say."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", ["approximation/fitting.md", "approximation/using.md"])
def test_the_examples_of_a_page_run(page: str) -> None:
    pytest.importorskip("torch")
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=options)
    assert outcome.attempted > 15
    assert outcome.failed == 0
