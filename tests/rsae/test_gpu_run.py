"""The prepared run for a CUDA device: all of it dry, on a CPU; and what becomes of parts that fail, crash or hang."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.gpu.__main__ import PARTS, main, run
from tests.benchmarks.gpu.part import Part, Run, rows_of

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / "tests/benchmarks").is_dir(), reason="benchmarks are not part of an installation")
@pytest.mark.slow
def test_everything_in_it_runs_dry(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    words = [sys.executable, "-m", "tests.benchmarks.gpu", "--out", str(tmp_path), "--dry-run", "--minutes", "10"]
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600
    )
    log = (tmp_path / "log.txt").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    found = json.loads((tmp_path / "measured.json").read_text())
    assert "dry run" in found["machine"]["device"]
    parts = {part["name"]: part for part in found["parts"]}
    assert list(parts) == [part.name for part in PARTS]
    rows = {name: part["rows"] for name, part in parts.items()}
    assert [row["outcome"] for row in rows["tests"]] == ["passed"]
    assert {row["way"] for row in rows["kernels"]} == {"Triton", "compiled", "a copy"}
    assert len(rows["kernels"]) == 36
    assert {"bare", "rsae topk, (3, 2), float32", "sparsify topk"} <= {row["step"] for row in rows["steps"]}
    dense = {row["step"]: row.get("TFLOP a step") for row in rows["steps"]}
    assert dense["bare"] == pytest.approx(5 * dense["rsae topk, own gate, float32"])
    assert rows["upgrades"][-1]["how"].startswith("measured; the bar is 5 minutes")
    assert all(row["harvest, tokens/s"] > 0 for row in rows["harvest"])
    assert [row.get("exit code") for row in rows["resume"]] == [0, -9, -9, 0, None]
    assert rows["resume"][-1] == {"start": "the two compared", "files": 4, "files that differ": 0}
    page = (tmp_path / "measured.md").read_text()
    assert all(f"## {part.question}" in page for part in PARTS)
    assert page.count("|---|") >= len(PARTS)


def fails(run: Run) -> None:
    run.tell({"row": 1, "share": 0.25})
    raise ValueError("no such thing\nand more")


def crashes(run: Run) -> None:
    run.tell({"row": 2, "share": None})
    os._exit(7)


def hangs(run: Run) -> None:
    run.tell({"row": 3, "share": 2e4})
    child = run.processes.Process(target=time.sleep, args=(60,))  # type: ignore[attr-defined]
    child.start()
    run.tell({"row": child.pid, "share": 0.5})
    child.join()


def works(run: Run) -> None:
    run.tell({"row": 4, "share": run.seconds})


def test_what_a_part_has_measured_stays_whatever_becomes_of_it(tmp_path: Path) -> None:
    shares = {fails: 20.0, crashes: 20.0, hangs: 1.0, works: 20.0}
    parts = [Part(measure.__name__, f"{measure.__name__}?", share, measure) for measure, share in shares.items()]
    found = run(parts, tmp_path, 1.0, dry=True)
    assert [part.state.split(";")[0] for part in found] == [
        "ValueError: no such thing",
        "its process ended with 7",
        f"its time of {found[2].allowed:.0f} s was over",
        "done",
    ]
    assert [part.rows[0]["row"] for part in found] == [1, 2, 3, 4]
    hung = found[2].rows[1]["row"]
    assert isinstance(hung, int)
    assert not Path(f"/proc/{hung}").exists() or "Z" in Path(f"/proc/{hung}/stat").read_text().split()[2]
    assert found[3].rows[0]["share"] > 30, "time that is left goes to those after it"  # type: ignore[operator]
    page = (tmp_path / "measured.md").read_text()
    assert "| 3 | 20,000 |" in page
    assert "| 2 |  |" in page
    assert "**ValueError: no such thing**" in page
    assert "and more" in (tmp_path / "log.txt").read_text()


def test_parts_without_time_are_not_begun(tmp_path: Path) -> None:
    found = run([Part("works", "works?", 1.0, works)], tmp_path, 0.01, dry=True)
    assert found[0].state == "not begun: the time was over"
    assert json.loads((tmp_path / "measured.json").read_text())["parts"][0]["rows"] == []


def test_it_is_refused_without_a_card_and_for_unknown_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for words, said in (
        (["--only", "tests"], "no CUDA device"),
        (["--only", "speed", "--dry-run"], "no such part: speed"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["--out", str(tmp_path / "new"), *words])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_part_runs_in_a_process_that_is_made_afresh_as_for_a_card(tmp_path: Path) -> None:
    """Nothing in it asks for the card."""
    said = list(rows_of(Part("works", "works?", 1.0, works), 60.0, dry=False, log=tmp_path / "log.txt"))
    assert said == [{"row": 4, "share": 60.0}, "done"]
