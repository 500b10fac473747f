"""Upgrades that are killed at random moments and started again, on a tiny host.

The processes are forked from one that has imported everything, so that a kill costs no imports.
"""

import contextlib
import json
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from rsae.data.sources import hidden_states
from rsae.formats import save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from tests.rsae.material.folders import contents
from tests.rsae.material.tiny import WIDTH, tiny_model, tiny_text, tiny_tokenizer

HOOK = "model.layers.2"
_PRELOADED = [
    "rsae.commands.main",
    "rsae.commands.console",
    "rsae.upgrading.pipeline",
    "rsae.report.pictures",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "transformers.models.llama.modeling_llama",
    "jinja2",
]


def command(folder: Path, *, steps: int, every: int, family: str, documents: int = 400) -> list[str]:
    """Make a host, a text and a teacher of a family in ``folder``; the arguments of `rsae upgrade`, but for --out."""
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    model.save_pretrained(folder / "host")
    tokenizer.save_pretrained(folder / "host")
    text = tiny_text(documents)
    (folder / "text.json").write_text(json.dumps(text))
    states = hidden_states((model, tokenizer), text, HOOK, context_length=32).train
    mean = states.mean(0)
    _, _, directions = torch.linalg.svd(states - mean, full_matrices=False)
    rows = torch.cat([directions, -directions])
    level = float(((states - mean) @ rows.T).flatten().quantile(0.85))
    rest = {"topk": {"k": 8}, "jumprelu": {"threshold": level}}.get(family, {})
    bias = torch.full((2 * WIDTH,), -level if family == "relu" else 0.0)
    teacher = SparseAutoencoder(W_enc=rows.T, b_enc=bias, W_dec=rows, b_dec=mean, family=family, **rest)  # type: ignore[arg-type]
    save_sae(teacher, folder / "sae")
    places = {"--sae": folder / "sae", "--model": folder / "host", "--text": folder / "text.json"}
    rest = {"--hook": HOOK, "--context-length": 32, "--device": "cpu", "--steps": steps, "--checkpoint-every": every}
    return [str(word) for pair in (places | rest).items() for word in pair]


def _child(arguments: Sequence[str]) -> None:
    from rsae.commands.main import main

    torch.set_num_threads(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        main(["upgrade", *arguments], prog_name="rsae")


def start(arguments: Sequence[str]) -> BaseProcess:
    """A new process that runs `rsae upgrade`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_child, args=(list(arguments),))
    process.start()
    return process


def run(arguments: Sequence[str]) -> float:
    """Run to the end; the seconds it took."""
    began = time.monotonic()
    process = start(arguments)
    process.join()
    assert process.exitcode == 0, f"rsae upgrade ended with {process.exitcode}"
    return time.monotonic() - began


def stage(out: Path) -> str:
    """How far a killed run was, told from what it left."""
    work = out / "checkpoint"
    if not work.is_dir():
        return "finished" if (out / "report.json").exists() else "start"
    names = {path.name for path in work.iterdir()}
    if "question-upgrade.state" not in names:
        return "harvest" if "hidden_states" in names else "start"
    if "results" in names:
        return "report"
    for arm in ("threshold", "control", "upgraded"):
        if f"metrics-{arm}.state" in names:
            return f"after {arm}"
        if f"{arm}.state" in names:
            return f"training or measuring {arm}"
    return "calibration and first measurements"


def kill(arguments: Sequence[str], out: Path, seconds: float) -> str:
    """Start, kill after some seconds (unless it has ended), and say at which stage it was."""
    process = start([*arguments, "--out", str(out)])
    process.join(seconds)
    process.kill()
    process.join()
    return stage(out)


def same(out: Path, reference: Path, after: str) -> None:
    """Fail unless two folders hold the same files, byte for byte."""
    found, wanted = contents(out), contents(reference)
    assert found == wanted, f"after a kill at {after!r} these differ: {set(found.items()) ^ set(wanted.items())}"


def kill_and_resume(
    arguments: Sequence[str], folder: Path, reference: Path, seconds: float, kills: int, seed: int = 0
) -> Counter[str]:
    """Kill that many runs, each once at a moment drawn evenly from ``seconds``, and start each again to its end.

    Fails unless all files are those of ``reference``; returns how often which stage was hit. A run that had ended
    before its moment is compared too, but counts as no kill.
    """
    moments, hit = random.Random(seed), Counter[str]()
    while hit.total() - hit["finished"] < kills:
        out = folder / f"run{hit.total()}"
        where = kill(arguments, out, moments.uniform(0, seconds))
        hit[where] += 1
        if where != "finished":
            run([*arguments, "--out", str(out)])
        same(out, reference, where)
    return hit
