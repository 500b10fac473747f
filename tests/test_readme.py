"""The README is true: its examples print what it says, its commands exist. Its links: `tests/test_links.py`."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import rational_approx.commands.main
import rsae.commands.main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", README, re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
COMMANDS = {"rational-approx": rational_approx.commands.main.main, "rsae": rsae.commands.main.main}


def test_there_is_an_example_of_each_package_of_about_ten_lines() -> None:
    assert ["import rational_approx" in EXAMPLES[0][0], "import rsae" in EXAMPLES[1][0]] == [True, True]
    assert len(EXAMPLES) == 2
    assert all(len(code.splitlines()) <= 10 for code, _ in EXAMPLES)


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_the_readme_says(code: str, printed: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    finally:
        torch.set_num_threads(threads)
    found = output.getvalue()
    # Training differs in rounding between processors; the words and the size of every number do not.
    assert NUMBER.sub("#", found) == NUMBER.sub("#", printed)
    numbers = [list(map(float, NUMBER.findall(text))) for text in (found, printed)]
    small = [abs(value) < 1e-20 for value in numbers[1]]
    assert [a for a, tiny in zip(numbers[0], small) if not tiny] == pytest.approx(
        [b for b, tiny in zip(numbers[1], small) if not tiny], rel=0.02
    )
    assert all(abs(a) < 1e-13 for a, tiny in zip(numbers[0], small) if tiny)


def test_the_commands_of_the_readme_exist_with_all_their_options() -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    checked = 0
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[0] not in COMMANDS:
            continue
        command = COMMANDS[words[0]].commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
        checked += 1
    assert checked >= 4
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_the_shell_examples_of_rational_approx_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in README.splitlines():
        if line.startswith("rational-approx "):
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                result = CliRunner().invoke(COMMANDS[words[0]], words[1:])
                assert result.exit_code == 0, (line, result.output)
    written = {"tanh.json", "tanh.svg", "proof.json", "proof.v", "tanh32.json", "tanh.c", "gelu.h"}
    assert {path.name for path in tmp_path.iterdir()} == written
