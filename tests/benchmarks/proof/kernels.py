"""What `implement --all-gates` makes, its errors and operations: the tables and the picture of a page.

    python -m tests.benchmarks.proof.kernels [--work build/pages/gates] [--format bfloat16 --format float32]

Each row is proved at every number of its format, for an error of 1 ulp. Beside it are the errors of the textbook's
formula and, where torch is installed, of PyTorch's function. A run that was stopped goes on from the folder.

``--nearest`` asks for 0.5 + 2^-6 ulp in the 16-bit formats, near what rounding alone costs, and writes that part.
"""

import argparse
from collections.abc import Iterable
from fractions import Fraction
from math import isinf
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from rational_approx.commands.torch_outputs import torch_outputs
from rational_approx.shipping.gate_library import ALL_GATES, GATE_FORMATS, NOTES, Question, Row, gate_library, table
from tests import provenance
from tests.benchmarks.machine import machine

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "gates.md"
GATES = (
    *("gelu", "gelu_tanh", "silu", "mish", "softplus", "tanh", "sigmoid", "erf", "elu", "selu", "hardswish"),
    *("logsigmoid", "exp(x)"),
)
"""The gates that tests try in float32."""
NO_NUMBER = 1e9
WHO = (("ulp", "this package: proved", "#0072B2", "o"), ("pytorch_ulp", "PyTorch", "#D55E00", "s"))
WHO = (*WHO, ("textbook_ulp", "the textbook's formula", "#777777", "x"))


def picture(rows: Iterable[Row], path: Path) -> None:
    """Errors of each gate, one panel for each format."""
    rows = [row for row in rows if not row.reason]
    formats = list(dict.fromkeys(row.format for row in rows))
    names = [name for name in ALL_GATES if any(row.gate == name for row in rows)]
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    panels = figure.subplots(1, len(formats), sharey=True, squeeze=False)[0]
    for axes, format in zip(panels, formats):
        axes.axvline(1, color="#999999", linewidth=0.8, linestyle="--")
        for field, label, colour, marker in WHO:
            points = [(getattr(row, field), names.index(row.gate)) for row in rows if row.format == format]
            shown = [(min(max(ulp, 0.1), NO_NUMBER), place) for ulp, place in points if ulp is not None]
            axes.plot(*zip(*shown), marker, color=colour, label=label, markersize=5, fillstyle="none")
        axes.set(xscale="log", title=format, xlim=(0.07, 3 * NO_NUMBER), xlabel="largest error, ulp")
        axes.set_xticks([0.1, 1, 100, 1e4, 1e6, NO_NUMBER], ["0.1", "1", "100", "1e4", "1e6", "more"])
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    figure.suptitle("The largest error over all inputs: a kernel is as good as its worst number")
    with matplotlib.rc_context({"svg.hashsalt": "rational-sae"}):
        figure.savefig(path, metadata={"Date": None})


def summary(rows: list[Row]) -> str:
    """How many gates each does within 1 ulp."""
    lines = []
    for format in dict.fromkeys(row.format for row in rows):
        own = [row for row in rows if row.format == format]
        had = [row for row in own if row.ulp is not None]
        counts = []
        for field, label, *_ in WHO:
            known = [ulp for row in own if (ulp := getattr(row, field)) is not None]
            good = sum(ulp <= 1 + 1e-6 for ulp in known)
            counts.append(f"{label} within 1 ulp on {good} of {len(known)}")
        slowest = max(had, key=lambda row: row.seconds or 0)
        counts.append(f"slowest search {slowest.gate}, {slowest.seconds} s of processor time")
        lines.append(f"- **{format}**: {'; '.join(counts)}.")
    return "\n".join(lines)


def line(row: Row) -> str:
    """What is printed of a row."""
    errors = [getattr(row, field) for field, *_ in WHO]
    shown = ("-" if ulp is None else "no number" if isinf(ulp) else f"{ulp:.3g}" for ulp in errors)
    return f"{row.gate} {row.format}: {row.reason or ', '.join(shown)}"


def nearest(work: Path) -> str:
    """Every gate in the 16-bit formats within 0.5 + 2^-6 ulp, or why not; operations beside those at 1 ulp."""
    tables: list[str] = []
    for format in ("bfloat16", "float16"):
        close, usual = (
            {row.gate: row for row in gate_library(work / f"{format}_{name}", ALL_GATES, [format], ["c"], question)}
            for name, question in (("nearest", Question(Fraction(33, 64))), ("usual", Question(Fraction(1))))
        )
        had = [row for row in close.values() if row.ulp is not None]
        lines = [
            f"**{format}**: {len(had)} of {len(close)} within 0.515625 ulp; slowest search "
            f"{max(row.seconds or 0 for row in had)} s of processor time.",
            "",
            "| gate | ulp, proved | not nearest | operations | at 1 ulp |",
            "|---|---|---|---|---|",
        ]
        for gate, row in close.items():
            if row.ulp is None:
                lines.append(f"| {gate} | {row.reason} |  |  | {usual[gate].operations} |")
            else:
                missed = (row.inputs or 0) - (row.correct or 0)
                lines.append(f"| {gate} | {row.ulp:.6f} | {missed} | {row.operations} | {usual[gate].operations} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def main() -> None:
    """Make the folder, and write its tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/pages/gates"))
    parser.add_argument("--format", action="append")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--nearest", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.nearest:
        provenance.fill(given.page, "nearest", nearest(given.work), "tests.benchmarks.proof.kernels --nearest")
        return
    rows = []
    for row in gate_library(
        given.work, ALL_GATES, given.format or GATE_FORMATS, ["c"], Question(Fraction(1)), torch_outputs()
    ):
        rows.append(row)
        print(line(row), flush=True)
    picture(rows, given.page.with_name("gates.svg"))
    parts = [summary(rows), NOTES]
    for format in dict.fromkeys(row.format for row in rows):
        parts += [f"### {format}", table(row for row in rows if row.format == format)]
    text = "\n\n".join(part.strip() for part in [*parts, machine() + "."])
    provenance.fill(given.page, "measured", text, "tests.benchmarks.proof.kernels")


if __name__ == "__main__":
    main()
