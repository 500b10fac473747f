"""The harvest of docs/examples on a real local Ray with two workers, one of which is killed in the middle of a part."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from rsae.data.parts import harvest_parts, join_parts
from rsae.data.reading import Reading
from tests.rsae.material.folders import contents
from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer

pytestmark = pytest.mark.peers
ROOT = Path(__file__).parents[3]
HOOK, PARTS = "model.layers.1", 4
OPTIONS = {"context_length": 40, "reading": Reading(batch_size=2)}


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_costs_a_shard_and_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.syspath_prepend(str(ROOT / "docs/examples"))
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    for thing in (tiny_model("llama"), tiny_tokenizer()):
        thing.save_pretrained(tmp_path / "host")
    (tmp_path / "text.json").write_text(json.dumps(tiny_text(4000, 90)))
    model, text = str(tmp_path / "host"), str(tmp_path / "text.json")
    harvest_parts(model, text, HOOK, tmp_path / "one", [(i, PARTS) for i in range(PARTS)], progress=False, **OPTIONS)
    join_parts(tmp_path / "one")
    path = os.pathsep.join(filter(None, (str(ROOT), str(ROOT / "docs/examples"), *sys.path)))
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False)
    try:
        from harvest_with_ray import harvest

        @ray.remote
        def where() -> int:
            return os.getpid()

        killed: list[int] = []
        watcher = threading.Thread(target=_kill_one, args=(tmp_path / "ray", killed))
        watcher.start()
        harvest(model, HOOK, text, tmp_path / "ray", PARTS, **OPTIONS)
        watcher.join()
        assert ray.get(where.remote()) not in killed
    finally:
        ray.shutdown()
        sys.modules.pop("harvest_with_ray", None)
    assert len(killed) == 1
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def _kill_one(folder: Path, killed: list[int]) -> None:
    """Kill a worker once it has written its first shards and is not at its end."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if len(list(folder.glob("part-*/train-*.safetensors"))) >= 2:
            for process in Path("/proc").glob("[0-9]*"):
                with open(process / "cmdline", "rb") as file:
                    if b"ray::read" in file.read():
                        killed.append(int(process.name))
                        os.kill(killed[0], signal.SIGKILL)
                        return
        time.sleep(0.02)
