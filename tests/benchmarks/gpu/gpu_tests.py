"""The tests marked ``gpu``; in a dry run one that needs no card, which shows that its outcome is read."""

from pathlib import Path

import pytest

from tests.benchmarks.gpu.part import Run

__all__ = ["measure"]

ROOT = Path(__file__).parents[3]
MARK = "@pytest.mark.gpu\n"


class _Told:
    """A plugin that passes on the outcome of every test."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After each of set-up, call and tear-down."""
        if report.when == "call" or not report.passed:
            name = report.nodeid.removeprefix("tests/")
            self.run.tell({"test": name, "outcome": report.outcome, "seconds": round(report.duration, 2)})


def measure(run: Run) -> None:
    """A row for each test.  AssertionError where one fails, or none was there."""
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if MARK in path.read_text(encoding="utf-8")]
    chosen = ["-k", "nothing_is_fetched"] if run.dry else ["-m", "gpu"]
    words = ["-q", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider", "-p", "no:xdist"]
    words += ["--rootdir", str(ROOT), *chosen, *map(str, files)]
    code = pytest.main(words, plugins=[_Told(run)])
    assert code == 0, f"pytest ended with {code!r}"
