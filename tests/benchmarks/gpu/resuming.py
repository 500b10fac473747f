"""An upgrade that is killed and started again ends with the same bits as one that is not, on the device of the run."""

import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rsae.progress import Progress
from rsae.upgrading.pipeline import upgrade
from tests.benchmarks.gpu.part import Run
from tests.benchmarks.gpu.upgrades import SETTINGS, Size, world
from tests.rsae.material.folders import contents

__all__ = ["measure"]

_SIZE = Size(768, 24_576, 32, 4096, (0, 0), 400)
_DRY = Size(32, 64, 2, 64, (0, 0), 10)
_KILLS = (("upgraded", 0.6), ("control", 0.4))  # in which arm, in the order of a run, after what share of its steps


def measure(run: Run) -> None:
    """A row for each start; the last says how many files differ.  AssertionError where one does."""
    size = _DRY if run.dry else _SIZE
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name) / "whole", Path(name) / "killed"
        _started(run, size, whole, None)
        for arm, share in _KILLS:
            _started(run, size, killed, (arm, round(share * size.whole)))
        _started(run, size, killed, None)
        found, wanted = contents(killed), contents(whole)
        differ = sorted({path for path, _ in set(found.items()) ^ set(wanted.items())})
        run.tell({"start": "the two compared", "files": len(wanted), "files that differ": len(differ)})
        assert not differ, f"these files differ: {', '.join(differ)}"


def _started(run: Run, size: Size, out: Path, kill: tuple[str, int] | None) -> None:
    """One start in a process of its own; it has to end as it is meant to."""
    began = time.monotonic()
    process = run.processes.Process(target=_upgrade, args=(size, run.device, out, kill))  # type: ignore[attr-defined]
    process.start()
    process.join()
    said = f"{out.name}, to its end" if kill is None else f"{out.name} in {kill[0]} at step {kill[1]}"
    run.tell({"start": said, "seconds": time.monotonic() - began, "exit code": process.exitcode})
    assert process.exitcode == (0 if kill is None else -signal.SIGKILL), f"{said}: exit code {process.exitcode}"


def _upgrade(size: Size, device: str, out: Path, kill: tuple[str, int] | None) -> None:
    def follow(event: Progress) -> None:
        if (event.arm, event.step) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    teacher, states = world(size, "cpu", 4)
    settings = replace(SETTINGS, batch_size=size.batch, checkpoint_every=max(1, size.whole // 6))
    upgrade(teacher, states, steps=size.whole, device=device, out=out, settings=settings, progress=follow)
