"""The command line of rational_approx as the tests call it."""

from click.testing import CliRunner, Result

from rational_approx.commands.main import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def sentence(result: Result) -> str:
    """The one line of a refusal; fails where there is a traceback."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    return result.stderr.strip().splitlines()[-1]
