"""Sparse probing of a teacher, its control and its rational successor, after a brief upgrade, as a Markdown table.

    python -m tests.benchmarks.upgrade.probing --model HOST --hook model.layers.2 --text STORIES.json --sae TEACHER \\
        --train banking77_train.csv --test banking77_test.csv --work FOLDER

Losses are not measured here, so that the host reads only up to the hook.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import rsae
from rsae.evaluation.probing import read_labelled, sparse_probing, tasks_of
from rsae.report.wording import percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "hook", "text", "sae", "train", "test"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--max-tokens", type=int, help="default: all")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--work", required=True, type=Path, help="folder in which harvest and arms are kept")
    asked = parser.parse_args()
    tasks = tasks_of(*read_labelled(asked.train), *read_labelled(asked.test))
    states = rsae.hidden_states(
        asked.model, asked.text, asked.hook, max_tokens=asked.max_tokens, dtype=asked.dtype, store=asked.work / "states"
    )
    teacher = rsae.load_sae(asked.sae)
    if not (asked.work / "upgraded").exists():
        done = rsae.upgrade(teacher, dataclasses.replace(states, host=None), steps=asked.steps)
        print(f"{done.report.verdict}\n")
        for name in ("control", "upgraded"):
            rsae.save_sae(done.arms[name], asked.work / name, overwrite=True)
    saes = {"teacher": teacher, **{name: rsae.load_sae(asked.work / name) for name in ("control", "upgraded")}}
    assert states.host is not None
    began = time.monotonic()
    found = sparse_probing(saes, states.host, tasks)
    columns = ["teacher", "control", "upgraded", "hidden states"]
    print("| tasks, k | " + " | ".join(columns) + " | upgraded - teacher | upgraded - control |")
    print("|---" * (len(columns) + 3) + "|")
    for row in found["rows"]:
        cells = [f"{percent(row['accuracy'][c]['value'])} ± {half(row['accuracy'][c]):.1f}" for c in columns]
        gaps = [row["difference"][c] for c in ("teacher", "control")]
        cells += [f"{100 * g['value']:+.1f} ({100 * g['low']:+.1f} to {100 * g['high']:+.1f})" for g in gaps]
        print(f"| {row['group']} ({row['tasks']}), {row['k']} | " + " | ".join(cells) + " |")
    print(f"\n{found['texts']} texts, probed in {time.monotonic() - began:.0f} s")


def half(cell: dict[str, float]) -> float:
    """Half the width of an interval, in points."""
    return 50 * (cell["high"] - cell["low"])


if __name__ == "__main__":
    main()
