"""On how many threads a model reads, by a clock that the test makes; and that torch is left as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rsae.data.reading import Reading
from rsae.data.sources import hidden_states
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

PAIR = (tiny_model("llama"), tiny_tokenizer())
TEXT = tiny_text(40)
CROWDED = {1: 0.024, 3: 0.240}  # seconds a reading of the clock moves on, by threads
FREE = {1: 0.110, 3: 0.050}


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("rsae.data.harvest._LONG", 1000)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def clock(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
    now = 0.0

    def read() -> float:
        nonlocal now
        now += seconds[torch.get_num_threads()]
        return now

    monkeypatch.setattr("rsae.threads.clock", read)


def threads(store: Path | None = None, text: list[str] = TEXT, asked: int | None = None) -> set[int]:
    """On how many the model read."""
    seen = set()

    def note(done: int, total: int) -> None:
        seen.add(torch.get_num_threads())

    reading = Reading(threads=asked)
    hidden_states(PAIR, text, "model.layers.1", context_length=40, store=store, progress=note, reading=reading)
    assert torch.get_num_threads() == 3
    return seen


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("seconds", "wanted"), [(CROWDED, 1), (FREE, 3), ({1: 0.1, 3: 0.098}, 1)])
def test_the_faster_number_of_threads_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], wanted: int, stored: bool
) -> None:
    clock(monkeypatch, seconds)
    assert threads(tmp_path / "store" if stored else None) == {wanted}


def test_nothing_is_timed_where_threads_are_asked_for_or_the_text_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsae.threads.clock", lambda: pytest.fail("timed"))
    assert threads(asked=2) == {2}
    assert threads(text=TEXT[:5]) == {3}
    with pytest.raises(ValueError, match="threads must be a positive integer"):
        Reading(threads=0)


def test_a_harvest_that_goes_on_keeps_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, CROWDED)
    with monkeypatch.context() as patch:
        patch.setattr("rsae.data.store.harvest", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["threads"] == 1
    clock(monkeypatch, FREE)
    assert threads(tmp_path) == {1}


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
