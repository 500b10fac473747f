"""The pages on approximation are true: their examples print what they say, their commands exist."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from rational_approx.commands.main import main

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


def test_the_commands_of_the_pages_exist_with_all_their_options() -> None:
    checked = 0
    for page in (DOCS / "approximation").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
        for line in [*lines, *re.findall(r"`(rational-approx [^`]*)`", text)]:
            words = shlex.split(line.partition("|")[0], comments=True)
            if words[:1] != ["rational-approx"]:
                continue
            command = main.commands[words[1]]
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, f"{page.name}: {line}"
            checked += 1
    assert checked > 15
