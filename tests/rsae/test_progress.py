"""Who is told of progress, and what is shown where: bars in a terminal, lines elsewhere, nothing where asked."""

import io

import pytest
import torch
from rich.console import Console

from rsae.data.sources import hidden_states
from rsae.progress import Bars, Progress, told
from rsae.training.finetuning import finetune
from rsae.upgrading.pipeline import upgrade
from tests.rsae.material.sparse_data import sparse_states, teacher
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

EVENT = Progress("upgraded", 30, 100, 2.5, 16.0, 75.0)


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_a_bar_an_arm_with_its_numbers() -> None:
    place = console(terminal=True)
    with Bars(place) as bars:
        bars.training(EVENT)
        bars.harvest(10, 20)
    for word in (
        "upgraded",
        "30/100",
        "loss 2.5",
        "L0 16.00",
        "1:15 left",
        "Training on 1 thread.",
        "hidden states",
        "10/20",
    ):
        assert word in written(place)


def test_elsewhere_there_is_one_line_every_half_minute() -> None:
    now = [0.0]
    place = console(terminal=False)
    with Bars(place, clock=lambda: now[0]) as bars:
        for _ in range(100):  # an event a second
            now[0] += 1.0
            bars.training(EVENT)
    lines = written(place).splitlines()
    assert len(lines) == 3
    assert lines[0] == "upgraded: 30/100  loss 2.5  L0 16.00  1:15 left  on 1 thread"


def test_true_writes_to_stderr_and_false_to_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsae.progress._PERIOD", 0.0)
    for wanted, told_of in ((True, True), (False, False), (None, False)):
        with told(wanted, lambda bars: bars.training) as tell:
            assert (tell is not None) == told_of
            if tell is not None:
                tell(EVENT)
        out, err = capfd.readouterr()
        assert out == ""
        assert ("upgraded: 30/100" in err) == told_of


def test_callables_are_called_alone_or_in_a_list_with_bars(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Progress] = []
    with told(seen.append, lambda bars: bars.training) as tell:
        assert tell is not None
        tell(EVENT)
    with told([True, seen.append, seen.append], lambda bars: bars.training) as tell:
        assert tell is not None
        tell(EVENT)
    assert seen == [EVENT] * 3
    for wrong in (3, "yes", [True, 1.5]):
        with pytest.raises(TypeError, match="progress is True, False"), told(wrong, lambda bars: bars.training):  # type: ignore[arg-type]
            pass


def test_what_is_no_listener_is_refused_before_any_work() -> None:
    with pytest.raises(TypeError, match="not 'loud'"):
        hidden_states("no/such/model", "no/such/text", "nowhere", progress="loud")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not 1\.5"):
        upgrade("no/such/sae", torch.zeros(1), progress=[True, 1.5])  # type: ignore[list-item]


def test_a_notebook_without_its_widgets_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Notebook(Console):
        @property
        def is_jupyter(self) -> bool:  # type: ignore[override]
            return True

        @is_jupyter.setter
        def is_jupyter(self, value: bool) -> None: ...

        def print(self, *objects: object, **options: object) -> None:
            lines.extend(map(str, objects))

    lines: list[str] = []
    monkeypatch.setattr("rsae.progress.find_spec", lambda name: None)
    monkeypatch.setattr("rsae.progress._PERIOD", 0.0)
    with Bars(Notebook(file=io.StringIO())) as bars:
        bars.training(EVENT)
    assert lines == ["upgraded: 30/100  loss 2.5  L0 16.00  1:15 left  on 1 thread"]


def test_bars_end_also_where_training_breaks_off() -> None:
    def stop(event: Progress) -> None:
        raise KeyboardInterrupt

    states = sparse_states()
    for _ in range(2):  # a display that was left open would refuse the second
        with pytest.raises(KeyboardInterrupt):
            finetune(teacher("topk"), states, steps=5, progress=[True, stop])


def test_the_library_is_silent_where_it_is_asked_to_be(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    states = hidden_states(
        (tiny_model("llama"), tiny_tokenizer()), tiny_text(30), "model.layers.1", context_length=16, progress=False
    )
    seen: list[tuple[int, int]] = []
    hidden_states(
        (tiny_model("llama"), tiny_tokenizer()),
        tiny_text(30),
        "model.layers.1",
        context_length=16,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1][0] == seen[-1][1] > 0
    assert len(states.train) > 0
    assert capfd.readouterr() == ("", "")
