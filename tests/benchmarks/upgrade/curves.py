"""What a curve gains by its inputs and by its denominator, and what refinements gain and cost, on stories260K.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.upgrade.curves --data ../shared/data --out RUNS [--seeds 2] \\
        [--only topk_16,jumprelu_0.06,relu_0.5] [--refine residual,residual_twice] [--write docs/measured/curves.md]

A finished run is not run again.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from rsae.data.states import HiddenStates
from rsae.evaluation.comparison import Comparison, compare_runs
from rsae.formats import load_sae
from rsae.report.report import Report
from rsae.sae.autoencoder import SparseAutoencoder
from rsae.upgrading.arms import CURVES
from rsae.upgrading.pipeline import Settings, upgrade
from tests import provenance
from tests.benchmarks.upgrade.kl_stage import TEACHERS, states_of

MARK = "<!-- begin: tests.benchmarks.upgrade.curves -->"
CURVE = "fixed_denominator_norm"  # the upgraded one's, here
COLUMNS = {
    "control": "control: the teacher's own gate",
    "threshold": "one trained threshold, no curve",
    "scale": "one scalar",
    "polynomial_in_h": "polynomial in h",
    "fixed_denominator": "fixed denominator",
    "trainable_denominator": "trainable denominator",
    "polynomial_in_h_norm": "polynomial in h and the norm share",
    "trainable_denominator_norm": "trainable denominator and the norm share",
    "upgraded": "fixed denominator and the norm share",
}


def curves(data: Path, out: Path, name: str, seed: int) -> Report:
    """Every curve on one teacher, or what an earlier call left; the upgraded one reads the norm share everywhere."""
    folder = out / "curves" / name / f"seed_{seed}"
    if not (folder / "report.json").exists():
        beside = [column for column in COLUMNS if column not in ("control", "threshold", "upgraded")]
        # Measured in contexts of 256 tokens: these teachers were trained on 512.
        settings = Settings(ablations=beside, inputs=("ratio", "norm"), accept_mismatch=True)
        teacher = load_sae(data / "teachers/stories260K_layer2" / name)
        upgrade(teacher, states_of(data, 32_768), seed=seed, device="cpu", out=folder, settings=settings)
    return Report.load(folder / "report.json")


def against(reports: Sequence[Report], column: str) -> Comparison | None:
    """Upgraded minus a column in MSE: over tokens of one seed, else over seeds."""
    kept = [found for found in reports[0].asked.comparisons if (found.metric, found.other) == ("mse", column)]
    if len(reports) == 1 or not kept:
        return kept[0] if kept else None
    ours, theirs = ([report.columns[name]["mse"].value for report in reports] for name in ("upgraded", column))
    return compare_runs("mse", column, ours, theirs)


def table(runs: dict[str, list[Report]]) -> str:
    """MSE of every column, and what the upgraded one is below it."""
    lines = ["| column (scalars) | " + " | ".join(runs) + " |", "|---|" + "---|" * len(runs)]
    for column, label in COLUMNS.items():
        cells = []
        curve = CURVE if column == "upgraded" else column
        scalars = f" ({CURVES[curve]().scalars})" if curve in CURVES else ""
        for reports in runs.values():
            if column not in reports[0].columns:
                cells.append("-")
                continue
            mse, l0 = (statistics.mean(r.columns[column][metric].value for r in reports) for metric in ("mse", "l0"))
            cell, found = f"{mse:.4f} at {l0:.2f}", against(reports, column)
            if found is not None:
                low, high = found.low / found.base, found.high / found.base
                cell += f" ({found.relative:+.2%} [{low:+.2%}, {high:+.2%}])"
            cells.append(cell)
        lines.append(f"| {label}{scalars} | {' | '.join(cells)} |")
    return "\n".join(lines)


def refined(data: Path, name: str, refine: str, states: HiddenStates) -> str:
    """A row: the refinement alone, and with the default curve, against the control; and what encoding then costs."""
    teacher = load_sae(data / "teachers/stories260K_layer2" / name)
    settings = Settings(refine=refine, accept_mismatch=True)  # type: ignore[arg-type]
    done = upgrade(teacher, states, device="cpu", settings=settings)
    cells = []
    for column in ("control", "refine_only", "upgraded"):
        metrics = done.report.columns[column]
        cells.append(f"{metrics['mse'].value:.4f} at {metrics['l0'].value:.2f}, {metrics['delta_ce'].value:.4f}")
    for found in done.comparisons:
        if found.metric == "mse" and found.other in ("control", "refine_only"):
            low, high = found.low / found.base, found.high / found.base
            cells.append(f"{found.relative:+.2%} [{low:+.2%}, {high:+.2%}]")
    x = states.held_out[:1024]
    pairs = [(seconds(done.arms["refine_only"], x), seconds(done.arms["control"], x)) for _ in range(20)]
    ratio = min(ours for ours, _ in pairs) / min(theirs for _, theirs in pairs)
    return f"| {name}, {refine} | {' | '.join(cells)} | {ratio:.1f} |"


@torch.no_grad()
def seconds(sae: SparseAutoencoder, x: torch.Tensor) -> float:
    """The processor time of encoding hidden states once."""
    began = time.process_time()
    sae.encode(x)
    return time.process_time() - began


def main() -> None:
    """The command."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--data", type=Path, required=True)
    asking.add_argument("--out", type=Path, default=Path("curve-runs"))
    asking.add_argument("--only", default=",".join(TEACHERS))
    asking.add_argument("--seeds", type=int, default=2)
    asking.add_argument("--refine", default="residual,residual_twice,search,search_twice", help="empty: none")
    asking.add_argument("--write", type=Path, help="page whose tables are replaced")
    asked = asking.parse_args()
    names = asked.only.split(",")
    found = table({n: [curves(asked.data, asked.out, n, seed) for seed in range(asked.seeds)] for n in names})
    if asked.refine:
        states = states_of(asked.data, 32_768)
        kinds = [(n, kind) for n in names if not n.startswith("relu") for kind in asked.refine.split(",")]
        columns = "teacher, refinement | control | alone | with the curve | against control | against alone | encoding"
        head = ["## Refinements", "", f"| {columns} |", "|---|---|---|---|---|---|---|"]
        rows = [refined(asked.data, name, kind, states) for name, kind in kinds]
        found += "\n\n" + "\n".join([*head, *rows])
    print(found)
    if asked.write:
        before, _ = asked.write.read_text(encoding="utf-8").split(MARK)
        provenance.write(asked.write, f"{before}{MARK}\n\n{found}\n", "tests.benchmarks.upgrade.curves")


if __name__ == "__main__":
    main()
