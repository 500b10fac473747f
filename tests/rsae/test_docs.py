"""What the pages on SAEs type exists: modules, names, commands and options. Their blocks run in `test_pages_run.py`."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from rsae.commands.main import main

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "glossary.md", *sorted((DOCS / "upgrading").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
OTHERS = {"--nproc-per-node", "--no-deps"}  # torchrun's and pip's


def blocks(page: Path, *languages: str) -> list[str]:
    return [code for language, code in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def options(command: str) -> set[str]:
    found = main.commands[command].params
    return {option for parameter in found for option in (*parameter.opts, *parameter.secondary_opts)}


EXAMPLES = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "examples").glob("*.py"))
EVERY = set().union(*map(options, main.commands), OTHERS, re.findall(r'add_argument\("(--[\w-]+)"', EXAMPLES))


def named(tree: ast.AST) -> list[tuple[str, str]]:
    """Every name that code takes from this package: (module, attribute), the latter empty for the module itself."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "rsae":
            found += [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "rsae"]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rsae":
            found.append(("rsae", node.attr))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_a_page_parses_and_takes_what_exists(page: Path) -> None:
    for code in blocks(page, "python"):
        for module, name in named(ast.parse(code)):
            if module == "rsae.saelens":
                continue  # needs sae-lens
            assert not name or hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_on_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(OPTION.findall(text)) <= EVERY
    for block in blocks(page, "", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and Path(words[0]).name == "rsae":
                given = {word for word in words if word.startswith("--")}
                assert given <= options(words[1]), line


def test_the_checks_find_what_they_look_for() -> None:
    assert named(ast.parse("import rsae\nrsae.upgrade(1)\nfrom rsae.data import parts")) == [
        ("rsae", ""),
        ("rsae.data", "parts"),
        ("rsae", "upgrade"),
    ]
    assert OPTION.findall("`--kl-share` and a--b, --no-bos") == ["--kl-share", "--no-bos"]
    assert "--no-bos" in options("upgrade")
