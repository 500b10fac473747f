"""How many threads an upgrade takes, by a clock that the test makes; and that torch is left as it was."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rsae.progress import Progress
from rsae.upgrading.pipeline import Settings, Upgrade, upgrade
from tests.rsae.material.sparse_data import sparse_states, teacher

STATES = sparse_states()
CROWDED = {1: 0.024, 3: 0.110}  # seconds a step, by threads, as seen on cores that others use
FREE = {1: 0.110, 3: 0.050}


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def clock(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> list[int]:
    """A clock on which a step takes so long on so many threads; the list counts how often it was read."""
    readings: list[int] = []
    now = 0.0

    def read() -> float:
        nonlocal now
        readings.append(torch.get_num_threads())
        now += seconds[readings[-1]]
        return now

    monkeypatch.setattr("rsae.threads.clock", read)
    return readings


def run(progress: Callable[[Progress], None] | None = None, **settings: int) -> Upgrade:
    return upgrade(teacher("topk"), STATES, steps=4, progress=progress, settings=Settings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "wanted"), [(CROWDED, 1), (FREE, 3), ({1: 0.100, 3: 0.098}, 1)])
def test_the_faster_number_of_threads_is_taken_and_said(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], wanted: int
) -> None:
    """A gain of 2% is noise, and not worth two cores more."""
    seen: list[Progress] = []
    readings = clock(monkeypatch, seconds)
    done = run(seen.append)
    assert {event.threads for event in seen} == {wanted}
    assert done.report.asked.threads == done.report.to_json()["question"]["threads"] == wanted
    assert torch.get_num_threads() == 3
    assert set(readings) == {1, 3}
    assert len(readings) <= 25, "a step or two with each, not a training"


def test_the_timing_leaves_no_trace_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, CROWDED)
    timed, asked = run(), run(threads=1)
    assert timed.report.asked.threads == asked.report.asked.threads == 1
    assert all(torch.equal(a, b) for a, b in zip(timed.sae.parameters(), asked.sae.parameters(), strict=True))


def test_threads_that_are_asked_for_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = clock(monkeypatch, CROWDED)
    assert run(threads=2).report.asked.threads == 2
    torch.set_num_threads(1)  # where there is no choice there is nothing to time
    assert run().report.asked.threads == 1
    assert readings == []
    for wrong in (0, -1, True):
        with pytest.raises(ValueError, match="threads must be a positive integer"):
            Settings(threads=wrong)


def test_a_run_that_goes_on_keeps_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        pass

    def dies(event: Progress) -> None:
        raise Killed

    clock(monkeypatch, CROWDED)
    with pytest.raises(Killed):
        upgrade(teacher("topk"), STATES, steps=4, out=tmp_path, progress=dies)
    assert torch.get_num_threads() == 3
    clock(monkeypatch, FREE)
    with pytest.raises(ValueError, match="differs in: threads"):
        upgrade(teacher("topk"), STATES, steps=4, out=tmp_path, settings=Settings(threads=2))
    assert upgrade(teacher("topk"), STATES, steps=4, out=tmp_path).report.asked.threads == 1
