"""What a run has found so far, as one JSON file and one page of Markdown tables; both are written whole."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from rsae.storage.writing import write_json, write_text
from tests.benchmarks.gpu.part import Part, Row

__all__ = ["Found", "machine", "write"]


@dataclass
class Found:
    """What a part has given: its rows, how it ended, and the seconds that it took and was allowed."""

    name: str
    question: str
    state: str = "not begun: the time was over"
    seconds: float = 0.0
    allowed: float = 0.0
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, part: Part) -> "Found":
        """Nothing yet."""
        return cls(part.name, part.question)


def machine(dry: bool) -> dict[str, str | int | float]:
    """Versions and the card; none of it moves while a run lasts."""
    found: dict[str, str | int | float] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count() or 1,
        "device": "cpu: a dry run, in tiny sizes; its figures say nothing",
    }
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        found["commit"] = commit.stdout.strip()
    if not dry:
        card = torch.cuda.get_device_properties(0)
        found |= {
            "device": card.name,
            "memory, GiB": round(card.total_memory / 2**30, 1),
            "multiprocessors": card.multi_processor_count,
            "cuda": str(torch.version.cuda),
        }
    return found


def write(folder: Path, about: dict[str, str | int | float], parts: Sequence[Found]) -> None:
    """Write ``measured.json`` and ``measured.md``, each in the place of the one before."""
    write_json(folder / "measured.json", {"machine": about, "parts": [asdict(part) for part in parts]})
    lines = ["# Measured on a CUDA device", "", ", ".join(f"{name} {value}" for name, value in about.items())]
    for part in parts:
        state = "" if part.state == "done" else f" **{part.state}**"
        lines += ["", f"## {part.question}", "", f"`{part.name}`: {part.seconds:.0f} s of {part.allowed:.0f}.{state}"]
        lines += ["", *_table(part.rows)] if part.rows else []
    write_text(folder / "measured.md", "\n".join(lines) + "\n")


def _table(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    return [_line(names), "|---" * len(names) + "|", *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value.replace("|", "/")
